"""The methods of image signals that enhance them, and tell what to believe."""

from dataclasses import replace

from hyperspy.docstrings.signal import (
    LAZY_OUTPUT_ARG,
    NUM_WORKERS_ARG,
    SHOW_PROGRESSBAR_ARG,
)

from hyperspy_stem_enhance.mapping import map_step, set_data
from hyperspy_stem_enhance.signals import _checks
from hyperspy_stem_enhance.signals._provenance import (
    confidence_constants,
    pixel_size_nm,
    read_provenance,
    write_provenance,
)

_OPTIONS = """output : {{"enhanced", "super-resolution", "detection"}}, optional
            What the network is to return: the columns without noise and
            background (default); the same, as high but narrower; or, for
            every pixel, the probability that a column is centred there.
            Not every model has the last two.
        keep_background : bool, default False
            Whether to return the whole image without noise: with the smooth
            background, and the structure that the network has missed, both
            as far as they are stronger than the noise.
        allow_negative : bool, default False
            Whether to return all values as the network gives them. By
            default those that are negative or below 0.02 SD of the noise
            of a pixel (0.5 SD where there is hardly anything else), which
            no column is told from, are zero, and those up to twice as
            high are lowered.
        scale : float or "auto", default "auto"
            Factor by which images are resampled for the network, and back
            after it. By default 1, unless the lattice that shows has
            spacings outside the range that the model serves best, or no
            lattice shows and the pixel size says the same of single atoms.
        self_ensemble : bool, default False
            Whether to average what the network gives for an image and its
            three mirror images: up to half a decibel better, in four times
            the time.{}
        inplace : bool, default False
            If True, replace the data of this signal and return None."""
_ECHO = """
        remove_echo : bool, default False
            Whether to enhance each image a second time, with more of its
            own noise, and to take away what goes with the noise, in twice
            the time, of images above 512 pixels in a third more: a tenth of
            a decibel better, with the background kept and at few electrons
            one. Lattices that lack columns may then be completed in part."""
_UNCERTAINTY = """
        return_uncertainty : bool, default False
            Whether to return a second signal: half the width of the
            interval around each pixel of the first that holds the truth
            for 68 % of the pixels of simulated images. It takes twelve
            times as long."""
_RUN_ARGS = (LAZY_OUTPUT_ARG, SHOW_PROGRESSBAR_ARG, NUM_WORKERS_ARG)
_WARNS = """Warns
        -----
        UserWarning
            For the first image that is resampled, or whose scale nothing
            tells; for the first with hot, dead or saturated pixels."""


