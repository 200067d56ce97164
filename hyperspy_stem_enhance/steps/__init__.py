"""What is done to frames: frozen objects, checked once, called with arrays.

Each step holds the settings of one method. It is checked when it is made, before
a frame is read; it can be pickled; and it is called with a batch of frames, by a
user with arrays or by `mapping.map_step` with the frames of a signal.
"""

from .calibration import Calibration
from .detection import (
    Detection,
    EnhancedDetection,
    EnhancementAndDetection,
)
from .enhancement import Enhancement, EnhancementWithUncertainty
from .refinement import Refinement

__all__ = [
    "Calibration",
    "Detection",
    "EnhancedDetection",
    "Enhancement",
    "EnhancementAndDetection",
    "EnhancementWithUncertainty",
    "Refinement",
]
