"""The method that reconstructs a volume from a tilt series."""

import warnings

import numpy as np
from hyperspy.docstrings.signal import SHOW_PROGRESSBAR_ARG

from hyperspy_stem_enhance.signals import _checks
from hyperspy_stem_enhance.signals._image_index import outside_level


class TomographyMixin:
    """Reconstruction of tilt series, for every ``Signal2D``."""

    def reconstruct_tomogram(
        self,
        method="denza",
        tilts=None,
        tilt_axis="x",
        thickness=None,
        *,
        tilt_units="auto",
        binning=1,
        background="auto",
        align="auto",
        crop=False,
        n_gaussians=None,
        regularisation=None,
        iterations=None,
        fit_gain=True,
        fit_background=True,
        seed=0,
        device="cpu",
        show_progressbar=None,
    ):
        """Reconstruct a volume from this tilt series.

        Parameters
        ----------
        method : {"denza", "wbp", "sirt", "tv", "svmbir"}, default "denza"
            A sum of Gaussians; weighted back-projection; SIRT; total
            variation; or the package svmbir, which has to be installed.
        tilts : array-like of float, str or pathlib.Path, optional
            Tilt angles in degrees, or a file of them (``.rawtlt``, ``.tlt``,
            ``.mdoc``). By default they are taken from where microscopes and ETSpy
            leave them, see :func:`hyperspy_stem_enhance.tomography.tilts.find_tilts`.
        tilt_axis : {"x", "y"} or float, default "x"
            Where the tilt axis lies in the views: along x, along y, or its
            angle to x in degrees, from x towards y.
        thickness : int, optional
            Voxels along the beam at 0° (after binning). By default as many as
            the views have pixels across the tilt axis.
        tilt_units : {"auto", "degrees", "radians"}, default "auto"
            Of the tilts. By default degrees, refused if all are below 3.2.
        binning : int, default 1
            Pixels along each side that are averaged first.
        background : {"auto"}, float or None, default "auto"
            Level of the vacuum, taken away first. By default measured; None
            for none.
        align : {"auto", True, False}, default "auto"
            Whether to align the views. By default, if the object is wholly in
            view across the tilt axis, and they lie off by half a pixel or more.
        crop : bool, default False
            Whether to crop the views to the object.
        n_gaussians, regularisation, iterations : optional
            Number of Gaussians, strength of the prior, and steps; chosen
            from the data by default.
        fit_gain, fit_background : bool, default True
            Whether each view has a gain and a background of its own.
        seed : int, default 0
            Of all that is drawn at random.
        device : str, default "cpu"
            Where to compute.
        %s

        Returns
        -------
        Tomogram
            Axes (x, z, y), calibrated as the views. In memory, also of a lazy
            series, since all of its views are needed for each voxel. Interrupted
            (Ctrl-C), it is what there is so far.

        Raises
        ------
        TypeError
            If the views are complex, in colour, or not numbers.
        ValueError
            If tilts are missing or cannot be right, less than two views can be
            used, or an argument is unknown.
        MemoryError
            If views and volume do not fit into memory, naming a binning that does.

        Warns
        -----
        UserWarning
            Of views that are left out, pixels that are filled, views that are
            aligned or could not be.

        See Also
        --------
        hyperspy_stem_enhance.tomography.reconstruct : the same on arrays.

        Examples
        --------
        >>> import hyperspy_stem_enhance as hse
        >>> data = hse.simulate.make_tilt_series("graded", 32, n_views=9)
        >>> tomogram = data.series.reconstruct_tomogram("sirt")
        >>> tomogram
        <Tomogram, title: Simulated tilt series: graded, dimensions: (32|32, 32)>
        """
        from hyperspy_stem_enhance.signals.tomogram import Tomogram
        from hyperspy_stem_enhance.tomography.reconstruct import (
            check_choices,
            reconstruct,
        )
        from hyperspy_stem_enhance.tomography.series import (
            check_options,
            prepare_series,
        )
        from hyperspy_stem_enhance.tomography.tilts import find_tilts

        _check_series(self)
        check_choices(method, n_gaussians, regularisation, iterations, device)
        check_options(tilt_axis, thickness, background, align)
        found = find_tilts(self, tilts, tilt_units)
        prepared = prepare_series(
            self.data,
            found.angles,
            tilt_axis=tilt_axis,
            thickness=thickness,
            binning=binning,
            background=background,
            align=align,
            crop=crop,
        )
        for note in prepared.notes:
            warnings.warn(note, UserWarning, stacklevel=outside_level())
        with _Progress(method, show_progressbar) as report:
            result = reconstruct(
                prepared.views,
                prepared.tilts,
                method=method,
                thickness=thickness,
                n_gaussians=n_gaussians,
                regularisation=regularisation,
                iterations=iterations,
                fit_gain=fit_gain,
                fit_background=fit_background,
                seed=seed,
                device=device,
                report=report,
            )
        if result.interrupted:
            text = "interrupted: the tomogram is what there was by then"
            warnings.warn(text, UserWarning, stacklevel=outside_level())
        axes = _volume_axes(self, prepared, binning)
        record = _record(prepared, found.source, binning)
        return Tomogram.from_reconstruction(result, axes, self, record)

    reconstruct_tomogram.__doc__ %= (SHOW_PROGRESSBAR_ARG,)


