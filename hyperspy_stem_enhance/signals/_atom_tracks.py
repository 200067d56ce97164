"""Columns followed through the frames of a movie."""

import numpy as np
from hyperspy.docstrings.signal import SHOW_PROGRESSBAR_ARG

from hyperspy_stem_enhance.signals._image_index import image_index
from hyperspy_stem_enhance.signals._progress import progress_of
from hyperspy_stem_enhance.signals._ragged import common_scale


class AtomTracks:
    """Methods of ``AtomPositions`` for series of images of the same area."""

    def link(self, search_range=None, memory=3, min_frames=1, *, show_progressbar=None):
        """Follow each column through the frames of a movie.

        Parameters
        ----------
        search_range : float, optional
            How far a column may move between frames beside the drift that
            all share, in the units of the image axes. The default is 0.4
            times the median distance of nearest columns.
        memory : int, default 3
            For how many frames a column may be missing.
        min_frames : int, default 1
            Columns seen in fewer frames are dropped.
        %s

        Returns
        -------
        AtomPositions
            The columns with one more value, ``track``: the same number for
            the same column in every frame. Computes a lazy signal.

        Raises
        ------
        ImportError
            If trackpy is not installed.
        ValueError
            If there is not one navigation axis, the units of the image
            axes differ, or an argument is out of range.

        See Also
        --------
        hyperspy_stem_enhance.tracking.link_frames
        drift, displacements, mean_positions

        Examples
        --------
        >>> atoms = s.detect_atoms()  # doctest: +SKIP
        >>> tracks = atoms.link(min_frames=10)  # doctest: +SKIP
        >>> tracks.displacements()  # doctest: +SKIP
        """
        from hyperspy_stem_enhance.tracking import link_frames

        tables, frames, _ = self._frames("link")
        tracks = link_frames(
            frames, search_range, memory, progress_of(show_progressbar)
        )
        lengths = np.bincount(np.concatenate(tracks))
        names = [name for name in self.column_names if name != "track"]
        kept = [self.column_names.index(name) for name in names]
        data = np.empty(len(tables), dtype=object)
        for number, (table, track) in enumerate(zip(tables, tracks, strict=True)):
            long = lengths[track] >= min_frames
            joined = np.column_stack([table[:, kept], track])[long]
            data[number] = joined.astype(np.float32)
        source = self.deepcopy() if self._lazy else self
        if source._lazy:
            source.compute(show_progressbar=False)
        return source._with_columns(data, [*names, "track"])

    link.__doc__ %= SHOW_PROGRESSBAR_ARG

    def drift(self):
        """Drift of each frame, from the columns that frames have in common.

        Returns
        -------
        pandas.DataFrame
            One row per frame, with the navigation coordinate as index:
            ``drift_y``, ``drift_x`` in the units of the image axes, zero
            in the first frame; ``n_columns`` and ``units``. NaN for frames
            without a column in common with others.

        Raises
        ------
        ValueError
            If there is no column ``track``: use :meth:`link` first.

        See Also
        --------
        hyperspy_stem_enhance.tracking.fit_motion
        """
        import pandas as pd

        motion, _, units = self._motion("drift")
        return pd.DataFrame(
            {
                "drift_y": motion.drift[:, 0],
                "drift_x": motion.drift[:, 1],
                "n_columns": [len(d) for d in motion.displacement],
                "units": units,
            },
            index=image_index(self.axes_manager),
        )

    def displacements(self):
        """Displacement of each column in each frame from its mean position.

        Returns
        -------
        pandas.DataFrame
            The table of :meth:`to_dataframe` and, in the units of the
            image axes, ``displacement_y`` and ``displacement_x`` from the
            mean position of the track, without the drift of the frame, and
            the mean position itself, ``mean_y`` and ``mean_x``.

        Raises
        ------
        ValueError
            If there is no column ``track``: use :meth:`link` first.

        Examples
        --------
        The vibration of each column:

        >>> table = tracks.displacements()  # doctest: +SKIP
        >>> table.groupby("track")[["displacement_y", "displacement_x"]].std()
        ... # doctest: +SKIP
        """
        motion, tracks, _ = self._motion("displacements")
        table = self.to_dataframe()
        displacement = np.concatenate(motion.displacement)
        mean = motion.place[np.concatenate(tracks)]
        for k, name in enumerate("yx"):
            table[f"displacement_{name}"] = displacement[:, k]
        for k, name in enumerate("yx"):
            table[f"mean_{name}"] = mean[:, k]
        return table

    def mean_positions(self):
        """Columns of the whole movie, each at its mean position.

        Returns
        -------
        AtomPositions
            Of a single image, that of the first frame: the means of all
            values of each track, positions without the drift, and
            ``track``, ``n_frames`` (in which the column is seen), ``rms_y``
            and ``rms_x`` (displacements, pixels).

        Raises
        ------
        ValueError
            If there is no column ``track``: use :meth:`link` first.
        """
        motion, tracks, _ = self._motion("mean_positions")
        scale, offset, _ = common_scale(self.image_axes, "mean_positions")
        names = [name for name in self.column_names if name != "track"]
        kept = [self.column_names.index(name) for name in names]
        values = np.concatenate(self._eager_data())[:, kept].astype(np.float64)
        track = np.concatenate(tracks)
        seen, index, count = np.unique(track, return_inverse=True, return_counts=True)
        means = _means(values, index, count)
        means[:, :2] = (motion.place[seen] - offset) / scale
        moved = np.concatenate(motion.displacement) / scale
        rms = np.sqrt(_means(moved**2, index, count))
        result = self.inav[0]
        table = np.column_stack([means, seen, count, rms])
        data = np.empty(1, dtype=object)
        data[0] = table[np.isfinite(table[:, :2]).all(axis=1)].astype(np.float32)
        names = [*names, "track", "n_frames", "rms_y", "rms_x"]
        return result._with_columns(data, names)

    def _frames(self, caller):
        """Tables and calibrated positions of a movie, and their units."""
        if self.axes_manager.navigation_dimension != 1:
            raise ValueError(
                f"{caller} follows columns along one navigation axis, these have the "
                f"navigation shape {self.axes_manager.navigation_shape}. Choose a "
                "series with inav, for example atoms.inav[0, :]."
            )
        scale, offset, units = common_scale(self.image_axes, caller)
        tables = list(self._eager_data())
        return tables, [offset + scale * table[:, :2] for table in tables], units

    def _motion(self, caller):
        from hyperspy_stem_enhance.tracking import fit_motion

        if "track" not in self.column_names:
            raise ValueError(
                f"{caller} needs the column 'track', which is not there, only "
                f"{', '.join(self.column_names)}. Use atoms.link() first."
            )
        tables, frames, units = self._frames(caller)
        place = self.column_names.index("track")
        tracks = [table[:, place].astype(int) for table in tables]
        return fit_motion(frames, tracks), tracks, units


def _means(values, index, count):
    """Mean over equal indices, along the first axis."""
    total = np.zeros((len(count), values.shape[1]))
    np.add.at(total, index, values)
    return total / count[:, np.newaxis]
