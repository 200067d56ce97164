"""How close an image is to its reference, and found columns to the true ones.

PSNR and SSIM are those of the tables in Li et al., CVPR 2025: 8-bit
intensities, one value per image, mean over images. Columns are matched one to
one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate1d
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

_WINDOW_SIZE = 11
_WINDOW_SIGMA = 1.5


def psnr(image, reference, peak=255.0):
    r"""Peak signal-to-noise ratio, the mean over images, in dB.

    Parameters
    ----------
    image, reference : array-like or Signal2D, shape (..., h, w)
        Intensities in the same units.
    peak : float
        The largest intensity, 255 for 8-bit images. Images are neither
        clipped nor rounded.

    Returns
    -------
    float
        Infinite if one image equals its reference.

    Raises
    ------
    ValueError
        If the shapes differ or ``peak`` is not positive.

    Notes
    -----
    :math:`10 \log_{10}(\mathrm{peak}^2 / \mathrm{MSE})` of each image,
    then the mean: not the same as that of the mean MSE.

    Examples
    --------
    >>> import numpy as np
    >>> reference = np.zeros((16, 16))
    >>> round(psnr(reference + 25.5, reference), 6)
    20.0
    """
    image, reference = _paired_images(image, reference, peak)
    mse = np.mean((image - reference) ** 2, axis=(1, 2))
    with np.errstate(divide="ignore"):
        return float(np.mean(10 * np.log10(peak**2 / mse)))


def ssim(image, reference, peak=255.0):
    """Structural similarity, the mean over images.

    Parameters
    ----------
    image, reference : array-like or Signal2D, shape (..., h, w)
        Intensities in the same units, at least 11 pixels high and wide.
    peak : float
        Range of the intensities, 255 for 8-bit images.

    Returns
    -------
    float
        1 for equal images.

    Raises
    ------
    ValueError
        If the shapes differ, images are smaller than the window or
        ``peak`` is not positive.

    Notes
    -----
    Wang et al., IEEE Trans. Image Process. 13 (2004) 600, with the
    defaults of ``pytorch_msssim.ssim``: Gaussian window of 11 pixels and
    sigma 1.5, only where it lies inside the image, K = (0.01, 0.03),
    biased covariances.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).uniform(0, 255, (32, 32))
    >>> ssim(image, image)
    1.0
    """
    image, reference = _paired_images(image, reference, peak)
    if min(image.shape[1:]) < _WINDOW_SIZE:
        raise ValueError(
            f"image has the shape {image.shape[1:]}, smaller than the window of "
            f"{_WINDOW_SIZE} pixels. Use larger images."
        )
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_i, mean_r = _window_mean(image), _window_mean(reference)
    variance_i = _window_mean(image**2) - mean_i**2
    variance_r = _window_mean(reference**2) - mean_r**2
    covariance = _window_mean(image * reference) - mean_i * mean_r
    luminance = (2 * mean_i * mean_r + c1) / (mean_i**2 + mean_r**2 + c1)
    structure = (2 * covariance + c2) / (variance_i + variance_r + c2)
    return float(np.mean(luminance * structure))


@dataclass(frozen=True)
class ColumnScore:
    """Comparison of found columns with the true ones.

    Attributes
    ----------
    n_found, n_true, n_matched : int
    precision : float
        Part of the found columns that are true, 1 if none was found.
    recall : float
        Part of the true columns that were found, 1 if there is none.
    f1 : float
        Harmonic mean of both.
    rms : float
        Root mean square distance of matched columns in pixels, NaN if
        none matched.
    """

    n_found: int
    n_true: int
    n_matched: int
    precision: float
    recall: float
    f1: float
    rms: float


def score_columns(found, true, radius):
    """Precision, recall and position error of found columns.

    Parameters
    ----------
    found, true : array-like of shape (n, k), or AtomPositions
        Positions (y, x, ...) in pixels; further values are ignored. Or
        sequences of such arrays, one for each image, pooled into one
        score.
    radius : float
        Largest distance in pixels between a found column and the true one
        it stands for.

    Returns
    -------
    ColumnScore

    Raises
    ------
    ValueError
        If the number of images differs or ``radius`` is not positive.

    Examples
    --------
    >>> score = score_columns([[5, 5], [9, 2]], [[5, 6], [20, 20]], radius=2)
    >>> score.precision, score.recall, score.rms
    (0.5, 0.5, 1.0)
    """
    found, true = _list_of_positions(found), _list_of_positions(true)
    if len(found) != len(true):
        raise ValueError(
            f"found has {len(found)} images and true has {len(true)}. Give one "
            "array of columns per image in both."
        )
    n_found = sum(map(len, found))
    n_true = sum(map(len, true))
    distances = [
        match_columns(f, t, radius)[2] for f, t in zip(found, true, strict=True)
    ]
    distances = np.concatenate([*distances, []])
    n_matched = distances.size
    return ColumnScore(
        n_found=n_found,
        n_true=n_true,
        n_matched=n_matched,
        precision=n_matched / n_found if n_found else 1.0,
        recall=n_matched / n_true if n_true else 1.0,
        f1=2 * n_matched / (n_found + n_true) if n_found + n_true else 1.0,
        rms=float(np.sqrt(np.mean(distances**2))) if n_matched else float("nan"),
    )


def match_columns(found, true, radius):
    """Match found and true columns of one image one to one.

    Parameters
    ----------
    found, true : array-like, shape (n, k) and (m, l)
        Positions (y, x, ...) in pixels.
    radius : float
        Largest distance of a match in pixels.

    Returns
    -------
    found_index, true_index : numpy.ndarray of int, shape (n_matched,)
        Rows of ``found`` and of ``true`` that belong together.
    distance : numpy.ndarray of float, shape (n_matched,)
        In pixels.

    Raises
    ------
    ValueError
        If ``radius`` is not positive.

    Notes
    -----
    As many matches as possible, and among those the smallest sum of
    squared distances; a greedy nearest match can lose pairs where columns
    are closer than the radius.

    Examples
    --------
    >>> match_columns([[0, 0], [0, 3]], [[0, 2]], radius=2.5)
    (array([1]), array([0]), array([1.]))
    """
    if not radius > 0:
        raise ValueError(f"radius={radius} must be larger than 0.")
    found = _positions(found)
    true = _positions(true)
    pairs = cKDTree(found).sparse_distance_matrix(
        cKDTree(true), radius, output_type="ndarray"
    )
    i, j, distance = pairs["i"], pairs["j"], pairs["v"]
    single = (np.bincount(i, minlength=len(found))[i] == 1) & (
        np.bincount(j, minlength=len(true))[j] == 1
    )
    keep = [np.flatnonzero(single)]
    contested = np.flatnonzero(~single)
    if contested.size:
        nodes = len(found) + len(true)
        graph = coo_array(
            (np.ones(contested.size), (i[contested], len(found) + j[contested])),
            shape=(nodes, nodes),
        )
        label = connected_components(graph, directed=False)[1][i[contested]]
        order = np.argsort(label, kind="stable")
        starts = np.flatnonzero(np.diff(label[order])) + 1
        for group in np.split(contested[order], starts):
            keep.append(group[_assign(i[group], j[group], distance[group], radius)])
    keep = np.sort(np.concatenate(keep))
    order = np.argsort(i[keep], kind="stable")
    return i[keep][order], j[keep][order], distance[keep][order]


def _assign(i, j, distance, radius):
    """Best one-to-one choice among the pairs of one connected group."""
    rows, row = np.unique(i, return_inverse=True)
    columns, column = np.unique(j, return_inverse=True)
    # One more match outweighs any sum of squared distances.
    gain = (len(rows) + len(columns)) * radius**2
    cost = np.zeros((len(rows), len(columns)))
    cost[row, column] = distance**2 - gain
    pair = np.full(cost.shape, -1)
    pair[row, column] = np.arange(len(i))
    chosen = pair[linear_sum_assignment(cost)]
    return chosen[chosen >= 0]


def _positions(columns):
    columns = np.asarray(columns, dtype=float)
    if columns.size == 0:
        return np.empty((0, 2))
    if columns.ndim != 2 or columns.shape[1] < 2:
        raise ValueError(
            f"positions have the shape {columns.shape}, expected (n, k) with y and "
            "x in pixels as the first two of k."
        )
    return columns[:, :2]


def _list_of_positions(columns):
    columns = _plain(columns)
    if isinstance(columns, np.ndarray) and columns.dtype == object:
        return [_positions(c) for c in columns.ravel()]
    if isinstance(columns, (list, tuple)) and columns and np.ndim(columns[0]) == 2:
        return [_positions(c) for c in columns]
    return [_positions(columns)]


def _plain(values):
    """The array of a HyperSpy signal; anything else as it is."""
    if hasattr(values, "axes_manager"):
        values = values.data
    return values.compute() if hasattr(values, "dask") else values


def _paired_images(image, reference, peak):
    image = np.asarray(_plain(image), dtype=float)
    reference = np.asarray(_plain(reference), dtype=float)
    if image.shape != reference.shape or image.ndim < 2:
        raise ValueError(
            f"image and reference have the shapes {image.shape} and "
            f"{reference.shape}. Give images of the same shape (..., h, w)."
        )
    if not peak > 0:
        raise ValueError(f"peak={peak} must be larger than 0.")
    shape = (-1, *image.shape[-2:])
    return image.reshape(shape), reference.reshape(shape)


def _window_mean(images):
    """Gaussian mean around each pixel whose window lies inside the image."""
    half = _WINDOW_SIZE // 2
    window = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * _WINDOW_SIGMA**2))
    window /= window.sum()
    for axis in (1, 2):
        images = correlate1d(images, window, axis=axis, mode="constant")
    return images[:, half:-half, half:-half]
