"""Noise levels of an image, and what they say about counted electrons.

Counted electrons give a variance that rises with the mean as a straight
line, the photon transfer curve: its slope is the gain, where it meets zero
is the dark level, and level and slope together count the electrons
(J. R. Janesick, "Photon Transfer", SPIE Press, 2007).
"""

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter

_STRIPS = 16  # for standard errors
_STRIP_PIXELS = 1 << 17  # of huge images, a part of each strip is enough
_SIGNIFICANT = 3.0  # standard errors
_LARGEST_BEND = 0.5  # of the slope: what little is known of structure bends too
_LEAST_LEFT = 0.1  # of the variance, at zero intensity, that is not counting
_SYSTEMATIC = 0.02  # of the gain: it is low by this on simulated lattices
NOT_MEASURED = "not measured: too few usable pixels, or not by this method"


@dataclass(frozen=True)
class NoiseLevels:
    """Intensity and noise of one image, and the line of its variance.

    The variance of the pointwise noise is ``variance + variance_slope *
    (intensity - mean)``. All are NaN where they were not measured.

    Attributes
    ----------
    mean : float
        Mean intensity.
    signal_sd : float
        SD, over the image, of the image without noise.
    pointwise_sd, scan_sd : float
        SD of the two terms of the noise, as root mean square over the
        image.
    variance, variance_error : float
        Of the pointwise noise at the mean intensity, on the line.
    variance_slope, variance_slope_error : float
    variance_correlation : float
        Correlation of the errors of level and slope.
    variance_bend, variance_bend_error : float
        Relative change of the slope from the mean intensity to two SDs
        above it, of a parabola fitted instead: 0 for a line.
    """

    mean: float = np.nan
    signal_sd: float = np.nan
    pointwise_sd: float = np.nan
    scan_sd: float = np.nan
    variance: float = np.nan
    variance_error: float = np.nan
    variance_slope: float = np.nan
    variance_slope_error: float = np.nan
    variance_correlation: float = np.nan
    variance_bend: float = np.nan
    variance_bend_error: float = np.nan

    @property
    def noise_sd(self):
        """SD of all the noise of a pixel, root mean square over the image."""
        return float(np.hypot(self.pointwise_sd, self.scan_sd))

    @property
    def snr(self):
        """SD of the image without noise over the SD of the noise."""
        return self.signal_sd / self.noise_sd if self.noise_sd > 0 else np.nan

    @property
    def variance_at_zero(self):
        """Variance where the line meets zero intensity, and its error."""
        slope, error = self.variance_slope, self.variance_slope_error
        value = self.variance - slope * self.mean
        square = (
            self.variance_error**2
            + (self.mean * error) ** 2
            - 2 * self.mean * error * self.variance_error * self.variance_correlation
        )
        return float(value), float(np.sqrt(max(square, 0)))

    def rescaled(self, factor, offset=0.0):
        """Return the levels of ``image * factor + offset``."""
        changed = {
            name: getattr(self, name) * factor
            for name in (
                "signal_sd",
                "pointwise_sd",
                "scan_sd",
                "variance_slope",
                "variance_slope_error",
            )
        }
        changed["mean"] = self.mean * factor + offset
        for name in ("variance", "variance_error"):
            changed[name] = getattr(self, name) * factor**2
        return replace(self, **changed)


LEVEL_NAMES = tuple(field.name for field in fields(NoiseLevels))


@dataclass(frozen=True)
class GainEstimate:
    """Gain and electrons per pixel of one image.

    Attributes
    ----------
    gain, gain_error : float
        Intensity per electron, and its standard error; NaN where the
        variance is no rising line of the intensity.
    dark_level : float
        Intensity without electrons that the count was taken with.
    electrons, electrons_error : float
        Electrons per pixel at the mean intensity; NaN without a gain, or
        where the dark level is unknown.
    reasons : dict of str
        Why "gain" or "electrons_per_pixel" is NaN.
    """

    gain: float = np.nan
    gain_error: float = np.nan
    dark_level: float = np.nan
    electrons: float = np.nan
    electrons_error: float = np.nan
    reasons: dict = None


def measure_levels(values, bands, usable):
    """Measure the levels of an image that was split into bands.

    Parameters
    ----------
    values : numpy.ndarray, shape (h, w)
        The image.
    bands : NoiseBands
        Its structure, and its noise in bands.
    usable : numpy.ndarray of bool, shape (h, w)
        Pixels to take.

    Returns
    -------
    NoiseLevels
    """
    pointwise = float(np.mean(bands.pixel_band[usable] ** 2, dtype=float))
    both = float(np.mean(bands.row_band[usable] ** 2, dtype=float))
    both = max(both, pointwise)
    inside = values[usable]
    mean = float(inside.mean(dtype=float))
    signal = max(float(inside.var(dtype=float)) - both, 0.0)
    levels = NoiseLevels(
        mean=mean,
        signal_sd=np.sqrt(signal),
        pointwise_sd=np.sqrt(pointwise),
        scan_sd=np.sqrt(both - pointwise),
    )
    # noise of the pixels around is in the band as well
    structure = gaussian_filter(bands.structure, bands.pixel_reach, truncate=3)
    return fit_variance_line(levels, structure, bands.pixel_band, usable)


