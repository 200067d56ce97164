"""The signal that holds the atom columns found in each image.

One array of columns per image, of any length: a ragged signal with the
navigation shape of the images. The image axes are kept in the metadata, so
that calibrated coordinates survive saving, loading and slicing.
"""

import numpy as np
from hyperspy._signals.lazy import LazySignal
from hyperspy.axes import UniformDataAxis
from hyperspy.signals import BaseSignal

from hyperspy_stem_enhance.detect.columns import COLUMN_NAMES
from hyperspy_stem_enhance.signals._atom_conversions import AtomConversions
from hyperspy_stem_enhance.signals._atom_lattices import AtomLattices
from hyperspy_stem_enhance.signals._atom_refinement import AtomRefinement
from hyperspy_stem_enhance.signals._atom_tracks import AtomTracks
from hyperspy_stem_enhance.signals._ragged import image_axes_dictionary, ragged_data

# Written by other steps about the image, wrong or pointless for positions.
_DROPPED_METADATA = ("Signal", "_HyperSpy", "Markers", "Peaks")


class AtomPositions(
    AtomConversions, AtomLattices, AtomRefinement, AtomTracks, BaseSignal
):
    """Atom columns found in one image, a stack or a movie.

    ``data`` is an array of objects with the navigation shape of the
    images. Each element is a float32 array of shape (n_atoms, k) whose
    columns are named in :attr:`column_names`; the first two are the row
    ``y`` and the column ``x`` in pixels, counted from the centre of the
    first pixel. An image without atoms has an array of shape (0, k).

    A single image gives the navigation shape (1,), so that
    ``atoms.inav[0]`` works for one image as for many and saved files can
    be loaded.

    Use :meth:`from_arrays` to make one.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.signals.atom_positions import (
    ...     AtomPositions
    ... )
    >>> atoms = AtomPositions.from_arrays([np.ones((3, 2)), np.ones((0, 2))])
    >>> atoms
    <AtomPositions, title: , dimensions: (2|ragged)>
    >>> atoms.n_atoms
    array([3, 0])
    """

    _signal_type = "AtomPositions"
    _signal_dimension = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if kwargs.get("full_initialisation", True):
            if self.data.dtype != object:
                raise TypeError(
                    f"data is an array of {self.data.dtype}, expected an object "
                    "array with one (n_atoms, k) array per image. Use "
                    "AtomPositions.from_arrays to make the signal."
                )
            # HyperSpy infers False from the axes of a signal made by hand.
            self.axes_manager._ragged = True
            self._keep_navigation_axis()

    @classmethod
    def from_arrays(cls, arrays, image=None, column_names=None):
        """Make the signal from one array of columns per image.

        Parameters
        ----------
        arrays : array-like or dask.array.Array
            A list of (n_atoms, k) arrays, an object array of them with the
            navigation shape of the images in array order, or a single
            (n_atoms, k) array. A dask array of objects gives a lazy signal.
        image : hyperspy.api.signals.Signal2D, optional
            The images the columns were found in. Navigation axes, title,
            metadata and the calibration of the image axes are taken from
            it. Without it coordinates are in pixels.
        column_names : sequence of str, optional
            Names of the k columns, starting with ``"y", "x"``. The default
            is the first k of ``("y", "x", "intensity", "sigma",
            "confidence")``.

        Returns
        -------
        AtomPositions or LazyAtomPositions

        Raises
        ------
        ValueError
            If shapes, names or navigation shapes do not match, or if an
            axis of ``image`` is not uniform.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> from hyperspy_stem_enhance.signals.atom_positions import (
        ...     AtomPositions
        ... )
        >>> image = hs.signals.Signal2D(np.zeros((32, 48)))
        >>> AtomPositions.from_arrays(np.array([[3.5, 40.1]]), image=image)
        <AtomPositions, title: , dimensions: (1|ragged)>
        """
        data, names = ragged_data(arrays, column_names)
        if image is None:
            return cls._from_parts(data, names)
        shape = image.axes_manager._navigation_shape_in_array or (1,)
        if data.shape != shape:
            raise ValueError(
                f"arrays has the shape {data.shape}, expected one array of "
                f"columns per image: {shape}."
            )
        axes = image_axes_dictionary(image.axes_manager.signal_axes)
        return cls._from_parts(data, names, image, axes)

    @classmethod
    def _from_parts(cls, data, names, source=None, image_axes=None):
        """Put columns into a signal with the navigation and metadata of another."""
        metadata, axes = {}, [{"size": n, "navigate": True} for n in data.shape]
        if source is not None:
            metadata = source.metadata.deepcopy().as_dictionary()
            for node in _DROPPED_METADATA:
                metadata.pop(node, None)
            if source.axes_manager.navigation_dimension:
                axes = source.axes_manager._get_navigation_axes_dicts()
        node = {"column_names": list(names)}
        if image_axes is not None:
            node["image_axes"] = image_axes
        metadata["Atom_positions"] = node
        lazy = not isinstance(data, np.ndarray)
        signal_class = LazyAtomPositions if lazy else AtomPositions
        return signal_class(data, axes=axes, metadata=metadata, ragged=True)

    def _with_columns(self, data, names):
        """Copy with other columns in the tables, for instance with one more."""
        result = self._deepcopy_with_new_data(data)
        result.metadata.Atom_positions.column_names = list(names)
        return result

    def _keep_navigation_axis(self):
        """Give a single image a navigation axis of size 1.

        HyperSpy writes ragged signals without navigation axes, but cannot
        read them.
        """
        if self.axes_manager.navigation_dimension == 0:
            self.data = self.data.reshape((1,))
            axis = {"size": 1, "navigate": True, "index_in_array": 0}
            self.axes_manager._append_axis(**axis)

    def _slicer(self, slices, isNavigation=None, out=None):
        if isNavigation and out is None:
            index = self._get_array_slices(slices, True)
            if not any(isinstance(i, slice) for i in index):
                # Slices keep the element an object array, lazy or not.
                index = tuple(slice(i, i + 1) for i in index)
                single = self._deepcopy_with_new_data(self.data[index].reshape(1))
                single.axes_manager.remove(list(single.axes_manager._axes))
                single._keep_navigation_axis()
                return single
        return super()._slicer(slices, isNavigation, out)

    def get_current_signal(self, auto_title=True, auto_filename=True, as_numpy=False):
        """Positions of the image at the indices of the navigation axes.

        Iterating, as in ``zip(s, atoms)``, gives these.

        Parameters
        ----------
        auto_title, auto_filename : bool, default True
            Whether the indices are added to the title, and to the name of
            the file that the signal came from.
        as_numpy : bool, default False
            Without effect; positions are NumPy arrays.

        Returns
        -------
        AtomPositions
            With the navigation shape (1,), as of ``inav``; computed.
        """
        indices = self.axes_manager.indices
        single = self.inav[indices]
        if single._lazy:
            single.compute(show_progressbar=False)
        if auto_title:
            title = single.metadata.get_item("General.title", default="")
            single.metadata.set_item("General.title", f"{title} {indices}")
        if auto_filename and single.tmp_parameters.has_item("filename"):
            single.tmp_parameters.filename += f"_{indices}"
        return single

    def transpose(self, signal_axes=None, navigation_axes=None, optimize=False):
        """Copy with the same axes; positions have no others to exchange.

        Parameters
        ----------
        signal_axes : {0}
            The number of signal axes, of which positions have none.
        navigation_axes : None
            Their order stays.
        optimize : bool, default False
            Without effect.

        Returns
        -------
        AtomPositions or LazyAtomPositions

        Raises
        ------
        RuntimeError
            If it asks for signal axes, or for another order.
        """
        # hs.stack asks for this order, which HyperSpy refuses of ragged signals
        if signal_axes == 0 and navigation_axes is None:
            return self._deepcopy_with_new_data(self.data)
        return super().transpose(signal_axes, navigation_axes, optimize)

    def save(self, *args, **kwargs):
        """Save as `.hspy` or `.zspy`, as :meth:`BaseSignal.save` does any signal.

        Parameters
        ----------
        *args, **kwargs
            Passed to :meth:`hyperspy.api.signals.BaseSignal.save`.

        Raises
        ------
        ValueError
            If the tables do not have the columns that
            :attr:`column_names` names.

        Notes
        -----
        A lazy signal is computed, since HyperSpy's writer takes no ragged
        dask arrays. `.zspy` needs ``rosettasciio[zspy]``, which needs a Zarr
        older than 3.
        """
        if self._lazy:
            computed = self.deepcopy()
            computed.compute()
            return computed.save(*args, **kwargs)
        self._check_tables()
        self._keep_navigation_axis()
        return super().save(*args, **kwargs)

    def _check_tables(self):
        """Raise unless each table has the columns that are named."""
        names = self.column_names
        for index in np.ndindex(self.data.shape):
            shape = np.shape(self.data[index])
            if len(shape) != 2 or shape[1] != len(names):
                raise ValueError(
                    f"the table of image {index} has the shape {shape}, expected "
                    f"(n_atoms, {len(names)}), for the columns {', '.join(names)}. "
                    "Stack only positions with the same columns: refine all or none."
                )

    @property
    def column_names(self):
        """Names of the columns of each array, ``("y", "x", ...)``."""
        names = self.metadata.get_item("Atom_positions.column_names")
        return COLUMN_NAMES if names is None else tuple(str(name) for name in names)

    @property
    def image_axes(self):
        """Axes (y, x) of the images, as uniform HyperSpy axes.

        Uncalibrated axes of unknown size where the signal was made
        without an image.
        """
        axes = []
        for key in "yx":
            node = self.metadata.get_item(f"Atom_positions.image_axes.{key}")
            axes.append(
                UniformDataAxis(**node.as_dictionary() if node else {"size": 1})
            )
        return tuple(axes)

    @property
    def n_atoms(self):
        """Number of atoms in each image.

        Returns
        -------
        numpy.ndarray of int
            With the navigation shape in array order. Computes a lazy
            signal.
        """
        data = self._eager_data()
        counts = [len(columns) for columns in data.ravel()]
        return np.array(counts, dtype=int).reshape(data.shape)

    def single_array(self, caller="this"):
        """The array of columns of a signal with a single image.

        Parameters
        ----------
        caller : str
            What needs it, for the error message.

        Returns
        -------
        numpy.ndarray of float32, shape (n_atoms, k)

        Raises
        ------
        ValueError
            If the signal holds more than one image.
        """
        if self.data.size != 1:
            raise ValueError(
                f"{caller} takes the atoms of one image, these have the "
                f"navigation shape {self.axes_manager.navigation_shape}. Choose "
                "one with inav, for example atoms.inav[0]."
            )
        return self._eager_data().ravel()[0]

    def _eager_data(self):
        return self.data.compute() if self._lazy else self.data


class LazyAtomPositions(LazySignal, AtomPositions):
    """Atom columns not yet computed; see :class:`AtomPositions`.

    ``data`` is a dask array of objects; ``compute()`` turns the signal
    into :class:`AtomPositions`.
    """

    _lazy = True
