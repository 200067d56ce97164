import sys

import numpy as np
import pytest

from hyperspy_stem_enhance.tracking import link_frames
from hyperspy_stem_enhance.tracking.link import frame_shifts

trackpy = pytest.importorskip("trackpy", reason="trackpy links, extra [tracking]")


def pairs(tracks, numbers):
    return set(zip(np.concatenate(tracks), np.concatenate(numbers), strict=True))


def test_lattice_that_drifts_by_more_than_its_spacing(draw_movie, rng):
    frames, numbers, shifts = draw_movie(rng, 40, trend=(3.0, -2.0))
    assert np.hypot(*shifts[-1]) > 5 * 20
    tracks = link_frames(frames)
    found = pairs(tracks, numbers)
    # No track changes its column, few columns break into two tracks
    assert len(found) == len({track for track, _ in found})
    assert len(found) <= 1.05 * 120


def test_order_of_the_numbers(draw_movie, rng):
    frames, _, _ = draw_movie(rng, 5, seen=1.0)
    tracks = link_frames(frames)
    np.testing.assert_array_equal(tracks[0], np.arange(120))
    assert all(len(t) == len(f) for t, f in zip(tracks, frames, strict=True))


@pytest.mark.parametrize("memory", [0, 1, 3])
def test_memory(memory):
    places = np.array([[10.0, 10], [10, 30], [30, 10]])
    frames = [places, places[:2], places[:2], places]
    tracks = link_frames(frames, memory=memory)
    assert tracks[3][2] == (tracks[0][2] if memory >= 2 else 3)


def test_frames_without_columns(draw_movie, rng):
    frames, numbers, _ = draw_movie(rng, 8, seen=1.0)
    frames[0], frames[3] = np.empty((0, 2)), np.empty((0, 2))
    numbers[0], numbers[3] = [], []
    tracks = link_frames(frames)
    assert [len(t) for t in tracks] == [0, 120, 120, 0, *[120] * 4]
    assert len(pairs(tracks, np.array(numbers, dtype=object))) == 120
    assert link_frames([np.empty((0, 2))] * 2)[1].shape == (0,)
    assert link_frames([]) == []


def test_a_column_that_hops(draw_movie, rng):
    frames = [np.array([[50.0, 50], [50, 250], [250, 50], [250, 250]])] * 6
    frames = [f.copy() for f in frames]
    for k, frame in enumerate(frames):
        frame[3, 0] += 20 * k
    by_default = link_frames(frames)
    assert all(np.array_equal(t, [0, 1, 2, 3]) for t in by_default)
    short = link_frames(frames, search_range=10)
    assert len(np.unique(np.concatenate(short))) > 4


def test_shifts_between_frames(draw_movie, rng):
    frames, _, shifts = draw_movie(rng, 30, trend=(4.0, 1.0))
    found = frame_shifts(frames, reach=10)
    assert np.abs(found - shifts).max() < 1


def test_refuses(draw_movie, rng):
    frames, _, _ = draw_movie(rng, 3)
    with pytest.raises(ValueError, match=r"memory=-1 .* Use 0"):
        link_frames(frames, memory=-1)
    with pytest.raises(ValueError, match="search_range=0 must be larger"):
        link_frames(frames, search_range=0)
    with pytest.raises(ValueError, match=r"search_range=90 holds too many"):
        link_frames(frames, search_range=90)


def test_without_trackpy(monkeypatch, draw_movie, rng):
    monkeypatch.setitem(sys.modules, "trackpy", None)
    with pytest.raises(ImportError, match=r"hyperspy_stem_enhance\[tracking\]"):
        link_frames([[[1, 1]]])
