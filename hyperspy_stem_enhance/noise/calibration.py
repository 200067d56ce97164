"""Measure the noise of images: arrays in, parameters out.

`calibrate_image` gives one image's parameters with the curves they were
fitted to, `calibrate_frames` the parameters of many images as one array.
"""

import numpy as np

from .paper import estimate_paper
from .parameters import MODES, PARAMETER_NAMES
from .result import CalibrationResult, empty_result
from .unbiased import estimate_unbiased
from .usable import usable_pixels

METHODS = ("unbiased", "paper")

__all__ = ["CalibrationResult", "calibrate_frames", "calibrate_image"]


def calibrate_image(image, mode="HAADF", method="unbiased"):
    """Measure the noise of one image.

    The image is taken as ``clean + background + scan + pointwise`` [1]_:
    scan noise is correlated along the rows (the fast scan direction) and
    independent between them, its SD rises with the image gradient;
    pointwise noise is independent from pixel to pixel, its SD rises with
    intensity and its distribution is Tukey's lambda.

    Parameters
    ----------
    image : array-like, shape (h, w)
        Integer or floating, rows along the fast scan direction, in any
        unit. Non-finite and hot pixels and areas where the detector clips
        are left out.
    mode : {"HAADF", "BF"}, default "HAADF"
        Bright columns on a dark background, or dark on bright.
    method : {"unbiased", "paper"}, default "unbiased"
        "unbiased" gives the parameters of the forward model, which the
        simulator takes. "paper" follows the steps of the paper [1]_; its
        values compare data sets, but carry the transfer of its blurs.

    Returns
    -------
    CalibrationResult
        Parameters in the image's unit, standard errors, the curves they
        were fitted to, and the reason for every parameter that is NaN.

    Raises
    ------
    TypeError
        If the image is complex, boolean, RGB or of objects.
    ValueError
        If `mode` or `method` is unknown, or the image is not two-dimensional, smaller
        than 16 x 16 pixels or without a finite pixel.

    References
    ----------
    .. [1] H. Li, J. Wu, L. Shao, J. Zhang, Y. Fu, "Noise Calibration and
       Spatial-Frequency Interactive Network for STEM Image Enhancement",
       CVPR 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.noise.calibration import calibrate_image
    >>> x = np.arange(256)
    >>> clean = 100 + 50 * np.outer(np.sin(x / 12), np.sin(x / 12))
    >>> noise = np.random.default_rng(0).normal(0, 0.1 * clean)
    >>> result = calibrate_image(clean + noise)
    >>> round(result.parameters.pointwise_slope, 2)
    0.1
    """
    return _calibrate(image, mode, method, curves=True)


def calibrate_frames(frames, mode="HAADF", method="unbiased"):
    """Measure the noise of several images.

    Parameters
    ----------
    frames : array-like, shape (n, h, w)
        Integer or floating.
    mode : {"HAADF", "BF"}, default "HAADF"
        Bright columns on a dark background, or dark on bright.
    method : {"unbiased", "paper"}, default "unbiased"
        As of `calibrate_image`.

    Returns
    -------
    numpy.ndarray of float64, shape (n, 8)
        Columns in the order of ``PARAMETER_NAMES``; NaN where a frame
        cannot identify a parameter, and in all columns where it has no
        finite pixel. `calibrate_image` gives the reason.

    Raises
    ------
    TypeError
        If the frames are complex, boolean, RGB or of objects.
    ValueError
        If `mode` or `method` is unknown, or `frames` is not three-dimensional or
        smaller than 16 x 16 pixels.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.random.default_rng(0).normal(100, 5, (3, 64, 64))
    >>> calibrate_frames(frames).shape
    (3, 8)
    """
    check_mode(mode)
    _check_method(method)
    frames = np.asarray(frames)
    if frames.ndim != 3:
        raise ValueError(
            f"frames has the shape {frames.shape}; give (n, h, w), for one image "
            "image[np.newaxis]."
        )
    values = np.full((len(frames), len(PARAMETER_NAMES)), np.nan)
    for row, frame in zip(values, frames, strict=True):
        if frame.dtype.kind == "f" and not np.isfinite(frame).any():
            continue
        result = _calibrate(frame, mode, method, curves=False)
        row[:] = result.parameters.to_tuple()
    return values


def _calibrate(image, mode, method, curves):
    check_mode(mode)
    _check_method(method)
    pixels = usable_pixels(image)
    if pixels.scale == 0:
        return empty_result(mode, f"the image is constant ({pixels.offset:g})")
    if method == "paper":
        result = estimate_paper(pixels, mode)
    else:
        result = estimate_unbiased(pixels, mode, curves)
    return result.rescaled(pixels.scale, pixels.offset)


def check_mode(mode):
    """Raise ValueError unless `mode` can be calibrated."""
    if mode not in MODES:
        raise ValueError(f"mode={mode!r} is unknown; use one of {', '.join(MODES)}.")


def _check_method(method):
    if method not in METHODS:
        raise ValueError(
            f"method={method!r} is unknown; use one of {', '.join(METHODS)}."
        )
