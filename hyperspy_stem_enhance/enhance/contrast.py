"""What is different in HRTEM images: dark columns, and noise of columns of pixels.

Whether a camera shows columns bright or dark is up to the defocus and the
thickness of the specimen.  Networks for HRTEM images are trained on bright ones;
dark ones are turned over for them.
"""

import numpy as np

CONTRASTS = ("bright", "dark")


def check_contrast(contrast, mode="HRTEM"):
    """Raise ValueError unless images of a mode can have such columns.

    Parameters
    ----------
    contrast : object
    mode : {"HAADF", "BF", "HRTEM"}
        "dark" is for HRTEM images; the other modes tell it themselves.
    """
    if contrast not in CONTRASTS:
        raise ValueError(
            f"contrast={contrast!r} is unknown; use one of "
            f"{', '.join(map(repr, CONTRASTS))}."
        )
    if contrast == "dark" and mode != "HRTEM":
        raise ValueError(
            f"contrast='dark' belongs to mode='HRTEM', not to mode={mode!r}; for "
            "dark columns of scanned images, use mode='BF'."
        )


def show_bright(frames, contrast="dark"):
    """Turn intensities over where columns are dark.

    Parameters
    ----------
    frames : numpy.ndarray, shape (..., h, w)
    contrast : {"bright", "dark"}

    Returns
    -------
    numpy.ndarray, shape (..., h, w)
        The frames themselves where columns are bright. Else 255 less the
        frames if they are uint8, and otherwise the negative, in float32 or
        float64, whichever holds every value of the dtype.

    Examples
    --------
    >>> import numpy as np
    >>> show_bright(np.array([[1, 255]], np.uint8))
    array([[254,   0]], dtype=uint8)
    >>> show_bright(np.array([[1, 300]], np.uint16))
    array([[  -1., -300.]], dtype=float32)
    """
    if contrast == "bright":
        return frames
    if frames.dtype == np.uint8:  # published networks take these values
        return 255 - frames
    return -frames.astype(np.result_type(frames.dtype, np.float32))


def lay_noise_along_rows(frame, mode):
    """Transpose an HRTEM image, whose columns of pixels share noise.

    Parameters
    ----------
    frame : numpy.ndarray, shape (h, w)
    mode : {"HAADF", "BF", "HRTEM"}
        In images of the other modes rows do so, and they stay as they are.

    Returns
    -------
    numpy.ndarray, shape (w, h) or (h, w)
    """
    return frame.T if mode == "HRTEM" else frame


def enhance_either(enhance, frames, contrast, **options):
    """Enhance HRTEM frames whose columns are bright, or dark.

    Parameters
    ----------
    enhance : callable
        `run.enhance_frames`, or another function for bright columns.
    frames : numpy.ndarray, shape (n, h, w)
    contrast : {"bright", "dark"}
    **options
        Of `enhance`.

    Returns
    -------
    numpy.ndarray of float32, shape (n, h, w), or a tuple of them
        As from `enhance`: columns bright on zero; with
        ``keep_background``, dark as they were.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.array([[[3.0, 1.0]]])
    >>> enhance_either(lambda frames: frames, frames, "dark")
    array([[[-3., -1.]]])
    """
    enhanced = enhance(show_bright(frames, contrast), **options)
    if contrast == "dark" and options.get("keep_background"):
        return (255 if frames.dtype == np.uint8 else 0) - enhanced
    return enhanced
