"""Columns of large frames, found part by part, each of them once.

A column on the border between two parts is taken from one of them.
"""

from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from .columns import inside_region, suppress_neighbours


def join_columns(tables, intervals, region=None, separation=0.0):
    """Join the columns found in the parts of a frame.

    Parameters
    ----------
    tables : list of numpy.ndarray, shape (n, 5)
        Columns as from `detect_columns`, row by row of the parts.
    intervals : tuple of list
        Of rows and of columns, as from `split`.
    region : numpy.ndarray of bool, optional
        Of the shape of the frame: where columns are wanted.
    separation : float
        Least distance of columns, in pixels.

    Returns
    -------
    numpy.ndarray of float32, shape (m, 5)
        In coordinates of the frame.

    Notes
    -----
    A part answers for the columns up to the middle of its overlaps. Where
    noise puts a column to one side of a border in one part and to the
    other side in the other, within its sigma, the surer one is taken.
    """
    rows, owned, part = [], [], []
    for number, (table, box) in enumerate(
        zip(tables, product(*map(_with_borders, intervals)), strict=True)
    ):
        table = np.array(table, np.float64)
        table[:, :2] += [start for start, *_ in box]
        beyond = _beyond(table, box)
        near = beyond < table[:, 3]
        rows.append(table[near])
        owned.append(beyond[near] <= 0)
        part.append(np.full(np.count_nonzero(near), number))
    rows, owned, part = (np.concatenate(values) for values in (rows, owned, part))
    rows = rows[_once(rows, owned, part)]
    if region is not None:
        rows = rows[inside_region(rows[:, :2], region)]
    if separation:
        everyone = np.ones(len(rows), bool)
        kept = suppress_neighbours(rows[:, :2], rows[:, 4], everyone, separation)
        rows = rows[kept]
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))].astype(np.float32)


def _with_borders(intervals):
    """Where each interval starts, and from where to where it answers."""
    starts, stops = (list(ends) for ends in zip(*intervals, strict=True))
    borders = [(a + b) / 2 for a, b in zip(starts[1:], stops[:-1], strict=True)]
    return list(zip(starts, [-np.inf, *borders], [*borders, np.inf], strict=True))


def _beyond(table, box):
    """Pixels by which columns are beyond a part's borders; none is negative."""
    beyond = [
        np.maximum(low - at, at - high)
        for at, (_, low, high) in zip(table[:, :2].T, box, strict=True)
    ]
    return np.maximum(*beyond)


def _once(rows, owned, part):
    """Mask of columns that are their part's own, or nobody's; each once."""
    keep = owned.copy()
    if len(rows) == 0:
        return keep
    pairs = cKDTree(rows[:, :2]).query_pairs(rows[:, 3].max(), output_type="ndarray")
    first, second = pairs.T
    distance = np.hypot(*(rows[first, :2] - rows[second, :2]).T)
    same = (part[first] != part[second]) & (
        distance < np.minimum(rows[first, 3], rows[second, 3])
    )
    for i, j in pairs[same]:
        surer, other = (i, j) if rows[i, 4] >= rows[j, 4] else (j, i)
        if keep[i] and keep[j]:
            keep[other] = False
        elif not (owned[i] or owned[j]) and not (keep[i] or keep[j]):
            keep[surer] = True
    return keep