class EnhancementMixin:
    """Methods of every ``Signal2D`` once this package is imported."""

    def enhance_sfin(
        self,
        model="auto",
        mode="HAADF",
        device="auto",
        *,
        output="enhanced",
        keep_background=False,
        allow_negative=False,
        scale="auto",
        self_ensemble=False,
        remove_echo=False,
        return_uncertainty=False,
        inplace=False,
        lazy_output=None,
        show_progressbar=None,
        num_workers=None,
    ):
        """Remove noise and background from each image with a network.

        Parameters
        ----------
        model : str, default "auto"
            Name of the model, one of
            :func:`hyperspy_stem_enhance.models.list_models`. By default,
            the one that ships for the mode; the metadata of the result
            and the log say which.
        mode : {"HAADF", "BF"}, default "HAADF"
            Whether columns are bright (any dark-field detector) or dark
            (bright field and annular bright field). For images of a
            camera there is :meth:`enhance_scgn`.
        device : str, default "auto"
            ``"cpu"``, ``"cuda:0"`` or what else PyTorch calls a device. By
            default, a GPU if there is one where the frames are computed.
        %s
        %s
        %s
        %s

        Returns
        -------
        Signal2D or subclass, or None
            float32 images in the units of the input, with its axes,
            metadata and title. The background is at about 0 and columns
            are bright in both modes: for bright-field images, they are
            the depth below the background. Of a detection, probabilities
            from 0 to 1. The settings, the model, the
            sha256 of its weights and the version of this package are in
            ``metadata.STEM_enhance.enhance_sfin``.
        Signal2D or subclass
            If `return_uncertainty`: of the same shape and units, its
            settings in ``metadata.STEM_enhance.uncertainty``. Lazy
            signals are best computed together (``dask.compute(e.data,
            u.data)``), or the network runs twice.

        Raises
        ------
        TypeError
            If the images are complex, in colour, or not numbers.
        ValueError
            If the images are empty, smaller than 16 pixels along a side,
            or the mode, model, device, output or scale is unknown; if the
            model has not that output; if a single image is constant or has
            no finite pixel (in a series, that frame becomes NaN, with a
            warning); if `return_uncertainty` comes with `inplace` or
            another output than "enhanced".

        %s

        See Also
        --------
        hyperspy_stem_enhance.enhance.run.enhance_frames

        References
        ----------
        .. [1] Li et al., "Noise Calibration and Spatial-Frequency
           Interactive Network for STEM Image Enhancement", CVPR 2025.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> import hyperspy_stem_enhance
        >>> counts = np.random.default_rng(0).poisson(20, (64, 64))
        >>> s = hs.signals.Signal2D(counts)
        >>> s.enhance_sfin(scale=1, show_progressbar=False)
        <Signal2D, title: , dimensions: (|64, 64)>
        """
        from hyperspy_stem_enhance.steps import Enhancement, EnhancementWithUncertainty

        _checks.check_arguments(self, mode, num_workers)
        if return_uncertainty and inplace:
            raise ValueError(
                "inplace=True leaves no place for the uncertainty of "
                "return_uncertainty=True; take both signals that are returned."
            )
        kind = EnhancementWithUncertainty if return_uncertainty else Enhancement
        step = kind(
            model=model,
            mode=mode,
            device=device,
            output=output,
            keep_background=keep_background,
            allow_negative=allow_negative,
            scale=scale,
            pixel_size=pixel_size_nm(self),
            self_ensemble=self_ensemble,
            remove_echo=remove_echo,
        )
        run = {
            "lazy_output": lazy_output,
            "show_progressbar": show_progressbar,
            "num_workers": num_workers,
        }
        if not return_uncertainty:
            return apply_enhancement(self, step, inplace=inplace, **run)
        images, uncertainties = map_step(step, self, **run)
        return (
            enhanced_signal(self, images, step),
            uncertainty_signal(self, uncertainties, step),
        )

    enhance_sfin.__doc__ %= (_OPTIONS.format(_ECHO + _UNCERTAINTY), *_RUN_ARGS, _WARNS)

    def enhance_scgn(
        self,
        model="auto",
        device="auto",
        *,
        contrast="bright",
        neighbours=0,
        output="enhanced",
        keep_background=False,
        allow_negative=False,
        scale="auto",
        self_ensemble=False,
        inplace=False,
        lazy_output=None,
        show_progressbar=None,
        num_workers=None,
    ):
        """Remove noise and background from each HRTEM image with a network.

        Parameters
        ----------
        model : str, default "auto"
            Name of a model for HRTEM images, one of
            :func:`hyperspy_stem_enhance.models.list_models`.
        device : str, default "auto"
            As for :meth:`enhance_sfin`.
        contrast : {"bright", "dark"}, default "bright"
            How columns look, which defocus and thickness decide.
        neighbours : int, default 0
            By default each frame is enhanced by itself. Otherwise it is
            averaged first with so many frames before and after it, along
            the navigation axis ``s.axes_manager[0]``, and what moves or
            drifts within them is blurred.
        %s
        %s
        %s
        %s

        Returns
        -------
        Signal2D or subclass, or None
            As from :meth:`enhance_sfin`: of dark columns, the depth below
            the background. The settings are in
            ``metadata.STEM_enhance.enhance_scgn``.

        Raises
        ------
        TypeError
            If the images are complex, in colour, or not numbers.
        ValueError
            If the images are empty, smaller than 16 pixels along a side,
            or the model, device, contrast, output or scale is unknown; if
            the model is for scanned images, or has not that output; if
            `neighbours` is no number of frames, or there is no series; if a
            single image is constant or has no finite pixel (in a series,
            that frame becomes NaN, with a warning).

        %s

        See Also
        --------
        enhance_sfin : for scanned images.

        References
        ----------
        .. [1] Li et al., "Statistical Characteristic-Guided Denoising for
           Rapid High-Resolution Transmission Electron Microscopy Imaging",
           CVPR 2026.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import hyperspy_stem_enhance
        >>> s = hs.load("movie.dm4", lazy=True)  # doctest: +SKIP
        >>> e = s.enhance_scgn(contrast="dark")  # doctest: +SKIP
        >>> atoms = e.detect_atoms()  # doctest: +SKIP
        """
        from hyperspy_stem_enhance.enhance.neighbours import check_neighbours
        from hyperspy_stem_enhance.steps import Enhancement

        _checks.check_arguments(self, "HRTEM", num_workers, hrtem=True)
        check_neighbours(neighbours, self.axes_manager.navigation_dimension)
        step = Enhancement(
            model=model,
            mode="HRTEM",
            device=device,
            contrast=contrast,
            output=output,
            keep_background=keep_background,
            allow_negative=allow_negative,
            scale=scale,
            pixel_size=pixel_size_nm(self),
            self_ensemble=self_ensemble,
        )
        return apply_enhancement(
            self,
            step,
            neighbours,
            inplace=inplace,
            lazy_output=lazy_output,
            show_progressbar=show_progressbar,
            num_workers=num_workers,
        )

    enhance_scgn.__doc__ %= (_OPTIONS.format(""), *_RUN_ARGS, _WARNS)

    def residual_report(self, enhanced, mode=None):
        """Compare what an enhancement removed with the noise of this image.

        Is it as strong as the noise that calibration measures, is it
        independent from row to row, is there structure in it? Places are
        listed where columns are missing, or were invented.

        Parameters
        ----------
        enhanced : Signal2D
            What :meth:`enhance_sfin`, :meth:`enhance_scgn` or any other
            method made of this image. The background may be gone or kept.
        mode : {"HAADF", "BF", "HRTEM"}, optional
            Of the image. By default, what `enhanced` was made with, or
            "HAADF".

        Returns
        -------
        ResidualReport
            With the methods ``summary()`` and ``plot()``.

        Raises
        ------
        ValueError
            If there is more than one image, the sizes differ, or the mode
            is unknown.

        See Also
        --------
        hyperspy_stem_enhance.enhance.residual.report_residual

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> import hyperspy_stem_enhance
        >>> counts = np.random.default_rng(0).poisson(20, (64, 64))
        >>> s = hs.signals.Signal2D(counts)
        >>> e = s.enhance_sfin(scale=1, show_progressbar=False)
        >>> print(s.residual_report(e).summary())  # doctest: +ELLIPSIS
        what was removed, compared with the noise of the image
        ...
        """
        from hyperspy_stem_enhance.enhance.residual import report_residual

        _checks.check_images(self)
        _checks.check_pair(self, enhanced)
        known = read_provenance(enhanced)
        mode = known.get("mode", "HAADF") if mode is None else mode
        _checks.check_mode(mode, hrtem=True)
        return report_residual(
            _single_image(self),
            _single_image(enhanced),
            mode,
            background_kept=known.get("keep_background", False),
            contrast=known.get("contrast", "bright"),
        )


