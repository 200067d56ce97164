"""The same column in every frame of a movie.

Frames are first laid onto each other by the shift that most columns share, so
that a lattice that drifts by a column's distance in the course of a movie, or
a column that is missing for some frames, is no difficulty. What is left is
linked by trackpy, after Crocker and Grier, J. Colloid Interface Sci. 179 (1996)
298; doi:10.5281/zenodo.1213240.
"""

import numpy as np
from scipy.spatial import cKDTree

# Reach of a column between frames laid onto each other, and of the search for
# their shift, in parts of the nearest distance.
_REACH, _SHIFT_REACH = 0.4, 0.5
_ROUNDS = 4


def link_frames(frames, search_range=None, memory=3, progress=None):
    """Number the columns so that the same one has the same number.

    Parameters
    ----------
    frames : sequence of array-like, shape (n_i, 2)
        (y, x) of the columns of each frame, in the same units along both
        axes.
    search_range : float, optional
        How far a column may move between frames beside the drift that all
        share, in the units of the positions. The default is 0.4 times the
        median distance of nearest columns.
    memory : int, default 3
        For how many frames a column may be missing.
    progress : callable, optional
        Called with an iterable and its ``total``, as tqdm is.

    Returns
    -------
    list of numpy.ndarray of int, shape (n_i,)
        Numbers from 0 on, in the order in which columns appear.

    Raises
    ------
    ImportError
        If trackpy is not installed.
    ValueError
        If ``search_range`` or ``memory`` is out of range, or so many
        columns are within ``search_range`` that there is no telling them
        apart.

    Notes
    -----
    Columns of a perfect lattice look the same after a shift by a
    translation: between two frames, it has to drift by less than half the
    nearest distance, beyond the drift before.

    Examples
    --------
    >>> link_frames([[[10, 10], [10, 30]], [[12, 31], [12, 11]]])  # doctest: +SKIP
    [array([0, 1]), array([1, 0])]
    """
    link_iter, too_many = _trackpy()
    frames = [np.asarray(f, dtype=np.float64).reshape(-1, 2) for f in frames]
    if not isinstance(memory, int | np.integer) or memory < 0:
        raise ValueError(
            f"memory={memory!r} is not a number of frames. Use 0 to end a track "
            "where its column is missing."
        )
    if not frames:
        return []
    spacing = _spacing(frames)
    if search_range is None:
        search_range = _REACH * spacing if np.isfinite(spacing) else 1.0
    if not search_range > 0:
        raise ValueError(f"search_range={search_range} must be larger than 0.")
    shifts = frame_shifts(frames, _SHIFT_REACH * spacing)
    still = [frame - shift for frame, shift in zip(frames, shifts, strict=True)]
    linked = link_iter(still, search_range, memory=int(memory))
    if progress is not None:
        linked = progress(linked, total=len(frames))
    try:
        numbers = [np.asarray(found, dtype=int) for _, found in linked]
    except too_many as error:
        raise ValueError(
            f"search_range={search_range} holds too many columns to tell which is "
            f"which. Use less, such as {_REACH * spacing:.3g} (the default)."
        ) from error
    return _number_from_zero(numbers)


def frame_shifts(frames, reach):
    """Shift of each frame against the first one, by what most columns do.

    Parameters
    ----------
    frames : sequence of numpy.ndarray, shape (n_i, 2)
    reach : float
        How far the shift of a frame may be from that of the step before.

    Returns
    -------
    numpy.ndarray of float64, shape (n_frames, 2)
        Frames without columns have the shift of the frame before.
    """
    shifts = np.zeros((len(frames), 2))
    before, step = None, np.zeros(2)
    for number, frame in enumerate(frames):
        if number:
            shifts[number] = shifts[number - 1]
        if len(frame) == 0:
            continue
        if before is not None:
            tree = cKDTree(frames[before])
            # A drift that goes on, or one that has stopped or turned
            tries = [_shift(tree, frame, start, reach) for start in (step, 0 * step)]
            step = min(tries, key=lambda found: found[1])[0]
            shifts[number] = shifts[before] + step
        before = number
    return shifts


def _shift(tree, frame, start, reach):
    """Median shift of nearest columns, and how far they are off after it."""
    shift, cost = start, np.inf
    if not np.isfinite(reach):
        reach = np.inf
    for _ in range(_ROUNDS):
        distance, index = tree.query(frame - shift, distance_upper_bound=reach)
        near = np.isfinite(distance)
        cost = np.mean(np.where(near, distance, reach))
        if not near.any():
            return start, cost
        shift = np.median(frame[near] - tree.data[index[near]], axis=0)
    return shift, cost


def _spacing(frames):
    """Median distance of nearest columns, infinite without two in a frame."""
    distances = [
        cKDTree(frame).query(frame, k=2)[0][:, 1] for frame in frames if len(frame) > 1
    ]
    return float(np.median(np.concatenate(distances))) if distances else np.inf


def _number_from_zero(numbers):
    found, inverse = np.unique(np.concatenate(numbers), return_inverse=True)
    first = np.full(len(found), len(inverse))
    np.minimum.at(first, inverse, np.arange(len(inverse)))
    rank = np.empty(len(found), int)
    rank[np.argsort(first)] = np.arange(len(found))
    ends = np.cumsum([len(frame) for frame in numbers])[:-1]
    return np.split(rank[inverse], ends)


def _trackpy():
    try:
        from trackpy import link_iter, quiet
        from trackpy.linking import SubnetOversizeException
    except ImportError as error:
        raise ImportError(
            "linking columns across frames needs trackpy. Install it with `pip "
            "install hyperspy_stem_enhance[tracking]`."
        ) from error
    quiet()  # it logs every frame
    return link_iter, SubnetOversizeException
