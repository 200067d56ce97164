"""The signal that holds the noise parameters of each image."""

from dataclasses import replace

import numpy as np
from hyperspy.signals import BaseSignal, LazySignal

import hyperspy_stem_enhance
from hyperspy_stem_enhance.noise.curves import SDCurve
from hyperspy_stem_enhance.noise.parameters import PARAMETER_NAMES, NoiseParameters
from hyperspy_stem_enhance.noise.result import CalibrationResult, empty_result

# Written by other steps about the image, wrong for its parameters.
_DROPPED_METADATA = ("Signal", "_HyperSpy", "Markers", "STEM_enhance")
_NODE = "STEM_enhance.calibrate_noise"


class NoiseCalibration(BaseSignal):
    """Noise and background of one image, a stack or a movie.

    The navigation shape is that of the images; the signal axis holds the
    eight parameters named in ``metadata.STEM_enhance.parameter_names``,
    in the images' own units. A parameter that an image does not identify
    is NaN.

    Use :meth:`from_array` or ``Signal2D.calibrate_noise`` to make one.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance import NoiseCalibration
    >>> cal = NoiseCalibration.from_array(np.ones((3, 8)))
    >>> cal
    <NoiseCalibration, title: , dimensions: (3|8)>
    """

    _signal_type = "NoiseCalibration"
    _signal_dimension = 1

    @classmethod
    def from_array(cls, data, image=None, mode="HAADF"):
        """Make the signal from an array of parameters.

        Parameters
        ----------
        data : numpy.ndarray or dask.array.Array, shape (..., 8)
            Parameters in the order of ``PARAMETER_NAMES``; the leading
            axes are the navigation axes. A dask array gives a lazy signal.
        image : hyperspy.api.signals.Signal2D, optional
            The images the parameters are of. Navigation axes, title and
            metadata are taken from it. For a single image in memory the
            curves that :meth:`plot` shows are measured and kept.
        mode : {"HAADF", "BF"}
            Mode the images were calibrated in.

        Returns
        -------
        NoiseCalibration or LazyNoiseCalibration

        Raises
        ------
        ValueError
            If the last axis is not of size 8 or the navigation shape is
            not that of ``image``.
        """
        if data.ndim == 0 or data.shape[-1] != len(PARAMETER_NAMES):
            raise ValueError(
                f"data has the shape {data.shape}; the last axis must hold the "
                f"{len(PARAMETER_NAMES)} parameters {', '.join(PARAMETER_NAMES)}."
            )
        navigation = [{"size": n, "navigate": True} for n in data.shape[:-1]]
        metadata = {}
        if image is not None:
            _check_navigation(data.shape[:-1], image)
            navigation = image.axes_manager._get_navigation_axes_dicts()
            metadata = image.metadata.deepcopy().as_dictionary()
            for node in _DROPPED_METADATA:
                metadata.pop(node, None)
        record = {"mode": mode, "version": hyperspy_stem_enhance.__version__}
        metadata["STEM_enhance"] = {
            "parameter_names": list(PARAMETER_NAMES),
            "calibrate_noise": record,
        }
        signal_axis = {"name": "parameter", "size": data.shape[-1], "navigate": False}
        lazy = not isinstance(data, np.ndarray)
        signal_class = LazyNoiseCalibration if lazy else NoiseCalibration
        signal = signal_class(data, axes=[*navigation, signal_axis], metadata=metadata)
        if image is not None and not lazy and not image._lazy and data.size == 8:
            signal._keep_curves(
                _calibrate(image.data.reshape(image.data.shape[-2:]), mode)
            )
        return signal

    @property
    def mode(self):
        """Mode the images were calibrated in, ``"HAADF"`` or ``"BF"``."""
        return self.metadata.get_item(f"{_NODE}.mode", "HAADF")

    def to_dataframe(self):
        """Table with one row per image.

        Returns
        -------
        pandas.DataFrame
            Columns are the parameters. The index holds the calibrated
            navigation coordinates, one level per navigation axis in array
            order, named after the axis and its units. Computes a lazy
            signal.

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import NoiseCalibration
        >>> cal = NoiseCalibration.from_array(np.ones((3, 8)))
        >>> cal.to_dataframe().shape
        (3, 8)
        """
        import pandas as pd

        axes = sorted(
            self.axes_manager.navigation_axes, key=lambda axis: axis.index_in_array
        )
        index = None
        if len(axes) == 1:
            index = pd.Index(axes[0].axis, name=_axis_label(axes[0], 0))
        elif axes:
            names = [_axis_label(axis, number) for number, axis in enumerate(axes)]
            index = pd.MultiIndex.from_product(
                [axis.axis for axis in axes], names=names
            )
        return pd.DataFrame(self._rows(), index=index, columns=list(PARAMETER_NAMES))

    def to_noise_parameters(self):
        """Parameters of each image, as the simulator takes them.

        Returns
        -------
        list of NoiseParameters
            In array order of the navigation axes. Computes a lazy signal.

        See Also
        --------
        summary : has mean and spread as `NoiseParameters`.

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import NoiseCalibration
        >>> cal = NoiseCalibration.from_array(np.ones((3, 8)))
        >>> cal.to_noise_parameters()[0].pointwise_lambda
        1.0
        """
        return [NoiseParameters(*row.tolist()) for row in self._rows()]

    def summary(self):
        """Mean and standard deviation of the parameters over the images.

        Returns
        -------
        NoiseSummary
            Prints as a table; its ``mean`` and ``sd`` are
            `NoiseParameters`. Computes a lazy signal.

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import NoiseCalibration
        >>> cal = NoiseCalibration.from_array(np.ones((3, 8)))
        >>> print(cal.summary())  # doctest: +ELLIPSIS
        Noise of 3 image(s)
        parameter                          mean         SD  images
        atom brightness                       1          0       3
        ...
        """
        from hyperspy_stem_enhance.noise.summary import summarise

        return summarise(self._rows())

    def plot(self, image=None):
        """Plot the noise: SD against gradient and intensity, distribution.

        Parameters
        ----------
        image : hyperspy.api.signals.Signal2D, optional
            The images, with the navigation shape of this signal: the
            points that the lines were fitted to are measured again and
            drawn, for up to 16 images evenly taken from them. Without
            it, they are drawn for a single image that was calibrated in
            memory, and the fitted lines alone otherwise.

        Returns
        -------
        numpy.ndarray of matplotlib.axes.Axes, shape (3,)

        Raises
        ------
        ValueError
            If the navigation shape of ``image`` is another one.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> import hyperspy_stem_enhance
        >>> counts = np.random.default_rng(0).poisson(20, (64, 64))
        >>> s = hs.signals.Signal2D(counts)
        >>> axes = s.calibrate_noise(show_progressbar=False).plot()
        """
        from hyperspy_stem_enhance.noise.plot import plot_calibration

        rows = self._rows()
        if image is not None:
            _check_navigation(self.data.shape[:-1], image)
            chosen = np.unique(np.linspace(0, len(rows) - 1, 16).astype(int))
            frames = image.data.reshape((-1, *image.data.shape[-2:]))
            results = [_calibrate(np.asarray(frames[i]), self.mode) for i in chosen]
        else:
            results = [self._kept_result(row) for row in rows]
        return plot_calibration(results, title=self.metadata.General.title)

    def _rows(self):
        """Parameters as an array (n, 8) in memory."""
        size = self.axes_manager.signal_size
        if size != len(PARAMETER_NAMES):
            raise ValueError(
                f"the signal axis holds {size} values; all {len(PARAMETER_NAMES)} "
                "parameters are needed, do not slice them with isig."
            )
        return np.asarray(self.data, float).reshape(-1, size)

    def _keep_curves(self, result):
        """Keep what `plot` shows in the metadata, with what tells whose it is."""
        curves = {
            "parameters": np.array(result.parameters.to_tuple()),
            "histogram_edges": result.histogram_edges,
            "histogram_density": result.histogram_density,
        }
        for term in ("scan", "pointwise"):
            curve = getattr(result, term)
            curves[term] = np.stack([curve.centres, curve.sd, curve.counts])
        curves["reasons"] = dict(result.reasons)
        curves["notes"] = list(result.notes)
        self.metadata.set_item(f"{_NODE}.curves", curves)

    def _kept_result(self, row):
        """Result of one image with the curves in the metadata if they are its."""
        parameters = NoiseParameters(*row.tolist())
        node = self.metadata.get_item(f"{_NODE}.curves")
        if node is None or not np.array_equal(
            np.asarray(node.parameters), row, equal_nan=True
        ):
            return replace(
                empty_result(self.mode, ""), parameters=parameters, reasons={}
            )
        # arrays of a file that was loaded lazily are dask's
        return CalibrationResult(
            parameters=parameters,
            reasons=node.reasons.as_dictionary(),
            notes=tuple(str(note) for note in node.notes),
            scan=SDCurve(*np.asarray(node.scan)),
            pointwise=SDCurve(*np.asarray(node.pointwise)),
            histogram_edges=np.asarray(node.histogram_edges),
            histogram_density=np.asarray(node.histogram_density),
            mode=self.mode,
        )


class LazyNoiseCalibration(LazySignal, NoiseCalibration):
    """Noise and background of images that are calibrated when computed."""

    plot = NoiseCalibration.plot  # LazySignal has one for spectra and images


def _calibrate(frame, mode):
    from hyperspy_stem_enhance.noise.calibration import calibrate_image

    return calibrate_image(frame, mode)


def _check_navigation(shape, image):
    expected = image.axes_manager._navigation_shape_in_array
    if tuple(shape) != tuple(expected):
        raise ValueError(
            f"image has the navigation shape {tuple(expected)} (array order), the "
            f"calibration {tuple(shape)}; give the images that were calibrated."
        )


def _axis_label(axis, number):
    name = axis.name if isinstance(axis.name, str) and axis.name else f"axis {number}"
    units = axis.units if isinstance(axis.units, str) and axis.units else ""
    return f"{name} ({units})" if units else name
