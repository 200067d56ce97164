"""HyperSpy extension for atomic-resolution electron microscopy images.

Importing it gives every ``Signal2D`` of HyperSpy the methods
``calibrate_noise``, ``enhance_sfin`` and ``detect_atoms``. Where HyperSpy
is not installed, the modules that work on arrays can still be imported.
"""

import importlib
from importlib.util import find_spec

__version__ = "0.1.0.dev0"

_MODULES = (
    "detect",
    "enhance",
    "lattice",
    "metrics",
    "models",
    "noise",
    "simulate",
    "tomography",
    "tracking",
    "train",
)

_CLASSES = {
    "AtomPositions": "atom_positions",
    "LazyAtomPositions": "atom_positions",
    "LazyNoiseCalibration": "noise_calibration",
    "LazySTEMImage": "stem_image",
    "LazyTomogram": "tomogram",
    "NoiseCalibration": "noise_calibration",
    "STEMImage": "stem_image",
    "Tomogram": "tomogram",
}

_FUNCTIONS = {"tiff_tags": "_provenance", "to_grey": "_colour"}

__all__ = ["__version__", *_MODULES, *_CLASSES, *_FUNCTIONS]


def __dir__():
    return sorted(__all__)


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _CLASSES or name in _FUNCTIONS:
        home = {**_CLASSES, **_FUNCTIONS}[name]
        module = importlib.import_module(f"{__name__}.signals.{home}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if find_spec("hyperspy") is not None:
    from ._register import register

    register()
    del register
