"""The columns around each column."""

import numpy as np
from scipy.spatial import cKDTree

# Neighbours beyond the nearest one that still belong to the first shell.
_REACH = 1.25
_MOST = 12


def nearest_shell(positions, reach=_REACH):
    """Distance of the nearest neighbour, and how many are about as near.

    Parameters
    ----------
    positions : array-like, shape (n, 2)
    reach : float, default 1.25
        Neighbours up to this many times the distance of the nearest one
        are counted, up to twelve.

    Returns
    -------
    distance : numpy.ndarray of float64, shape (n,)
        Infinite for a column without another one.
    count : numpy.ndarray of int, shape (n,)

    Examples
    --------
    >>> nearest_shell([[0, 0], [0, 1], [1.1, 0], [-7, 0]])
    (array([1. , 1. , 1.1, 7. ]), array([2, 1, 1, 3]))
    """
    positions = np.asarray(positions, dtype=np.float64).reshape(-1, 2)
    if len(positions) < 2:
        return np.full(len(positions), np.inf), np.zeros(len(positions), int)
    count = min(len(positions), _MOST + 1)
    distance, _ = cKDTree(positions).query(positions, k=count)
    nearest = distance[:, 1]
    return nearest, np.sum(distance[:, 1:] <= reach * nearest[:, np.newaxis], axis=1)


def local_vectors(lattice):
    """Vectors of the cell around each column, by its own neighbours.

    Parameters
    ----------
    lattice : Lattice

    Returns
    -------
    numpy.ndarray of float64, shape (n, 2, 2)
        The vectors a and b at each column, one (y, x) per row: the mean of
        the steps forward and back. NaN where both neighbours are missing.

    Examples
    --------
    Strain along a, in parts of the mean lattice:

    >>> import numpy as np
    >>> from hyperspy_stem_enhance.lattice import fit_lattice
    >>> y, x = np.mgrid[:10, :12]
    >>> x = np.where(x > 6, 20 * x + 0.4 * (x - 6), 20 * x)
    >>> lattice = fit_lattice(np.stack([20.0 * y, x], -1).reshape(-1, 2))
    >>> a = np.hypot(*local_vectors(lattice)[:, 0].T)
    >>> (a.reshape(10, 12)[0] / 20 - 1).round(3)
    array([0.  , 0.  , 0.  , 0.  , 0.  , 0.  , 0.01, 0.02, 0.02, 0.02, 0.02,
           0.02])
    """
    steps = lattice.positions[lattice.neighbours] - lattice.positions[:, np.newaxis]
    steps[lattice.neighbours < 0] = np.nan
    steps[:, 2:] *= -1
    pairs = steps.reshape(-1, 2, 2, 2)  # forward and back, a and b, y and x
    known = np.isfinite(pairs)
    total = np.where(known, pairs, 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return total / known.sum(axis=1)
