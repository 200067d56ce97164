"""Gaussians in files of their own, for other programs: NumPy's ``.npz``."""

import os
from pathlib import Path

import numpy as np


def save_gaussians(path, gaussians, spacing=None, units="", overwrite=False):
    """Write Gaussians to a file of arrays, whole or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        ``.npz``.
    gaussians : Gaussians
    spacing : sequence of float, optional
        Size of a voxel along x, z and y.
    units : str
        Of `spacing`.
    overwrite : bool, default False

    Raises
    ------
    ValueError
        If the path does not end in ``.npz``.
    FileExistsError
        If the file exists and must not be replaced.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.tomography import Gaussians
    >>> one = Gaussians(np.ones((1, 3)), np.eye(3)[None], np.ones(1), (8, 8, 8))
    >>> save_gaussians("one.npz", one)
    >>> load_gaussians("one.npz").shape
    (8, 8, 8)
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path} does not end in .npz, the format of Gaussians")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; replace it with overwrite=True")
    part = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    try:
        np.savez_compressed(
            part,
            positions=gaussians.positions,
            covariances=gaussians.covariances,
            denza=gaussians.denza,
            shape=np.array(gaussians.shape),
            axes=np.array(["x", "z", "y"]),
            spacing=np.ones(3) if spacing is None else np.asarray(spacing, float),
            units=np.array(units),
        )
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_gaussians(path):
    """Read Gaussians from a file that `save_gaussians` wrote.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    Gaussians

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    from .gaussians import Gaussians

    names = ("positions", "covariances", "denza", "shape")
    with np.load(path) as file:
        missing = [name for name in names if name not in file]
        if missing:
            raise ValueError(f"{path} holds no Gaussians: {', '.join(missing)} missing")
        positions, covariances, denza, shape = (file[name] for name in names)
    return Gaussians(positions, covariances, denza, tuple(int(n) for n in shape))
