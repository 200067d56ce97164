import numpy as np
import pytest
from numpy.testing import assert_allclose

from hyperspy_stem_enhance.tracking import fit_motion


def test_exact_without_vibration(draw_movie, rng):
    frames, numbers, shifts = draw_movie(rng, vibration=0.0, seen=0.4)
    motion = fit_motion(frames, numbers)
    assert_allclose(motion.drift, shifts, atol=1e-9)
    places = 20.0 * np.stack(np.mgrid[1:11, 1:13], -1).reshape(-1, 2)
    assert_allclose(motion.place, places, atol=1e-9)
    assert_allclose(np.concatenate(motion.displacement), 0, atol=1e-9)


def test_errors_do_not_add_up(draw_movie, rng):
    frames, numbers, shifts = draw_movie(rng, 200, vibration=0.5, seen=0.8)
    motion = fit_motion(frames, numbers)
    error = motion.drift - shifts
    # Of a mean of 96 columns, and of the first frame, which is the reference
    expected = 0.5 / np.sqrt(96)
    assert np.std(error - error.mean(axis=0)) == pytest.approx(expected, rel=0.15)
    assert np.abs(error).max() < 6 * expected
    displacement = np.concatenate(motion.displacement)
    assert displacement.std() == pytest.approx(0.5, rel=0.03)


def test_column_that_hops_does_not_pull_the_frame(draw_movie, rng):
    frames, numbers, shifts = draw_movie(rng, vibration=0.05, seen=1.0)
    for frame, number in zip(frames[10:], numbers[10:], strict=True):
        frame[number == 7] += (9.0, 0.0)
    motion = fit_motion(frames, numbers)
    assert np.abs(motion.drift - shifts).max() < 0.03
    moved = [d[n == 7][0, 0] for d, n in zip(motion.displacement, numbers, strict=True)]
    assert np.mean(moved[10:]) - np.mean(moved[:10]) == pytest.approx(9, abs=0.1)


def test_frames_with_nothing_in_common():
    frames = [[[0, 0], [0, 9]], [], [[1, 1], [1, 10]], [[50, 50]]]
    motion = fit_motion(frames, [[0, 1], [], [0, 1], [2]])
    assert_allclose(motion.drift[[0, 2]], [[0, 0], [1, 1]])
    assert np.isnan(motion.drift[[1, 3]]).all()
    assert np.isnan(motion.displacement[3]).all()
    assert motion.displacement[1].shape == (0, 2)


def test_first_frame_without_columns():
    motion = fit_motion([[], [[2, 3]], [[4, 5]]], [[], [0], [0]])
    assert np.isnan(motion.drift[0]).all()
    assert_allclose(motion.drift[1:], [[0, 0], [2, 2]])


def test_no_columns_at_all():
    motion = fit_motion([[], []], [[], []])
    assert np.isnan(motion.drift).all()
    assert motion.place.shape == (0, 2)


def test_refuses_tracks_of_other_frames():
    with pytest.raises(ValueError, match=r"frames has \[1\] columns and tracks \[2\]"):
        fit_motion([[[0, 0]]], [[0, 1]])
