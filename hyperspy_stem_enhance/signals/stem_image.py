"""The methods that this package gives to image signals, and their class.

The methods check their arguments, have the array functions mapped over the
frames, and put axes and metadata on the result; they hold no mathematics.
"""

from importlib.util import find_spec

from hyperspy.docstrings.signal import (
    LAZY_OUTPUT_ARG,
    LAZYSIGNAL_DOC,
    NUM_WORKERS_ARG,
    SHOW_PROGRESSBAR_ARG,
)
from hyperspy.signals import LazySignal2D, Signal2D

from hyperspy_stem_enhance.mapping import map_step
from hyperspy_stem_enhance.signals import _checks, _interactive
from hyperspy_stem_enhance.signals._provenance import (
    confidence_constants,
    pixel_size_nm,
    read_provenance,
)
from hyperspy_stem_enhance.signals.calibration import CalibrationMixin
from hyperspy_stem_enhance.signals.enhancement import EnhancementMixin
from hyperspy_stem_enhance.signals.tomography import TomographyMixin

_RUN_ARGS = (LAZY_OUTPUT_ARG, SHOW_PROGRESSBAR_ARG, NUM_WORKERS_ARG)


class STEMImageMixin(CalibrationMixin, EnhancementMixin, TomographyMixin):
    """Methods of every ``Signal2D`` once this package is imported."""

    def detect_atoms(
        self,
        mode="HAADF",
        *,
        contrast="bright",
        enhance="auto",
        model="auto",
        device="auto",
        scale="auto",
        method="auto",
        threshold=None,
        separation=None,
        roi=None,
        support="auto",
        interactive=False,
        lazy_output=None,
        show_progressbar=None,
        num_workers=None,
    ):
        """Find the atom columns of each image.

        Parameters
        ----------
        mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
            Whether columns are bright (any dark-field detector) or dark
            (bright field and annular bright field), or the images are
            those of a camera. Enhanced images know their mode.
        contrast : {"bright", "dark"}, default "bright"
            Of HRTEM images: how their columns look.
        enhance : bool or "auto", default "auto"
            Whether to run :meth:`enhance_sfin`, or :meth:`enhance_scgn` on
            HRTEM images, first. By default, unless their metadata says
            that it has been done. If False, the images are taken as they
            are, which should be bright columns on a background of about
            zero.
        model, device, scale : optional
            As for these methods.
        method : {"auto", "network", "classical"}, default "auto"
            "network" looks for columns in the image that these methods
            make, and for the dots of a model that has the output
            "detection"; "classical" in the raw image blurred as much as
            its columns are wide, without PyTorch. By default the network,
            where PyTorch is installed.
        threshold : float, default 0.5
            Lowest confidence of a column that is kept, 0 to 1. Of
            simulated columns that the network gives 0.9, nine in ten or
            more are real.
        separation : float, optional
            Of columns closer than this, in pixels, that with the highest
            confidence is kept. By default, all that are resolved.
        roi : hyperspy ROI or array of bool, optional
            Where columns are wanted: a rectangle, circle or polygon of
            ``hs.roi`` in the units of the axes, or an array of the shape
            of the images that is True there. The whole image is enhanced,
            and its noise measured.
        support : {"auto", "keep"}, default "auto"
            By default, columns of a support that the image does not show
            one by one are left out where single heavy atoms, far brighter
            and in no order, stand on it. "keep" keeps them.
        interactive : bool, default False
            If True, plot the images with their columns, and show a slider
            for ``threshold``, in a notebook with ipywidgets. The result
            follows the slider.
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
        from hyperspy_stem_enhance.detect.columns import DEFAULT_THRESHOLD
        from hyperspy_stem_enhance.imaging import check_contrast
        from hyperspy_stem_enhance.signals._regions import region_mask
        from hyperspy_stem_enhance.signals.atom_positions import AtomPositions
        from hyperspy_stem_enhance.steps import (
            Detection,
            EnhancedDetection,
            Enhancement,
            EnhancementAndDetection,
        )

        _checks.check_arguments(self, mode, num_workers, hrtem=True)
        _checks.check_uniform_axes(self)
        _checks.check_enhance(enhance)
        _checks.check_method(method)
        check_contrast(contrast, mode)
        if interactive:
            _interactive.check_interactive(
                self._lazy if lazy_output is None else lazy_output
            )
        if method == "auto":
            method = "network" if find_spec("torch") else "classical"
        if enhance == "auto":
            enhance = not read_provenance(self)
        step = Detection(
            # Columns of enhanced images are bright in all modes
            mode=mode if enhance else "HAADF",
            contrast=contrast if enhance else "bright",
            method=method,
            threshold=0.0 if interactive else threshold,
            separation=separation,
            region=region_mask(roi, self),
            support=support,
            refuse_constant=bool(enhance),
            model=model if enhance else "auto",
            constants=None if enhance else confidence_constants(self),
        )
        if method == "network" and enhance:
            enhancement = Enhancement(
                model=model,
                mode=mode,
                device=device,
                contrast=contrast,
                scale=scale,
                pixel_size=pixel_size_nm(self),
            )
            step = EnhancementAndDetection(enhancement, step, with_images=False)
        elif method == "network":
            step = EnhancedDetection(step)
        data = map_step(
            step,
            self,
            lazy_output=lazy_output,
            show_progressbar=show_progressbar,
            num_workers=num_workers,
        )
        atoms = AtomPositions.from_arrays(data, image=self)
        if interactive:
            threshold = DEFAULT_THRESHOLD if threshold is None else threshold
            return _interactive.choose_threshold(self, atoms, threshold)
        return atoms

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
