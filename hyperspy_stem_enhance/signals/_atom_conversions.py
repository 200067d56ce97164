"""Columns from and to other packages: pandas, ASE, Atomap, HyperSpy's peaks."""

import numpy as np

from hyperspy_stem_enhance.signals._ragged import (
    common_scale,
    image_axes_dictionary,
    map_ragged,
    ragged_data,
)


class AtomConversions:
    """Methods of ``AtomPositions`` that take columns in and hand them on."""

    @classmethod
    def from_find_peaks(cls, peaks, image=None):
        """Make the signal from peaks that HyperSpy found.

        Parameters
        ----------
        peaks : hyperspy.api.signals.BaseSignal
            What ``Signal2D.find_peaks`` returns, lazy or not, with
            intensities (``get_intensity=True``) or without.
        image : hyperspy.api.signals.Signal2D, optional
            The images. Without it the calibration is taken from ``peaks``,
            which lose it when they are saved.

        Returns
        -------
        AtomPositions or LazyAtomPositions
            With the columns ``y, x`` or ``y, x, intensity``.

        Raises
        ------
        TypeError
            If ``peaks`` is no ragged signal.
        ValueError
            If the navigation shapes differ.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import AtomPositions
        >>> image = hs.signals.Signal2D(np.zeros((32, 32)))
        >>> image.isig[20, 10] = 1
        >>> peaks = image.find_peaks("max", distance=2, interactive=False)
        >>> AtomPositions.from_find_peaks(peaks).single_array()
        array([[10., 20.]], dtype=float32)
        """
        if getattr(peaks, "ragged", False) is False:
            raise TypeError(
                f"peaks is a {type(peaks).__name__}, expected the ragged signal of "
                "`image.find_peaks(interactive=False)`. Use from_arrays for arrays."
            )
        data = peaks.data if peaks.data.ndim else peaks.data.reshape((1,))
        data = map_ragged(data, _peak_columns)
        first = data.ravel()[:1]
        first = first.compute() if peaks._lazy else first
        names = ("y", "x", "intensity")[: first[0].shape[1]]
        if image is not None:
            return cls.from_arrays(data, image, names)
        axes = peaks.metadata.get_item("Peaks.signal_axes")
        axes = image_axes_dictionary(axes) if axes else None
        return cls._from_parts(*ragged_data(data, names), peaks, axes)

    @classmethod
    def from_atomap(cls, lattice, image=None):
        """Make the signal from an Atomap sublattice or atom lattice.

        Parameters
        ----------
        lattice : atomap.sublattice.Sublattice or atomap.atom_lattice.Atom_Lattice
        image : hyperspy.api.signals.Signal2D, optional
            The image, for its axes and metadata. Without it the axes are those
            of the image that :meth:`to_atomap` had, or have the pixel size and
            units of the lattice.

        Returns
        -------
        AtomPositions
            With the columns ``y``, ``x``, ``intensity`` and ``sigma``
            (height and mean width of the 2-D Gaussians, NaN for columns
            without a fit); of an ``Atom_Lattice`` also ``class``, the
            number of the sublattice.

        Raises
        ------
        TypeError
            If it is neither of the two.

        Examples
        --------
        >>> from hyperspy_stem_enhance import AtomPositions
        >>> atoms = AtomPositions.from_atomap(sublattice)  # doctest: +SKIP
        """
        from hyperspy_stem_enhance.interop.atomap import read_lattice

        table, names, axes = read_lattice(lattice)
        if image is not None:
            return cls.from_arrays(table, image, names)
        return cls._from_parts(*ragged_data(table, names), image_axes=axes)

    def to_dataframe(self):
        """Table of all atoms with pixel and calibrated coordinates.

        Returns
        -------
        pandas.DataFrame
            One row per atom: ``frame`` (index of the image, counted in
            array order), for two or more navigation axes also one column
            ``frame_<axis name>`` each in the order of ``inav``, then
            :attr:`column_names` (positions in pixels), ``y_calibrated``,
            ``x_calibrated`` (``offset + scale * pixel`` of the image axes)
            and their ``units`` ("px" where the image has none).

        Examples
        --------
        >>> from hyperspy_stem_enhance.signals.atom_positions import (
        ...     AtomPositions
        ... )
        >>> atoms = AtomPositions.from_arrays([[[2.0, 5.0], [4.0, 1.0]]])
        >>> list(atoms.to_dataframe().columns)
        ['frame', 'y', 'x', 'y_calibrated', 'x_calibrated', 'units']
        """
        from hyperspy_stem_enhance.interop.table import make_table

        return make_table(
            self._eager_data(),
            self.column_names,
            self.image_axes,
            self.axes_manager.navigation_axes,
        )

    def to_markers(self, sizes=4, color="red", **kwargs):
        """Points to draw over the images with ``image.add_marker``.

        Parameters
        ----------
        sizes : float
            Radius of the points on the screen, in points.
        color : str or tuple
            Matplotlib colour.
        **kwargs
            Passed to :class:`hyperspy.api.plot.markers.Points`.

        Returns
        -------
        hyperspy.api.plot.markers.Points
            In the calibrated coordinates of the images. For more than one
            image the points follow the navigation.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> from hyperspy_stem_enhance.signals.atom_positions import (
        ...     AtomPositions
        ... )
        >>> image = hs.signals.Signal2D(np.zeros((32, 48)))
        >>> atoms = AtomPositions.from_arrays(np.array([[3.5, 40.1]]), image)
        >>> image.plot()
        >>> image.add_marker(atoms.to_markers())
        """
        from hyperspy.api import plot

        y_axis, x_axis = self.image_axes
        scale = np.array([x_axis.scale, y_axis.scale])
        offset = np.array([x_axis.offset, y_axis.offset])
        if self.data.size == 1:
            offsets = self.single_array("to_markers")[:, 1::-1] * scale + offset
        else:
            # Markers index by (x, y, ...), arrays by (..., y, x).
            offsets = map_ragged(self.data, _marker_offsets, scale, offset).T
        return plot.markers.Points(offsets=offsets, sizes=sizes, color=color, **kwargs)

    def to_atomap(
        self,
        image,
        original_image=None,
        refine=False,
        *,
        classes=None,
        invert=None,
        show_progressbar=None,
    ):
        """Atomap sublattice, or atom lattice of several, with these columns.

        Parameters
        ----------
        image : hyperspy.api.signals.Signal2D
            The single image shown by the sublattice. Its pixel size and
            units are taken.
        original_image : hyperspy.api.signals.Signal2D, optional
            The image that Atomap refines on and measures intensities from,
            for instance the raw one. The default is ``image``.
        refine : bool
            Refine with Atomap: centre of mass, then 2-D Gaussians (30 to
            200 ms per atom).
        classes : bool or array-like of int, optional
            If True, a sublattice for each class of columns: those of the
            column ``class`` where there is one, else what :meth:`classify`
            finds. Or the class of each column; negative ones are left out.
            By default all are one sublattice.
        invert : bool, optional
            Whether to turn the images, so that the dark columns of
            bright-field images become bright, as Atomap needs them. By
            default, if an image is darker at the columns than its median.
        show_progressbar : bool, optional
            For refining. By default, HyperSpy's preference.

        Returns
        -------
        atomap.sublattice.Sublattice or atomap.atom_lattice.Atom_Lattice
            The latter if ``classes`` are asked for, even of a single one.

        Raises
        ------
        ValueError
            If this signal or ``image`` holds more than one image, if the
            pixels are not square, or if shapes differ.

        Notes
        -----
        Atomap's positions are (x, y), these are (y, x).

        See Also
        --------
        hyperspy_stem_enhance.interop.atomap.make_sublattice

        Examples
        --------
        >>> lattice = atoms.inav[0].to_atomap(image=s)  # doctest: +SKIP
        """
        from hyperspy_stem_enhance.interop import atomap

        positions = self.single_array("to_atomap")
        options = (image, original_image, refine, invert, show_progressbar)
        if classes is None or classes is False:
            return atomap.make_sublattice(positions, *options)
        if classes is True:
            source = self if "class" in self.column_names else self.classify()
            classes = source.column("class")
        return atomap.make_atom_lattice(positions, classes, *options)

    def to_ase(self, symbols="X", heights=0.0):
        """Atoms of the Atomic Simulation Environment, one per column.

        Parameters
        ----------
        symbols : str, dict or sequence of str, default "X"
            Chemical symbol of all columns, of each one, or by class, for
            example ``{0: "Sr", 1: "Ti"}`` after :meth:`classify`; columns
            of other classes are "X", ASE's unknown element.
        heights : float or array-like of shape (n_atoms,), default 0
            Coordinate along the beam, in ångström.

        Returns
        -------
        ase.Atoms
            In ångström, x to the right and y down as on the screen, with
            the offset of the image axes, in a cell of the size of the
            image. Further columns are in ``atoms.arrays``.

        Raises
        ------
        ValueError
            If this signal holds more than one image, or its image axes
            have no units of length.

        Examples
        --------
        >>> import hyperspy.api as hs
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import AtomPositions
        >>> image = hs.signals.Signal2D(np.zeros((32, 48)))
        >>> for axis in image.axes_manager.signal_axes:
        ...     axis.scale, axis.units = 0.02, "nm"
        >>> atoms = AtomPositions.from_arrays(np.array([[5.0, 40.0]]), image)
        >>> atoms.to_ase("Pt").positions
        array([[8., 1., 0.]])
        """
        from hyperspy_stem_enhance.interop.ase import make_atoms

        table = self.single_array("to_ase")
        if isinstance(symbols, dict):
            classes = self.column("class").astype(int)
            symbols = [symbols.get(number, "X") for number in classes]
        more = dict(zip(self.column_names[2:], table.T[2:], strict=True))
        return make_atoms(table, self.image_axes, symbols, heights, more)

    def column(self, name):
        """One column of the table of a single image.

        Parameters
        ----------
        name : str
            One of :attr:`column_names`.

        Returns
        -------
        numpy.ndarray of float32, shape (n_atoms,)

        Raises
        ------
        ValueError
            If there is no such column, or more than one image.
        """
        if name not in self.column_names:
            remedy = " Use atoms.classify() first." if name == "class" else ""
            raise ValueError(
                f"there is no column {name!r}, only "
                f"{', '.join(self.column_names)}.{remedy}"
            )
        return self.single_array("column")[:, self.column_names.index(name)]

    def calibrated(self):
        """Positions of a single image in the units of its axes.

        Returns
        -------
        positions : numpy.ndarray of float64, shape (n_atoms, 2)
            y and x, ``offset + scale * pixel``.
        units : str
            "px" where the axes have none.

        Raises
        ------
        ValueError
            If there is more than one image, or the units of the axes
            differ.
        """
        scale, offset, units = common_scale(self.image_axes, "calibrated")
        pixels = self.single_array("calibrated")[:, :2].astype(np.float64)
        return offset + scale * pixels, units

    def plot(self, image=None, **kwargs):
        """Plot the columns over the images they were found in.

        Parameters
        ----------
        image : hyperspy.api.signals.Signal2D
            With the navigation shape of this signal; it is plotted and
            gets the columns as markers.
        **kwargs
            Passed to :meth:`to_markers`.
        """
        if image is None:
            raise ValueError(
                "image=None: the positions are drawn over an image. Use "
                "atoms.plot(image) with the image they were found in."
            )
        image.plot()
        image.add_marker(self.to_markers(**kwargs))


def _peak_columns(peaks):
    peaks = np.asarray(peaks, dtype=np.float32).reshape(len(peaks), -1)
    # HyperSpy's sign for an image without peaks
    return peaks[np.isfinite(peaks[:, :2]).all(axis=1)]


def _marker_offsets(columns, scale, offset):
    return columns[:, 1::-1] * scale + offset
