"""Noise parameters that are those of the forward model.

The paper's calibration (`paper`) compares data sets, but its blurs let
noise pass from one term to another.  Here each term is measured where the
model says that it is alone: pointwise noise at high frequencies both ways;
scan noise, which pointwise noise does not correlate, by the covariance
along the row of high vertical frequencies, where structure ends and noise,
independent from row to row, does not.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import minimum_filter

from .background import combine_backgrounds, measure_background
from .curves import binned_root
from .gain import measure_levels
from .laws import fit_pointwise_law, fit_scan_law
from .paper import HISTOGRAM_EDGES, MIN_USABLE
from .parameters import PARAMETER_NAMES, NoiseParameters
from .reasons import NaNReason, Reason
from .result import empty_result
from .structure import split_bands
from .tiles import choose_tiles, stack_bands
from .tukey import fit_tukey_lambda, undo_mixing

_GUARD = 7  # pixels: what filters mix with gaps is left out
_EDGE = 5  # pixels at the edges, as well
_SLOPE_ERROR = 0.03  # standard error above which a slope ...
_RELATIVE_ERROR = 0.5  # ... is unknown, unless this share of it is more
_SMALLEST_SHARE = 0.35  # of excess kurtosis that still tells the shape
_CALM = 0.4  # share of the pixels, those of least gradient, that tell the shape
_EXCESS = 1.3  # of variance over that of white noise: noise may be correlated ...
_SHORT = 0.5  # ... if it is not scan noise: alike in pixels three apart
_LARGE_EXCESS = 2.5  # more than scan noise on sharp columns could explain
# errors that strips share, as scatter over simulated images shows them
_GRADIENT_ERROR = 0.12  # of the gradient, hence of the slope of the scan noise
_LOW_GRADIENT_ERROR = 0.1  # of the slope at the median gradient, at gradient zero
_LAG_ERROR = 0.03  # of the scan noise, from carrying covariances on to lag zero
_CORRELATED = (
    "noise is correlated between neighbouring pixels (a filtered, resampled or "
    "binned image?): the pointwise noise found is its uncorrelated part alone"
)


def estimate_unbiased(pixels, mode, curves=True):
    """Estimate the parameters of the forward model.

    Parameters
    ----------
    pixels : UsablePixels
    mode : {"HAADF", "BF"}
    curves : bool, default True
        Whether to measure the curves of the result as well.

    Returns
    -------
    CalibrationResult
        In the units of ``pixels.values``.
    """
    tiles = choose_tiles(pixels.values.shape)
    values = [np.ascontiguousarray(pixels.values[tile]) for tile in tiles]
    split = [split_bands(tile) for tile in values]
    sign = -1 if mode == "BF" else 1
    background = combine_backgrounds(
        [
            measure_background(
                sign * tile, sign * bands.structure, bands.row_band, bands.structure_sd
            )
            for tile, bands in zip(values, split, strict=True)
        ]
    )
    bands = stack_bands(split)
    values = np.concatenate(values)
    usable = np.concatenate([_away_from_gaps(pixels.usable[tile]) for tile in tiles])
    n = int(usable.sum())
    if n < MIN_USABLE:
        reason = Reason(
            f"only {n} pixels are away from gaps, clipped areas and edges, "
            f"{MIN_USABLE} are needed",
            NaNReason.TOO_FEW_PIXELS,
        )
        result = empty_result(mode, reason)
        return _with_background(result, background)
    pointwise, scan, correlation, sd = _fit_laws(
        bands, usable, zero=-pixels.offset / pixels.scale
    )
    shape = _fit_shape(bands, sd, usable)
    parameters, errors, reasons = _collect(scan, pointwise, shape)
    result = replace(
        empty_result(mode, ""),
        parameters=parameters,
        standard_errors=errors,
        reasons=reasons,
        notes=_notes(shape.excess, correlation),
        levels=measure_levels(values, bands, usable),
    )
    if curves:
        result = _with_curves(result, bands, correlation, shape.normalised, usable)
    return _with_background(result, background)


@dataclass(frozen=True)
class _Shape:
    """Distribution of the pointwise noise."""

    value: float  # lambda
    error: float
    share: float  # of the excess kurtosis that filters have left
    excess: float  # variance at all frequencies, against that at the highest
    normalised: np.ndarray  # samples of unit SD


def _fit_laws(bands, usable, zero):
    """Laws of both terms, correlation of the scan noise, SD of the pointwise."""
    pointwise = fit_pointwise_law(bands.structure, bands.pixel_band, usable, zero)
    level = np.sqrt(np.mean(bands.pixel_band[usable] ** 2, dtype=float))
    sd = pointwise.slope * bands.structure + pointwise.intercept
    sd = np.maximum(sd, 0.2 * level).astype(np.float32)
    both = np.mean(bands.row_band[usable] ** 2, dtype=float)
    scan_variance = max(both - np.mean(sd[usable] ** 2, dtype=float), 0)
    scan, correlation = fit_scan_law(
        bands.gradient,
        bands.row_band,
        bands.row_weights,
        np.sqrt(sd**2 + np.float32(scan_variance)),
        usable,
    )
    scan = _with_shared_errors(scan, bands.gradient[usable])
    return pointwise, scan, correlation, sd


def _with_shared_errors(scan, gradient):
    """Add to the errors of the law of the scan noise what all strips share."""
    middle, steep = np.quantile(gradient[:: max(1, gradient.size >> 16)], [0.5, 0.9])
    level = _LAG_ERROR * scan.intercept
    shared = _GRADIENT_ERROR * scan.slope, level / max(steep, 1e-30)
    return replace(
        scan,
        slope_error=float(np.hypot(scan.slope_error, np.hypot(*shared))),
        intercept_error=float(
            np.sqrt(
                scan.intercept_error**2
                + level**2
                + (_LOW_GRADIENT_ERROR * scan.slope * middle) ** 2
            )
        ),
    )


def _fit_shape(bands, sd, usable):
    """Shape of the pointwise noise, with what filters and errors add undone."""
    # away from flanks, where scan noise changes as fast as the columns do
    gradient = bands.gradient[usable]
    calm = gradient <= np.quantile(gradient, _CALM)
    normalised = (bands.residual / sd)[usable][calm]
    variance = np.mean(normalised**2, dtype=float)
    share = min(bands.residual_fourth / variance**2, 1.0)
    value = undo_mixing(fit_tukey_lambda(normalised), share)
    # 1.5 / sqrt(n) is the scatter over simulated images; undoing raises it
    error = 1.5 / np.sqrt(normalised.size) / share
    excess = variance / bands.residual_second
    return _Shape(value, error, share, excess, normalised / np.sqrt(variance))


def _away_from_gaps(usable):
    """Pixels whose surroundings are usable as well."""
    inside = np.zeros(usable.shape, bool)
    inside[_EDGE:-_EDGE, _EDGE:-_EDGE] = True
    if not usable.all():
        usable = minimum_filter(usable, _GUARD)
    return usable & inside


def _with_curves(result, bands, correlation, normalised, usable):
    """Add what the laws look like in bins, and the distribution."""
    density, edges = np.histogram(normalised, HISTOGRAM_EDGES, density=True)
    return replace(
        result,
        scan=_scan_curve(bands, correlation, usable),
        pointwise=binned_root(bands.structure[usable], bands.pixel_band[usable] ** 2),
        histogram_edges=edges,
        histogram_density=density,
    )


def _scan_curve(bands, correlation, usable):
    """SD of the scan noise in bins, from covariances at the shortest lags."""
    gradients, variances = [], []
    for lag in (1, 2, 3):
        left, right = np.s_[:, :-lag], np.s_[:, lag:]
        kept = usable[left] & usable[right]
        pair = (bands.gradient[left] * bands.gradient[right])[kept]
        gradients.append(np.sqrt(pair))
        product = (bands.row_band[left] * bands.row_band[right])[kept]
        variances.append(product / max(correlation[lag - 1], 0.05))
    return binned_root(np.concatenate(gradients), np.concatenate(variances))


def _notes(excess, correlation):
    """What puts the model in doubt."""
    short = excess > _EXCESS and correlation[2] < _SHORT
    return (_CORRELATED,) if short or excess > _LARGE_EXCESS else ()


def _collect(scan, pointwise, shape):
    """Parameters but for the background, their errors, reasons for NaN."""
    values = {"pointwise_lambda": shape.value}
    errors = {"pointwise_lambda": shape.error}
    reasons = {}
    for term, law, what in (
        ("scan", scan, "gradient"),
        ("pointwise", pointwise, "intensity"),
    ):
        values |= {f"{term}_slope": law.slope, f"{term}_intercept": law.intercept}
        errors[f"{term}_slope"] = law.slope_error
        errors[f"{term}_intercept"] = law.intercept_error
        if law.slope_error <= max(_SLOPE_ERROR, _RELATIVE_ERROR * abs(law.slope)):
            continue
        reasons[f"{term}_slope"] = Reason(
            f"the {what} varies too little over the image: the slope is "
            f"{law.slope:.2g} with a standard error of {law.slope_error:.2g}",
            NaNReason.NO_VARIATION,
        )
    # without gradients the level of the scan noise is known all the same
    if "pointwise_slope" in reasons:
        reasons["pointwise_intercept"] = reasons["pointwise_slope"]
    if shape.share < _SMALLEST_SHARE:
        reasons["pointwise_lambda"] = Reason(
            "pointwise noise is too small a part of the noise from pixel to pixel",
            NaNReason.SMALL_SHARE,
        )
    values |= dict.fromkeys(reasons, np.nan)
    unknown = dict.fromkeys(PARAMETER_NAMES, np.nan)
    return (
        NoiseParameters(**{**unknown, **values}),
        NoiseParameters(**{**unknown, **errors}),
        reasons,
    )


def _with_background(result, found):
    """Add the background and the height of the columns to a result."""
    sign = -1 if result.mode == "BF" else 1
    ends = (found.low, found.low_error), (found.high, found.high_error)
    (low, low_error), (high, high_error) = sorted((sign * x, dx) for x, dx in ends)
    parameters = replace(
        result.parameters,
        atom_brightness=found.brightness,
        background_min=low,
        background_max=high,
    )
    errors = replace(
        result.standard_errors,
        atom_brightness=found.brightness_error,
        background_min=low_error,
        background_max=high_error,
    )
    reasons = {
        name: reason
        for name, reason in result.reasons.items()
        if np.isnan(getattr(parameters, name))
    }
    if found.n_columns == 0:
        reasons["atom_brightness"] = Reason(
            "no column stands out of background and noise", NaNReason.NO_COLUMN
        )
    errors = replace(errors, **dict.fromkeys(reasons, np.nan))
    return replace(
        result, parameters=parameters, standard_errors=errors, reasons=reasons
    )
