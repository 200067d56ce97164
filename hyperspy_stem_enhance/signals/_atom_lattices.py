"""Lattices fitted to the columns of images, and kinds of columns."""

import warnings

import numpy as np
from hyperspy.docstrings.signal import SHOW_PROGRESSBAR_ARG

from hyperspy_stem_enhance.signals._image_index import image_index, outside_level
from hyperspy_stem_enhance.signals._progress import progress_of
from hyperspy_stem_enhance.signals._ragged import common_scale, map_ragged


class AtomLattices:
    """Methods of ``AtomPositions`` about the lattice that columns are on."""

    def fit_lattice(self, by_intensity=True, grains=1):
        """Fit a lattice to the columns of a single image, or one to each grain.

        Parameters
        ----------
        by_intensity : bool, default True
            Whether columns of different intensity are different ones, so
            that the cell of a perovskite along [001] is the cubic one. If
            False, or without a column ``intensity`` or ``height``,
            positions alone count.
        grains : int or "all", default 1
            How many lattices, those with the most columns.

        Returns
        -------
        hyperspy_stem_enhance.lattice.Lattice or hyperspy_stem_enhance.lattice.Grains
            In the units of the image axes. A lattice for ``grains=1``, else a
            sequence of those found.

        Raises
        ------
        ValueError
            If there is more than one image, the columns are not those of
            a lattice, the units of the axes differ, or ``grains`` is neither
            a number above 0 nor "all".

        Warns
        -----
        UserWarning
            If the cell is in doubt, other lattices have more than 5 % of the
            columns, or the lattice turns by more than 2° within the field.

        See Also
        --------
        hyperspy_stem_enhance.lattice.fit_lattice
        lattice_summary

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import AtomPositions
        >>> y, x = np.mgrid[10:90:20, 10:110:25]
        >>> atoms = AtomPositions.from_arrays(np.stack([y.ravel(), x.ravel()], 1))
        >>> lattice = atoms.fit_lattice()
        >>> round(lattice.a, 3), round(lattice.b, 3)
        (20.0, 25.0)
        """
        from hyperspy_stem_enhance.lattice.fit import search_lattices

        positions, units = self.calibrated()
        place = self._intensity_place() if by_intensity else None
        intensity = None if place is None else self.single_array()[:, place]
        found, doubts = search_lattices(positions, intensity, units, grains)
        for text in doubts:
            warnings.warn(text, UserWarning, stacklevel=outside_level())
        return found

    def lattice_summary(self, by_intensity=True, *, show_progressbar=None):
        """Lattice of each image, as a table.

        Parameters
        ----------
        by_intensity : bool, default True
            As for :meth:`fit_lattice`.
        %s

        Returns
        -------
        pandas.DataFrame
            One row per image, with the navigation coordinates as index,
            and the columns of :meth:`.lattice.Lattice.summary`; NaN for
            images without a lattice. ``probability`` is that of the cell,
            ``n_on_lattice`` the columns of the largest grain. Computes a lazy
            signal.

        Raises
        ------
        ValueError
            If the units of the image axes differ.

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import AtomPositions
        >>> y, x = np.mgrid[10:90:20, 10:110:25]
        >>> positions = np.stack([y.ravel(), x.ravel()], 1)
        >>> atoms = AtomPositions.from_arrays([positions, 1.02 * positions])
        >>> atoms.lattice_summary()[["a", "b", "units"]].round(2)
                   a     b units
        axis 0
        0.0     20.0  25.0    px
        1.0     20.4  25.5    px
        """
        import pandas as pd

        from hyperspy_stem_enhance.lattice.fit import NoLatticeError, search_lattices

        scale, _, units = common_scale(self.image_axes, "lattice_summary")
        place = self._intensity_place() if by_intensity else None
        rows, tables = [], self._eager_data().ravel()
        for table in progress_of(show_progressbar)(tables, total=len(tables)):
            values = None if place is None else table[:, place]
            try:
                lattice, _ = search_lattices(table[:, :2] * scale, values, units)
            except NoLatticeError:
                rows.append({"n_columns": len(table), "units": units})
            else:
                rows.append(lattice.summary())
        index = image_index(self.axes_manager)
        table = pd.DataFrame(rows, index=index)
        # The order of a summary, whichever image comes first
        fullest = max(rows, key=len)
        return table[list(fullest)]

    lattice_summary.__doc__ %= SHOW_PROGRESSBAR_ARG

    def classify(self, by="site"):
        """Tell kinds of columns apart, in each image.

        Parameters
        ----------
        by : {"site", "intensity"}, default "site"
            By the sites of the lattice that differ in intensity or do not
            form a simple lattice together, and by intensity where there is
            no lattice; or by intensity alone.

        Returns
        -------
        AtomPositions or LazyAtomPositions
            These columns with one more, ``class``: 0, 1, ... by falling
            intensity, -1 for columns that are not of the lattice.

        Raises
        ------
        ValueError
            If there is neither a column ``intensity`` nor ``height``,
            ``by`` is unknown, or the units of the image axes differ.

        See Also
        --------
        hyperspy_stem_enhance.lattice.classify_columns

        Examples
        --------
        >>> import numpy as np
        >>> from hyperspy_stem_enhance import AtomPositions
        >>> y, x = (20 * k.ravel() for k in np.mgrid[:6, :8])
        >>> table = np.stack([y, x, np.where((x + y) // 20 % 2, 5, 3)], 1)
        >>> atoms = AtomPositions.from_arrays(table).classify()
        >>> np.bincount(atoms.column("class").astype(int))
        array([24, 24])
        """
        if by not in ("site", "intensity"):
            raise ValueError(f"by={by!r} is unknown; use 'site' or 'intensity'.")
        place = self._intensity_place()
        if place is None:
            raise ValueError(
                "there is no column 'intensity' to tell columns apart by, only "
                f"{', '.join(self.column_names)}. Use atoms.refine(image), which "
                "measures it."
            )
        scale, _, _ = common_scale(self.image_axes, "classify")
        names = [name for name in self.column_names if name != "class"]
        kept = [self.column_names.index(name) for name in names]
        data = map_ragged(self.data, _append_class, scale, place, kept, by)
        return self._with_columns(data, [*names, "class"])

    def _intensity_place(self):
        """Index of the column to tell kinds apart by, None without one."""
        for name in ("intensity", "height"):
            if name in self.column_names:
                return self.column_names.index(name)
        return None


def _append_class(table, scale, place, kept, by):
    from hyperspy_stem_enhance.lattice import classify_columns

    found = classify_columns(table[:, :2] * scale, table[:, place], by)
    return np.column_stack([table[:, kept], found]).astype(np.float32)
