"""The methods that this package gives to image signals, and their class.

The methods check their arguments, have the array functions mapped over the
frames, and put axes and metadata on the result; they hold no mathematics.
"""

import numpy as np
from hyperspy.docstrings.signal import (
    LAZY_OUTPUT_ARG,
    LAZYSIGNAL_DOC,
    NUM_WORKERS_ARG,
    SHOW_PROGRESSBAR_ARG,
)
from hyperspy.signals import LazySignal2D, Signal2D

from hyperspy_stem_enhance.lazy import map_frames
from hyperspy_stem_enhance.signals import _checks, _workers
from hyperspy_stem_enhance.signals.enhancement import EnhancementMixin

_RUN_ARGS = (LAZY_OUTPUT_ARG, SHOW_PROGRESSBAR_ARG, NUM_WORKERS_ARG)


class STEMImageMixin(EnhancementMixin):
    """Methods of every ``Signal2D`` once this package is imported."""

    def calibrate_noise(
        self,
        mode="HAADF",
        method="unbiased",
        *,
        fast_axis="x",
        lazy_output=None,
        show_progressbar=None,
        num_workers=None,
    ):
        """Measure the noise and background of each image.

        Parameters
        ----------
        mode : {"HAADF", "BF"}, default "HAADF"
            Whether columns are bright (any dark-field detector) or dark
            (bright field and annular bright field).
        method : {"unbiased", "paper"}, default "unbiased"
            Whose parameters: those that the simulator takes, or those that
            the steps of the paper [1]_ give, which compare data sets that
            were treated alike. Gain and signal-to-noise ratio are measured
            by the first alone.
        fast_axis : {"x", "y"}, default "x"
            Axis along which the beam scans a line. "y" is for images that
            were turned by 90 degrees; the parameters mean the same.
        %s
        %s
        %s

        Returns
        -------
        NoiseCalibration or LazyNoiseCalibration
            For each image eight parameters in its own units, their
            standard errors, noise SD and signal-to-noise ratio, gain and
            electrons per pixel; with the navigation shape of this signal.
            What an image does not allow to identify is NaN, and has a
            reason.

        Raises
        ------
        TypeError
            If the images are complex, in colour, or not numbers.
        ValueError
            If the images are empty, smaller than 16 pixels along a side,
            or the mode, method or fast axis is unknown; if a single image
            is constant or has no finite pixel (in a series, that frame's
            row is NaN).

        Warns
        -----
        UserWarning
            Once for each of these, with the frames that have it: noise
            that is correlated between neighbouring pixels, histograms that
            are cut off, hot pixels, noise that runs along the other axis.
            Of a lazy result, when it is computed. They are kept as notes.

        See Also
        --------
        hyperspy_stem_enhance.noise.calibration.calibrate_image

        Notes
        -----
        If images and result are in memory, and the variance of the
        pointwise noise is linear in intensity, its line is also written
        to ``metadata.Signal.Noise_properties.Variance_linear_model`` of
        this signal, where HyperSpy looks for it.

        References
        ----------
        .. [1] Li et al., "Noise Calibration and Spatial-Frequency
           Interactive Network for STEM Image Enhancement", CVPR 2025,
           section 3.2.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> import hyperspy_stem_enhance
        >>> counts = np.random.default_rng(0).poisson(20, (4, 64, 64))
        >>> s = hs.signals.Signal2D(counts)
        >>> s.calibrate_noise(show_progressbar=False)
        <NoiseCalibration, title: , dimensions: (4|33)>
        """
        from hyperspy_stem_enhance.noise.calibration import (
            calibrate_records,
            check_arguments,
        )
        from hyperspy_stem_enhance.noise.record import RECORD_NAMES
        from hyperspy_stem_enhance.signals.noise_calibration import NoiseCalibration

        _checks.check_arguments(self, mode, num_workers)
        settings = {"mode": mode, "method": method, "fast_axis": fast_axis}
        check_arguments(**settings)
        data = map_frames(
            self,
            calibrate_records,
            "vector",
            size=len(RECORD_NAMES),
            dtype=np.float64,
            kwargs=settings,
            refuse_constant=True,
            lazy_output=lazy_output,
            show_progressbar=show_progressbar,
            num_workers=num_workers,
        )
        calibration = NoiseCalibration.from_array(data, image=self, **settings)
        if not calibration._lazy:
            calibration.warn_of_notes()
            if not self._lazy:
                _write_variance_model(self, calibration)
        return calibration

    calibrate_noise.__doc__ %= _RUN_ARGS

    def detect_atoms(
        self,
        mode="HAADF",
        *,
        enhance="auto",
        model="auto",
        device="auto",
        scale="auto",
        threshold=None,
        lazy_output=None,
        show_progressbar=None,
        num_workers=None,
    ):
        """Find the atom columns of each image.

        Parameters
        ----------
        mode : {"HAADF", "BF"}, default "HAADF"
            Whether columns are bright (any dark-field detector) or dark
            (bright field and annular bright field). Enhanced images know
            their mode.
        enhance : bool or "auto", default "auto"
            Whether to run :meth:`enhance_sfin` on the images first. By
            default, unless their metadata says that it has been done. If
            False, the images are taken as they are, which should be
            bright columns on a background of about zero.
        model, device, scale : optional
            As for :meth:`enhance_sfin`.
        threshold : float, default 0.5
            Lowest confidence of a column that is kept, 0 to 1.
        %s
        %s
        %s

        Returns
        -------
        AtomPositions or LazyAtomPositions
            One table of columns per image, with the navigation shape of
            this signal ((1,) for a single image).

        Raises
        ------
        TypeError
            If the images are complex, in colour, or not numbers.
        ValueError
            If the images are empty, smaller than 16 pixels along a side,
            or an argument is unknown; if a single image is constant
            before enhancement or has no finite pixel (in a series, that
            frame has no atoms, with a warning).

        See Also
        --------
        hyperspy_stem_enhance.detect.columns.detect_columns

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> import hyperspy_stem_enhance
        >>> counts = np.random.default_rng(0).poisson(20, (4, 64, 64))
        >>> s = hs.signals.Signal2D(counts)
        >>> s.detect_atoms(scale=1, show_progressbar=False)
        <AtomPositions, title: , dimensions: (4|ragged)>
        """
        from hyperspy_stem_enhance.signals.atom_positions import AtomPositions

        _checks.check_arguments(self, mode, num_workers)
        _checks.check_enhance(enhance)
        _checks.check_threshold(threshold)
        data = map_frames(
            self,
            **_workers.detecting(self, mode, enhance, model, device, scale, threshold),
            lazy_output=lazy_output,
            show_progressbar=show_progressbar,
            num_workers=num_workers,
        )
        return AtomPositions.from_arrays(data, image=self)

    detect_atoms.__doc__ %= _RUN_ARGS


class STEMImage(STEMImageMixin, Signal2D):
    """Atomic-resolution STEM or TEM images.

    Any ``Signal2D`` has its methods; the class only marks the images by
    the signal type "STEM_image", so that a file saved with it imports
    this package when it is loaded.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> s = hs.signals.Signal2D(np.ones((32, 32)))
    >>> s.set_signal_type("STEM_image")
    >>> s
    <STEMImage, title: , dimensions: (|32, 32)>
    """

    _signal_type = "STEM_image"
    _alias_signal_types = ["STEM image"]


class LazySTEMImage(LazySignal2D, STEMImage):
    """Lazy atomic-resolution STEM or TEM images."""

    __doc__ += LAZYSIGNAL_DOC.replace("__BASECLASS__", "Signal2D")


def _write_variance_model(signal, calibration):
    """Tell HyperSpy of the noise, unless no straight line describes it."""
    from hyperspy_stem_enhance.noise.gain import hyperspy_variance_model

    results = calibration.to_results()
    if any(result.checks.correlated for result in results):
        return
    model = hyperspy_variance_model([result.levels for result in results])
    if model is not None:
        node = "Signal.Noise_properties.Variance_linear_model"
        signal.metadata.set_item(node, model)
