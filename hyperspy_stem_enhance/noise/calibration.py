"""Measure the noise of images: arrays in, parameters out.

`calibrate_image` gives one image's parameters with the curves they were
fitted to, `calibrate_frames` the parameters of many images as one array,
`calibrate_records` all that is known of each as one array.
"""

from dataclasses import replace

import numpy as np

from .areas import check_areas
from .checks import ImageChecks, check_pixels, runs_along_columns
from .hrtem import estimate_hrtem
from .paper import estimate_paper
from .parameters import check_mode, parameter_names
from .reasons import NaNReason, Reason
from .record import record_names, to_record
from .result import CalibrationResult, empty_result
from .unbiased import estimate_unbiased
from .usable import usable_pixels

METHODS = ("unbiased", "paper")
FAST_AXES = ("x", "y")
_HELD = (1e-70, 1e70)  # values whose fourth powers float64 holds

__all__ = [
    "CalibrationResult",
    "calibrate_frames",
    "calibrate_image",
    "calibrate_records",
]


def calibrate_image(
    image, mode="HAADF", method="unbiased", fast_axis="x", atom_free=None
):
    """Measure the noise of one image.

    A scanned image is taken as ``clean + background + scan + pointwise`` [1]_:
    scan noise is correlated along the rows (the fast scan direction) and
    independent between them, its SD rises with the image gradient;
    pointwise noise is independent from pixel to pixel, its SD rises with
    intensity and its distribution is Tukey's lambda. An HRTEM image is the
    image without noise, one offset for each column of pixels, and pointwise
    noise [2]_: both normally distributed, the SD of the first the same
    everywhere, that of the second a line in intensity.

    Parameters
    ----------
    image : array-like, shape (h, w)
        Integer or floating, in any unit. Non-finite and hot pixels and
        areas where the detector clips are left out.
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
        Bright columns on a dark background, dark on bright, or an image
        that a camera took at once.
    method : {"unbiased", "paper"}, default "unbiased"
        Of scanned images.
        "unbiased" gives the parameters of the forward model, which the
        simulator takes. "paper" follows the steps of the paper [1]_; its
        values compare data sets, but carry the transfer of its blurs.
    fast_axis : {"x", "y"}, default "x"
        Along which axis the beam scans a line: the last one of the array,
        "x", or the first, "y", for images turned by 90 degrees. Of HRTEM
        images, "y" stands for noise that the rows share.
    atom_free : array-like of bool or int, shape (h, w), optional
        Of HRTEM images: where there are no atoms, as True or as the number
        of the area. The noise is measured there alone; several
        intensities tell its slope. By default it is measured with the
        structure removed.

    Returns
    -------
    CalibrationResult
        Parameters in the image's unit, standard errors, the curves they
        were fitted to, the reason for every parameter that is NaN, noise
        levels and gain, and notes on what puts them in doubt.

    Raises
    ------
    TypeError
        If the image is complex, boolean, RGB or of objects.
    ValueError
        If `mode`, `method` or `fast_axis` is unknown, or the image is not
        two-dimensional, smaller than 16 x 16 pixels or without a finite
        pixel. If `atom_free` is not of the shape of the image, marks no
        pixel, or is given for a scanned image; if `method` is "paper" for
        an HRTEM image.

    References
    ----------
    .. [1] H. Li, J. Wu, L. Shao, J. Zhang, Y. Fu, "Noise Calibration and
       Spatial-Frequency Interactive Network for STEM Image Enhancement",
       CVPR 2025.
    .. [2] H. Li, J. Wu, L. Shao, Y. Fu, "Statistical Characteristic-Guided
       Denoising for Rapid High-Resolution Transmission Electron Microscopy
       Imaging", CVPR 2026, arXiv:2603.18834.

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
    check_arguments(mode, method, fast_axis, atom_free)
    settings = mode, method, fast_axis, atom_free
    return _calibrate(image, *settings, curves=True)


def calibrate_frames(
    frames, mode="HAADF", method="unbiased", fast_axis="x", atom_free=None
):
    """Measure the noise of several images.

    Parameters
    ----------
    frames : array-like, shape (n, h, w)
        Integer or floating.
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
    method, fast_axis : str
        As of `calibrate_image`, the mode as well.
    atom_free : array-like of bool or int, shape (h, w), optional
        As of `calibrate_image`, the same for all frames.

    Returns
    -------
    numpy.ndarray of float64, shape (n, k)
        Columns in the order of ``parameter_names(mode)``; NaN where a frame
        cannot identify a parameter, and in all columns where it has no
        finite pixel. `calibrate_image` gives the reason.

    Raises
    ------
    TypeError
        If the frames are complex, boolean, RGB or of objects.
    ValueError
        If `mode`, `method` or `fast_axis` is unknown, or `frames` is not
        three-dimensional or smaller than 16 x 16 pixels.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.random.default_rng(0).normal(100, 5, (3, 64, 64))
    >>> calibrate_frames(frames).shape
    (3, 8)
    """
    records = calibrate_records(frames, mode, method, fast_axis, atom_free)
    return records[:, : len(parameter_names(mode))]


def calibrate_records(
    frames, mode="HAADF", method="unbiased", fast_axis="x", atom_free=None
):
    """Measure the noise of several images, and keep all that is known of it.

    Parameters
    ----------
    frames : array-like, shape (n, h, w)
        Integer or floating.
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
    method, fast_axis : str
        As of `calibrate_image`, the mode as well.
    atom_free : array-like of bool or int, shape (h, w), optional
        As of `calibrate_image`, the same for all frames.

    Returns
    -------
    numpy.ndarray of float64, shape (n, len(record.record_names(mode)))
        Rows that `record.from_record` reads: parameters, standard errors,
        levels, and what the reasons and notes are written from. All NaN
        for a frame without a finite pixel.

    Raises
    ------
    TypeError, ValueError
        As of `calibrate_frames`.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.noise.record import from_record
    >>> frames = np.random.default_rng(0).poisson(50, (2, 96, 96))
    >>> result = from_record(calibrate_records(frames)[0])
    >>> round(result.levels.noise_sd)
    7
    """
    check_arguments(mode, method, fast_axis, atom_free)
    frames = np.asarray(frames)
    if frames.ndim != 3:
        raise ValueError(
            f"frames has the shape {frames.shape}; give (n, h, w), for one image "
            "image[np.newaxis]."
        )
    settings = mode, method, fast_axis, atom_free
    records = np.full((len(frames), len(record_names(mode))), np.nan)
    for row, frame in zip(records, frames, strict=True):
        if frame.dtype.kind == "f" and not np.isfinite(frame).any():
            continue
        row[:] = to_record(_calibrate(frame, *settings, curves=False))
    return records


def _calibrate(image, mode, method, fast_axis, atom_free, curves):
    image = np.asarray(image)
    labels = None if atom_free is None else check_areas(atom_free, image.shape)
    if fast_axis == "y" and image.ndim == 2:
        image = np.ascontiguousarray(image.T)
        labels = None if labels is None else np.ascontiguousarray(labels.T)
    pixels = usable_pixels(image)
    _check_range(image, pixels)
    if pixels.scale == 0:
        text = f"the image is constant ({pixels.offset:g})"
        return empty_result(mode, Reason(text, NaNReason.CONSTANT))
    if mode == "HRTEM":
        result = estimate_hrtem(image, pixels, labels, curves)
    else:
        result = _estimate_scanned(image, pixels, mode, method, curves)
    result = replace(result, notes=tuple(result.checks.notes(mode=mode).values()))
    return result.rescaled(pixels.scale, pixels.offset)


def _check_range(image, pixels):
    """Raise where squares of variances would leave what float64 holds."""
    if image.dtype.kind != "f":
        return
    finite, middle = np.isfinite(image), pixels.offset
    ends = (end(image, where=finite, initial=middle) for end in (np.min, np.max))
    largest = 2 * max(abs(float(end) / 2 - middle / 2) for end in ends)
    if largest and not _HELD[0] < largest < _HELD[1]:
        raise ValueError(
            f"its values differ from their median by up to {largest:.3g}, whose powers "
            "float64 does not hold; leave out single pixels of such values, or bring "
            f"all to a range between {_HELD[0]:g} and {_HELD[1]:g} by a factor."
        )


def _estimate_scanned(image, pixels, mode, method, curves):
    if method == "paper":
        result = estimate_paper(pixels, mode)
    else:
        result = estimate_unbiased(pixels, mode, curves)
    checks = ImageChecks(
        correlated=any("correlated" in note for note in result.notes),
        wrong_axis=runs_along_columns(pixels.values),
        **check_pixels(image, pixels),
    )
    return replace(result, checks=checks)


def check_arguments(mode, method, fast_axis, atom_free=None):
    """Raise ValueError if an argument is unknown, or not of the mode."""
    check_mode(mode)
    for name, value, known in (
        ("method", method, METHODS),
        ("fast_axis", fast_axis, FAST_AXES),
    ):
        if value not in known:
            raise ValueError(
                f"{name}={value!r} is unknown; use one of {', '.join(known)}."
            )
    if mode == "HRTEM" and method == "paper":
        raise ValueError(
            "method='paper' is for scanned images (Li et al., CVPR 2025); leave it "
            "out for mode='HRTEM', and give atom_free to measure as the paper on "
            "HRTEM does."
        )
    if mode != "HRTEM" and atom_free is not None:
        raise ValueError(
            f"atom_free is given for mode={mode!r}; it is for mode='HRTEM', leave it "
            "out."
        )
