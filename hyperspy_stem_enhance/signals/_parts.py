"""Find the columns of large lazy frames part by part, each of them once.

Frames that `enhance.parts` cuts for enhancement are cut alike. Every part is
judged by its own noise and widths; a column on the border between two is taken
from one of them.
"""

from itertools import product
from uuid import uuid4

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_stem_enhance.detect.columns import COLUMN_NAMES, keep_apart
from hyperspy_stem_enhance.enhance.parts import is_large, split
from hyperspy_stem_enhance.lazy import compute, map_frames
from hyperspy_stem_enhance.signals import _workers


def in_parts(signal):
    """Tell whether a signal's frames are worked on in parts.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D

    Returns
    -------
    bool
        Not for frames in memory: they are there as a whole.
    """
    return signal._lazy and is_large(signal.data.shape[-2:])


def detect(signal, detecting, lazy_output=None, **run):
    """Find the columns of frames; of large ones part by part.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    detecting : dict
        Arguments of `map_frames`, as from `_workers.detecting`.
    lazy_output, **run : optional
        Of `map_frames`.

    Returns
    -------
    numpy.ndarray or dask.array.Array of object
        With the navigation shape, (1,) for a single image; tables (n, 5).
    """
    if not in_parts(signal):
        return map_frames(signal, **detecting, lazy_output=lazy_output, **run)
    kwargs = detecting["kwargs"]
    tables = map_parts(signal, detect_parts, detecting, kwargs)
    joined = join_tables(tables, signal, kwargs["detection"]["separation"])
    return compute(joined, False, **run) if lazy_output is False else joined


def map_parts(signal, function, options, kwargs):
    """Apply a function to all parts of the frames, lazily.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    function : callable
        As of `map_frames`. It gets parts of one single value too.
    options : dict
        Of `map_frames`: ``size`` and ``describe`` are taken.
    kwargs : dict
        Of the function. Of ``detection`` in it, the region is cut for
        every part.

    Returns
    -------
    list of dask.array.Array of object
        Row by row of the parts.
    """
    run = {
        "size": options["size"],
        "describe": options["describe"],
        "lazy_output": True,
        "part_of": uuid4().hex,
    }
    mapped, detection = [], kwargs["detection"]
    for box in product(*(split(size) for size in signal.data.shape[-2:])):
        region = detection["region"]
        if region is not None:
            region = region[tuple(slice(*along) for along in box)]
        part = signal.isig[slice(*box[1]), slice(*box[0])]
        own = {**kwargs, "detection": {**detection, "region": region}}
        mapped.append(map_frames(part, function, "ragged", kwargs=own, **run))
    return mapped


def join_tables(tables, signal, separation):
    """Join the tables of all parts.

    Parameters
    ----------
    tables : list of dask.array.Array of object
        Row by row of the parts.
    signal : hyperspy.api.signals.Signal2D
    separation : float or None
        As of `detect_atoms`.

    Returns
    -------
    dask.array.Array of object
        In coordinates of the frames, sorted by rows.
    """
    import dask.array as da

    intervals = [split(size) for size in signal.data.shape[-2:]]
    return da.map_blocks(
        _join_blocks,
        *tables,
        intervals=intervals,
        separation=separation or 0.0,
        meta=np.empty((0,) * tables[0].ndim, object),
    )


def is_flat(frame):
    """Tell whether all finite pixels of a frame, one at the least, are the same."""
    finite = frame[np.isfinite(frame)]
    return finite.min() == finite.max()


def detect_parts(parts, detection, enhancement):
    """Columns of a batch of parts, in some of which there may be nothing."""
    tables = [np.empty((0, len(COLUMN_NAMES)), np.float32) for _ in parts]
    busy = [i for i, part in enumerate(parts) if not is_flat(part)]
    if busy:
        settings = {"detection": detection, "enhancement": enhancement}
        found = _workers.detect(parts[busy], **settings)
        for i, table in zip(busy, found, strict=True):
            tables[i] = table
    return tables


def _join_blocks(*blocks, intervals, separation):
    joined = np.empty(blocks[0].shape, object)
    for index in np.ndindex(joined.shape):
        joined[index] = join([block[index] for block in blocks], intervals, separation)
    return joined


def join(tables, intervals, separation=0.0):
    """Join the columns found in the parts of a frame.

    Parameters
    ----------
    tables : list of numpy.ndarray, shape (n, 5)
        Columns as from `detect_columns`, row by row of the parts.
    intervals : tuple of list
        Of rows and of columns, as from `split`.
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
    if separation:
        everyone = np.ones(len(rows), bool)
        rows = rows[keep_apart(rows[:, :2], rows[:, 4], everyone, separation)]
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
