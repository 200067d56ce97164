"""The eight parameters of the noise model, and the published values.

``I = clean + background + scan + pointwise`` (Li et al., "Noise
Calibration and Spatial-Frequency Interactive Network for STEM Image
Enhancement", CVPR 2025, section 3 and table 2).
"""

from dataclasses import astuple, dataclass, fields

MODES = ("HAADF", "BF")


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


PARAMETER_NAMES = tuple(field.name for field in fields(NoiseParameters))

# Table 2 of the paper, mean over 20 images, 8-bit scale.  Atom brightness
# is printed there as minimum -> maximum: 63.44 -> 229.32 and 227.85 -> 51.60.
PUBLISHED_PARAMETERS = {
    "HAADF": NoiseParameters(165.88, 10.38, 84.23, 0.11, 4.76, 0.07, 11.35, 0.27),
    "BF": NoiseParameters(176.25, 121.24, 242.45, 0.03, 7.85, 0.01, 17.03, 0.28),
}
