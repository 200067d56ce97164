"""Average each frame of a movie with the frames before and after it."""

import numpy as np


def check_neighbours(neighbours, navigation_dimension):
    """Raise ValueError unless frames have so many neighbours to average with.

    Parameters
    ----------
    neighbours : object
    navigation_dimension : int
        Of the images.
    """
    whole = isinstance(neighbours, int | np.integer) and not isinstance(
        neighbours, bool
    )
    if not whole or neighbours < 0:
        raise ValueError(
            f"neighbours={neighbours!r} is not a number of frames; give 0 for each "
            "frame by itself, or how many before and after it."
        )
    if neighbours and not navigation_dimension:
        raise ValueError(
            f"neighbours={neighbours} needs a series; leave it out for a single image."
        )


def average_neighbours(frames, neighbours):
    """Mean of each frame and those before and after it.

    Parameters
    ----------
    frames : numpy.ndarray or dask.array.Array, shape (..., n, h, w)
        Real; neighbours are neighbours along the third last axis.
    neighbours : int
        How many frames before, and how many after; fewer at the ends.

    Returns
    -------
    numpy.ndarray or dask.array.Array of float, shape (..., n, h, w)
        float32, or float64 where that is needed to hold every value. Pixels
        that are not finite are left out of the mean; a frame without any
        other stays NaN, so that nothing is made up in its place.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.array([0, 3, 9, 9], np.uint16).reshape(4, 1, 1)
    >>> average_neighbours(frames, 1).ravel()
    array([1.5, 4. , 7. , 9. ], dtype=float32)
    """
    neighbours = min(neighbours, frames.shape[-3] - 1)
    if isinstance(frames, np.ndarray):
        return _average(frames, neighbours)
    return frames.map_overlap(
        _average,
        depth={frames.ndim - 3: neighbours},
        boundary="none",
        dtype=np.result_type(frames.dtype, np.float32),
        meta=np.empty((0,) * frames.ndim, np.result_type(frames.dtype, np.float32)),
        neighbours=neighbours,
    )


def _average(frames, neighbours):
    frames = frames.astype(np.result_type(frames.dtype, np.float32))
    finite = np.isfinite(frames)
    values = np.where(finite, frames, 0)
    sums, counts = values.copy(), finite.astype(np.float32)
    for shift in range(1, neighbours + 1):
        later, earlier = slice(shift, None), slice(None, -shift)
        for to, of in ((later, earlier), (earlier, later)):
            sums[..., to, :, :] += values[..., of, :, :]
            counts[..., to, :, :] += finite[..., of, :, :]
    empty = ~finite.any(axis=(-2, -1), keepdims=True) | (counts == 0)
    return np.where(empty, np.nan, sums / np.maximum(counts, 1))
