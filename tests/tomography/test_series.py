"""Recorded series made ready, and what of them is refused, left out and said."""

import dask.array as da
import numpy as np
import pytest

from hyperspy_stem_enhance.simulate import make_tilt_series
from hyperspy_stem_enhance.tomography import prepare
from hyperspy_stem_enhance.tomography.series import prepare_series


@pytest.fixture(scope="module")
def data():
    return make_tilt_series(
        "core-shell", 48, n_views=11, counts=200, background=9, seed=1
    )


def test_aligned_series_are_not_touched(data):
    prepared = prepare_series(data.views, data.tilts)
    assert prepared.notes == []
    assert prepared.alignment is None
    assert prepared.level == pytest.approx(9, abs=1)
    expected = data.views - np.float32(prepared.level)
    np.testing.assert_array_equal(prepared.views, expected)


def test_negative_offset_of_whole_numbers(data):
    recorded = (data.views - 31900).astype(np.int16)
    prepared = prepare_series(recorded, data.tilts)
    assert prepared.level == pytest.approx(-31891, abs=1)
    difference = prepared.views - (data.views - 9)
    assert np.abs(difference).max() < 1


@pytest.mark.parametrize(("background", "level"), [(None, 0), (5, 5), (2.5, 2.5)])
def test_background_that_is_given(data, background, level):
    prepared = prepare_series(data.views, data.tilts, background=background)
    assert prepared.level == level


def test_misaligned_series_are_aligned_and_it_is_said():
    off = make_tilt_series(
        "core-shell",
        48,
        n_views=11,
        counts=200,
        misalignment=3,
        axis_rotation=4,
        seed=3,
    )
    prepared = prepare_series(off.views, off.tilts)
    [note] = prepared.notes
    assert "aligned" in note
    assert "align=False" in note
    assert prepared.alignment.misalignment(off.tilts) > 1
    left = prepare_series(off.views, off.tilts, align=False)
    np.testing.assert_allclose(left.views, off.views - left.level, atol=1e-4)


def test_films_are_not_aligned_by_their_mass():
    film = np.zeros((48, 48, 48), np.float32)
    film[:, 22:26] = 1
    series = make_tilt_series(film, n_views=7, counts=100)
    [note] = prepare_series(series.views, series.tilts, background=None).notes
    assert "could not be checked" in note


class TestAxis:
    def test_vertical_axis_is_noticed(self, data):
        upright = np.rot90(data.views, -1, axes=(1, 2))
        with pytest.raises(ValueError, match="give tilt_axis='y'"):
            prepare_series(upright, data.tilts)
        prepared = prepare_series(upright, data.tilts, tilt_axis="y")
        np.testing.assert_array_equal(
            prepared.views, prepare_series(data.views, data.tilts).views
        )
        with pytest.raises(ValueError, match="give tilt_axis='x'"):
            prepare_series(data.views, data.tilts, tilt_axis="y")

    def test_it_can_be_insisted_on(self, data):
        upright = np.rot90(data.views, -1, axes=(1, 2))
        assert prepare_series(upright, data.tilts, align=False).notes == []

    def test_an_angle_is_turned_back(self):
        options = {"n_views": 7, "counts": None, "seed": 2}
        straight = make_tilt_series("graded", 48, **options)
        turned = make_tilt_series("graded", 48, axis_rotation=5, **options)
        prepared = prepare_series(turned.views, turned.tilts, tilt_axis=5, align=False)
        error = np.abs(prepared.views + prepared.level - straight.views).max()
        assert error < 0.1 * np.abs(turned.views - straight.views).max()

    @pytest.mark.parametrize("axis", ["z", None, np.nan, True, 1000])
    def test_unknown(self, data, axis):
        with pytest.raises(ValueError, match="tilt_axis="):
            prepare_series(data.views, data.tilts, tilt_axis=axis)


class TestViews:
    def test_bad_views_are_left_out_and_named(self, data):
        views, tilts = data.views.copy(), data.tilts.copy()
        views[0], views[3], views[5] = np.nan, 7, views[4]
        views[8, 10, 10] = np.nan
        tilts[9] = np.nan
        prepared = prepare_series(views, tilts)
        np.testing.assert_array_equal(prepared.kept, [1, 2, 4, 6, 7, 8, 10])
        np.testing.assert_array_equal(prepared.tilts, data.tilts[prepared.kept])
        left_out, filled = prepared.notes
        for part in ("4 of 11", "0 (100%", "3 (constant)", "5 (the same", "9 (no tilt"):
            assert part in left_out
        assert "1 pixels" in filled
        assert np.isfinite(prepared.views).all()

    def test_one_view(self, data):
        with pytest.raises(ValueError, match="one view"):
            prepare_series(data.views[:1], data.tilts[:1])

    def test_constant_views(self, data):
        with pytest.raises(ValueError, match=r"11 views 0 can be used.*constant"):
            prepare_series(np.full_like(data.views, 3), data.tilts)

    def test_one_tilt_is_left(self, data):
        views = data.views.copy()
        views[1:] = np.nan
        with pytest.raises(ValueError, match="11 views 1 can be used"):
            prepare_series(views, data.tilts)


class TestSize:
    @pytest.mark.parametrize("thickness", [0, -3, 2.5, "8", True])
    def test_thickness(self, data, thickness):
        with pytest.raises(ValueError, match="thickness="):
            prepare_series(data.views, data.tilts, thickness=thickness)

    def test_larger_than_memory(self, data, monkeypatch):
        def refuse(*args):
            raise AssertionError("computed")

        lazy = da.from_array(data.views, chunks=(1, 48, 48)).map_blocks(
            refuse, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
        )
        monkeypatch.setattr(prepare, "available_bytes", lambda: 2**20)
        with pytest.raises(MemoryError, match=r"need about .* GiB.*give binning=2"):
            prepare_series(lazy, data.tilts)

    def test_bin_and_crop(self, data):
        lazy = da.from_array(data.views, chunks=(3, 20, 20))
        prepared = prepare_series(lazy, data.tilts, binning=2)
        assert prepared.views.shape == (11, 24, 24)
        small = np.zeros((11, 80, 80), np.float32)
        small[:, 16:64, 16:64] = data.clean
        cropped = prepare_series(small, data.tilts, crop=True)
        assert cropped.views.shape[1] < 60
        top = cropped.corner[0]
        assert 80 - 2 * top == cropped.views.shape[1]


@pytest.mark.parametrize(
    "option", [{"align": "yes"}, {"background": "low"}, {"binning": 0}]
)
def test_unknown_options(data, option):
    [(name, value)] = option.items()
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        prepare_series(data.views, data.tilts, **option)
