"""Imaging modes: the one place that knows HAADF, BF and HRTEM.

A mode tells three things apart that its name joins: whether columns are bright or
dark, along which axis of the array pixels share noise, and which model of noise
holds.  Scanned images have noise that pixels of a line share (Li et al., "Noise
Calibration and Spatial-Frequency Interactive Network for STEM Image Enhancement",
CVPR 2025); those of a camera noise that lines of the read-out share, across the
rows (Li et al., "Statistical Characteristic-Guided Denoising for Rapid
High-Resolution Transmission Electron Microscopy Imaging", CVPR 2026).
"""

from dataclasses import dataclass, replace

import numpy as np

CONTRASTS = ("bright", "dark")


@dataclass(frozen=True)
class ImagingMode:
    """How images were recorded.

    Attributes
    ----------
    name : str
        "HAADF", "BF" or "HRTEM".
    dark_columns : bool
        Whether columns are darker than what is around them.
    noise_axis : int
        Axis of the array along which pixels share noise: -1 for the scan
        lines of scanned images, -2 for the lines of a camera.
    noise_model : {"scan", "camera"}
    fixed_contrast : bool
        Whether the name alone tells how columns look.

    Examples
    --------
    >>> from hyperspy_stem_enhance.imaging import imaging_mode
    >>> imaging_mode("BF").sign
    -1
    """

    name: str
    dark_columns: bool = False
    noise_axis: int = -1
    noise_model: str = "scan"
    fixed_contrast: bool = True

    @property
    def sign(self):
        """1 where columns are bright, -1 where they are dark."""
        return -1 if self.dark_columns else 1

    @property
    def contrast(self):
        """How columns look: "bright" or "dark"."""
        return "dark" if self.dark_columns else "bright"

    @property
    def scanned(self):
        """Whether a beam scans the specimen."""
        return self.noise_model == "scan"

    def orient_noise_axis(self, image):
        """Turn an image, or one turned so, such that rows share no noise.

        Parameters
        ----------
        image : numpy.ndarray, shape (..., h, w)

        Returns
        -------
        numpy.ndarray
            The image, with its last two axes swapped where pixels share
            noise along the rows' axis.
        """
        return image if self.noise_axis == -1 else np.swapaxes(image, -1, -2)


_MODES = {
    "HAADF": ImagingMode("HAADF"),
    "BF": ImagingMode("BF", dark_columns=True),
    "HRTEM": ImagingMode(
        "HRTEM", noise_axis=-2, noise_model="camera", fixed_contrast=False
    ),
}
ALL_MODES = tuple(_MODES)
MODES = tuple(name for name, mode in _MODES.items() if mode.scanned)


def check_mode(mode):
    """Raise ValueError unless `mode` is one of `ALL_MODES`."""
    if mode not in ALL_MODES:
        known = ", ".join(ALL_MODES)
        raise ValueError(f"mode={mode!r} is unknown; use one of {known}.")


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


def imaging_mode(mode, contrast="bright"):
    """Imaging mode that a name stands for.

    Parameters
    ----------
    mode : {"HAADF", "BF", "HRTEM"}
    contrast : {"bright", "dark"}, default "bright"
        Of HRTEM images: how columns look, which defocus and thickness
        decide.

    Returns
    -------
    ImagingMode

    Raises
    ------
    ValueError
        If one of them is unknown, or they do not go together.

    Examples
    --------
    >>> imaging_mode("HRTEM", "dark").noise_axis
    -2
    """
    check_mode(mode)
    check_contrast(contrast, mode)
    if contrast == "dark":
        return replace(_MODES[mode], dark_columns=True)
    return _MODES[mode]


def invert_contrast(frames):
    """Make dark columns bright.

    Parameters
    ----------
    frames : numpy.ndarray, shape (..., h, w)

    Returns
    -------
    numpy.ndarray, shape (..., h, w)
        255 less the frames if they are uint8, and otherwise the negative,
        in float32 or float64, whichever holds every value of the dtype.

    Examples
    --------
    >>> import numpy as np
    >>> invert_contrast(np.array([[1, 255]], np.uint8))
    array([[254,   0]], dtype=uint8)
    >>> invert_contrast(np.array([[1, 300]], np.uint16))
    array([[  -1., -300.]], dtype=float32)
    """
    if frames.dtype == np.uint8:  # published networks take these values
        return 255 - frames
    return -frames.astype(np.result_type(frames.dtype, np.float32))
