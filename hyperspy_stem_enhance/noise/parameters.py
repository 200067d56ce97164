"""The parameters of the noise models, and the published values.

Scanned images are ``clean + background + scan + pointwise`` (Li et al.,
"Noise Calibration and Spatial-Frequency Interactive Network for STEM Image
Enhancement", CVPR 2025, section 3 and table 2), HRTEM images ``image
without noise + column + pointwise`` (Li, Wu, Shao, Fu, "Statistical
Characteristic-Guided Denoising for Rapid High-Resolution Transmission
Electron Microscopy Imaging", CVPR 2026, arXiv:2603.18834).
"""

from dataclasses import astuple, dataclass, fields

from ..imaging import ALL_MODES
from ..imaging import MODES as MODES
from ..imaging import check_mode as check_mode

NOISE_MODES = ALL_MODES


@dataclass(frozen=True)
class NoiseParameters:
    """Noise and background of one image, in the image's own units.

    Attributes
    ----------
    atom_brightness : float
        Height of the brightest columns over the background (HAADF), or
        depth of the darkest ones below it (BF); positive in both.
    background_min, background_max : float
        Lowest and highest background level over the image.
    scan_slope, scan_intercept : float
        SD of the scan noise against the magnitude of the image gradient
        (un-normalised Sobel, gain 8) is ``slope * gradient + intercept``.
    pointwise_slope, pointwise_intercept : float
        SD of the pointwise noise against intensity is
        ``slope * intensity + intercept``.
    pointwise_lambda : float
        Shape of the pointwise noise: Tukey's lambda distribution.
    """

    atom_brightness: float
    background_min: float
    background_max: float
    scan_slope: float
    scan_intercept: float
    pointwise_slope: float
    pointwise_intercept: float
    pointwise_lambda: float

    def to_tuple(self):
        """Return the values in the order of `PARAMETER_NAMES`."""
        return astuple(self)

    def rescaled(self, factor, offset=0.0):
        """Return the parameters of ``image * factor + offset``."""
        return NoiseParameters(
            atom_brightness=self.atom_brightness * factor,
            background_min=self.background_min * factor + offset,
            background_max=self.background_max * factor + offset,
            scan_slope=self.scan_slope,
            scan_intercept=self.scan_intercept * factor,
            pointwise_slope=self.pointwise_slope,
            # the SD at intensity zero moves along the line
            pointwise_intercept=self.pointwise_intercept * factor
            - self.pointwise_slope * offset,
            pointwise_lambda=self.pointwise_lambda,
        )


@dataclass(frozen=True)
class HRTEMNoiseParameters:
    """Noise and range of intensity of one HRTEM image, in its own units.

    Attributes
    ----------
    intensity_min, intensity_max : float
        1 and 99 percentiles of the image without noise.
    column_sd : float
        SD of the column noise: one value for all pixels of a column of
        the image, normally distributed.
    pointwise_slope, pointwise_intercept : float
        SD of the pointwise noise, normally distributed, against intensity
        is ``slope * intensity + intercept``.
    """

    intensity_min: float
    intensity_max: float
    column_sd: float
    pointwise_slope: float
    pointwise_intercept: float

    def to_tuple(self):
        """Return the values in the order of ``parameter_names("HRTEM")``."""
        return astuple(self)

    def rescaled(self, factor, offset=0.0):
        """Return the parameters of ``image * factor + offset``."""
        return HRTEMNoiseParameters(
            intensity_min=self.intensity_min * factor + offset,
            intensity_max=self.intensity_max * factor + offset,
            column_sd=self.column_sd * factor,
            pointwise_slope=self.pointwise_slope,
            pointwise_intercept=self.pointwise_intercept * factor
            - self.pointwise_slope * offset,
        )


def parameter_class(mode):
    """Class of the parameters of a mode.

    Parameters
    ----------
    mode : {"HAADF", "BF", "HRTEM"}

    Returns
    -------
    type
        `NoiseParameters` or `HRTEMNoiseParameters`.
    """
    return HRTEMNoiseParameters if mode == "HRTEM" else NoiseParameters


def parameter_names(mode="HAADF"):
    """Names of the parameters of a mode, in the order of arrays of them.

    Parameters
    ----------
    mode : {"HAADF", "BF", "HRTEM"}

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> parameter_names("HRTEM")[2:]
    ('column_sd', 'pointwise_slope', 'pointwise_intercept')
    """
    return tuple(field.name for field in fields(parameter_class(mode)))


PARAMETER_NAMES = parameter_names()  # of scanned images

# Of scanned images table 2 of the paper, mean over 20 images, 8-bit scale.  Atom
# brightness is printed there as minimum -> maximum: 63.44 -> 229.32 and
# 227.85 -> 51.60.  Of HRTEM what the other paper states, over its intensities.
PUBLISHED_PARAMETERS = {
    "HAADF": NoiseParameters(165.88, 10.38, 84.23, 0.11, 4.76, 0.07, 11.35, 0.27),
    "BF": NoiseParameters(176.25, 121.24, 242.45, 0.03, 7.85, 0.01, 17.03, 0.28),
    "HRTEM": HRTEMNoiseParameters(8.0, 17.0, 0.61, 0.0354, 1.394),
}
