"""Single heavy atoms on a support that the image does not show atom by atom."""

import numpy as np
from scipy.spatial import cKDTree

# Classes of heights (logarithms) this far apart, in their common SD, and by
# this factor, have a gap between them.
_GAP, _FACTOR = 2.2, 2.0
# A support seen one by one has columns of this significance.
_SEEN_ALONE = 4.5
# Distances to the nearest other bright one vary by this part: no lattice.
_DISORDER = 0.25
# At least this many columns of each class.
_FEWEST = 5
# Bright ones are no more than this share.
_SHARE = 0.5


def support_mask(heights, significance, positions):
    """Columns of a support, where single atoms stand out of it.

    Parameters
    ----------
    heights : numpy.ndarray, shape (n,)
        Heights of columns, positive.
    significance : numpy.ndarray, shape (n,)
        Heights over what noise does, each by itself.
    positions : numpy.ndarray, shape (n, 2)
        In pixels.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        The weaker columns if all of this holds, otherwise none: the
        heights fall into two classes with a gap; the brighter ones are
        fewer, and do not form a lattice; and half of the weaker ones do
        not stand out of the noise by themselves, only as a lattice. A
        lattice of two kinds of columns is never taken for a support,
        nor one that is seen column by column.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> support = np.stack(np.mgrid[5:200:10, 5:200:10], -1).reshape(-1, 2)
    >>> atoms = rng.uniform(0, 200, (30, 2))
    >>> heights = rng.normal(np.repeat([1.0, 5.0], [400, 30]), 0.2)
    >>> both = np.concatenate([support, atoms])
    >>> int(support_mask(heights, 3 * heights, both).sum())
    400
    >>> int(support_mask(heights, 9 * heights, both).sum())
    0
    """
    none = np.zeros(len(heights), bool)
    if len(heights) < 2 * _FEWEST:
        return none
    logs = np.log(np.maximum(heights, 1e-300))
    weak = logs < _best_limit(logs)
    bright = ~weak
    if min(weak.sum(), bright.sum()) < _FEWEST or bright.mean() > _SHARE:
        return none
    apart = logs[bright].mean() - logs[weak].mean()
    spread = np.sqrt(0.5 * (logs[bright].var() + logs[weak].var()))
    if apart < max(_GAP * spread, np.log(_FACTOR)):
        return none
    if np.median(significance[weak]) > _SEEN_ALONE:
        return none
    nearest = cKDTree(positions[bright]).query(positions[bright], k=2)[0][:, 1]
    if nearest.std() < _DISORDER * nearest.mean():
        return none
    return weak


def _best_limit(values):
    """Limit between two classes with the least variance inside them (Otsu)."""
    ordered = np.sort(values)
    n = len(ordered)
    below = np.arange(1, n)
    total = np.cumsum(ordered)
    low = total[:-1] / below
    high = (total[-1] - total[:-1]) / (n - below)
    best = np.argmax(below * (n - below) * (high - low) ** 2)
    return 0.5 * (ordered[best] + ordered[best + 1])
