"""What the calibration of one image gives."""

from dataclasses import dataclass, field, replace

import numpy as np

from .checks import ImageChecks
from .curves import SDCurve
from .gain import NoiseLevels, estimate_gain
from .parameters import (
    HRTEMNoiseParameters,
    NoiseParameters,
    parameter_class,
    parameter_names,
)

_NOT_MEASURED = NoiseLevels()
_NOTHING_FOUND = ImageChecks()


@dataclass(frozen=True)
class CalibrationResult:
    """Noise parameters of one image, and what they were fitted to.

    Attributes
    ----------
    parameters : NoiseParameters or HRTEMNoiseParameters
        In the image's units; NaN where a parameter cannot be identified.
    reasons : dict of str
        Why a parameter is NaN, by its name.
    notes : tuple of str
        What about the image puts the result in doubt.
    scan : SDCurve or None
        SD of the scan noise against the gradient magnitude; None for
        HRTEM images.
    pointwise : SDCurve
        SD of the pointwise noise against intensity.
    histogram_edges, histogram_density : numpy.ndarray of float
        Distribution of the pointwise noise divided by its SD.
    mode : {"HAADF", "BF", "HRTEM"}
    standard_errors : NoiseParameters or HRTEMNoiseParameters
        Standard errors; NaN for parameters that are NaN, and for all of
        the paper's method. That of the pointwise intercept holds where
        intensity is zero in the image's units. Those of brightness and
        background are of the scatter over simulated images. By default
        all are unknown.
    levels : NoiseLevels
        Intensity and noise over the image, and the line of its variance.
    checks : ImageChecks
        What `notes` puts in words.
    columns : numpy.ndarray of float, shape (w,), or None
        Offset of each column of an HRTEM image, drawn towards zero as much
        as it is uncertain; None for others, and NaN where there is nothing
        to measure it on.
    """

    parameters: NoiseParameters | HRTEMNoiseParameters
    reasons: dict = field(default_factory=dict)
    notes: tuple = ()
    scan: SDCurve | None = None
    pointwise: SDCurve = None
    histogram_edges: np.ndarray = None
    histogram_density: np.ndarray = None
    mode: str = "HAADF"
    standard_errors: NoiseParameters | HRTEMNoiseParameters = None
    levels: NoiseLevels = _NOT_MEASURED
    checks: ImageChecks = _NOTHING_FOUND
    columns: np.ndarray | None = None

    def __post_init__(self):
        if self.standard_errors is None:
            object.__setattr__(self, "standard_errors", _unknown(self.mode))

    def gain(self, dark_level=None):
        """Gain and electrons per pixel, where the variance supports them.

        Parameters
        ----------
        dark_level : float, optional
            Intensity without electrons. By default, where the line of the
            variance meets zero.

        Returns
        -------
        GainEstimate
        """
        return estimate_gain(self.levels, self.checks.correlated, dark_level)

    @property
    def column_snr(self):
        """Height of the brightest columns over the SD of the noise.

        NaN for HRTEM images, whose calibration does not look for columns.
        """
        noise = self.levels.noise_sd
        height = getattr(self.parameters, "atom_brightness", np.nan)
        return height / noise if noise > 0 else np.nan

    def rescaled(self, factor, offset):
        """Return the result for ``image * factor + offset``.

        Parameters
        ----------
        factor : float
            Positive.
        offset : float

        Returns
        -------
        CalibrationResult
        """
        scan, columns = self.scan, self.columns
        return replace(
            self,
            parameters=self.parameters.rescaled(factor, offset),
            # errors do not move with the origin
            standard_errors=self.standard_errors.rescaled(factor),
            levels=self.levels.rescaled(factor, offset),
            pointwise=self.pointwise.rescaled(factor, offset),
            scan=None if scan is None else scan.rescaled(factor),
            columns=None if columns is None else columns * factor,
        )


def empty_result(mode, reason):
    """Result for an image that identifies no parameter, for one reason."""
    none = SDCurve(*np.zeros((3, 0)))
    hrtem = mode == "HRTEM"
    return CalibrationResult(
        parameters=_unknown(mode),
        reasons=dict.fromkeys(parameter_names(mode), reason),
        scan=None if hrtem else none,
        columns=np.zeros(0) if hrtem else None,
        pointwise=none,
        histogram_edges=np.array([0.0, 1.0]),
        histogram_density=np.array([0.0]),
        mode=mode,
    )


def _unknown(mode):
    return parameter_class(mode)(*[np.nan] * len(parameter_names(mode)))
