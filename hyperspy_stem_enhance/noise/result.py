"""What the calibration of one image gives."""

from dataclasses import dataclass, field, replace

import numpy as np

from .checks import ImageChecks
from .curves import SDCurve
from .gain import NoiseLevels, estimate_gain
from .parameters import PARAMETER_NAMES, NoiseParameters

_UNKNOWN = NoiseParameters(*[np.nan] * len(PARAMETER_NAMES))
_NOT_MEASURED = NoiseLevels()
_NOTHING_FOUND = ImageChecks()


@dataclass(frozen=True)
class CalibrationResult:
    """Noise parameters of one image, and what they were fitted to.

    Attributes
    ----------
    parameters : NoiseParameters
        In the image's units; NaN where a parameter cannot be identified.
    reasons : dict of str
        Why a parameter is NaN, by its name.
    notes : tuple of str
        What about the image puts the result in doubt.
    scan : SDCurve
        SD of the scan noise against the gradient magnitude.
    pointwise : SDCurve
        SD of the pointwise noise against intensity.
    histogram_edges, histogram_density : numpy.ndarray of float
        Distribution of the pointwise noise divided by its SD.
    mode : {"HAADF", "BF"}
    standard_errors : NoiseParameters
        Standard errors; NaN for parameters that are NaN, and for all of
        the paper's method. That of the pointwise intercept holds where
        intensity is zero in the image's units. Those of brightness and
        background are of the scatter over simulated images.
    levels : NoiseLevels
        Intensity and noise over the image, and the line of its variance.
    checks : ImageChecks
        What `notes` puts in words.
    """

    parameters: NoiseParameters
    reasons: dict = field(default_factory=dict)
    notes: tuple = ()
    scan: SDCurve = None
    pointwise: SDCurve = None
    histogram_edges: np.ndarray = None
    histogram_density: np.ndarray = None
    mode: str = "HAADF"
    standard_errors: NoiseParameters = _UNKNOWN
    levels: NoiseLevels = _NOT_MEASURED
    checks: ImageChecks = _NOTHING_FOUND

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
        """Height of the brightest columns over the SD of the noise."""
        noise = self.levels.noise_sd
        return self.parameters.atom_brightness / noise if noise > 0 else np.nan

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
        old, errors = self.parameters, self.standard_errors
        parameters = NoiseParameters(
            atom_brightness=old.atom_brightness * factor,
            background_min=old.background_min * factor + offset,
            background_max=old.background_max * factor + offset,
            scan_slope=old.scan_slope,
            scan_intercept=old.scan_intercept * factor,
            pointwise_slope=old.pointwise_slope,
            # the SD at intensity zero moves along the line
            pointwise_intercept=old.pointwise_intercept * factor
            - old.pointwise_slope * offset,
            pointwise_lambda=old.pointwise_lambda,
        )
        return replace(
            self,
            parameters=parameters,
            scan=self.scan.rescaled(factor),
            pointwise=self.pointwise.rescaled(factor, offset),
            levels=self.levels.rescaled(factor, offset),
            standard_errors=replace(
                errors,
                atom_brightness=errors.atom_brightness * factor,
                background_min=errors.background_min * factor,
                background_max=errors.background_max * factor,
                scan_intercept=errors.scan_intercept * factor,
                pointwise_intercept=errors.pointwise_intercept * factor,
            ),
        )


def empty_result(mode, reason):
    """Result for an image that identifies no parameter, for one reason."""
    none = SDCurve(*np.zeros((3, 0)))
    return CalibrationResult(
        parameters=_UNKNOWN,
        reasons=dict.fromkeys(PARAMETER_NAMES, reason),
        scan=none,
        pointwise=none,
        histogram_edges=np.array([0.0, 1.0]),
        histogram_density=np.array([0.0]),
        mode=mode,
    )
