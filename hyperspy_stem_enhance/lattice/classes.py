"""Columns told apart by their intensity and by their place in the cell.

Sites of the fitted lattice with the same intensity are one class if they form
a lattice together (the oxygen columns of a perovskite in bright field), and
several if they do not (the two columns of a dumbbell). Columns without a
lattice are told apart by the valleys of the distribution of their intensities.
"""

from itertools import pairwise

import numpy as np
from scipy.signal import find_peaks
from scipy.stats import gaussian_kde

from .fit import NoLatticeError, search_lattices

# Sites differ in intensity by more than this part of their level, and by more
# than this many standard errors and this part of the spread within them.
_LEVEL, _ERRORS, _SPREAD = 0.05, 6.0, 0.5
# Sites are at the places of a lattice within this part of the cell.
_PLACE = 0.1
# A valley between two classes is this much lower than the lower peak.
_VALLEY = 0.5
_LEAST_COLUMNS = 5


def classify_columns(positions, intensity, by="site", lattice=None):
    """Tell kinds of columns apart.

    Parameters
    ----------
    positions : array-like, shape (n, 2)
        (y, x), in the same units along both axes.
    intensity : array-like, shape (n,)
        For example the fitted height.
    by : {"site", "intensity"}, default "site"
        By site: sites of the lattice that differ in intensity, or that do
        not form a simple lattice together. Where there is no lattice, and
        by intensity: what a valley in the distribution of intensities
        separates, wherever the columns are.
    lattice : Lattice, optional
        Of the same columns, where it is known.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        Classes 0, 1, ... by falling median intensity. Columns that are not
        of the lattice have -1, and so have those of unknown intensity where
        it is intensity alone that counts.

    Raises
    ------
    ValueError
        If shapes do not fit together, no intensity is finite or ``by`` is
        unknown.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:10, :12]
    >>> heavy = np.stack([20.0 * y, 20.0 * x], -1).reshape(-1, 2)
    >>> positions = np.concatenate([heavy, heavy + 10])
    >>> intensity = np.repeat([3.0, 1.0], len(heavy))
    >>> np.bincount(classify_columns(positions, intensity))
    array([120, 120])
    """
    positions = np.asarray(positions, dtype=np.float64)
    intensity = np.asarray(intensity, dtype=np.float64)
    if positions.shape != (len(intensity), 2):
        raise ValueError(
            f"positions has the shape {positions.shape} and intensity "
            f"{intensity.shape}, expected (n, 2) and (n,)."
        )
    if by not in ("site", "intensity"):
        raise ValueError(f"by={by!r} is unknown; use 'site' or 'intensity'.")
    known = np.isfinite(intensity)
    if len(known) and not known.any():
        raise ValueError(
            "intensity has no finite value to tell columns apart by. Give fitted "
            "heights, or the values of the image at the columns."
        )
    if by == "site" and lattice is None:
        try:
            lattice, _ = search_lattices(positions, intensity)
        except NoLatticeError:
            by = "intensity"
    if by == "intensity":
        found = np.full(len(intensity), -1)
        found[known] = _by_intensity(intensity[known])
        return found
    return _by_site(lattice, intensity)


def _by_intensity(intensity):
    """Classes between the valleys of the density of intensities."""
    n = len(intensity)
    if n < 2 * _LEAST_COLUMNS or np.ptp(intensity) == 0:
        return np.zeros(n, int)
    density = gaussian_kde(intensity)
    width = np.sqrt(density.covariance[0, 0])
    x = np.linspace(intensity.min() - 2 * width, intensity.max() + 2 * width, 512)
    height = density(x)
    # One column alone makes a peak of this height, which is no class
    least = _LEAST_COLUMNS / (n * width * np.sqrt(2 * np.pi))
    peaks = [
        peak
        for peak, depth in zip(*_peaks_and_depths(height), strict=True)
        if height[peak] > least and depth > _VALLEY * height[peak]
    ]
    limits = [
        x[first + np.argmin(height[first:second])] for first, second in pairwise(peaks)
    ]
    return len(limits) - np.searchsorted(limits, intensity)


def _peaks_and_depths(height):
    peaks, properties = find_peaks(height, prominence=0)
    return peaks, properties["prominences"]


def _by_site(lattice, intensity):
    site, count = lattice.site, len(lattice.sites)
    known = np.isfinite(intensity)
    values = [intensity[(site == number) & known] for number in range(count)]
    level = np.array([_median(v) for v in values])
    spread = np.array(
        [1.4826 * _median(np.abs(v - u)) for v, u in zip(values, level, strict=True)]
    )
    error = 1.2533 * spread / np.sqrt([max(len(v), 1) for v in values])
    order = np.argsort(-level, kind="stable")
    label = np.empty(count, int)
    classes = 0
    for group in _alike(order, level, spread, error):
        if _form_a_lattice(lattice.sites[group]):
            label[group] = classes
            classes += 1
        else:
            label[group] = classes + np.arange(len(group))
            classes += len(group)
    return np.append(label, -1)[site]


def _alike(order, level, spread, error):
    """Split sites, sorted by their level, where this steps down."""
    groups = [[order[0]]]
    for before, site in pairwise(order):
        step = level[before] - level[site]
        least = max(
            _LEVEL * max(abs(level[before]), abs(level[site])),
            _ERRORS * np.hypot(error[before], error[site]),
            _SPREAD * min(spread[before], spread[site]),
        )
        if step > least or np.isnan(step):  # of unknown intensity: a kind of its own
            groups.append([])
        groups[-1].append(site)
    return groups


def _median(values):
    return np.median(values) if len(values) else np.nan


def _form_a_lattice(sites):
    """Whether sites of a cell, repeated, are one lattice by themselves."""
    sites = sites - sites[0]
    sums = (sites[:, np.newaxis] + sites).reshape(-1, 1, 2) - sites
    distance = np.abs(sums - np.rint(sums)).max(axis=2)
    return bool(np.all(distance.min(axis=1) < _PLACE))
