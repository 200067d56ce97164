"""Images in HDF5 files that follow no format: one array of numbers, nothing else."""

import numpy as np

from ..signals._checks import MIN_SIDE


def load_plain_hdf5(path):
    """Load the only array of images of an HDF5 file, lazily.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    hyperspy.api.signals.LazySignal2D or None
        Its last two axes are those of the images, without calibration. None
        if the file is not HDF5, or HyperSpy's own.

    Raises
    ------
    ValueError
        If there is no such array, or more than one.
    """
    import dask.array as da
    import h5py
    import hyperspy.api as hs

    if not h5py.is_hdf5(path):
        return None
    found = {}

    def look(name, item):
        if isinstance(item, h5py.Dataset) and _may_be_images(item):
            found[name] = item.shape, item.dtype

    with h5py.File(path) as file:
        if "Experiments" in file:  # HyperSpy's own, damaged
            return None
        file.visititems(look)
    if len(found) != 1:
        listed = ", ".join(f"{name} {shape}" for name, (shape, _) in found.items())
        raise ValueError(
            f"it is plain HDF5 with {listed or 'no array of images'}; to be read, it "
            "must hold one such array. Load the one you mean with h5py, and save "
            "`hs.signals.Signal2D(array)` as .hspy"
        )
    [(name, (shape, dtype))] = found.items()
    chunks = ("auto",) * (len(shape) - 2) + shape[-2:]
    chunks = da.core.normalize_chunks(chunks, shape, dtype=dtype)
    # Read by path: an open file cannot be sent to the workers of a cluster
    data = da.map_blocks(
        _read, str(path), name, chunks=chunks, meta=np.empty((0,) * len(shape), dtype)
    )
    return hs.signals.Signal2D(data).as_lazy()


def _may_be_images(dataset):
    return (
        dataset.ndim >= 2
        and dataset.dtype.kind in "uif"
        and min(dataset.shape[-2:]) >= MIN_SIDE
        and dataset.size > 0
    )


def _read(path, name, block_info=None):
    import h5py

    region = block_info[None]["array-location"]
    with h5py.File(path) as file:
        return file[name][tuple(slice(start, stop) for start, stop in region)]
