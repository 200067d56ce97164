"""Noise calibration by the steps of the paper.

Li, Wu, Shao, Zhang, Fu, "Noise Calibration and Spatial-Frequency
Interactive Network for STEM Image Enhancement", CVPR 2025, section 3.2:
a blurred image stands for the image without noise, an image blurred along
the rows alone for the image without pointwise noise.  The values describe
data sets comparably but carry the transfer of the blurs: see Notes of
`estimate_paper`.
"""

import itertools
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d, sobel

from .curves import binned_sd, fit_line
from .parameters import NoiseParameters
from .reasons import NaNReason, Reason
from .result import CalibrationResult, empty_result
from .tukey import fit_tukey_lambda

SIGMA = 3.0  # pixels: the closest to the paper's axis range of gradients
PATCH = 256  # pixels: side of the patches whose background is compared
MIN_USABLE = 1000  # pixels, for noise parameters
_LEVEL = 0.05  # quantile of a patch taken as its background
_PEAK = 0.001  # quantiles taken as the extremes of the blurred image
_MIN_RANGE = 2.0  # of gradients or intensities, against that made by noise
HISTOGRAM_EDGES = np.linspace(-5, 5, 101)


def estimate_paper(pixels, mode):
    """Estimate the noise parameters by the steps of the paper.

    Parameters
    ----------
    pixels : UsablePixels
    mode : {"HAADF", "BF"}

    Returns
    -------
    CalibrationResult
        In the units of ``pixels.values``.

    Notes
    -----
    The blur along the rows (SD 3 pixels) leaves 0.910 of the SD of white
    noise in the pointwise term and, after the second blur, 0.279 of it in
    the scan term; lambda is drawn towards the Gaussian's 0.14.
    """
    rows = gaussian_filter1d(pixels.values, SIGMA, axis=1)
    blurred = gaussian_filter1d(rows, SIGMA, axis=0)
    gradient = np.hypot(sobel(blurred, 0), sobel(blurred, 1))
    reasons = {}
    low, high = _background_levels(blurred, pixels.finite, mode)
    extremes = np.quantile(blurred[pixels.finite], [_PEAK, 1 - _PEAK])
    usable = pixels.usable
    n = int(usable.sum())
    if n < MIN_USABLE:
        reason = Reason(
            f"only {n} usable pixels (finite, not clipped), {MIN_USABLE} are needed",
            NaNReason.TOO_FEW_PIXELS,
        )
        return _without_noise(extremes, low, high, reason, mode)
    intensity = blurred[usable]
    scan = binned_sd(gradient[usable], (rows - blurred)[usable])
    noise = (pixels.values - rows)[usable]
    pointwise = binned_sd(intensity, noise)
    scan_line = _scan_line(scan, gradient[usable], reasons)
    pointwise_line = _pointwise_line(pointwise, intensity, noise, scan_line, reasons)
    normalised = _normalised(noise, intensity, pointwise_line)
    density, edges = np.histogram(normalised, HISTOGRAM_EDGES, density=True)
    parameters = NoiseParameters(
        atom_brightness=float(extremes[1] - extremes[0]),
        background_min=low,
        background_max=high,
        scan_slope=scan_line[0],
        scan_intercept=scan_line[1],
        pointwise_slope=pointwise_line[0],
        pointwise_intercept=pointwise_line[1],
        pointwise_lambda=fit_tukey_lambda(normalised),
    )
    return CalibrationResult(
        parameters,
        reasons,
        scan=scan,
        pointwise=pointwise,
        histogram_edges=edges,
        histogram_density=density,
        mode=mode,
    )


def _background_levels(blurred, finite, mode):
    """Lowest and highest of the patches' background levels."""
    quantile = _LEVEL if mode == "HAADF" else 1 - _LEVEL
    levels = []
    for rows in _patch_slices(blurred.shape[0]):
        for columns in _patch_slices(blurred.shape[1]):
            known = blurred[rows, columns][finite[rows, columns]]
            if known.size:
                levels.append(np.quantile(known, quantile))
    return float(min(levels)), float(max(levels))


def _patch_slices(size):
    """Even patches of up to `PATCH` pixels, at least two of them."""
    n = max(2, round(size / PATCH))
    bounds = np.linspace(0, size, n + 1).astype(int)
    return [slice(*pair) for pair in itertools.pairwise(bounds)]


def _scan_line(curve, gradient, reasons):
    """Line of the scan noise, or its level where there are no gradients."""
    slope, intercept = fit_line(curve)
    low = curve.centres <= np.median(gradient)
    if not low.any():
        reason = Reason(
            f"only {len(curve.centres)} bins of gradient hold enough pixels",
            NaNReason.TOO_FEW_BINS,
        )
        reasons["scan_slope"] = reasons["scan_intercept"] = reason
        return np.nan, np.nan
    level = np.sqrt(np.average(curve.sd[low] ** 2, weights=curve.counts[low]))
    # noise of this level alone makes gradients with this 95th percentile
    ratio = np.quantile(gradient, 0.95) / max(1.56 * level, 1e-30)
    if not np.isfinite(slope) or ratio < _MIN_RANGE:
        reasons["scan_slope"] = Reason(
            f"the gradients of the image are {ratio:.1f} times those that its noise "
            f"makes, {_MIN_RANGE:g} times are needed",
            NaNReason.NO_VARIATION,
        )
        return np.nan, float(level)
    return slope, intercept


def _pointwise_line(curve, intensity, noise, scan_line, reasons):
    """Line of the pointwise noise, or NaN where intensity does not vary."""
    slope, intercept = fit_line(curve)
    spread = np.subtract(*np.quantile(intensity, [0.95, 0.05]))
    # SD that noise alone leaves in the blurred image
    left = np.hypot(0.103 * noise.std(), 0.33 * np.nan_to_num(scan_line[1]))
    ratio = spread / max(3.3 * left, 1e-30)
    if not np.isfinite(slope) or ratio < _MIN_RANGE:
        for name in ("pointwise_slope", "pointwise_intercept"):
            reasons[name] = Reason(
                f"the intensity varies {ratio:.1f} times as much as noise makes it "
                f"vary, {_MIN_RANGE:g} times are needed",
                NaNReason.NO_VARIATION,
            )
        return np.nan, np.nan
    return slope, intercept


def _normalised(noise, intensity, line):
    """Pointwise noise divided by its SD at each intensity."""
    slope, intercept = line
    overall = max(float(noise.std()), 1e-30)
    if not np.isfinite(slope):
        return noise / overall
    # where the line falls towards zero, its quotient would make up a tail
    return noise / np.maximum(slope * intensity + intercept, 0.1 * overall)


def _without_noise(extremes, low, high, reason, mode):
    """Result of an image whose pixels are too few for statistics."""
    empty = empty_result(mode, reason)
    parameters = replace(
        empty.parameters,
        atom_brightness=float(extremes[1] - extremes[0]),
        background_min=low,
        background_max=high,
    )
    reasons = {
        name: reason for name in empty.reasons if name.startswith(("scan", "point"))
    }
    return replace(empty, parameters=parameters, reasons=reasons)
