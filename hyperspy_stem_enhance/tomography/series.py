"""A recorded tilt series made ready for reconstruction, in the right order.

What was found and done is kept, and said: nothing is left out, moved or
rescaled without a word.
"""

from dataclasses import dataclass

import numpy as np

from . import prepare
from .align import (
    Alignment,
    axis_seems_vertical,
    consistency_gain,
    find_alignment,
    is_whole,
)

_ALIGNED_PIXELS = 0.5  # views that lie off by less are left as they are
_GAIN = 1.5  # of the consistency; noise alone gave up to 1.26 on phantoms
ALIGN = ("auto", True, False)


@dataclass(frozen=True)
class PreparedSeries:
    """Views that a volume can be reconstructed from, and what was done to them.

    Attributes
    ----------
    views : numpy.ndarray of float32, shape (n, y, x)
        Above the background, tilt axis along x through the middle of y.
    tilts : numpy.ndarray of float64, shape (n,)
        In degrees.
    kept : numpy.ndarray of int, shape (n,)
        Indices of the views in the recorded series.
    left_out : dict of int to str
        Indices of those that are not, and why.
    level : float
        Background that was taken away.
    quarter_turns : int
        By which the views were turned, from x towards y.
    alignment : Alignment or None
        What was put right, after the quarter turns; None if nothing was.
    corner : tuple of int
        (y, x) of the first pixel in the turned views, where they were cropped.
    notes : list of str
        What a user has to know.
    """

    views: np.ndarray
    tilts: np.ndarray
    kept: np.ndarray
    left_out: dict
    level: float
    quarter_turns: int
    alignment: Alignment | None
    corner: tuple
    notes: list


def check_options(tilt_axis, thickness, background, align):
    """Raise ValueError if an option cannot be used.

    Parameters
    ----------
    tilt_axis, thickness, background, align
        As of `prepare_series`.
    """
    _axis_angle(tilt_axis)
    whole = isinstance(thickness, int | np.integer) and not isinstance(thickness, bool)
    if thickness is not None and not (whole and thickness >= 1):
        raise ValueError(
            f"thickness={thickness!r} is not a whole number of at least 1 voxel; None "
            "is as many as the views have pixels across the tilt axis"
        )
    if align not in ALIGN:
        raise ValueError(f"align={align!r} is unknown; use 'auto', True or False")
    number = isinstance(background, int | float | np.number)
    if not (background is None or background == "auto" or number):
        raise ValueError(
            f"background={background!r} is unknown; use 'auto', None for none, or the "
            "level itself"
        )


def prepare_series(
    views,
    angles,
    *,
    tilt_axis="x",
    thickness=None,
    binning=1,
    background="auto",
    align="auto",
    crop=False,
):
    """Make a recorded tilt series ready for reconstruction.

    Parameters
    ----------
    views : numpy.ndarray or dask.array.Array, shape (n, y, x)
        Of any real type. A dask array is binned while it is computed.
    angles : numpy.ndarray of float, shape (n,)
        In degrees; views of an angle that is not finite are left out.
    tilt_axis : {"x", "y"} or float, default "x"
        Where the tilt axis lies in the views: along x, along y, or its angle
        to x in degrees, from x towards y.
    thickness : int, optional
        Voxels along the beam, of those after binning.
    binning : int, default 1
        Pixels along each side that are averaged.
    background : {"auto"}, float or None, default "auto"
        Level of the vacuum. By default that of `prepare.background_levels`,
        the median over the views. None takes nothing away.
    align : {"auto", True, False}, default "auto"
        Whether to align views by `align.find_alignment`, which brings the object
        onto the tilt axis. By default, if it is wholly in view, the views lie
        off by half a pixel, and are more consistent when aligned.
    crop : bool, default False
        Whether to crop the views to the object.

    Returns
    -------
    PreparedSeries

    Raises
    ------
    ValueError
        If an option is unknown, less than two views of different angles can
        be used, or the tilt axis seems to be the other one.
    MemoryError
        If the reconstruction would not fit into memory.

    Examples
    --------
    >>> import hyperspy_stem_enhance as hse
    >>> data = hse.simulate.make_tilt_series(size=48, n_views=9, background=5)
    >>> prepared = prepare_series(data.views, data.tilts)
    >>> prepared.views.shape, round(prepared.level)
    ((9, 48, 48), 5)
    """
    check_options(tilt_axis, thickness, background, align)
    turns, turn = _axis_angle(tilt_axis)
    views = _load(views, binning, turns, thickness)
    notes = []
    level = 0.0 if background is None else background
    if background == "auto":
        level = float(np.nanmedian(prepare.background_levels(views)))
    left_out = prepare.unusable_views(views, angles, level)
    kept = np.setdiff1d(np.arange(len(views)), list(left_out))
    _check_views(len(views), angles, kept, left_out)
    if left_out:
        listed = ", ".join(f"{i} ({reason})" for i, reason in left_out.items())
        notes.append(f"{len(left_out)} of {len(views)} views are left out: {listed}")
    views, n_filled = prepare.fill_gaps(views[kept])
    if n_filled:
        notes.append(
            f"{n_filled} pixels that are not finite were filled from those beside them"
        )
    views = prepare.orient_axis(views, turns) - np.float32(level)
    tilts = np.asarray(angles, float)[kept]
    alignment = _align(views, tilts, turn, tilt_axis, align, notes)
    if alignment is not None:
        views = alignment.apply(views)
    corner = (0, 0)
    if crop:
        views, area = prepare.crop_to_object(views)
        corner = (area[0].start, area[1].start)
    views = np.ascontiguousarray(views, np.float32)
    return PreparedSeries(
        views, tilts, kept, left_out, level, turns, alignment, corner, notes
    )


