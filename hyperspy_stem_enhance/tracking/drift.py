"""Drift of the frames and place of each column, from one least-squares fit.

Position = place of the column + drift of the frame + displacement. Fitting all
frames and columns at once, with those that are missing left out, keeps errors
from adding up as they do in a sum of steps from frame to frame.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

# Displacements this many robust SDs large do not count in the fit.
_OUTLIER = 5.0
_ROUNDS = 3


@dataclass(frozen=True)
class Motion:
    """Movement of columns through frames.

    Attributes
    ----------
    drift : numpy.ndarray of float64, shape (n_frames, 2)
        (y, x), zero in the first frame that has columns; NaN for frames
        without a column in common with it, even by way of others.
    place : numpy.ndarray of float64, shape (n_tracks, 2)
        Mean position of each column without the drift.
    displacement : list of numpy.ndarray of float64, shape (n_i, 2)
        Of each column of each frame, from its place and without the drift.
    """

    drift: np.ndarray
    place: np.ndarray
    displacement: list


def fit_motion(frames, tracks):
    """Separate the drift of frames from displacements of columns.

    Parameters
    ----------
    frames : sequence of array-like, shape (n_i, 2)
        (y, x) of the columns of each frame.
    tracks : sequence of array-like of int, shape (n_i,)
        Number of the track of each, see :func:`link_frames`.

    Returns
    -------
    Motion

    Raises
    ------
    ValueError
        If frames and tracks do not fit together.

    Examples
    --------
    >>> frames = [[[0, 0], [0, 9]], [[1, 2], [1, 11]], [[2, 4]]]
    >>> motion = fit_motion(frames, [[0, 1], [0, 1], [0]])
    >>> motion.drift.round(6)
    array([[0., 0.],
           [1., 2.],
           [2., 4.]])
    """
    frames = [np.asarray(f, dtype=np.float64).reshape(-1, 2) for f in frames]
    lengths = [len(frame) for frame in frames]
    if lengths != [len(track) for track in tracks]:
        raise ValueError(
            f"frames has {lengths[:5]} columns and tracks "
            f"{[len(t) for t in tracks][:5]}, ... Give the tracks of these frames."
        )
    frame = np.repeat(np.arange(len(frames)), lengths)
    track = np.concatenate([np.asarray(t, dtype=int) for t in tracks] or [[]])
    track = track.astype(int)
    position = np.concatenate(frames) if frames else np.empty((0, 2))
    shape = (len(frames), track.max(initial=-1) + 1)
    weight = np.ones(len(track))
    for _ in range(_ROUNDS):
        drift, place = _fit(position, frame, track, weight, shape)
        displacement = position - drift[frame] - place[track]
        distance = np.hypot(*displacement.T)
        scale = np.nanmedian(distance) / 1.1774 if len(distance) else 0.0
        weight = (distance <= _OUTLIER * scale + 1e-12).astype(float)
    # Of all its frames, for the columns that the fit was better without
    place = _means(position - drift[frame], track, np.ones(len(track)), shape[1])
    displacement = position - drift[frame] - place[track]
    ends = np.cumsum(lengths)[:-1]
    return Motion(drift, place, np.split(displacement, ends) if lengths else [])


def _fit(position, frame, track, weight, shape):
    """Solve for the drift after eliminating the places of the columns."""
    seen = csr_array((weight, (frame, track)), shape=shape)
    per_track = np.asarray(seen.sum(axis=0)).ravel()
    share = seen / np.maximum(per_track, 1e-300)
    normal = np.diag(np.asarray(seen.sum(axis=1)).ravel()) - (share @ seen.T).toarray()
    means = _means(position, track, weight, shape[1])
    rest = weight[:, np.newaxis] * (position - np.nan_to_num(means)[track])
    right = np.zeros((shape[0], 2))
    np.add.at(right, frame, rest)
    drift = np.full((shape[0], 2), np.nan)
    used = np.flatnonzero(np.diff(seen.indptr) > 0)
    if len(used):
        _, part = connected_components(csr_array(normal != 0), directed=False)
        used = np.flatnonzero(part == part[used[0]])
        # The first frame is where drift is zero
        drift[used] = 0
        inner = used[1:]
        drift[inner] = np.linalg.solve(normal[np.ix_(inner, inner)], right[inner])
    return drift, _means(position - drift[frame], track, weight, shape[1])


def _means(values, track, weight, count):
    """Weighted mean of each track, NaN without a weight."""
    known = np.isfinite(values).all(axis=1)
    weight = np.where(known, weight, 0.0)
    total = np.zeros((count, 2))
    np.add.at(total, track, weight[:, np.newaxis] * np.nan_to_num(values))
    number = np.bincount(track, weight, minlength=count)[:, np.newaxis]
    with np.errstate(invalid="ignore"):
        return total / number
