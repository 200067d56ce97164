"""Misaligned series come back to where they were, to parts of a pixel."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.simulate import make_tilt_series
from hyperspy_stem_enhance.tomography.align import (
    Alignment,
    consistency_gain,
    find_alignment,
    is_whole,
)
from hyperspy_stem_enhance.tomography.prepare import background_levels, bin_views


def shift_errors(found, data, axis_shift=0.0):
    """What of the shifts is no move of the object, (y, x) in pixels."""
    errors = found.shifts - data.shifts - [axis_shift, 0]
    angles = np.deg2rad(data.tilts)
    move = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    errors[:, 0] -= move @ np.linalg.lstsq(move, errors[:, 0], rcond=None)[0]
    errors[:, 1] -= errors[:, 1].mean()
    return np.sqrt((errors**2).mean(axis=0))


@pytest.mark.parametrize("phantom", ["core-shell", "nanocrystal"])
def test_shifts(phantom):
    data = make_tilt_series(
        phantom, 48, n_views=11, counts=400, misalignment=2, axis_shift=2
    )
    found = find_alignment(data.views, data.tilts, rotation=0.0)
    assert (shift_errors(found, data, 2.0) < 0.15).all()


def test_turned_axis():
    data = make_tilt_series(
        "core-shell", 64, n_views=15, counts=400, misalignment=1, axis_rotation=5
    )
    found = find_alignment(data.views, data.tilts)
    assert found.rotation == pytest.approx(5, abs=0.7)
    assert (shift_errors(found, data) < 0.3).all()


def test_a_ball_says_nothing_about_the_turn():
    x, z, y = np.mgrid[:48, :48, :48] - 23.5
    ball = (np.sqrt(x**2 + z**2 + y**2) < 14).astype(float)
    for seed in range(3):
        data = make_tilt_series(ball, n_views=9, counts=100, seed=seed)
        assert find_alignment(data.views, data.tilts).rotation == 0


def test_gain_and_background_do_not_matter():
    options = {"n_views": 15, "counts": 400, "misalignment": 2, "seed": 4}
    data = make_tilt_series("graded", 64, gain_sd=0.1, background=20, **options)
    found = find_alignment(data.views, data.tilts, 20.0, rotation=0.0)
    assert (shift_errors(found, data) < 0.5).all()


def test_aligned_views_are_those_of_an_aligned_series():
    options = {"n_views": 9, "counts": None, "seed": 2}
    straight = make_tilt_series("graded", 64, **options)
    off = make_tilt_series("graded", 64, misalignment=2, axis_rotation=4, **options)
    moved = Alignment(off.shifts @ turned(-4), 4.0).apply(off.views)
    error = np.sqrt(np.mean((moved - straight.views) ** 2))
    assert error < 0.01
    assert error < 0.1 * np.sqrt(np.mean((off.views - straight.views) ** 2))


def turned(degrees):
    """Shifts (y, x) of before the views are turned back, in the turned ones."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def test_gain_tells_what_is_noise():
    for misalignment, aligned in ((0, True), (1, False)):
        data = make_tilt_series("graded", 48, n_views=11, misalignment=misalignment)
        found = find_alignment(data.views, data.tilts, rotation=0.0)
        assert (consistency_gain(data.views, data.tilts, found) < 1.5) is aligned
        assert (found.misalignment(data.tilts) < 0.5) is aligned


def test_dark_views_are_refused():
    views = np.ones((3, 32, 32))
    views[1] = 0
    with pytest.raises(ValueError, match="views 1 have no intensity"):
        find_alignment(views, [-10, 0, 10])


def test_whole_objects():
    data = make_tilt_series("core-shell", 48, n_views=5)
    assert is_whole(data.views)
    assert not is_whole(data.views[:, 12:-12])


@pytest.mark.parametrize(
    ("name", "start", "rotation", "shift"),
    [("needle_raw.mrc", -76, 3, 26.5), ("needle_full.dm3", -90, 10, 3)],
)
def test_real_series(data_dir, name, start, rotation, shift):
    path = data_dir / "tomography" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    views = hs.load(path).data.astype(np.float32)
    if len(views) == 77:
        views = bin_views(views, 4)
    level = np.median(background_levels(views))
    angles = np.linspace(start, -start, len(views))
    found = find_alignment(views, angles, level)
    assert found.rotation == pytest.approx(rotation, abs=0.5)
    pixels = 4 if len(views) == 77 else 1
    assert pixels * found.misalignment(angles) == pytest.approx(shift, abs=0.5)
    again = find_alignment(found.apply(views - level), angles)
    assert abs(again.rotation) < 0.5
    assert again.misalignment(angles) < 0.2
