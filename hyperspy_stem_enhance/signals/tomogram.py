"""The signal that holds a reconstructed volume, and its Gaussians."""

import numpy as np
from hyperspy.docstrings.signal import LAZYSIGNAL_DOC
from hyperspy.signals import LazySignal2D, Signal2D

import hyperspy_stem_enhance
from hyperspy_stem_enhance.signals.stem_image import STEMImageMixin

NODE = "STEM_enhance.reconstruct_tomogram"
# Of the views, not of the volume
_DROPPED_METADATA = ("Signal", "_HyperSpy", "Markers", "Tomography", "STEM_enhance")


class Tomogram(STEMImageMixin, Signal2D):
    """A volume reconstructed from a tilt series.

    ``data`` has the axes (x, z, y), as ETSpy's ``RecStack``: x, along the
    tilt axis, is the navigation axis, z runs along the beam at 0°. A
    tomogram of the method ``"denza"`` holds its Gaussians, which give
    views at any tilt and voxels of any size.

    ``Signal2D.reconstruct_tomogram`` makes one. How it was made is in
    ``metadata.STEM_enhance.reconstruct_tomogram``: settings, tilts, gain,
    background and residual of each view, and the views themselves.

    Examples
    --------
    >>> import hyperspy_stem_enhance as hse
    >>> data = hse.simulate.make_tilt_series("graded", 32, n_views=9)
    >>> tomogram = data.series.reconstruct_tomogram("sirt")
    >>> tomogram
    <Tomogram, title: Simulated tilt series: graded, dimensions: (32|32, 32)>
    """

    _signal_type = "Tomogram"
    _signal_dimension = 2

    @classmethod
    def from_reconstruction(cls, result, axes=None, source=None, record=None):
        """Make the signal of a reconstruction.

        Parameters
        ----------
        result : hyperspy_stem_enhance.tomography.Reconstruction
        axes : sequence of dict, optional
            Of x, z and y, as HyperSpy's axes take them.
        source : hyperspy.api.signals.Signal2D, optional
            The tilt series, for title and metadata.
        record : dict, optional
            What else to keep: ``tilts``, ``views``, and so on.

        Returns
        -------
        Tomogram
        """
        if axes is None:
            axes = [{"name": n} for n in "xzy"]
        sizes = result.volume.shape
        axes = [
            {**axis, "size": size, "navigate": number == 0}
            for number, (axis, size) in enumerate(zip(axes, sizes, strict=True))
        ]
        metadata = {}
        if source is not None:
            metadata = source.metadata.deepcopy().as_dictionary()
            for node in _DROPPED_METADATA:
                metadata.pop(node, None)
        node = {
            "version": hyperspy_stem_enhance.__version__,
            "settings": {k: v for k, v in result.settings.items() if v is not None},
            "gains": result.gains,
            "backgrounds": result.backgrounds,
            "residual_rms": result.residual_rms,
            "history": dict(result.history),
            "interrupted": bool(result.interrupted),
            **(record or {}),
        }
        if result.gaussians is not None:
            node["gaussians"] = _gaussians_node(result.gaussians, axes)
        metadata["STEM_enhance"] = {"reconstruct_tomogram": node}
        return cls(result.volume, axes=axes, metadata=metadata)

    @property
    def gaussians(self):
        """The Gaussians the volume is made of.

        A :class:`hyperspy_stem_enhance.tomography.Gaussians`, with positions
        and covariances in voxels of the reconstruction, also where the
        volume was cropped or binned afterwards; None for other methods.
        """
        from hyperspy_stem_enhance.tomography import Gaussians

        node = self.metadata.get_item(f"{NODE}.gaussians")
        if node is None:
            return None
        shape = tuple(int(n) for n in np.asarray(node.shape))
        arrays = (np.asarray(node[n]) for n in ("positions", "covariances", "denza"))
        return Gaussians(*arrays, shape)

    def to_dataframe(self):
        """Table of the Gaussians, one row each, in calibrated units.

        Returns
        -------
        pandas.DataFrame
            Position ``x, z, y`` and covariance ``xx, zz, yy, xz, xy, zy`` in
            the units of the axes, and ``denza``, the density at the peak.

        Raises
        ------
        ValueError
            If the tomogram has no Gaussians.
        """
        model, scales, offsets = self._model("a table of Gaussians")
        table = model.to_table()
        places = {"x": 0, "z": 1, "y": 2}
        for name in table.columns[:3]:
            place = places[name]
            table[name] = offsets[place] + scales[place] * table[name]
        for name in table.columns[3:9]:
            table[name] *= scales[places[name[0]]] * scales[places[name[1]]]
        return table

    def save_gaussians(self, filename, overwrite=False):
        """Write the Gaussians to a file of their own.

        Parameters
        ----------
        filename : str or pathlib.Path
            ``.npz``; :func:`hyperspy_stem_enhance.tomography.load_gaussians`
            reads it.
        overwrite : bool, default False

        Raises
        ------
        ValueError
            If the tomogram has no Gaussians.
        FileExistsError
            If the file exists and must not be replaced.
        """
        from hyperspy_stem_enhance.tomography.files import save_gaussians

        model, scales, _ = self._model("a file of Gaussians")
        units = self.metadata.get_item(f"{NODE}.gaussians.units", "")
        save_gaussians(filename, model, scales, units, overwrite)

    def project(self, angles):
        """Views of the volume at any tilts.

        Parameters
        ----------
        angles : float or array-like of float, shape (k,)
            In degrees.

        Returns
        -------
        hyperspy.api.signals.Signal2D
            Of the whole object where there are Gaussians, projected exactly,
            else of the voxels. Tilts are in ``metadata.Tomography.tilts``.

        Raises
        ------
        ValueError
            If an angle is not finite.

        Examples
        --------
        >>> import hyperspy_stem_enhance as hse
        >>> data = hse.simulate.make_tilt_series("graded", 32, n_views=9)
        >>> data.series.reconstruct_tomogram("sirt").project([0, 90])
        <Signal2D, title: Simulated tilt series: graded, dimensions: (2|32, 32)>
        """
        from hyperspy_stem_enhance.tomography import project_volume

        angles = np.atleast_1d(np.asarray(angles, float))
        if angles.ndim != 1 or not angles.size or not np.isfinite(angles).all():
            raise ValueError(f"angles={angles!r} are not a list of degrees")
        model = self.gaussians
        if model is not None:
            node = self.metadata.get_item(f"{NODE}.gaussians")
            views = model.project(angles)
            x_axis, y_axis = (_axis_of_node(node, place) for place in (0, 2))
        else:
            self._check_volume("project")
            views = project_volume(np.asarray(self.data), angles)
            x_axis, y_axis = (self._axis_dict(place) for place in (0, 2))
        axes = [_tilt_axis(angles)]
        axes += [
            {**axis, "size": size, "navigate": False}
            for axis, size in zip((y_axis, x_axis), views.shape[1:], strict=True)
        ]
        metadata = {
            "General": {"title": self.metadata.General.title},
            "Tomography": {"tilts": angles},
        }
        return Signal2D(views, axes=axes, metadata=metadata)

    def resample(self, scale):
        """The volume in smaller or larger voxels, from its Gaussians.

        Parameters
        ----------
        scale : float
            Voxels per voxel of the reconstruction along each axis; 2 halves
            their size.

        Returns
        -------
        Tomogram
            The whole object.

        Raises
        ------
        ValueError
            If the tomogram has no Gaussians, or `scale` is not positive.
        """
        number = isinstance(scale, int | float | np.number)
        if not (number and 0 < scale < np.inf):
            raise ValueError(f"scale={scale!r} is not a positive number")
        model, _, _ = self._model("resample")
        node = self.metadata.get_item(f"{NODE}.gaussians")
        volume = model.voxelise(scale=float(scale))
        metadata = self.metadata.deepcopy().as_dictionary()
        axes = []
        for place, size in enumerate(volume.shape):
            axis = _axis_of_node(node, place)
            middle = axis["offset"] + axis["scale"] * (model.shape[place] - 1) / 2
            step = axis["scale"] / scale
            axis |= {"scale": step, "offset": middle - step * (size - 1) / 2}
            axes.append({**axis, "size": size, "navigate": place == 0})
        return Tomogram(volume, axes=axes, metadata=metadata)

    def plot_orthoslices(self, x=None, z=None, y=None, kind="slices"):
        """Plot the volume along its three axes.

        Parameters
        ----------
        x, z, y : int or float, optional
            Where the slices lie: an index, or a calibrated position as a float, as
            in ``isig``. By default in the middle.
        kind : {"slices", "maximum"}, default "slices"
            Slices, or maximum projections.

        Returns
        -------
        numpy.ndarray of matplotlib.axes.Axes, shape (3,)

        Raises
        ------
        ValueError
            If `kind` is unknown, or a slice lies outside of the volume.
        """
        from hyperspy_stem_enhance.tomography.plot import plot_orthoslices

        self._check_volume("plot_orthoslices")
        if kind not in ("slices", "maximum"):
            raise ValueError(f"kind={kind!r} is unknown; use 'slices' or 'maximum'")
        axes = self.axes_manager._axes
        positions = None
        if kind == "maximum":
            images = [np.asarray(self.data.max(axis=axis)) for axis in range(3)]
        else:
            places = zip("xzy", axes, (x, z, y), strict=True)
            indices = [_slice_index(*place) for place in places]
            images = [
                np.asarray(self.data[(slice(None),) * number + (index,)])
                for number, index in enumerate(indices)
            ]
            positions = [
                axis.axis[index] for axis, index in zip(axes, indices, strict=True)
            ]
        units = axes[0].units if isinstance(axes[0].units, str) else "px"
        spacings = [axis.scale for axis in axes]
        title = self.metadata.General.title
        offsets = [axis.offset for axis in axes]
        return plot_orthoslices(images, spacings, units, title, positions, offsets)

    def plot_views(self, indices=None):
        """Plot recorded views, projections at their tilts, and the differences.

        Parameters
        ----------
        indices : sequence of int, optional
            Which of the views that the volume was made of. By default five, evenly
            taken from them.

        Returns
        -------
        numpy.ndarray of matplotlib.axes.Axes, shape (3, n)

        Raises
        ------
        ValueError
            If the tomogram does not hold its views, or has not so many.
        """
        from hyperspy_stem_enhance.tomography.plot import plot_views

        node = self._record("plot_views", "views")
        views, tilts = np.asarray(node.views), np.asarray(node.tilts)
        if indices is None:
            indices = np.unique(np.linspace(0, len(views) - 1, 5).round().astype(int))
        indices = np.atleast_1d(indices)
        if not (
            indices.size
            and indices.dtype.kind in "iu"
            and (np.abs(indices + 0.5) < len(views)).all()
        ):
            raise ValueError(f"indices={indices!r} are not of the {len(views)} views")
        projected = self.project(tilts[indices]).data
        gains, levels = (np.asarray(node[n])[indices] for n in ("gains", "backgrounds"))
        expected = gains[:, None, None] * projected + levels[:, None, None]
        title = self.metadata.General.title
        return plot_views(views[indices], expected, tilts[indices], title)

    def plot_residuals(self):
        """Plot residual, gain and background of each view against its tilt.

        Returns
        -------
        numpy.ndarray of matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If the tomogram does not say how it was made.
        """
        from hyperspy_stem_enhance.tomography.plot import plot_residuals

        node = self._record("plot_residuals", "tilts")
        names = ("tilts", "residual_rms", "gains", "backgrounds")
        history = node.history.as_dictionary()
        return plot_residuals(
            *(np.asarray(node[name]) for name in names),
            history if len(history.get("left_out", ())) else None,
            self.metadata.General.title,
        )

    def _record(self, caller, needed):
        node = self.metadata.get_item(NODE)
        if node is None or not node.has_item(needed):
            raise ValueError(
                f"{caller} needs what reconstruct_tomogram wrote into the metadata, "
                "which is not there; files other than .hspy and .zspy do not keep it"
            )
        return node

    def _model(self, wish):
        """The Gaussians, and scales and offsets of their axes (x, z, y)."""
        model = self.gaussians
        if model is None:
            raise ValueError(
                f"{wish} needs Gaussians, which only method='denza' makes, and only "
                ".hspy and .zspy files keep; for voxels, HyperSpy has `rebin`"
            )
        node = self.metadata.get_item(f"{NODE}.gaussians")
        return model, np.asarray(node.scales), np.asarray(node.offsets)

    def _check_volume(self, caller):
        if self.data.ndim != 3:
            raise ValueError(
                f"{caller} needs a volume, and this is a slice of one, of the shape "
                f"{self.data.shape}"
            )

    def _axis_dict(self, place):
        axis = self.axes_manager._axes[place]
        names = ("name", "scale", "offset", "units")
        return {name: getattr(axis, name) for name in names}


