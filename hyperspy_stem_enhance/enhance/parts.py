"""Work on frames of any size part by part: overlapping parts, faded together.

What is done to a part must depend on its surroundings no further than the
overlap reaches; the frame then shows no seam, and never has to be in
memory as a whole.
"""

from itertools import product

import numpy as np

from .tiling import tile_starts

PATCH = 1024  # pixels per side at most, of the patches that the scale is told by
_MOST_PATCHES = 16  # of a frame: what is not looked at need not be in memory
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


def boxes(shape):
    """Where the parts of a frame are, row by row.

    Parameters
    ----------
    shape : tuple of int
        Of the frame, (h, w).

    Returns
    -------
    list of tuple of slice

    Examples
    --------
    >>> boxes((20, 3000))[0]
    (slice(0, 20, None), slice(0, 1628, None))
    """
    rows, columns = intervals(shape)
    return [(slice(*own), slice(*across)) for own, across in product(rows, columns)]


def intervals(shape):
    """Intervals of rows, and of pixels of a row, of the parts of a frame."""
    return tuple(split(size) for size in shape)


def join_images(parts, shape, concatenate=np.concatenate):
    """Blend parts of frames into whole ones.

    Parameters
    ----------
    parts : list of numpy.ndarray or dask.array.Array, shape (..., h, w)
        In the order of `boxes`.
    shape : tuple of int
        Of a frame.
    concatenate : callable
        Of NumPy or of dask.

    Returns
    -------
    numpy.ndarray or dask.array.Array, shape (..., *shape)
    """
    rows, columns = intervals(shape)
    n = len(columns)
    bands = [
        blend(parts[first : first + n], columns, -1, concatenate)
        for first in range(0, len(parts), n)
    ]
    return blend(bands, rows, -2, concatenate)


def overview(frames, stack=np.stack):
    """Patches all over large frames, that tell what is to be chosen once.

    Parameters
    ----------
    frames : numpy.ndarray or dask.array.Array, shape (..., h, w)
    stack : callable
        Of NumPy or of dask.

    Returns
    -------
    numpy.ndarray or dask.array.Array, shape (..., m, h', w')
        At most 16 patches of at most 1024 pixels per side, evenly spread.

    Examples
    --------
    >>> import numpy as np
    >>> overview(np.zeros((3, 2100, 300))).shape
    (3, 2, 1024, 300)
    """
    sides = [min(size, PATCH) for size in frames.shape[-2:]]
    corners = list(
        product(
            *(
                range(0, size - side + 1, side)
                for size, side in zip(frames.shape[-2:], sides, strict=True)
            )
        )
    )
    n = min(len(corners), _MOST_PATCHES)
    chosen = [corners[round(i)] for i in np.linspace(0, len(corners) - 1, n)]
    patches = [
        frames[..., top : top + sides[0], left : left + sides[1]]
        for top, left in chosen
    ]
    return stack(patches, axis=-3)


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
    parts = [function(frames[(..., *box)]) for box in boxes(frames.shape[-2:])]
    return join_images(parts, frames.shape[-2:], concatenate)
