"""Atom columns of an image, one row each.

Candidates are fitted with Gaussians, all at once, and kept if they stand out
of what the noise does: in the raw image where it is given. They come from the
image that a network enhanced, or from filters alone.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .confidence import calibrated_confidence, filter_constants
from .evidence import find_evidence, find_evidence_classically
from .support import support_mask

COLUMN_NAMES = ("y", "x", "intensity", "sigma", "confidence")

DEFAULT_THRESHOLD = 0.5

SUPPORTS = ("auto", "keep")
"""What to do with a support below single atoms."""


def detect_columns(
    enhanced,
    raw=None,
    mode="HAADF",
    threshold=None,
    *,
    probability=None,
    separation=None,
    region=None,
    support="auto",
    constants=None,
):
    """Find the atom columns of an enhanced image.

    Parameters
    ----------
    enhanced : array-like, shape (h, w)
        Bright columns on a background of about zero, in both modes. NaN
        pixels are taken as background.
    raw : array-like, shape (h, w), optional
        The image as recorded. With it, only columns that stand out of its
        noise are kept; without it, out of the ripple of the enhanced one.
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
        Whether the columns of ``raw`` are bright or dark. In HRTEM images
        they are taken to be bright, and columns of pixels to share noise,
        as rows do in the others.
    threshold : float, default 0.5
        Lowest confidence of a column that is kept, from 0 to 1.
    probability : array-like, shape (h, w), optional
        What a network gives for a column being centred at each pixel.
    separation : float, optional
        Of columns closer than this, in pixels, the one of most confidence
        is kept. By default, all that an image resolves.
    region : array-like of bool, shape (h, w), optional
        Where columns are wanted; the noise is measured on all of the image.
    support : {"auto", "keep"}, default "auto"
        By default, columns of a support that the image does not show one
        by one are left out where single heavy atoms stand out of it: see
        :func:`.support.support_mask`. "keep" keeps them.
    constants : dict, optional
        That the confidence follows from, of the network that enhanced the
        image: :func:`.models.registry.constants`. By default those of the
        default model of the mode.

    Returns
    -------
    numpy.ndarray of float32, shape (n, 5)
        Row and column in pixels, height in the units of ``enhanced``,
        sigma in pixels, confidence from 0 to 1: :data:`COLUMN_NAMES`.
        Sorted by rows; (0, 5) if there is none.

    Raises
    ------
    ValueError
        If an array is not an image, shapes differ, no pixel is finite,
        or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:48, :64]
    >>> image = np.exp(-((y - 20.5) ** 2 + (x - 40) ** 2) / (2 * 3**2))
    >>> detect_columns(image)[:, :4].round(3)
    array([[20.5, 40. ,  1. ,  3. ]], dtype=float32)
    """
    shape = np.shape(enhanced)
    select = Selection.checked(threshold, separation, region, support, shape)
    found, evidence = find_evidence(enhanced, raw, mode, probability)
    if constants is None:
        from ..models import registry

        constants = registry.constants("confidence", mode=mode)
    confidence = _confidence(found, evidence, "network", constants)
    return _table(found, confidence, shape, select)


def detect_classically(
    raw, mode="HAADF", threshold=None, *, separation=None, region=None, support="auto"
):
    """Find the atom columns of an image by filters alone.

    Parameters
    ----------
    raw : array-like, shape (h, w)
        The image as recorded. NaN pixels are filled.
    mode, threshold, separation, region, support : optional
        As for :func:`detect_columns`.

    Returns
    -------
    numpy.ndarray of float32, shape (n, 5)
        As from :func:`detect_columns`, heights in the units of ``raw``.

    Raises
    ------
    ValueError
        As :func:`detect_columns`.

    Notes
    -----
    The image is blurred as much as the columns are wide
    (:func:`.classical.show_columns`); its maxima are fitted and compared
    with the noise as those of enhanced images are.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:48, :64]
    >>> image = 50 * np.exp(-((y - 20) ** 2 + (x - 40) ** 2) / (2 * 3**2))
    >>> image += np.random.default_rng(0).normal(0, 5, image.shape)
    >>> detect_classically(image)[:, :2].round()
    array([[20., 40.]], dtype=float32)
    """
    shape = np.shape(raw)
    select = Selection.checked(threshold, separation, region, support, shape)
    found, evidence = find_evidence_classically(raw, mode)
    confidence = _confidence(found, evidence, "classical", filter_constants())
    return _table(found, confidence, shape, select)


@dataclass
class Selection:
    """Which of the candidates are wanted: arguments of `detect_columns`."""

    threshold: float
    separation: float
    region: np.ndarray | None
    support: str

    @classmethod
    def checked(cls, threshold, separation, region, support, shape=None):
        """Selection from arguments; ValueError if one is out of range."""
        threshold = DEFAULT_THRESHOLD if threshold is None else threshold
        if not _within(threshold, 0, 1):
            raise ValueError(
                f"threshold={threshold!r} is not a confidence from 0 to 1; use None "
                "for the default."
            )
        separation = 0.0 if separation is None else separation
        if not _within(separation, 0, np.finfo(float).max):
            raise ValueError(
                f"separation={separation!r} is no distance; give a number of pixels, "
                "or None."
            )
        if support not in SUPPORTS:
            raise ValueError(
                f"support={support!r} is unknown; use one of {', '.join(SUPPORTS)}."
            )
        if region is not None:
            region = np.asarray(region)
            shape = region.shape if shape is None else shape
            if region.shape != shape or region.dtype != bool:
                raise ValueError(
                    f"region has the shape {region.shape} and dtype {region.dtype}; "
                    f"give an array of bool of the shape {shape}, True where columns "
                    "are wanted."
                )
        return cls(threshold, separation, region, support)


def _within(value, low, high):
    try:
        return low <= value <= high
    except TypeError:
        return False


def _confidence(found, evidence, method, constants):
    """Confidence of candidates, of which there may be none."""
    if len(found.fit) == 0:
        return np.empty(0)
    return calibrated_confidence(evidence, method, constants)


def _table(found, confidence, shape, select):
    """Columns that are wanted, as :func:`detect_columns` returns them."""
    if len(found.fit) == 0:
        return np.empty((0, len(COLUMN_NAMES)), dtype=np.float32)
    keep = confidence >= select.threshold
    if select.support == "auto":
        index = np.flatnonzero(keep)
        weak = support_mask(
            found.fit.height[index], found.significance[index], found.positions[index]
        )
        keep[index[weak]] = False
    if select.region is not None:
        keep &= inside_region(found.positions, select.region)
    if select.separation:
        keep = suppress_neighbours(found.positions, confidence, keep, select.separation)
    fit = found.fit.select(keep)
    rows, columns = (
        np.clip(v, -0.5, n - 0.5) for v, n in zip((fit.y, fit.x), shape, strict=True)
    )
    table = np.stack([rows, columns, fit.height, fit.sigma, confidence[keep]], axis=1)
    return table[np.lexsort((columns, rows))].astype(np.float32)


def inside_region(points, region):
    """Tell which points are in a region.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
        In pixels.
    region : numpy.ndarray of bool, shape (h, w)

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
    """
    row, column = (
        np.clip(np.rint(v), 0, n - 1).astype(int)
        for v, n in zip(points.T, region.shape, strict=True)
    )
    return region[row, column]


def suppress_neighbours(points, confidence, keep, separation):
    """Of columns closer than the separation, keep the surest.

    Parameters
    ----------
    points : numpy.ndarray, shape (n, 2)
    confidence : numpy.ndarray, shape (n,)
    keep : numpy.ndarray of bool, shape (n,)
        Which columns there are.
    separation : float
        In pixels.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
    """
    index = np.flatnonzero(keep)
    index = index[np.argsort(-confidence[index], kind="stable")]
    pairs = cKDTree(points[index]).query_pairs(separation, output_type="ndarray")
    kept = np.ones(len(index), bool)
    # From the surest down: only one that is kept can take out another.
    for i, j in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        if kept[i]:
            kept[j] = False
    keep = np.zeros_like(keep)
    keep[index[kept]] = True
    return keep