class LazyTomogram(LazySignal2D, Tomogram):
    """A volume that is not in memory, such as one loaded lazily."""

    __doc__ += LAZYSIGNAL_DOC.replace("__BASECLASS__", "Signal2D")


def _gaussians_node(model, axes):
    """Gaussians as plain arrays, with the axes of their volume."""
    return {
        "positions": model.positions,
        "covariances": model.covariances,
        "denza": model.denza,
        "shape": np.array(model.shape),
        "scales": np.array([axis.get("scale", 1.0) for axis in axes]),
        "offsets": np.array([axis.get("offset", 0.0) for axis in axes]),
        "units": axes[0]["units"] if isinstance(axes[0].get("units"), str) else "",
    }


def _slice_index(name, axis, place):
    """Index of a slice given as index, calibrated position, or None for the middle."""
    if place is None:
        return axis.size // 2
    try:
        index = axis._get_index(place)
    except (IndexError, ValueError, TypeError):
        index = axis.size
    if not -axis.size <= index < axis.size:
        raise ValueError(
            f"{name}={place!r} is outside of the volume, which has {axis.size} slices "
            f"from {axis.low_value:g} to {axis.high_value:g}"
        )
    return index % axis.size


def _axis_of_node(node, place):
    axis = {"name": "xzy"[place], "scale": float(node.scales[place])}
    axis["offset"] = float(node.offsets[place])
    if node.units:
        axis["units"] = node.units
    return axis


def _tilt_axis(angles):
    axis = {"name": "Projections", "size": len(angles), "navigate": True}
    steps = np.diff(angles)
    if steps.size and steps[0] != 0 and np.allclose(steps, steps[0]):
        axis |= {"offset": angles[0], "scale": steps[0], "units": "degrees"}
    return axis
