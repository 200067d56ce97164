"""Candidates of an image, and what speaks for each of them being a column.

They come from the image that a network enhanced, or from filters alone, and
are judged by the noise of the raw image where it is given.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter
from scipy.spatial import cKDTree

from ..enhance.normalise import local_mean, normalise_frame, single_electron
from ..noise.parameters import check_mode
from .blurred_noise import NO_BLUR, measure_blurred_noise
from .candidates import (
    MODEL_ERROR,
    fit_columns,
    positions,
    residual,
    strong_height,
)
from .classical import show_columns
from .confidence import describe_distances, describe_evidence
from .curvature import measure_peaks
from .peaks import estimate_width
from .refine import GaussianFit, render_gaussians
from .refinement import REFINED_NAMES, refine_positions
from .significance import (
    fill_missing,
    filter_heights,
    measure_false_rate,
    measure_noise,
    measure_row_noise,
    measure_significance,
)
from .sparse import as_gaussian, count_significance, measure_skewness

# Columns above this part of the strong ones are no ripple of a network.
_STRONG = 0.08
# Nearer than this many widths, and than this part of the usual distance, a column
# has to be so many times clearer.
_NEAR, _HALF, _DOUBT = 2.5, 0.5, 3.0
# Fits this many times higher than what noise does are no noise, nor are crowds that
# noise so many times stronger would not have, but for this part. What is lower than
# this part of the strong ones may belong to them.
_SURE, _STRONGER, _FEW, _TALL = 7.0, 1.7, 0.3, 0.5
# Error of a position, in parts of the width: on a raw image times the significance
# (for white noise), and that of a network without noise.
_RAW_ERROR, _NETWORK_ERROR = 1.2, 0.05
# The raw image is asked above this significance, and believed up to this part of the
# width.
_CLEAR, _FARTHEST = 15.0, 0.4
# Where more than this share of so many columns around is sure, one as far from them as
# usual has its place: this part of the area that noise would have to itself.
_MOST, _AMONG, _PLACE = 0.5, 12, 0.3
# Single electrons are counted within this many widths, in so many rounds.
_AROUND, _ROUNDS = 16.0, 4
# Noise that looks blurred and so many times stronger than it is are columns that the
# fits do not follow.
_MISFIT = 2.0
# Share of a column, weighted by its Gaussian, below which it was not recorded: that of
# one 1.6 sigma beyond a straight edge, or of a scan of one pixel in twenty.
_RECORDED = 0.05
# Maxima of a filtered image are looked at from this significance on.
_LEAST = 2.0


@dataclass
class Candidates:
    """What may be columns.

    Attributes
    ----------
    fit : GaussianFit
    width : float
        Typical sigma in pixels.
    significance : numpy.ndarray, shape (n,)
        Heights over what the noise of the raw image does to them; infinite
        where that is not known.
    """

    fit: GaussianFit
    width: float
    significance: np.ndarray

    @classmethod
    def none(cls):
        """No candidates."""
        return cls(GaussianFit(*(np.empty(0) for _ in range(6))), np.nan, np.empty(0))

    @property
    def positions(self):
        """Row and column in pixels, shape (n, 2)."""
        return positions(self.fit)

    def turned(self):
        """The same in the transposed image."""
        fit = replace(self.fit, y=self.fit.x, x=self.fit.y)
        return replace(self, fit=fit)


def find_evidence(enhanced, raw=None, mode="HAADF", probability=None):
    """Fit the candidates of an enhanced image, and tell what speaks for them.

    Parameters are those of :func:`detect_columns`.

    Returns
    -------
    found : Candidates
        Sorted in no order, false ones among them.
    evidence : dict of str to numpy.ndarray, shape (n,)
        From :func:`.confidence.describe_evidence`.
    """
    check_mode(mode)
    enhanced = check_image(enhanced, "enhanced")
    if raw is not None:
        raw = check_image(raw, "raw", enhanced.shape)
        raw = -raw if mode == "BF" else raw
    if probability is not None:
        probability = check_image(probability, "probability", enhanced.shape)
    if mode == "HRTEM":  # columns of pixels share noise, not rows
        images = (
            image if image is None else image.T
            for image in (enhanced, raw, probability)
        )
        found, evidence = _find_evidence(*images)
        found = found.turned()
    else:
        found, evidence = _find_evidence(enhanced, raw, probability)
    return (found, evidence) if raw is None else _where_recorded(found, evidence, raw)


def _find_evidence(enhanced, raw, probability):
    """Evidence in images with bright columns, whose rows are independent."""
    width = estimate_width(np.where(np.isfinite(enhanced), enhanced, 0.0))
    if not np.isfinite(width):
        return Candidates.none(), {}
    fit, width = fit_columns(enhanced, width, dots=probability)
    if len(fit) == 0:
        return Candidates.none(), {}
    strong = strong_height(fit.height)
    left = residual(enhanced, fit)
    # Ripple has the size of columns: it is measured with only the strong ones
    # subtracted, as the fits of the others hold all of it.
    noise = _noise_beside(enhanced, fit, width, _STRONG * strong)
    seen = measure_significance(left, fit, width, noise=noise)
    known = {"enhanced_rate": _false_rate(seen, fit, width, left)}
    if raw is None:
        seen = np.full(len(fit), np.inf)
    else:
        left = residual(raw, fit)
        seen = _seen_beside(raw, left, fit, width, strong)
        seen = _doubt_parts(seen, fit, width)
        known["raw_rate"] = _rate_in_lattices(
            _false_rate(seen, fit, width, left), fit, width
        )
        known["peaked"] = measure_peaks(raw, left, fit, width)
    if probability is not None:
        known["probability"] = _read_near(probability, fit)
    evidence = describe_evidence(fit, width, strong, **known)
    if raw is not None:
        fit = _place_on_raw(raw, fit, width, seen)
    return Candidates(fit, width, seen), evidence


def find_evidence_classically(raw, mode="HAADF"):
    """Fit the candidates of a raw image, and tell what speaks for them.

    Parameters are those of :func:`detect_classically`, the result is that of
    :func:`find_evidence`.
    """
    raw = check_image(raw, "raw")
    check_mode(mode)
    if np.nanmin(raw) == np.nanmax(raw):
        return Candidates.none(), {}
    image = normalise_frame(raw, mode).repaired.astype(np.float64)
    image = -image if mode == "BF" else image
    if mode == "HRTEM":
        found, evidence = _find_classically(image.T)
        found = found.turned()
    else:
        found, evidence = _find_classically(image)
    return _where_recorded(found, evidence, raw)


def _where_recorded(found, evidence, raw):
    """Candidates of which enough was recorded to see them."""
    recorded = np.isfinite(raw)
    if recorded.all() or len(found.fit) == 0:
        return found, evidence
    share = gaussian_filter(recorded.astype(float), found.width, mode="nearest")
    at = [
        np.clip(v, 0, n - 1) for v, n in zip(found.positions.T, raw.shape, strict=True)
    ]
    keep = map_coordinates(share, at, order=1) >= _RECORDED
    fit, significance = found.fit.select(keep), found.significance[keep]
    found = replace(found, fit=fit, significance=significance)
    return found, {name: values[keep] for name, values in evidence.items()}


def _find_classically(raw):
    """Evidence in an image with bright columns, whose rows are independent."""
    image, width, blur, noise = show_columns(raw)
    if not np.isfinite(width):
        return Candidates.none(), {}
    wide = np.hypot(width, blur)
    lowered = (width / wide) ** 2
    strong = max(strong_height(image[image > 3 * lowered * noise]), noise * lowered)
    error = max(MODEL_ERROR, lowered * noise / strong)
    least = _LEAST * lowered * noise
    fit, wide = fit_columns(image, wide, error, least=least, crowds=False)
    if len(fit) == 0:
        return Candidates.none(), {}
    fit, width = _sharpened(fit, wide, blur)
    strong = strong_height(fit.height)
    seen = _doubt_parts(_seen_in_raw(raw, fit, width, strong), fit, width)
    rate = _false_rate(seen, fit, width, raw)
    evidence = describe_evidence(fit, width, strong, raw_rate=rate)
    fit = _place_on_raw(raw, fit, width, seen)
    return Candidates(fit, width, seen), evidence


def _seen_beside(raw, left, fit, width, strong):
    """Significance in a raw image of columns that the enhanced one has."""
    heights = filter_heights(left, width, above_steps=True)
    noise = measure_noise(left, width, MODEL_ERROR * strong, heights)
    blurred = measure_blurred_noise(left)
    if blurred.height_sd(width) > _MISFIT * np.median(noise):
        blurred = NO_BLUR
    noise = np.maximum(noise, blurred.height_sd(width))
    seen = measure_significance(left, fit, width, noise=noise, heights=heights)
    if blurred.density:
        wide = np.hypot(width, blurred.blur)
        seen = as_gaussian(seen, measure_skewness(raw, blurred), wide)
    return np.minimum(seen, _seen_in_counts(raw, left, fit, width))


def _seen_in_counts(raw, left, fit, width):
    """Significance in an image of single electrons; infinite in others.

    Electrons are few where most pixels have none. Those that fall anywhere
    are at first all of them, then what sure columns leave over.
    """
    filled = fill_missing(raw, 4.0)
    filled = filled - np.median(filled)
    electron = single_electron(filled)
    if electron <= 0:
        return np.full(len(fit), np.inf)
    heights = measure_significance(left, fit, width, noise=np.ones_like(filled))
    around = _AROUND * width
    least = 1 / (2 * np.pi * around**2)
    seen, sure = np.inf, np.zeros(len(fit), bool)
    for _ in range(_ROUNDS):
        rest = residual(filled, fit.select(sure)) / electron
        rate = np.maximum(local_mean(rest, reach=around / 8), least)
        rate = map_coordinates(rate, positions(fit).T, order=1, mode="nearest")
        seen = count_significance(heights / electron, rate, width)
        before, sure = sure, _false_rate(seen, fit, width, raw) < _FEW
        if (sure == before).all():
            break
    return seen


def _doubt_parts(significance, fit, width):
    """Lower the significance of what may be part of a higher column.

    The noise of a column itself, which grows with it, is more than that
    around it, and parts columns of few counts: what is nearer to a higher
    one than columns of this image are has to be that much clearer.
    """
    distance = describe_distances(fit, width)
    part = (distance["apart"] < _NEAR) & (distance["spacing"] < np.log(_HALF))
    return np.where(part, significance / _DOUBT, significance)


def _seen_in_raw(raw, fit, width, strong):
    """Significance of maxima of a raw image, with only sure ones subtracted.

    Joint fits to hundreds of maxima of noise would take the noise away, and
    add to the heights of some what they take from others.
    """
    blurred = measure_blurred_noise(residual(raw, fit))
    rows = np.maximum(measure_row_noise(raw, width), blurred.height_sd(width))
    level = np.maximum(np.median(rows), 1e-12 * np.ptp(raw))
    skewness, wide = measure_skewness(raw, blurred), np.hypot(width, blurred.blur)
    clear = as_gaussian(fit.height / level, skewness, wide)
    crowd = _false_rate(clear / _STRONGER, fit, width, raw) < _FEW
    sure = (clear > _SURE) | (crowd & (fit.height > _TALL * strong))
    left = residual(raw, fit.select(sure))
    noise = np.maximum(measure_noise(left, width, MODEL_ERROR * strong), rows)
    heights = np.where(sure, fit.height, 0.0)
    fit = replace(fit, height=heights)
    seen = measure_significance(left, fit, width, noise=noise)
    return as_gaussian(seen, skewness, wide)


def _noise_beside(image, fit, width, limit):
    return measure_noise(residual(image, fit.select(fit.height > limit)), width)


def _false_rate(significance, fit, width, image):
    return measure_false_rate(significance, positions(fit), width, image.shape)


def _rate_in_lattices(rate, fit, width):
    """Rate of false maxima, less for columns that stand in place among sure ones.

    A maximum of noise may lie anywhere. What a network shows at the usual
    distance from columns of which most are sure has only its place to be in.
    """
    distance = describe_distances(fit, width)
    placed = (distance["apart"] > _NEAR) & (distance["spacing"] > np.log(_HALF))
    points = positions(fit)
    _, near = cKDTree(points).query(points, k=np.arange(min(_AMONG + 1, len(fit))) + 1)
    placed &= np.mean(rate[near] < _FEW, axis=1) > _MOST
    return np.where(placed, _PLACE * rate, rate)


def _place_on_raw(raw, fit, width, significance):
    """Take positions from the raw image as far as it knows them better.

    The two are averaged by their variances: what noise does to a Gaussian
    fitted to the raw image, by the fit itself or by the noise around if
    that is more (displaced scan lines), and what is left of the error of a
    network where there is hardly any noise.
    """
    clear = np.flatnonzero(significance > _CLEAR)
    if clear.size == 0:
        return fit
    others = render_gaussians(raw.shape, fit.select(significance <= _CLEAR))
    start = fit.select(clear)
    table = refine_positions(raw - others, positions(start), sigma=width)
    stated = np.hypot(*table[:, REFINED_NAMES["gaussian"].index("y_error") :][:, :2].T)
    around = _RAW_ERROR * width / significance[clear]
    error = np.fmax(stated / np.sqrt(2), around)
    weight = 1 / (1 + (error / (_NETWORK_ERROR * width)) ** 2)
    moved = np.hypot(*(table[:, :2] - positions(start)).T)
    weight = np.where(moved < _FARTHEST * width, weight, 0.0)
    y, x = fit.y.copy(), fit.x.copy()
    y[clear] += weight * (table[:, 0] - start.y)
    x[clear] += weight * (table[:, 1] - start.x)
    return replace(fit, y=y, x=x)


def _read_near(image, fit):
    """Largest value in the 3 x 3 pixels around each column."""
    near = maximum_filter(image, 3, mode="nearest")
    row, column = (
        np.clip(np.rint(v), 0, n - 1).astype(int)
        for v, n in zip((fit.y, fit.x), image.shape, strict=True)
    )
    return near[row, column]


def _sharpened(fit, width, blur):
    """Columns as they were before a blur."""
    least = 0.3 * np.sqrt(max(width**2 - blur**2, 0.1))
    sigma = np.sqrt(np.maximum(fit.sigma**2 - blur**2, least**2))
    gain = (fit.sigma / sigma) ** 2
    fit = replace(
        fit, sigma=sigma, height=gain * fit.height, residual=gain * fit.residual
    )
    return fit, float(np.sqrt(max(width**2 - blur**2, 0.1)))


def check_image(image, name, shape=None):
    """Image as float64, whatever is not finite NaN; else raise ValueError."""
    image = np.asarray(image)
    if image.ndim != 2 or image.dtype.kind not in "buif":
        raise ValueError(
            f"{name} has the shape {image.shape} and dtype {image.dtype}; a real "
            "image of shape (h, w) is needed."
        )
    if shape is not None and image.shape != shape:
        raise ValueError(
            f"{name} has the shape {image.shape}, enhanced {shape}. Give the images "
            "that belong together."
        )
    image = image.astype(np.float64)
    image[~np.isfinite(image)] = np.nan
    if np.isnan(image).all():
        raise ValueError(f"{name} has no finite pixel.")
    return image
