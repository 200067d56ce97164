"""Noise of HRTEM images: offsets of the columns, and pointwise noise.

Li et al. (CVPR 2026, arXiv:2603.18834) measure both in areas without atoms
(`areas`).  Where no areas are given, the structure is removed instead: column
noise is told from it by its direction (`column_noise`), pointwise noise at
frequencies above those of the structure (`structure`).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import minimum_filter

from .areas import measure_areas
from .checks import ImageChecks, check_pixels
from .column_noise import measure_column_noise
from .curves import SDCurve, binned_root
from .gain import NoiseLevels, measure_levels
from .laws import NoiseLaw, fit_pointwise_law
from .paper import HISTOGRAM_EDGES, MIN_USABLE
from .parameters import HRTEMNoiseParameters, parameter_names
from .reasons import NaNReason, Reason
from .result import empty_result
from .structure import split_bands
from .tiles import choose_tiles, stack_bands

_GUARD = 7  # pixels: what filters mix with gaps is left out
_EDGE = 5  # pixels at the edges, as well
_RANGE = (0.01, 0.99)  # quantiles that bound the intensity
_RANGE_ERROR = 0.03  # of the range, by which peaks are flattened: scatter over images
_SLOPE_ERROR = 0.03  # standard error above which a slope ...
_RELATIVE_ERROR = 0.5  # ... is unknown, unless this share of it is more
_EXCESS = 1.3  # of variance over that of white noise: noise may be correlated
_SIGNIFICANT = 6.0  # standard errors of the offsets of rows
_TURNED = 2.0  # times the variance of the offsets of columns


def estimate_hrtem(image, pixels, labels=None, curves=True):
    """Estimate the noise of an HRTEM image.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        As recorded.
    pixels : UsablePixels
        Of the image.
    labels : numpy.ndarray of int, shape (h, w), optional
        Areas without atoms, as of `areas.check_areas`.
    curves : bool, default True
        Whether to measure the curves of the result as well.

    Returns
    -------
    CalibrationResult
        In the units of ``pixels.values``.
    """
    columns = measure_column_noise(pixels.values, pixels.usable)
    checks = {
        "wrong_axis": _is_turned(pixels, columns),
        **check_pixels(image, pixels),
    }
    flat, bands, usable = _split(pixels, columns.offsets)
    n = int(usable.sum())
    if n < MIN_USABLE:
        reason = Reason(
            f"only {n} pixels are away from gaps, clipped areas and edges, "
            f"{MIN_USABLE} are needed",
            NaNReason.TOO_FEW_PIXELS,
        )
        return replace(empty_result("HRTEM", reason), checks=ImageChecks(**checks))
    zero = -pixels.offset / pixels.scale
    measured = _without_structure(columns, bands, usable, zero)
    checks["correlated"] = measured.excess > _EXCESS
    if labels is not None:
        measured = _in_areas(pixels, labels, zero)
    levels = _levels(flat, bands, usable, measured)
    parameters, errors, reasons = _collect(measured, bands, usable)
    result = replace(
        empty_result("HRTEM", ""),
        parameters=parameters,
        standard_errors=errors,
        reasons=reasons,
        levels=levels,
        checks=ImageChecks(**checks),
    )
    return _with_curves(result, measured, bands, usable) if curves else result


@dataclass(frozen=True)
class _Measured:
    """Both terms of the noise, however they were measured."""

    law: NoiseLaw
    column_sd: float
    column_error: float
    offsets: np.ndarray
    normalised: np.ndarray  # pointwise noise of unit SD
    excess: float = 1.0  # variance at all frequencies, against the highest
    curve: SDCurve | None = None
    reason: str | None = None  # why nothing or no column noise is known


def _split(pixels, offsets):
    """The image without column noise, its bands, and what can be used."""
    flat = pixels.values - offsets
    tiles = choose_tiles(flat.shape)
    values = [np.ascontiguousarray(flat[tile]) for tile in tiles]
    bands = stack_bands([split_bands(tile, scanned=False) for tile in values])
    usable = [_away_from_gaps(pixels.usable[tile]) for tile in tiles]
    return np.concatenate(values), bands, np.concatenate(usable)


def _away_from_gaps(usable):
    """Pixels whose surroundings are usable as well."""
    inside = np.zeros(usable.shape, bool)
    inside[_EDGE:-_EDGE, _EDGE:-_EDGE] = True
    if not usable.all():
        usable = minimum_filter(usable, _GUARD)
    return usable & inside


def _without_structure(columns, bands, usable, zero):
    law = fit_pointwise_law(bands.structure, bands.pixel_band, usable, zero)
    sd = _sd_of(law, bands)
    normalised = (bands.residual / sd)[usable]
    variance = np.mean(normalised**2, dtype=float)
    return _Measured(
        law,
        columns.sd,
        columns.sd_error,
        columns.offsets,
        normalised / np.sqrt(variance),
        excess=variance / bands.residual_second,
    )


def _sd_of(law, bands):
    """SD of the pointwise noise at each pixel, nowhere near zero."""
    sd = law.slope * bands.structure + law.intercept
    return np.maximum(sd, 0.2 * np.sqrt(np.mean(sd**2))).astype(np.float32)


def _in_areas(pixels, labels, zero):
    found = measure_areas(pixels.values, pixels.usable, labels, zero)
    if found is None:
        nothing = NoiseLaw(*[np.nan] * 4)
        none = np.zeros(0)
        reason = Reason(
            "the areas without atoms hold too few usable pixels",
            NaNReason.TOO_FEW_PIXELS,
        )
        return _Measured(nothing, np.nan, np.nan, none, none, reason=reason)
    reason, sd, error = None, np.nan, np.nan
    if np.isnan(found.column_variance):
        reason = Reason(
            f"the areas without atoms cover {found.n_columns} columns of the image, "
            "too few for the SD of their offsets",
            NaNReason.TOO_FEW_IMAGE_COLUMNS,
        )
    else:
        sd = np.sqrt(max(found.column_variance, 0))
        least = np.sqrt(found.column_variance_error)
        error = found.column_variance_error / max(2 * sd, least)
    return _Measured(
        found.law,
        float(sd),
        float(error),
        found.offsets,
        found.normalised,
        curve=found.curve,
        reason=reason,
    )


def _levels(flat, bands, usable, measured):
    """Levels over the image, with the noise that was measured."""
    if np.isnan(measured.law.intercept):
        return NoiseLevels()
    levels = measure_levels(flat, bands, usable)
    sd = _sd_of(measured.law, bands)[usable]
    pointwise = float(np.sqrt(np.mean(sd**2, dtype=float)))
    inside = flat[usable]
    signal = max(float(inside.var(dtype=float)) - pointwise**2, 0.0)
    return replace(
        levels,
        signal_sd=np.sqrt(signal),
        pointwise_sd=pointwise,
        scan_sd=np.nan_to_num(measured.column_sd),
    )


def _collect(measured, bands, usable):
    """Parameters, their errors, reasons for NaN."""
    law, reasons = measured.law, {}
    low, high, error = _intensity_range(bands, usable)
    parameters = HRTEMNoiseParameters(
        low, high, measured.column_sd, law.slope, law.intercept
    )
    errors = HRTEMNoiseParameters(
        error, error, measured.column_error, law.slope_error, law.intercept_error
    )
    if measured.reason:
        noise = parameter_names("HRTEM")[2:]
        unknown = noise if np.isnan(law.slope) else noise[:1]
        reasons |= dict.fromkeys(unknown, measured.reason)
    if law.slope_error > max(_SLOPE_ERROR, _RELATIVE_ERROR * abs(law.slope)):
        reason = Reason(
            f"the intensity varies too little over the image: the slope is "
            f"{law.slope:.2g} with a standard error of {law.slope_error:.2g}",
            NaNReason.NO_VARIATION,
        )
        reasons |= dict.fromkeys(("pointwise_slope", "pointwise_intercept"), reason)
    unknown = dict.fromkeys(reasons, np.nan)
    # the record tells from the error of the slope how little the intensity varies
    kept = {n: v for n, v in unknown.items() if n != "pointwise_slope"}
    return replace(parameters, **unknown), replace(errors, **kept), reasons


def _intensity_range(bands, usable):
    """1 and 99 percentiles of the image without noise, and their error."""
    structure = bands.structure[usable]
    middle, total = structure.mean(dtype=float), structure.var(dtype=float)
    # noise left in the structure widens the range
    share = 1 - bands.structure_sd**2 / max(total, 1e-30)
    low, high = np.quantile(structure, _RANGE) - middle
    low, high = middle + np.array([low, high]) * np.sqrt(max(share, 0.0))
    error = np.hypot(bands.structure_sd, _RANGE_ERROR * (high - low))
    return float(low), float(high), float(error)


def _is_turned(pixels, columns):
    """Whether rows have offsets of their own, more than columns do."""
    rows = measure_column_noise(
        np.ascontiguousarray(pixels.values.T), np.ascontiguousarray(pixels.usable.T)
    )
    least = max(_SIGNIFICANT * rows.variance_error, _TURNED * columns.variance)
    return bool(rows.variance > least)


def _with_curves(result, measured, bands, usable):
    """Add what the terms look like in bins, and the distribution."""
    curve = measured.curve
    if curve is None:
        curve = binned_root(bands.structure[usable], bands.pixel_band[usable] ** 2)
    result = replace(result, pointwise=curve, columns=measured.offsets)
    if measured.normalised.size == 0:
        return result
    density, edges = np.histogram(measured.normalised, HISTOGRAM_EDGES, density=True)
    return replace(result, histogram_edges=edges, histogram_density=density)
