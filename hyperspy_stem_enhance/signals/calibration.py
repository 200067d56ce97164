"""The method that measures the noise of images."""

from hyperspy.docstrings.signal import (
    LAZY_OUTPUT_ARG,
    NUM_WORKERS_ARG,
    SHOW_PROGRESSBAR_ARG,
)

from hyperspy_stem_enhance.mapping import map_step
from hyperspy_stem_enhance.signals import _checks

_RUN_ARGS = (LAZY_OUTPUT_ARG, SHOW_PROGRESSBAR_ARG, NUM_WORKERS_ARG)


class CalibrationMixin:
    """The method of image signals that measures their noise."""

    def calibrate_noise(
        self,
        mode="HAADF",
        method="unbiased",
        *,
        fast_axis="x",
        atom_free=None,
        lazy_output=None,
        show_progressbar=None,
        num_workers=None,
    ):
        """Measure the noise and background of each image.

        Parameters
        ----------
        mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
            Whether columns are bright (any dark-field detector) or dark
            (bright field and annular bright field), or the images are
            those of a camera, which columns of pixels share noise in.
        method : {"unbiased", "paper"}, default "unbiased"
            Of scanned images, whose parameters: those that the simulator
            takes, or those that the steps of the paper [1]_ give, which
            compare data sets that were treated alike. Gain and
            signal-to-noise ratio are measured by the first alone.
        fast_axis : {"x", "y"}, default "x"
            Axis along which the beam scans a line. "y" is for images that
            were turned by 90 degrees; the parameters mean the same. Of
            HRTEM images, "y" is for noise that rows share.
        atom_free : hyperspy ROI, list of them, or array, optional
            Where HRTEM images have no atoms: rectangles, circles or
            polygons of ``hs.roi`` in the units of the axes, or an array of
            the shape of the images, True or the number of an area there.
            The noise is measured there alone, which includes noise that
            is correlated; areas of several intensities tell its slope. By
            default it is measured in the whole image, its structure
            removed. One for all images: of a movie that drifts, areas
            that stay without atoms.
        %s
        %s
        %s

        Returns
        -------
        NoiseCalibration or LazyNoiseCalibration
            For each image eight parameters (five for HRTEM, [2]_) in its
            own units, their standard errors, noise SD and signal-to-noise
            ratio, gain and electrons per pixel; with the navigation shape
            of this signal. What an image does not allow to identify is
            NaN, and has a reason.

        Raises
        ------
        TypeError
            If the images are complex, in colour, or not numbers.
        ValueError
            If the images are empty, smaller than 16 pixels along a side,
            or the mode, method or fast axis is unknown; if a single image
            is constant or has no finite pixel (in a series, that frame's
            row is NaN). If ``atom_free`` marks no pixel, or is given for
            scanned images.

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
        .. [2] Li et al., "Statistical Characteristic-Guided Denoising for
           Rapid High-Resolution Transmission Electron Microscopy Imaging",
           CVPR 2026, arXiv:2603.18834.

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
        from hyperspy_stem_enhance.signals._areas import area_labels
        from hyperspy_stem_enhance.signals.noise_calibration import NoiseCalibration
        from hyperspy_stem_enhance.steps import Calibration

        _checks.check_images(self)
        _checks.check_mode(mode, hrtem=True)
        _checks.check_workers(num_workers)
        if mode == "HRTEM":  # the step refuses areas for other modes
            atom_free = area_labels(atom_free, self)
        step = Calibration(mode, method, fast_axis, atom_free)
        data = map_step(
            step,
            self,
            lazy_output=lazy_output,
            show_progressbar=show_progressbar,
            num_workers=num_workers,
        )
        calibration = NoiseCalibration.from_array(data, image=self, **vars(step))
        if not calibration._lazy:
            calibration.warn_of_notes()
            if not self._lazy:
                _write_variance_model(self, calibration)
        return calibration

    calibrate_noise.__doc__ %= _RUN_ARGS


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
