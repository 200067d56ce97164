"""Movies of columns that drift, vibrate, appear and disappear."""

import numpy as np
import pytest


def _draw_movie(
    rng, n_frames=20, *, drift=1.0, trend=(0.0, 0.0), vibration=0.4, seen=0.9
):
    """Frames of shuffled (y, x), the true number of each column, the drift."""
    places = 20.0 * np.stack(np.mgrid[1:11, 1:13], -1).reshape(-1, 2)
    steps = rng.normal(0, drift, (n_frames, 2)) + trend
    shifts = np.cumsum(steps, axis=0) - steps[0]
    frames, numbers = [], []
    for shift in shifts:
        kept = rng.permutation(np.flatnonzero(rng.random(len(places)) < seen))
        moved = rng.normal(0, vibration, (len(kept), 2))
        frames.append(places[kept] + shift + moved)
        numbers.append(kept)
    return frames, numbers, shifts


@pytest.fixture
def draw_movie():
    return _draw_movie
