"""Columns turned into what other packages take: tables, markers, Atomap."""

import numpy as np

from hyperspy_stem_enhance.signals._ragged import map_ragged


class AtomConversions:
    """Methods of ``AtomPositions`` that hand the columns on."""

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
        invert=None,
        show_progressbar=None,
    ):
        """Atomap sublattice with these columns.

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
        invert : bool, optional
            Whether to turn the images, so that the dark columns of
            bright-field images become bright, as Atomap needs them. By
            default, if an image is darker at the columns than its median.
        show_progressbar : bool, optional
            For refining. By default, HyperSpy's preference.

        Returns
        -------
        atomap.sublattice.Sublattice

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
        from hyperspy_stem_enhance.interop.atomap import make_sublattice

        positions = self.single_array("to_atomap")
        return make_sublattice(
            positions, image, original_image, refine, invert, show_progressbar
        )

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


def _marker_offsets(columns, scale, offset):
    return columns[:, 1::-1] * scale + offset
