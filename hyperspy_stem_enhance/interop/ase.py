"""Columns as atoms of the Atomic Simulation Environment, in ångström."""

import numpy as np

_ANGSTROM = {
    "angstrom": 1.0,
    "ångström": 1.0,
    "å": 1.0,
    "a": 1.0,
    "pm": 0.01,
    "nm": 10.0,
    "um": 1e4,
    "µm": 1e4,
    "mm": 1e7,
    "m": 1e10,
}


def make_atoms(positions, image_axes, symbols="X", heights=0.0, arrays=None):
    """Make an ``ase.Atoms`` of the columns of one image.

    Parameters
    ----------
    positions : array-like, shape (n, k)
        Row y and column x in pixels, further values are ignored.
    image_axes : tuple of hyperspy.axes.UniformDataAxis
        Axes (y, x) of the image, with units of length.
    symbols : str or sequence of str, default "X"
        Chemical symbol of all, or of each column.
    heights : float or array-like of shape (n,), default 0
        Coordinate along the beam, in ångström.
    arrays : dict of str to array-like, optional
        More values per column, kept in ``atoms.arrays``.

    Returns
    -------
    ase.Atoms
        x along the rows of the image and y down its columns, as on the
        screen, with the offset of the axes. The cell is the frame, not
        periodic, without height.

    Raises
    ------
    ValueError
        If an axis has no units of length, or there is not one symbol per
        column.

    Examples
    --------
    >>> from hyperspy.axes import UniformDataAxis
    >>> axes = [UniformDataAxis(size=64, scale=0.02, units="nm")] * 2
    >>> make_atoms([[10, 30], [20, 40]], axes, "Sr").positions
    array([[6., 2., 0.],
           [8., 4., 0.]])
    """
    from ase import Atoms

    positions = np.asarray(positions, dtype=np.float64)
    y, x = image_axes
    unit = np.array([_angstroms(y, "y"), _angstroms(x, "x")])
    scale = unit * (y.scale, x.scale)
    offset = unit * (y.offset, x.offset)
    plane = (positions[:, :2] * scale + offset)[:, ::-1]
    n = len(positions)
    symbols = [symbols] * n if isinstance(symbols, str) else list(symbols)
    if len(symbols) != n:
        raise ValueError(
            f"symbols has {len(symbols)} values for {n} columns. Give one for all, or "
            "one for each."
        )
    height, width = np.abs(scale) * (y.size, x.size)
    z = np.broadcast_to(heights, (n, 1)) if np.ndim(heights) == 0 else heights
    atoms = Atoms(
        symbols,
        positions=np.column_stack([plane, z]) if n else np.empty((0, 3)),
        cell=[width, height, 0],
    )
    for name, values in (arrays or {}).items():
        atoms.new_array(name, np.asarray(values))
    return atoms


def _angstroms(axis, name):
    """Ångströms in a unit of an axis."""
    units = axis.units if isinstance(axis.units, str) else ""
    factor = _ANGSTROM.get(units.strip().replace("μ", "µ").lower())
    if factor is None:
        raise ValueError(
            f"the {name} axis has the units {units!r}, which are no length. Calibrate "
            "the image with `axis.scale = ...; axis.units = 'nm'` before detecting, "
            "or set the same on `atoms.metadata.Atom_positions.image_axes`."
        )
    return factor