def _load(views, binning, turns, thickness):
    """Binned views in memory, if they and the volume fit into it."""
    lazy = prepare.bin_views(views, binning) if binning != 1 else views
    n, height, width = lazy.shape
    shape = (width, height) if turns % 2 else (height, width)
    prepare.check_memory(n, shape, thickness or shape[0], binning)
    return np.asarray(lazy, np.float32)


def _axis_angle(tilt_axis):
    """Quarter turns and the degrees that remain, of where the tilt axis lies."""
    angle = {"x": 0.0, "y": 90.0}.get(tilt_axis) if isinstance(tilt_axis, str) else None
    if angle is None:
        try:
            angle = float(tilt_axis)
        except (TypeError, ValueError):
            angle = np.nan
    if isinstance(tilt_axis, bool) or not -360 <= angle <= 360:
        raise ValueError(
            f"tilt_axis={tilt_axis!r} is unknown; use 'x', 'y', or its angle to x in "
            "degrees, from x towards y"
        )
    turns = round(angle / 90)
    return turns % 4, angle - 90 * turns


def _check_views(n_views, angles, kept, left_out):
    if n_views == 1:
        raise ValueError(
            "the series has one view; a reconstruction needs views of at least two "
            "tilts, on the navigation axis"
        )
    different = np.unique(np.round(np.asarray(angles, float)[kept], 3)).size
    if different < 2:
        reasons = "; ".join(f"view {i}: {why}" for i, why in left_out.items())
        raise ValueError(
            f"of {n_views} views {len(kept)} can be used, of {different} different "
            f"tilts, and at least two are needed ({reasons or 'none is left out'})"
        )


def _align(views, tilts, turn, tilt_axis, align, notes):
    """How the views lie off, if they are to be moved, else None."""
    known = not isinstance(tilt_axis, str)
    as_said = Alignment(np.zeros((len(views), 2)), turn) if turn else None
    if align is False:
        return as_said
    if not is_whole(views):
        reason = "the object reaches the border of the views across the tilt axis, "
        if align == "auto":
            reason += "so that their alignment could not be checked; if they are not "
            notes.append(f"{reason}aligned, align them with ETSpy first")
            return as_said
        notes.append(
            f"{reason}so that the centres of mass that they were aligned by mean little"
        )
    elif not known and axis_seems_vertical(views, tilts):
        other = "y" if tilt_axis == "x" else "x"
        raise ValueError(
            f"tilt_axis={tilt_axis!r}, but the views fit a tilt axis along {other} far "
            f"better; give tilt_axis={other!r}, or align=False if it is right"
        )
    found = find_alignment(views, tilts, rotation=turn if known else None)
    by_turn = np.deg2rad(abs(found.rotation - turn)) * views.shape[2] / 2
    off = found.misalignment(tilts)
    small = max(off, by_turn) < _ALIGNED_PIXELS
    if align == "auto" and (small or consistency_gain(views, tilts, found) < _GAIN):
        return as_said
    notes.append(
        f"the views were aligned: they lay off by {off:.1f} pixels "
        f"(RMS), the tilt axis was turned by {found.rotation:.1f} degrees; align=False "
        "leaves them as they are"
    )
    return found