def fit_variance_line(levels, structure, band, usable):
    """Fit the variance of pointwise noise against intensity by a line.

    Parameters
    ----------
    levels : NoiseLevels
        With mean, signal SD and pointwise SD.
    structure : numpy.ndarray, shape (h, w)
        Image without noise, at the resolution of the band.
    band : numpy.ndarray, shape (h, w)
        Pointwise noise alone, with its SD.
    usable : numpy.ndarray of bool, shape (h, w)

    Returns
    -------
    NoiseLevels
        With the line, the bend of a parabola, and standard errors from
        the scatter between strips of the image.
    """
    strips = _strips(usable)
    power = levels.pointwise_sd**2
    if len(strips) < 4 or power == 0:
        return levels
    scale = 2 * levels.signal_sd or 1.0
    line, moments = np.array([1.0, 0.0, 0.0]), None
    for _ in range(3):
        moments = [
            _moments(
                (structure[rows][usable[rows]] - levels.mean) / scale,
                band[rows][usable[rows]] / levels.pointwise_sd,
                line,
            )
            for rows in strips
        ]
        line = np.append(_solve(sum(moments), 2), 0)
    total = sum(moments)
    without = np.array([_solve(total - part, 2) for part in moments])
    bends = np.array([_bend(total - part) for part in moments])
    n = len(strips)
    covariance = (n - 1) * np.cov(without.T, bias=True)
    errors = np.sqrt(np.diag(covariance))
    return replace(
        levels,
        variance=line[0] * power,
        variance_error=errors[0] * power,
        variance_slope=line[1] * power / scale,
        variance_slope_error=errors[1] * power / scale,
        variance_correlation=covariance[0, 1] / max(errors.prod(), 1e-30),
        variance_bend=_bend(total),
        variance_bend_error=np.sqrt((n - 1) * bends.var()),
    )


def estimate_gain(levels, correlated=False, dark_level=None):
    """Gain and electrons per pixel, where the variance supports them.

    Parameters
    ----------
    levels : NoiseLevels
    correlated : bool, default False
        Whether the noise of neighbouring pixels is alike: the variance of
        the pixels is not known then.
    dark_level : float, optional
        Intensity without electrons. By default, where the variance line
        meets zero; then readout noise has to be negligible.

    Returns
    -------
    GainEstimate
        Its standard errors contain the 2 % by which gains of simulated
        lattices are too low.

    Notes
    -----
    The gain is the slope of the variance. It has to be positive by three
    standard errors, and the variance has to be a straight line. Electrons
    per pixel are the mean intensity above the dark level divided by the
    gain; with the dark level of the line, this is the variance divided by
    the square of the gain. Where variance is left at zero intensity, a
    tenth of that at the mean or more by three standard errors, readout
    noise cannot be told from a dark level below zero: `dark_level` has to
    be given. What multiplies the noise of
    each electron, as photomultipliers do, counts as gain.

    Examples
    --------
    >>> line = NoiseLevels(
    ...     mean=60, variance=120, variance_error=1, variance_slope=2,
    ...     variance_slope_error=0.1, variance_correlation=0, variance_bend=0,
    ...     variance_bend_error=0.1,
    ... )
    >>> estimate = estimate_gain(line)
    >>> estimate.gain, estimate.electrons
    (2, 30.0)
    """
    reason = _why_no_gain(levels, correlated)
    if reason:
        return GainEstimate(
            reasons=dict.fromkeys(("gain", "electrons_per_pixel"), reason)
        )
    gain = levels.variance_slope
    error = np.hypot(levels.variance_slope_error, _SYSTEMATIC * gain)
    left, left_error = levels.variance_at_zero
    reasons = {}
    if dark_level is None:
        dark = levels.mean - levels.variance / gain
        electrons = levels.variance / gain**2
        relative = levels.variance_error / levels.variance
        square = (
            relative**2
            + (2 * error / gain) ** 2
            - 4 * relative * error / gain * levels.variance_correlation
        )
        if left > max(_SIGNIFICANT * left_error, _LEAST_LEFT * levels.variance):
            reasons["electrons_per_pixel"] = (
                f"noise is left at zero intensity (SD {np.sqrt(left):.3g}): readout "
                "noise, or a dark level below zero; give dark_level"
            )
    else:
        dark = float(dark_level)
        electrons, square = (levels.mean - dark) / gain, (error / gain) ** 2
        if electrons <= 0:
            reasons["electrons_per_pixel"] = (
                f"dark_level={dark:g} is above the mean intensity, {levels.mean:.4g}"
            )
    known = not reasons
    return GainEstimate(
        gain=gain,
        gain_error=error,
        dark_level=dark if known else np.nan,
        electrons=electrons if known else np.nan,
        electrons_error=electrons * np.sqrt(max(square, 0)) if known else np.nan,
        reasons=reasons,
    )


