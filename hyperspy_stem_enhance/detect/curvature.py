"""Whether the raw image has a maximum where a column is said to be.

Between columns that are not round, and along fringes, images have bridges: maxima
across them, and none along them. A column is a maximum in every direction. Equal
places of a lattice have equal curvatures, so that those of like candidates nearby
are averaged. Columns that merge are flat in directions that differ from one to the
next, fringes in the same one all over.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from .candidates import strong_height
from .significance import fill_missing

_BLUR = 0.7  # widths: narrower than the column, and noise is averaged
# Like candidates: so many of so many nearest, heights within this factor
_LIKE, _NEAREST, _FACTOR = 12, 40, 1.5
# Part of the curvature of its Gaussian that a column has in every direction: fringes
# have none along them, bridges a negative one, and 98 of 100 simulated columns, where
# noise does not hide it, more than that
_LEAST = 0.35
# Widths: strong columns that are usually nearer merge in the blurred image; strong
# ones are above this part of their height
_MERGED, _STRONG = 2.8, 0.5


def measure_peaks(raw, residual, fit, width):
    """How much less peaked a raw image is than columns of these heights are.

    Parameters
    ----------
    raw : numpy.ndarray, shape (h, w)
        Image with bright columns; NaN pixels are filled.
    residual : numpy.ndarray, shape (h, w)
        The same minus its columns, for the noise of curvatures.
    fit : GaussianFit
        The columns.
    width : float
        Typical sigma of the columns in pixels.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        Smallest of the curvatures of all directions minus a third of that of the
        Gaussian, or of their mean if that is less, averaged over like candidates
        nearby, in SDs of its noise: negative where the image has a saddle, a ridge or
        a minimum. If strong columns are usually so near to each other that they
        merge, only a ridge of one direction all over.

    Notes
    -----
    Curvatures are second differences over one width of the image, blurred by 0.7
    widths. What noise adds to the difference between directions is subtracted.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.detect.refine import fit_gaussians
    >>> y, x = np.mgrid[:64, :64]
    >>> spot, ridge = np.exp(-((y - 20) ** 2 + (x - 20) ** 2) / 18), (y == 50) * 0.5
    >>> fit = fit_gaussians(spot, [[20, 20], [50, 40]], sigma=3)
    >>> fit.height[1] = 0.5
    >>> noise = np.random.default_rng(0).normal(0, 0.05, (64, 64))
    >>> peaks = measure_peaks(spot + ridge + noise, noise, fit, 3.0)
    >>> bool(peaks[0] > 3), bool(peaks[1] < -3)
    (True, True)
    """
    step = max(1, round(width))
    image = gaussian_filter(fill_missing(raw, width), _BLUR * width, mode="mirror")
    rest = gaussian_filter(fill_missing(residual, width), _BLUR * width, mode="mirror")
    mean, *turned = _curvatures(_sampled(image, fit, step))
    noise = [_spread(part) for part in _curvatures(_shifted(rest, step))]
    variance = fit.sigma**2 + (_BLUR * width) ** 2
    expected = fit.height * fit.sigma**2 / variance
    expected = 2 * expected * (1 - np.exp(-(step**2) / (2 * variance)))

    near, share = _like_candidates(fit)

    def average(values):
        return (share * values[near]).sum(axis=1)

    mean = -average(mean)
    if _usual_distance(fit) < _MERGED * width:
        mean = np.maximum(mean, 0)
        uneven = average(turned[0]) ** 2 + average(turned[1]) ** 2
    else:
        uneven = average(turned[0] ** 2 + turned[1] ** 2)
        uneven = np.maximum(uneven - noise[1] ** 2 - noise[2] ** 2, 0)
    least = mean - np.sqrt(uneven)
    wanted = _LEAST * np.clip(mean, 0, average(expected))
    sd = noise[0] * np.sqrt((share**2).sum(axis=1))
    return (least - wanted) / np.maximum(
        sd, 1e-6 * np.abs(expected).max(initial=1e-300)
    )


def _usual_distance(fit):
    """Median distance of strong columns that are neighbours; infinite for one."""
    strong = fit.height > _STRONG * strong_height(fit.height)
    if strong.sum() < 2:
        return np.inf
    points = np.stack([fit.y, fit.x], axis=1)[strong]
    return float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))


def _sampled(image, fit, step):
    """Function that reads an image beside each candidate, (rows, columns) away."""

    def read(rows, columns):
        at = [fit.y + rows * step, fit.x + columns * step]
        return map_coordinates(image, at, order=1, mode="mirror")

    return read


def _shifted(image, step):
    """Function that returns an image as it is (rows, columns) away."""
    padded = np.pad(image, step, mode="symmetric")
    h, w = image.shape

    def read(rows, columns):
        top, left = step * (1 + rows), step * (1 + columns)
        return padded[top : top + h, left : left + w]

    return read


def _curvatures(read):
    """Mean curvature, and by how much it differs along axes and diagonals."""
    rows = read(-1, 0) + read(1, 0)
    columns = read(0, -1) + read(0, 1)
    mixed = read(1, 1) + read(-1, -1) - read(1, -1) - read(-1, 1)
    return (rows + columns) / 2 - 2 * read(0, 0), (rows - columns) / 2, mixed / 4


def _spread(values):
    """Standard deviation by the median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _like_candidates(fit):
    """Numbers of the candidates nearby, and the weight of each in an average."""
    n = len(fit)
    points = np.stack([fit.y, fit.x], axis=1)
    near = cKDTree(points).query(points, k=min(_NEAREST, n))[1].reshape(n, -1)
    height = np.log(np.maximum(fit.height, 1e-300))
    like = np.abs(height[near] - height[:, None]) < np.log(_FACTOR)
    like &= np.cumsum(like, axis=1) <= _LIKE
    return near, like / like.sum(axis=1, keepdims=True)
