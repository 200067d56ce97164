"""Names of an earlier version: what they did is in `imaging` and in `steps`."""

import warnings

import numpy as np

from .. import imaging


def show_bright(frames, contrast="dark"):
    """Turn dark columns bright: use `imaging.invert_contrast`.

    Parameters
    ----------
    frames : numpy.ndarray, shape (..., h, w)
    contrast : {"bright", "dark"}

    Returns
    -------
    numpy.ndarray, shape (..., h, w)
    """
    _deprecate("show_bright", "imaging.invert_contrast")
    return frames if contrast == "bright" else imaging.invert_contrast(frames)


def enhance_either(enhance, frames, contrast, **options):
    """Enhance frames whose columns are bright or dark: use `steps.Enhancement`.

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
    """
    _deprecate("enhance_either", "steps.Enhancement")
    if contrast == "bright":
        return enhance(frames, **options)
    enhanced = enhance(imaging.invert_contrast(frames), **options)
    if options.get("keep_background"):
        return (255 if frames.dtype == np.uint8 else 0) - enhanced
    return enhanced


def _deprecate(name, instead):
    warnings.warn(
        f"enhance.contrast.{name} will be removed in the next version; use "
        f"hyperspy_stem_enhance.{instead}.",
        FutureWarning,
        stacklevel=3,
    )
