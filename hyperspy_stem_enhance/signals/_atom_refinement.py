"""Sub-pixel refinement of columns on images."""

from hyperspy.docstrings.signal import (
    LAZY_OUTPUT_ARG,
    NUM_WORKERS_ARG,
    SHOW_PROGRESSBAR_ARG,
)

from hyperspy_stem_enhance.mapping import map_step, set_data
from hyperspy_stem_enhance.signals import _checks
from hyperspy_stem_enhance.signals._provenance import write_provenance

_VARIANCE_NODE = "Signal.Noise_properties.Variance_linear_model"


class AtomRefinement:
    """Methods of ``AtomPositions`` that measure columns on images again."""

    def refine(
        self,
        image,
        method="gaussian",
        *,
        mode="HAADF",
        contrast="bright",
        background="constant",
        sigma=None,
        mask_radius=None,
        variance="auto",
        lazy_output=None,
        show_progressbar=None,
        num_workers=None,
    ):
        """Refine the positions on images, all columns of an image at once.

        Parameters
        ----------
        image : hyperspy.api.signals.Signal2D
            The images to refine on, best those as recorded; with the
            navigation shape of this signal, or a single one.
        method : {"gaussian", "elliptical", "center_of_mass"}
            Circular Gaussians, Gaussians with two widths and a rotation,
            or centres of mass. Gaussians that overlap are fitted together.
        mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
            Whether the columns of ``image`` are bright or dark, or it is
            of a camera.
        contrast : {"bright", "dark"}, default "bright"
            Of HRTEM images: how their columns look.
        background : {"constant", "plane", "none"}
            What is below each column: a level of its own, with slopes too,
            or nothing, for enhanced images.
        sigma : float, optional
            Typical width of the columns in pixels. By default, that of
            the mean of the columns of each image.
        mask_radius : float, optional
            Pixels count up to this distance from a column, in pixels. By
            default three sigma of the column; 1.5 for centres of mass.
        variance : tuple of float or "auto", default "auto"
            Gain and offset of the noise: the variance of a pixel is ``gain
            * intensity + offset``; (1, 0) for counts of electrons. By
            default, those that ``image.calibrate_noise()`` or
            ``image.estimate_poissonian_noise_variance()`` have written to
            the metadata of ``image``; without them, the variance is
            measured on what the fit leaves over.
        %s
        %s
        %s

        Returns
        -------
        AtomPositions or LazyAtomPositions
            The same columns in the same order, with positions replaced and
            what was measured in further ones (an existing one of the same
            name is replaced): ``height``, ``sigma`` (or ``sigma_major``,
            ``sigma_minor`` and ``rotation``), ``background``, the standard
            errors ``y_error`` and ``x_error`` in pixels, and ``refined``,
            which is 0 where the fit failed: there the position is what it
            was, and the rest NaN. The settings are in
            ``metadata.STEM_enhance.refine``.

        Raises
        ------
        TypeError
            If the images are complex, in colour, or not numbers.
        ValueError
            If the navigation shapes differ, or an argument is unknown or
            out of range; if a single image has no finite pixel (in a
            series, that frame has no atoms, with a warning).

        See Also
        --------
        hyperspy_stem_enhance.detect.refinement.refine_positions
        to_atomap : to refine with Atomap.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import AtomPositions
        >>> y, x = np.mgrid[:32, :32]
        >>> s = hs.signals.Signal2D(np.exp(-((y - 12.3) ** 2 + (x - 20) ** 2) / 9))
        >>> atoms = AtomPositions.from_arrays([[[12.0, 20.0]]], image=s)
        >>> atoms.refine(s, show_progressbar=False).single_array()[0, :2].round(2)
        array([12.3, 20. ], dtype=float32)
        """
        from hyperspy_stem_enhance.steps import Refinement

        _checks.check_arguments(image, mode, num_workers, hrtem=True)
        if variance == "auto":
            variance = _recorded_variance(image)
        step = Refinement(
            names=self.column_names,
            method=method,
            mode=mode,
            contrast=contrast,
            background=background,
            sigma=sigma,
            mask_radius=mask_radius,
            variance=variance,
        )
        shape = image.axes_manager._navigation_shape_in_array or (1,)
        if shape != self.data.shape:
            raise ValueError(
                f"image has the navigation shape {shape} in array order, the atoms "
                f"have {self.data.shape}. Give the images that they belong to."
            )
        if lazy_output is None:
            lazy_output = self._lazy or image._lazy
        data = map_step(
            step,
            image,
            per_frame={"tables": self.data},
            lazy_output=lazy_output,
            show_progressbar=show_progressbar,
            num_workers=num_workers,
        )
        result = self._with_columns(data, step.joined_names)
        set_data(result, data)
        write_provenance(result, "refine", step.record())
        return result

    refine.__doc__ %= (LAZY_OUTPUT_ARG, SHOW_PROGRESSBAR_ARG, NUM_WORKERS_ARG)


def _recorded_variance(image):
    """Gain and offset of the noise from the metadata of images, or None."""
    gain, offset = (
        image.metadata.get_item(f"{_VARIANCE_NODE}.{name}")
        for name in ("gain_factor", "gain_offset")
    )
    if not all(isinstance(value, int | float) for value in (gain, offset)):
        return None
    return float(gain), float(offset)
