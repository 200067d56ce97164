"""Work on frames of any size part by part: overlapping parts, faded together.

What is done to a part must depend on its surroundings no further than the
overlap reaches; the frame then shows no seam, and never has to be in
memory as a whole.
"""

import numpy as np

from .tiling import tile_starts

SIZE = 2048  # pixels per side of a part
OVERLAP = 256  # pixels that neighbouring parts share at the least
_FADE = 64  # in the middle of the overlap, where one part gives way to the next


def is_large(shape):
    """Tell whether frames of a shape (h, w) are worked on in parts."""
    return max(shape) > SIZE


def split(size):
    """Intervals of parts of about equal length that cover one axis.

    Parameters
    ----------
    size : int
        Length of the axis, in pixels.

    Returns
    -------
    list of tuple of int
        (start, stop) of each part.

    Examples
    --------
    >>> split(1000), split(4096)
    ([(0, 1000)], [(0, 1536), (1280, 2816), (2560, 4096)])
    """
    n = max(1, -(-(size - OVERLAP) // (SIZE - OVERLAP)))
    length = -(-(size + (n - 1) * OVERLAP) // n)
    starts = tile_starts(size, length, OVERLAP)
    return [(start, start + length) for start in starts]


def blend(parts, intervals, axis, concatenate=np.concatenate):
    """Join overlapping parts along one axis.

    Parameters
    ----------
    parts : list of numpy.ndarray or dask.array.Array
    intervals : list of tuple of int
        As from `split`.
    axis : int
        Negative: counted from the last.
    concatenate : callable
        Of NumPy or of dask.

    Returns
    -------
    numpy.ndarray or dask.array.Array
    """
    if len(parts) == 1:
        return parts[0]

    def take(index, start, stop):
        offset = intervals[index][0]
        along = slice(start - offset, stop - offset)
        return parts[index][(..., along, *(slice(None),) * (-1 - axis))]

    rise = np.sin(np.pi / 2 * (np.arange(_FADE) + 0.5) / _FADE) ** 2
    rise = rise.astype(np.float32).reshape((-1, *(1,) * (-1 - axis)))
    pieces, begin = [], intervals[0][0]
    for index in range(len(parts) - 1):
        middle = (intervals[index][1] + intervals[index + 1][0]) // 2
        first, last = middle - _FADE // 2, middle + _FADE // 2
        pieces.append(take(index, begin, first))
        before, after = take(index, first, last), take(index + 1, first, last)
        pieces.append(before * (1 - rise) + after * rise)
        begin = last
    pieces.append(take(len(parts) - 1, begin, intervals[-1][1]))
    return concatenate(pieces, axis=axis)


def map_parts(function, frames, concatenate=np.concatenate):
    """Apply a function to the parts of frames, and blend what it returns.

    Parameters
    ----------
    function : callable
        Takes an array (..., h, w), returns one of the same shape.
    frames : numpy.ndarray or dask.array.Array, shape (..., h, w)
    concatenate : callable
        Of NumPy or of dask.

    Returns
    -------
    numpy.ndarray or dask.array.Array, shape of `frames`

    Examples
    --------
    >>> import numpy as np
    >>> frame = np.ones((3000, 20), np.float32)
    >>> bool((map_parts(np.negative, frame) == -1).all())
    True
    """
    rows, columns = (split(size) for size in frames.shape[-2:])
    bands = []
    for top, bottom in rows:
        band = [function(frames[..., top:bottom, a:b]) for a, b in columns]
        bands.append(blend(band, columns, -1, concatenate))
    return blend(bands, rows, -2, concatenate)
