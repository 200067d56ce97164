"""Prepare tilt series: background level, unusable views, crop, bin, orient.

What is here changes nothing by itself: each function says what it found or
did, so that it can be reported beside the reconstruction.
"""

import os

import numpy as np

from ..noise.usable import fill_from_nearest

_HISTOGRAM_BINS = 256
_MODE_SHARE = 0.1  # of the highest peak: lower ones are ripple
_DEAD_SHARE = 0.1  # of the median mass: gains differ by some percent, not by that
_LEAST_FINITE = 0.5  # of a view's pixels, to fill the others from them
# Views, volume, gradient and moments of an optimiser, in float32, with room
_WORKING_COPIES = 6


def background_levels(views):
    """Level of the vacuum in each view.

    The first peak in the histogram of a view, where pixels without object
    are, and the mean around it. The views of an object that fills all of them
    have no vacuum: the level is that of their darkest part.

    Parameters
    ----------
    views : numpy.ndarray, shape (n, y, x)

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        NaN for a view without a finite pixel.

    Examples
    --------
    >>> import numpy as np
    >>> views = np.random.default_rng(0).normal(-300, 5, (2, 64, 64))
    >>> views[:, 20:40] += 500
    >>> background_levels(views).round()
    array([-300., -300.])
    """
    return np.array([_background_level(view) for view in views])


