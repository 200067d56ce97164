"""Measure noise: arrays in, parameters out."""

from .calibration import (
    CalibrationResult,
    calibrate_frames,
    calibrate_image,
    calibrate_records,
)
from .gain import GainEstimate, NoiseLevels, estimate_gain
from .parameters import (
    MODES,
    PARAMETER_NAMES,
    PUBLISHED_PARAMETERS,
    NoiseParameters,
)
from .variance import variance_linear_model

__all__ = [
    "MODES",
    "PARAMETER_NAMES",
    "PUBLISHED_PARAMETERS",
    "CalibrationResult",
    "GainEstimate",
    "NoiseLevels",
    "NoiseParameters",
    "calibrate_frames",
    "calibrate_image",
    "calibrate_records",
    "estimate_gain",
    "variance_linear_model",
]