class _Progress:
    """Progress bar with the error of left-out views, called by `reconstruct`."""

    def __init__(self, method, show_progressbar):
        from hyperspy.defaults_parser import preferences

        if show_progressbar is None:
            show_progressbar = preferences.General.show_progressbar
        self._shown, self._method, self._bar = show_progressbar, method, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._bar is not None:
            self._bar.close()

    def __call__(self, step, total, left_out_error):
        if not self._shown:
            return
        if self._bar is None:
            from hyperspy.external.progressbar import progressbar

            self._bar = progressbar(total=total, desc=self._method)
        if left_out_error is not None and np.isfinite(left_out_error):
            text = f"error of left-out views {left_out_error:.4g}"
            self._bar.set_postfix_str(text, refresh=False)
        self._bar.total = total
        self._bar.update(step - self._bar.n)


def _check_series(signal):
    _checks.check_images(signal)
    dimension = signal.axes_manager.navigation_dimension
    if dimension == 0:
        raise ValueError(
            "the signal is one view; a reconstruction needs a series of views of "
            "different tilts, on one navigation axis"
        )
    if dimension > 1:
        raise ValueError(
            f"the navigation shape is {signal.axes_manager.navigation_shape}, expected "
            "one axis of tilts; choose one series by `inav`, or average frames of a "
            "tilt with `s.mean(axis)`"
        )


def _volume_axes(signal, prepared, binning):
    """Axes x, z and y of the volume; z is calibrated as y."""
    x, y = signal.axes_manager.signal_axes
    old = {}
    for name, axis in (("x", x), ("y", y)):
        # Pixels that are left over when binning are cut off on both sides
        start = (axis.size % binning) // 2 + (binning - 1) / 2
        old[name] = {
            "scale": axis.scale * binning,
            "offset": axis.offset + axis.scale * start,
            "size": axis.size // binning,
            "units": axis.units,
        }
    # Which axis each of them was before the turn, and its direction
    sources = {
        0: (("x", 1), ("y", 1)),
        1: (("y", 1), ("x", -1)),
        2: (("x", -1), ("y", -1)),
        3: (("y", -1), ("x", 1)),
    }[prepared.quarter_turns]
    made = []
    for (name, direction), corner in zip(sources, prepared.corner[::-1], strict=True):
        axis = old[name]
        offset = axis["offset"]
        if direction < 0:
            offset = -(offset + axis["scale"] * (axis["size"] - 1))
        offset += axis["scale"] * corner
        made.append({"scale": axis["scale"], "offset": offset, "units": axis["units"]})
    along, across = made
    return [{**along, "name": "x"}, {**across, "name": "z"}, {**across, "name": "y"}]


def _record(prepared, source, binning):
    """What was done to the series before, for the metadata."""
    record = {
        "views": prepared.views,
        "tilts": prepared.tilts,
        "tilts_from": source,
        "views_kept": prepared.kept,
        "background_level": float(prepared.level),
        "binning": int(binning),
        "quarter_turns": int(prepared.quarter_turns),
    }
    if prepared.left_out:
        record["views_left_out"] = {
            f"view_{index}": reason for index, reason in prepared.left_out.items()
        }
    if prepared.alignment is not None:
        record["alignment"] = {
            "shifts": prepared.alignment.shifts,
            "rotation": float(prepared.alignment.rotation),
        }
    return record
