"""The signal that holds the noise parameters of each image."""

import warnings
from html import escape

import numpy as np
from hyperspy.signals import BaseSignal, LazySignal

import hyperspy_stem_enhance
from hyperspy_stem_enhance.noise.parameters import parameter_names
from hyperspy_stem_enhance.noise.readings import (
    describe_notes,
    read_errors,
    read_reasons,
    read_values,
    reading_names,
)
from hyperspy_stem_enhance.noise.record import from_record, record_names
from hyperspy_stem_enhance.signals._calibration_curves import curves_of, with_curves
from hyperspy_stem_enhance.signals._image_index import (
    image_index,
    image_names,
    outside_level,
)

# Written by other steps about the image, wrong for its parameters.
_DROPPED_METADATA = ("Signal", "_HyperSpy", "Markers", "STEM_enhance")
_NODE = "STEM_enhance.calibrate_noise"


class NoiseCalibration(BaseSignal):
    """Noise and background of one image, a stack or a movie.

    The navigation shape is that of the images. The signal axis holds what
    ``metadata.STEM_enhance.parameter_names`` names, in the images' own
    units: the parameters first, then their standard errors, noise levels,
    and what reasons and notes are written from. Scanned images have eight
    parameters, HRTEM images five. One that an image does not identify is
    NaN.

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
    def from_array(
        cls,
        data,
        image=None,
        mode="HAADF",
        method="unbiased",
        fast_axis="x",
        atom_free=None,
    ):
        """Make the signal from an array of calibrated images.

        Parameters
        ----------
        data : numpy.ndarray or dask.array.Array, shape (..., k) or (..., n)
            Parameters in the order of
            :func:`hyperspy_stem_enhance.noise.parameter_names`, or the rows of
            :func:`hyperspy_stem_enhance.noise.calibrate_records`; the
            leading axes are the navigation axes. A dask array gives a
            lazy signal.
        image : hyperspy.api.signals.Signal2D, optional
            The images the parameters are of. Navigation axes, title and
            metadata are taken from it. For a single image in memory the
            curves that :meth:`plot` shows are measured and kept.
        mode, method, fast_axis : str
            How the images were calibrated.
        atom_free : numpy.ndarray of int, shape (h, w), optional
            Where they were, of HRTEM images.

        Returns
        -------
        NoiseCalibration or LazyNoiseCalibration

        Raises
        ------
        ValueError
            If the last axis is of another size or the navigation shape is
            not that of ``image``.
        """
        parameters, values = parameter_names(mode), record_names(mode)
        names = {len(n): list(n) for n in (parameters, values)}
        if data.ndim == 0 or data.shape[-1] not in names:
            raise ValueError(
                f"data has the shape {data.shape}; the last axis must hold the "
                f"{len(parameters)} parameters {', '.join(parameters)}, or "
                f"the {len(values)} values of noise.calibrate_records."
            )
        navigation = [{"size": n, "navigate": True} for n in data.shape[:-1]]
        metadata = {}
        if image is not None:
            _check_navigation(data.shape[:-1], image)
            navigation = image.axes_manager._get_navigation_axes_dicts()
            metadata = image.metadata.deepcopy().as_dictionary()
            for node in _DROPPED_METADATA:
                metadata.pop(node, None)
        record = {
            "mode": mode,
            "method": method,
            "fast_axis": fast_axis,
            "version": hyperspy_stem_enhance.__version__,
        }
        if atom_free is not None:
            record["atom_free"] = atom_free
        metadata["STEM_enhance"] = {
            "parameter_names": names[data.shape[-1]],
            "calibrate_noise": record,
        }
        signal_axis = {"name": "parameter", "size": data.shape[-1], "navigate": False}
        lazy = not isinstance(data, np.ndarray)
        signal_class = LazyNoiseCalibration if lazy else NoiseCalibration
        signal = signal_class(data, axes=[*navigation, signal_axis], metadata=metadata)
        # An image that could not be used has no curves
        single = data.size == data.shape[-1] and not lazy and np.isfinite(data).any()
        if image is not None and not image._lazy and single:
            frame = image.data.reshape(image.data.shape[-2:])
            curves = curves_of(signal._calibrate_again(frame))
            signal.metadata.set_item(f"{_NODE}.curves", curves)
        return signal

    @property
    def mode(self):
        """Mode of the images: ``"HAADF"``, ``"BF"`` or ``"HRTEM"``."""
        return self.metadata.get_item(f"{_NODE}.mode", "HAADF")

    def to_dataframe(self, dark_level=None):
        """Table with one row per image.

        Parameters
        ----------
        dark_level : float, optional
            Intensity without electrons, for the electrons per pixel. By
            default, where the variance of the noise meets zero; see
            :func:`hyperspy_stem_enhance.noise.estimate_gain`.

        Returns
        -------
        pandas.DataFrame
            Columns are the parameters, the SD of the noise of a pixel
            (``noise_sd``), the SD of the image without noise over it
            (``snr``), the atom brightness over it (``column_snr``, of
            scanned images), the
            intensity per electron (``gain``) and ``electrons_per_pixel``,
            both with their standard errors, and ``notes`` on what puts
            the image in doubt. The index holds the calibrated navigation
            coordinates, one level per navigation axis in array order,
            named after the axis and its units. Computes a lazy signal.

        See Also
        --------
        standard_errors, reasons : tables of the same rows.

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import NoiseCalibration
        >>> cal = NoiseCalibration.from_array(np.ones((3, 8)))
        >>> len(cal.to_dataframe())
        3
        """
        results = self.to_results()
        table = self._table(read_values, dark_level, results)
        errors = self._table(read_errors, dark_level, results)
        for name in ("gain", "electrons_per_pixel"):
            place = table.columns.get_loc(name) + 1
            table.insert(place, f"{name}_error", errors[name])
        table["notes"] = ["; ".join(result.notes) for result in results]
        return table

    def standard_errors(self, dark_level=None):
        """Standard errors of the values of each image.

        Parameters
        ----------
        dark_level : float, optional
            As of :meth:`to_dataframe`.

        Returns
        -------
        pandas.DataFrame
            NaN where the error, or the value, is not known.

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import NoiseCalibration
        >>> cal = NoiseCalibration.from_array(np.ones((3, 8)))
        >>> int(cal.standard_errors().notna().to_numpy().sum())
        0
        """
        return self._table(read_errors, dark_level, self.to_results())

    def reasons(self, dark_level=None):
        """Why values are NaN, for each image.

        Parameters
        ----------
        dark_level : float, optional
            As of :meth:`to_dataframe`.

        Returns
        -------
        pandas.DataFrame
            Texts, empty where the value is known.

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import NoiseCalibration
        >>> cal = NoiseCalibration.from_array(np.full((1, 8), np.nan))
        >>> cal.reasons().scan_slope[0]
        'the image could not be used: constant, or without a finite pixel'
        """

        def read_texts(result, dark_level):
            reasons = read_reasons(result, dark_level)
            return [reasons.get(name, "") for name in reading_names(self.mode)]

        return self._table(read_texts, dark_level, self.to_results())

    def to_noise_parameters(self):
        """Parameters of each image, as the simulator takes them.

        Returns
        -------
        list of NoiseParameters or HRTEMNoiseParameters
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
        return [result.parameters for result in self.to_results()]

    def to_results(self):
        """All that is known of each image but its curves.

        Returns
        -------
        list of CalibrationResult
            In array order of the navigation axes. Computes a lazy signal.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> import hyperspy_stem_enhance
        >>> counts = np.random.default_rng(0).poisson(20, (64, 64))
        >>> s = hs.signals.Signal2D(counts)
        >>> [result] = s.calibrate_noise(show_progressbar=False).to_results()
        >>> round(result.levels.mean)
        20
        """
        return [from_record(row, self.mode) for row in self._rows()]

    def summary(self, dark_level=None):
        """Mean and spread over the images, with notes and reasons.

        Parameters
        ----------
        dark_level : float, optional
            As of :meth:`to_dataframe`.

        Returns
        -------
        NoiseSummary
            Prints as a table; its ``mean`` and ``sd`` are
            parameters. For a single image, the values and their
            standard errors. Computes a lazy signal.

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import NoiseCalibration
        >>> cal = NoiseCalibration.from_array(np.ones((3, 8)))
        >>> print(cal.summary())  # doctest: +ELLIPSIS
        Noise of 3 image(s)
                                           mean         SD  images
        atom brightness                       1          0       3
        ...
        """
        from hyperspy_stem_enhance.noise.summary import summarise

        names = image_names(self.data.shape[:-1])
        return summarise(self._rows(), names, dark_level, self.mode)

    def _repr_html_(self):
        if self.axes_manager.signal_size not in (
            len(parameter_names(self.mode)),
            len(record_names(self.mode)),
        ):
            return f"<pre>{escape(repr(self))}</pre>"
        return self.summary()._repr_html_()

    def plot(self, image=None):
        """Plot the noise: SD against gradient and intensity, distribution.

        Of HRTEM images, the first panel has the offsets of the columns.

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

        results = self.to_results()
        if image is not None:
            _check_navigation(self.data.shape[:-1], image)
            chosen = np.unique(np.linspace(0, len(results) - 1, 16).astype(int))
            frames = image.data.reshape((-1, *image.data.shape[-2:]))
            results = [self._calibrate_again(np.asarray(frames[i])) for i in chosen]
        else:
            kept = self.metadata.get_item(f"{_NODE}.curves")
            results = [with_curves(result, kept) for result in results]
        return plot_calibration(results, title=self.metadata.General.title)

    def _rows(self):
        """Values of each image, one row each, in memory."""
        size = self.axes_manager.signal_size
        rows = np.asarray(self.data, float).reshape(-1, size)
        n_parameters = len(parameter_names(self.mode))
        expected = record_names(self.mode)
        if size == n_parameters:
            return rows
        names = self.metadata.get_item("STEM_enhance.parameter_names", ())
        if size != len(names):
            raise ValueError(
                f"the signal axis holds {size} values; all {n_parameters} "
                "parameters are needed, do not slice them with isig."
            )
        # by name: a file of another version may hold others
        column = {name: i for i, name in enumerate(names)}
        known = [rows[:, column[n]] if n in column else None for n in expected]
        unknown = np.full(len(rows), np.nan)
        return np.stack([unknown if k is None else k for k in known], axis=1)

    def _table(self, read, dark_level, results):
        """Table of what a function reads from the result of each image."""
        import pandas as pd

        values = [read(result, dark_level) for result in results]
        index = image_index(self.axes_manager)
        return pd.DataFrame(values, index=index, columns=list(reading_names(self.mode)))

    def warn_of_notes(self):
        """Warn of what puts images in doubt, once for each kind.

        Warns
        -----
        UserWarning
            With the images that have it. ``calibrate_noise`` and
            ``compute`` do this.
        """
        names = image_names(self.data.shape[:-1])
        for text in describe_notes(self.to_results(), names).values():
            warnings.warn(text, UserWarning, stacklevel=outside_level())

    def _calibrate_again(self, frame):
        """Calibrate an image as it was, with the curves."""
        from hyperspy_stem_enhance.noise.calibration import calibrate_image

        item = self.metadata.get_item
        areas = item(f"{_NODE}.atom_free", None)
        return calibrate_image(
            frame,
            self.mode,
            item(f"{_NODE}.method", "unbiased"),
            item(f"{_NODE}.fast_axis", "x"),
            None if areas is None else np.asarray(areas),
        )


class LazyNoiseCalibration(LazySignal, NoiseCalibration):
    """Noise and background of images that are calibrated when computed."""

    # LazySignal has its own, for spectra and for what must not be computed
    plot = NoiseCalibration.plot

    def compute(self, *args, **kwargs):
        """Calibrate the images, and warn of what puts them in doubt.

        Parameters
        ----------
        *args, **kwargs
            As of ``hyperspy.signals.LazySignal.compute``.
        """
        super().compute(*args, **kwargs)
        self.warn_of_notes()


def _check_navigation(shape, image):
    expected = image.axes_manager._navigation_shape_in_array
    if tuple(shape) != tuple(expected):
        raise ValueError(
            f"image has the navigation shape {tuple(expected)} (array order), the "
            f"calibration {tuple(shape)}; give the images that were calibrated."
        )