def _background_level(view):
    values = view[np.isfinite(view)].astype(float)
    if not values.size:
        return np.nan
    low, high = np.percentile(values, [0.1, 99.9])
    if not high > low:
        return float(np.median(values))
    bins = _HISTOGRAM_BINS
    if np.array_equal(values, np.round(values)):  # counts: no empty bins between
        bins = int(min(bins, high - low + 1))
    inside = values[(values >= low) & (values <= high)]
    counts, edges = np.histogram(inside, bins)
    # Wide enough to find the peak of some thousand pixels, twice over
    width = max(1, bins // 40) | 1
    window = np.ones(width) / width
    smooth = np.convolve(np.convolve(counts, window, "same"), window, "same")
    left = np.concatenate([[-1.0], smooth[:-1]])
    right = np.concatenate([smooth[1:], [-1.0]])
    peaks = (smooth >= left) & (smooth > right) & (smooth >= _MODE_SHARE * smooth.max())
    peak = int(np.argmax(peaks))
    mode = (edges[peak] + edges[peak + 1]) / 2
    reach = max(mode - values.min(), edges[1] - edges[0])
    return float(values[np.abs(values - mode) <= reach].mean())


def unusable_views(views, angles, level=0.0):
    """Which views cannot be used, and why.

    Parameters
    ----------
    views : numpy.ndarray, shape (n, y, x)
    angles : numpy.ndarray of float, shape (n,)
        NaN for a view without one.
    level : float, default 0
        Of the background.

    Returns
    -------
    dict of int to str
        From the index of a view to the reason.

    Examples
    --------
    >>> import numpy as np
    >>> views = np.random.default_rng(0).poisson(9.0, (4, 16, 16))
    >>> views[1], views[3] = 0, views[2]
    >>> unusable_views(views, np.array([-9, 0, np.nan, 9]))
    {1: 'constant', 2: 'no tilt angle', 3: 'the same pixels as view 2'}
    """
    reasons, seen = {}, {}
    masses = np.full(len(views), np.nan)
    for index, view in enumerate(views):
        finite = np.isfinite(view)
        key = hash(view.tobytes())
        if finite.mean() < _LEAST_FINITE:
            reasons[index] = f"{1 - finite.mean():.0%} of the pixels are not finite"
        elif np.ptp(view[finite]) == 0:
            reasons[index] = "constant"
        elif key in seen and np.array_equal(view, views[seen[key]], equal_nan=True):
            reasons[index] = f"the same pixels as view {seen[key]}"
        elif not np.isfinite(angles[index]):
            reasons[index] = "no tilt angle"
        else:
            masses[index] = view[finite].mean() - level
        seen.setdefault(key, index)
    if np.isfinite(masses).any():
        typical = np.nanmedian(masses)
        for index in np.flatnonzero(masses < _DEAD_SHARE * typical):
            share = masses[index] / typical
            reasons[int(index)] = f"dark: {share:.0%} of the intensity of the others"
    return dict(sorted(reasons.items()))


def fill_gaps(views):
    """Fill pixels that are not finite with the nearest ones that are.

    Parameters
    ----------
    views : numpy.ndarray of float, shape (n, y, x)
        Each with at least one finite pixel.

    Returns
    -------
    views : numpy.ndarray, shape (n, y, x)
        The same array where there is nothing to fill.
    n_filled : int

    Examples
    --------
    >>> import numpy as np
    >>> views = np.ones((1, 8, 8))
    >>> views[0, 3, 4] = np.nan
    >>> filled, n_filled = fill_gaps(views)
    >>> float(filled[0, 3, 4]), n_filled
    (1.0, 1)
    """
    gaps = ~np.isfinite(views)
    if not gaps.any():
        return views, 0
    pairs = zip(views, gaps, strict=True)
    filled = np.stack([fill_from_nearest(view, gap) for view, gap in pairs])
    return filled, int(gaps.sum())


def normalise_views(views, level=0.0):
    """Bring the views to equal sums above the background.

    Right for an object that all views show whole; the views of a film grow
    with 1/cos of the tilt, which must stay.

    Parameters
    ----------
    views : numpy.ndarray of float, shape (n, y, x)
    level : float or numpy.ndarray of float, shape (n,), default 0
        Of the background.

    Returns
    -------
    views : numpy.ndarray of float32, shape (n, y, x)
        Above the background, divided by the gains.
    gains : numpy.ndarray of float64, shape (n,)
        With the mean logarithm 0.

    Raises
    ------
    ValueError
        If a view has no intensity above the background.

    Examples
    --------
    >>> import numpy as np
    >>> views, gains = normalise_views(np.ones((2, 8, 8)) * [[[2.0]], [[8.0]]])
    >>> gains, views[:, 0, 0]
    (array([0.5, 2. ]), array([4., 4.], dtype=float32))
    """
    levels = np.broadcast_to(np.asarray(level, float), len(views))
    above = views - levels[:, None, None]
    sums = above.sum(axis=(1, 2), dtype=float)
    if not (sums > 0).all():
        dark = ", ".join(map(str, np.flatnonzero(~(sums > 0))))
        raise ValueError(
            f"views {dark} have no intensity above level={level!r}; leave them out, or "
            "give a lower level"
        )
    gains = np.exp(np.log(sums) - np.log(sums).mean())
    return (above / gains[:, None, None]).astype(np.float32), gains


def crop_to_object(views, level=0.0, margin=0.1):
    """Crop views to what lies above the background in any of them.

    Along y it is cropped alike on both sides, so that the tilt axis stays in
    the middle.

    Parameters
    ----------
    views : numpy.ndarray, shape (n, y, x)
        Tilt axis in the middle, along x.
    level : float, default 0
        Of the background.
    margin : float, default 0.1
        Left around the object, relative to its size.

    Returns
    -------
    views : numpy.ndarray, shape (n, y2, x2)
        A view of the given array.
    area : tuple of slice
        Along y and x.

    Examples
    --------
    >>> import numpy as np
    >>> views = np.zeros((2, 64, 64))
    >>> views[:, 20:40, 10:50] = 1
    >>> crop_to_object(views)[0].shape
    (2, 32, 50)
    """
    from scipy.ndimage import gaussian_filter

    height, width = views.shape[1:]
    above = gaussian_filter(np.mean(views, axis=0, dtype=float) - level, 1)
    inside = above > 0.05 * np.percentile(above, 99.5)
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return views, (slice(0, height), slice(0, width))
    middle = (height - 1) / 2
    half = max(middle - rows[0], rows[-1] - middle) + 0.5
    half = min(half * (1 + margin), height / 2)
    top = int(np.floor(height / 2 - half))
    extra = margin * (columns[-1] - columns[0] + 1) / 2
    left = max(int(np.floor(columns[0] - extra)), 0)
    right = min(int(np.ceil(columns[-1] + 1 + extra)), width)
    area = (slice(top, height - top), slice(left, right))
    return views[:, *area], area


def bin_views(views, factor):
    """Average blocks of pixels.

    Parameters
    ----------
    views : numpy.ndarray or dask.array.Array, shape (n, y, x)
    factor : int
        Pixels along each side of a block. What is left over is cut off alike
        on both sides.

    Returns
    -------
    numpy.ndarray or dask.array.Array of float32, shape (n, y // factor, x // factor)

    Raises
    ------
    ValueError
        If `factor` is not a whole number of at least 1, or leaves less than
        eight pixels along a side.

    Examples
    --------
    >>> import numpy as np
    >>> bin_views(np.arange(256.0).reshape(1, 16, 16), 2)[0, 0, :3]
    array([ 8.5, 10.5, 12.5], dtype=float32)
    """
    if not isinstance(factor, int | np.integer) or factor < 1:
        raise ValueError(f"binning={factor!r} is not a whole number of at least 1")
    n, height, width = views.shape
    if min(height, width) // factor < 8:
        raise ValueError(
            f"binning={factor} leaves {width // factor} x {height // factor} pixels of "
            f"{width} x {height}; take a smaller one"
        )
    starts = [(size % factor) // 2 for size in (height, width)]
    sizes = [size // factor * factor for size in (height, width)]
    area = [
        slice(start, start + size) for start, size in zip(starts, sizes, strict=True)
    ]
    blocks = views[:, *area].reshape(
        n, sizes[0] // factor, factor, sizes[1] // factor, factor
    )
    return blocks.mean(axis=(2, 4), dtype=np.float32)


def orient_axis(views, quarter_turns):
    """Turn views by quarters, so that a vertical tilt axis lies along x.

    Parameters
    ----------
    views : numpy.ndarray, shape (n, y, x)
    quarter_turns : int
        From x towards y, of the tilt axis before.

    Returns
    -------
    numpy.ndarray, shape (n, y, x) or (n, x, y)

    Examples
    --------
    >>> import numpy as np
    >>> views = np.zeros((1, 8, 12))
    >>> views[0, 7, 1] = 1  # far along y, near the left edge
    >>> np.argwhere(orient_axis(views, 1)[0])[0]  # far along x
    array([10,  7])
    """
    return np.rot90(views, quarter_turns, axes=(1, 2))


def working_bytes(n_views, shape, thickness):
    """Memory that a reconstruction of views needs, about.

    Parameters
    ----------
    n_views : int
    shape : tuple of int
        (y, x) of the views.
    thickness : int
        Voxels along the beam.

    Returns
    -------
    int

    Examples
    --------
    >>> working_bytes(45, (256, 256), 256)
    473432064
    """
    height, width = shape
    return 4 * _WORKING_COPIES * height * width * (n_views + thickness)


def available_bytes():
    """Memory of this machine, or None where the system does not tell.

    Returns
    -------
    int or None
    """
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def check_memory(n_views, shape, thickness, binning):
    """Raise MemoryError if a reconstruction does not fit into memory.

    Parameters
    ----------
    n_views : int
    shape : tuple of int
        (y, x) of the views after binning.
    thickness : int
    binning : int
        What they were binned by.

    Raises
    ------
    MemoryError
        With the size, and the binning that would fit.
    """
    needed, there = working_bytes(n_views, shape, thickness), available_bytes()
    if there is None or needed <= there:
        return
    factor = 2
    while (
        working_bytes(n_views, [n // factor for n in shape], thickness // factor)
        > there
    ):
        factor += 1
    height, width = shape
    raise MemoryError(
        f"{n_views} views of {width} x {height} pixels and a volume of {width} x "
        f"{thickness} x {height} voxels need about {needed / 2**30:.1f} GiB, this "
        f"machine has {there / 2**30:.1f}; give binning={binning * factor}, or crop "
        "the series with isig"
    )
