"""The step that measures the noise of frames."""

from dataclasses import dataclass

import numpy as np

from ..noise.calibration import calibrate_records, check_arguments
from ..noise.record import record_names
from .base import Step, Vector


@dataclass(frozen=True, eq=False)
class Calibration(Step):
    """Measure the noise and background of frames.

    Parameters
    ----------
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
    method : {"unbiased", "paper"}, default "unbiased"
    fast_axis : {"x", "y"}, default "x"
    atom_free : numpy.ndarray of int, shape (h, w), optional
        Number of the area without atoms that a pixel is in, 0 outside.
        All as of :func:`.noise.calibration.calibrate_records`.

    Raises
    ------
    ValueError
        If an argument is unknown, or not of the mode.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.steps import Calibration
    >>> frames = np.random.default_rng(0).poisson(20, (2, 64, 64))
    >>> Calibration()(frames).shape
    (2, 33)
    """

    mode: str = "HAADF"
    method: str = "unbiased"
    fast_axis: str = "x"
    atom_free: np.ndarray | None = None
    refuse_constant = True

    def __post_init__(self):
        check_arguments(self.mode, self.method, self.fast_axis, self.atom_free)

    @property
    def outputs(self):
        """One vector, as `noise.record.record_names` lists it."""
        return (Vector(len(record_names(self.mode))),)

    def __call__(self, frames):
        """Records (n, k) of frames (n, h, w)."""
        return calibrate_records(
            frames, self.mode, self.method, self.fast_axis, self.atom_free
        )