def hyperspy_variance_model(levels):
    """Variance of several images in the terms of HyperSpy.

    Parameters
    ----------
    levels : sequence of NoiseLevels
        Images whose line was not measured are left out.

    Returns
    -------
    dict of float or None
        ``gain_factor``, ``gain_offset`` and ``correlation_factor``, all
        not negative, of ``metadata.Signal.Noise_properties.
        Variance_linear_model``. None if no image has a line, if one of
        them has a parabola, or if the line falls or its variance is
        negative at zero intensity, as above a dark level.
    """
    known = [level for level in levels if np.isfinite(level.variance_slope)]
    if not known or any(_is_bent(level) for level in known):
        return None
    values = np.array(
        [
            (
                level.variance_slope,
                level.variance_slope_error,
                *level.variance_at_zero,
                level.variance,
                level.mean,
            )
            for level in known
        ]
    )
    slope, slope_error, offset, offset_error, variance, mean = values.mean(0).tolist()
    if slope < 0:
        if slope < -_SIGNIFICANT * slope_error:
            return None
        slope, offset = 0.0, variance
    elif offset < 0:
        if offset < -max(_SIGNIFICANT * offset_error, _LEAST_LEFT * variance):
            return None
        slope, offset = variance / mean, 0.0
    return {
        "gain_factor": slope,
        "gain_offset": offset,
        "correlation_factor": 1.0,
    }


def _is_bent(levels):
    """Whether a parabola describes the variance and a line does not."""
    least = max(_LARGEST_BEND, _SIGNIFICANT * levels.variance_bend_error)
    rises = abs(levels.variance_slope) > _SIGNIFICANT * levels.variance_slope_error
    return bool(rises and abs(levels.variance_bend) > least)


def _why_no_gain(levels, correlated):
    """Reason why the variance does not tell the gain, or None."""
    slope, error = levels.variance_slope, levels.variance_slope_error
    if not np.isfinite([slope, error, levels.variance]).all():
        return NOT_MEASURED
    if correlated:
        return (
            "noise is correlated between neighbouring pixels: the variance of a "
            "pixel is not known"
        )
    values = f"slope {slope:.3g} ± {error:.2g}"
    if slope < -_SIGNIFICANT * error:
        return f"the variance falls with intensity ({values}): no counted electrons"
    if slope < _SIGNIFICANT * error:
        return f"the variance does not rise significantly with intensity ({values})"
    if _is_bent(levels):
        return (
            "the variance is no straight line of the intensity (its slope changes by "
            f"{levels.variance_bend:+.0%} ± {levels.variance_bend_error:.0%} to two "
            "SDs above the mean)"
        )
    return None


def _strips(usable):
    """Bands of rows with usable pixels, spread over the image."""
    height, width = usable.shape
    bounds = np.linspace(0, height, min(_STRIPS, height) + 1).astype(int)
    longest = max(1, _STRIP_PIXELS // width)
    strips = [
        slice(start, min(stop, start + longest))
        for start, stop in pairwise(bounds.tolist())
    ]
    return [rows for rows in strips if usable[rows].any()]


def _moments(x, noise, line):
    """Weighted moments of x to the fourth, and of the noise's square."""
    x = x.astype(float)
    square = noise.astype(float) ** 2
    # the variance of a square is twice the square of the variance
    weight = np.maximum(line[0] + line[1] * x, 0.1) ** -2
    powers = [weight]
    for _ in range(4):
        powers.append(powers[-1] * x)
    return np.array([[p.sum(), (p * square).sum()] for p in powers])


def _solve(moments, n_terms):
    """Coefficients of the polynomial of `n_terms` of least squares."""
    order = np.add.outer(np.arange(n_terms), np.arange(n_terms))
    matrix = moments[order, 0]
    return np.linalg.lstsq(matrix, moments[:n_terms, 1], rcond=1e-12)[0]


def _bend(moments):
    """Relative change of the slope over one unit of x, of a parabola."""
    _, slope, curvature = _solve(moments, 3)
    return float(2 * curvature / slope) if slope else np.nan