def apply_enhancement(signal, step, neighbours=0, inplace=False, **run):
    """Enhance all images of a signal.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    step : steps.Enhancement
    neighbours : int, default 0
        Frames before and after each that it is averaged with first.
    inplace : bool, default False
        Whether the data of `signal` are replaced.
    **run
        Of `mapping.map_step`.

    Returns
    -------
    hyperspy.api.signals.Signal2D, or None if `inplace`
    """
    _checks.check_images(signal)
    data = map_step(step, averaged_signal(signal, neighbours), **run)
    return enhanced_signal(signal, data, step, neighbours, inplace)


def enhanced_signal(signal, data, step, neighbours=0, inplace=False):
    """Signal of images that were enhanced, and what was done in its metadata.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
        As recorded.
    data : numpy.ndarray or dask.array.Array
    step : steps.Enhancement
        What made them.
    neighbours : int, default 0
        Frames before and after each that it was averaged with.
    inplace : bool, default False
        Whether the data of `signal` are replaced.

    Returns
    -------
    hyperspy.api.signals.Signal2D, or None if `inplace`
    """
    result = signal if inplace else signal._deepcopy_with_new_data()
    set_data(result, data)
    # The noise of the input; HyperSpy's own operations drop it as well
    if result.metadata.has_item("Signal.Noise_properties"):
        del result.metadata.Signal.Noise_properties
    if step.output == "detection":
        result.metadata.set_item("Signal.quantity", "Probability")
    camera = step.mode == "HRTEM"
    record = {**step.record(), "neighbours": neighbours} if camera else step.record()
    write_provenance(result, "enhance_scgn" if camera else "enhance_sfin", record)
    if not inplace:
        return result
    signal.events.data_changed.trigger(obj=signal)
    return None


