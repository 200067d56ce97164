"""Check what a user passes to the methods of image signals."""

import numpy as np

from hyperspy_stem_enhance.noise.parameters import MODES

MIN_SIDE = 16  # pixels; no column and its surroundings fit in less


def check_arguments(signal, mode, num_workers, hrtem=False):
    """Check what all methods of image signals take."""
    check_images(signal)
    check_mode(mode, hrtem)
    check_workers(num_workers)


def check_images(signal):
    """Raise unless a signal holds real images that can be worked on.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D

    Raises
    ------
    TypeError
        If the dtype is not a real number: RGB, complex, object, ...
    ValueError
        If there is no image, the images are smaller than 16 pixels along
        a side, or the signal axes are not the last ones of the array.
    """
    axes = signal.axes_manager
    if axes.signal_dimension != 2:
        raise ValueError(
            f"the signal dimension is {axes.signal_dimension}, expected images, "
            "which have 2; use `s.transpose(signal_axes=...)` to choose the two axes"
        )
    _check_dtype(signal.data.dtype)
    indices = axes.signal_indices_in_array
    if sorted(indices) != [signal.data.ndim - 2, signal.data.ndim - 1]:
        raise ValueError(
            f"the signal axes are the axes {indices} of the data, expected the last "
            "two; use `s.transpose(signal_axes=...)`, which moves them"
        )
    if 0 in signal.data.shape:
        raise ValueError(
            f"the data are empty (shape {signal.data.shape}); give at least one image"
        )
    if min(axes.signal_shape) < MIN_SIDE:
        raise ValueError(
            f"the images have {axes.signal_shape} pixels (x, y), expected at least "
            f"{MIN_SIDE} along each side; crop less, or check with "
            "`s.axes_manager` that the signal axes are the image"
        )


def _check_dtype(dtype):
    if dtype.kind in "uif":
        return
    if dtype.fields is not None:
        remedy = (
            "`s.change_dtype('uint8')` turns the colours into a navigation axis; take "
            "one of them, or their mean"
        )
        raise TypeError(f"the images are in colour (dtype {dtype}); {remedy}")
    if dtype.kind == "c":
        remedy = "take `s.real`, `s.imag`, `s.amplitude` or `s.phase`"
    else:
        remedy = "convert them with `s.change_dtype('float32')`"
    raise TypeError(f"the data have the dtype {dtype}, expected real numbers; {remedy}")


def check_mode(mode, hrtem=False):
    """Raise ValueError unless mode is one of the imaging modes.

    Parameters
    ----------
    mode : object
    hrtem : bool, default False
        Whether "HRTEM" is one of them.
    """
    if mode in MODES or (hrtem and mode == "HRTEM"):
        return
    if mode == "HRTEM":
        raise ValueError(
            "mode='HRTEM' is none of scanned images; use `enhance_scgn` to enhance "
            "images of a camera. Where it is only asked whether columns are bright or "
            "dark, use 'HAADF' or 'BF'."
        )
    known = (
        f"mode={mode!r} is unknown; use 'HAADF' for images with bright columns "
        "(any dark-field detector), 'BF' for dark columns (bright field and ABF)"
    )
    raise ValueError(known + (", 'HRTEM' for images of a camera" if hrtem else ""))


def check_workers(num_workers):
    """Raise unless num_workers is None or a positive whole number."""
    if num_workers is None:
        return
    if not isinstance(num_workers, int | np.integer) or num_workers < 1:
        raise ValueError(
            f"num_workers={num_workers!r} is not a positive whole number; use None "
            "for dask's own choice"
        )


def check_enhance(enhance):
    """Raise ValueError unless enhance is a bool or "auto"."""
    if not (isinstance(enhance, bool | np.bool_) or enhance == "auto"):
        raise ValueError(f"enhance={enhance!r} is unknown; use True, False or 'auto'")


def check_threshold(threshold):
    """Raise ValueError unless threshold is None or a confidence."""
    try:
        valid = threshold is None or 0 <= threshold <= 1
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(
            f"threshold={threshold!r} is not a confidence from 0 to 1; use None for "
            "the default"
        )


def check_detection(method, separation, support):
    """Raise ValueError unless these are arguments of `detect_atoms`."""
    for name, value, known in (
        ("method", method, ("auto", "network", "classical")),
        ("support", support, ("auto", "keep")),
    ):
        if value not in known:
            listed = ", ".join(map(repr, known))
            raise ValueError(f"{name}={value!r} is unknown; use one of {listed}")
    try:
        valid = separation is None or 0 <= separation < np.inf
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(
            f"separation={separation!r} is no distance; give a number of pixels, or "
            "None"
        )


def describe_defects(frame):
    """Describe hot and dead pixels and saturated areas of an image for a warning.

    Parameters
    ----------
    frame : numpy.ndarray, shape (h, w)
        Real, with at least one finite pixel.

    Returns
    -------
    dict of str to str
        From the kind of defect to a text with the number of pixels. Empty
        for an image without any.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(100, 5, (64, 64))
    >>> image[30, 30] = 1e4
    >>> describe_defects(image)["hot"]
    '1 pixel far outside the range of all others'
    """
    from hyperspy_stem_enhance.noise.checks import check_pixels
    from hyperspy_stem_enhance.noise.usable import usable_pixels

    found = check_pixels(frame, usable_pixels(frame))
    defects = {}
    if found["hot_pixels"]:
        pixels = "pixel" if found["hot_pixels"] == 1 else "pixels"
        defects["hot"] = (
            f"{found['hot_pixels']} {pixels} far outside the range of all others"
        )
    at_ends = found["clipped_low"] + found["clipped_high"]
    if at_ends > 0:
        few = at_ends < 0.0005  # what would be called 0.0%
        share = f"{at_ends * frame.size:.0f}" if few else f"{at_ends:.1%}"
        defects["clipped"] = (
            f"{share} of its pixels at the ends of the detector's range "
            "(saturated, or cut off at the lowest value)"
        )
    return defects
