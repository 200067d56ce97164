"""Measure noise: arrays in, parameters out."""

import importlib

from .parameters import (
    MODES,
    NOISE_MODES,
    PARAMETER_NAMES,
    PUBLISHED_PARAMETERS,
    HRTEMNoiseParameters,
    NoiseParameters,
    parameter_names,
)

# Loaded on use: they need parts of SciPy that HyperSpy itself does not load
_LATER = {
    "CalibrationResult": "calibration",
    "GainEstimate": "gain",
    "NoiseLevels": "gain",
    "calibrate_frames": "calibration",
    "calibrate_image": "calibration",
    "calibrate_records": "calibration",
    "estimate_gain": "gain",
    "variance_linear_model": "variance",
}

__all__ = [
    "MODES",
    "NOISE_MODES",
    "PARAMETER_NAMES",
    "PUBLISHED_PARAMETERS",
    "HRTEMNoiseParameters",
    "NoiseParameters",
    "parameter_names",
    *_LATER,
]


def __dir__():
    return sorted(__all__)


def __getattr__(name):
    if name in _LATER:
        module = importlib.import_module(f"{__name__}.{_LATER[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