def uncertainty_signal(signal, data, step):
    """Signal of the uncertainties of enhanced images.

    Parameters
    ----------
    signal, data, step
        As of `enhanced_signal`.

    Returns
    -------
    hyperspy.api.signals.Signal2D
    """
    from hyperspy_stem_enhance.steps.enhancement import INTERVAL

    result = enhanced_signal(signal, data, step)
    del result.metadata.STEM_enhance.enhance_sfin
    record = {**step.record(), "interval": INTERVAL}
    write_provenance(result, "uncertainty", record)
    return result


def averaged_signal(signal, neighbours):
    """Images averaged with those before and after each, if there are to be any.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    neighbours : int
        As of `enhance_scgn`.

    Returns
    -------
    hyperspy.api.signals.Signal2D
    """
    from hyperspy_stem_enhance.enhance.neighbours import average_neighbours

    if not neighbours:
        return signal
    averaged = average_neighbours(signal.data, neighbours)
    return signal._deepcopy_with_new_data(averaged)


def enhance_and_detect(signal, enhancement, detection, neighbours=0):
    """Enhance images and find their columns, lazily, with one run of the network.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    enhancement : steps.Enhancement
    detection : steps.Detection
    neighbours : int, default 0
        As of `enhance_scgn`; for both.

    Returns
    -------
    enhanced : hyperspy.api.signals.LazySignal2D
    atoms : hyperspy_stem_enhance.LazyAtomPositions
        What the methods return by themselves. Computed together they read
        every frame once, and the network works on it once.
    """
    from hyperspy_stem_enhance.signals.atom_positions import AtomPositions
    from hyperspy_stem_enhance.steps import EnhancedDetection, EnhancementAndDetection

    _checks.check_images(signal)
    _checks.check_uniform_axes(signal)
    source = averaged_signal(signal, neighbours)
    if read_provenance(signal):  # enhanced already: columns are bright in it
        detection = replace(
            detection,
            mode="HAADF",
            contrast="bright",
            refuse_constant=False,
            constants=confidence_constants(signal) or detection.constants,
        )
        tables = map_step(EnhancedDetection(detection), source, lazy_output=True)
        images = map_step(enhancement, source, lazy_output=True)
    else:
        step = EnhancementAndDetection(enhancement, detection)
        images, tables = map_step(step, source, lazy_output=True)
    return (
        enhanced_signal(signal, images, enhancement, neighbours),
        AtomPositions.from_arrays(tables, image=signal),
    )


def _single_image(signal):
    """Pixels of a signal of one image, in memory."""
    data = signal.data
    data = data.compute() if signal._lazy else data
    return data.reshape(data.shape[-2:])
