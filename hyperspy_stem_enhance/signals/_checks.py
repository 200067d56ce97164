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
            "`hyperspy_stem_enhance.to_grey(s)` makes images of their brightness, and "
            "so does --grey on the command line"
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


def check_method(method):
    """Raise ValueError unless columns can be looked for by this method."""
    known = ("auto", "network", "classical")
    if method not in known:
        listed = ", ".join(map(repr, known))
        raise ValueError(f"method={method!r} is unknown; use one of {listed}")


def check_uniform_axes(signal):
    """Raise ValueError unless positions can be calibrated by the image axes.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    """
    from hyperspy_stem_enhance.signals._ragged import image_axes_dictionary

    image_axes_dictionary(signal.axes_manager.signal_axes)


def check_pair(image, enhanced):
    """Raise unless a signal and the enhanced one are of one and the same image."""
    for signal, name in ((image, "the signal"), (enhanced, "enhanced")):
        if signal.axes_manager.navigation_size > 1:
            raise ValueError(
                f"{name} has {signal.axes_manager.navigation_size} images; compare "
                "one at a time, such as s.inav[0] with e.inav[0]."
            )
    if image.data.shape[-2:] != enhanced.data.shape[-2:]:
        raise ValueError(
            f"enhanced has images of {enhanced.data.shape[-2:]} pixels, the signal of "
            f"{image.data.shape[-2:]}; give what enhance_sfin made of this signal."
        )
