"""Pointwise noise in the terms of HyperSpy's linear variance model."""

import numpy as np


def variance_linear_model(parameters, intensity_range):
    """Linear variance law nearest to the linear SD law of the noise.

    The calibration gives the SD of the pointwise noise as ``slope * I +
    intercept``, HyperSpy's ``metadata.Signal.Noise_properties`` its
    variance as ``(gain_factor * I + gain_offset) * correlation_factor``.

    Parameters
    ----------
    parameters : NoiseParameters
        Only the pointwise slope and intercept are used.
    intensity_range : (float, float)
        Lowest and highest intensity, in the image's unit, where the law
        is to hold: for instance the 1 and 99 percentiles of the image.

    Returns
    -------
    dict of float
        ``gain_factor`` (unit of intensity), ``gain_offset`` (its square)
        and ``correlation_factor`` (1: pointwise noise is not correlated).

    Raises
    ------
    ValueError
        If slope or intercept is NaN, the range is not increasing, or the
        SD law is not positive over all of it.

    Notes
    -----
    The variance is a parabola; the line has the smallest sum of squared
    relative errors over the range. They differ little as long as the SD
    changes by less than a factor of about two over the range; for an
    SD that falls to zero within the range no line describes the
    variance. Scan noise is left out: it is correlated along the rows,
    which HyperSpy's model has no term for.

    Examples
    --------
    >>> from hyperspy_stem_enhance.noise.parameters import PUBLISHED_PARAMETERS
    >>> model = variance_linear_model(PUBLISHED_PARAMETERS["HAADF"], (50, 200))
    >>> sd = (model["gain_factor"] * 100 + model["gain_offset"]) ** 0.5
    >>> round(sd, 1), 0.07 * 100 + 11.35
    (18.6, 18.35)
    """
    slope, intercept = parameters.pointwise_slope, parameters.pointwise_intercept
    if not np.isfinite([slope, intercept]).all():
        raise ValueError(
            f"parameters has pointwise_slope={slope} and pointwise_intercept="
            f"{intercept}; calibrate an image whose intensity varies."
        )
    low, high = map(float, intensity_range)
    if not low < high:
        raise ValueError(
            f"intensity_range={intensity_range!r} does not increase; give (lowest, "
            "highest)."
        )
    intensity = np.linspace(low, high, 101)
    sd = slope * intensity + intercept
    if sd.min() <= 0:
        raise ValueError(
            f"the SD of the noise falls to {sd.min():.3g} within intensity_range="
            f"{intensity_range!r}; give a range where it is positive."
        )
    gain_factor, gain_offset = np.polyfit(intensity, sd**2, 1, w=1 / sd**2)
    return {
        "gain_factor": float(gain_factor),
        "gain_offset": float(gain_offset),
        "correlation_factor": 1.0,
    }
