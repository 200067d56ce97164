"""Background, unusable views, crop and bin, on series whose truth is known."""

import dask.array as da
import numpy as np
import pytest

from hyperspy_stem_enhance.simulate import make_tilt_series
from hyperspy_stem_enhance.tomography import prepare


class TestBackground:
    @pytest.mark.parametrize("offset", [-31900, 0, 500])
    @pytest.mark.parametrize("dtype", [np.int16, np.float32])
    def test_level_of_the_vacuum(self, offset, dtype):
        data = make_tilt_series("core-shell", 48, n_views=4, counts=2000, background=9)
        views = (data.views + offset).astype(dtype)
        levels = prepare.background_levels(views)
        np.testing.assert_allclose(levels, offset + 9, atol=1.5)

    def test_few_counts(self):
        data = make_tilt_series("graded", 48, n_views=4, counts=10)
        assert (prepare.background_levels(data.views) < 0.2).all()

    def test_views_without_pixels_or_contrast(self):
        views = np.full((2, 16, 16), 7.0)
        views[1] = np.nan
        np.testing.assert_array_equal(prepare.background_levels(views), [7, np.nan])


class TestUnusable:
    @pytest.fixture
    def views(self, rng):
        return rng.poisson(50, (6, 16, 16)).astype(np.float32)

    def test_all_are_good(self, views):
        assert prepare.unusable_views(views, np.arange(6.0)) == {}

    def test_every_reason(self, views):
        angles = np.arange(6.0)
        views[0] = np.nan
        views[1] = 3
        views[3] = views[2]
        views[4] *= 0.01
        angles[5] = np.nan
        found = prepare.unusable_views(views, angles)
        assert list(found) == [0, 1, 3, 4, 5]
        assert "not finite" in found[0]
        assert found[1] == "constant"
        assert found[3] == "the same pixels as view 2"
        assert "dark" in found[4]
        assert found[5] == "no tilt angle"

    def test_views_of_the_same_angle_are_kept(self, views):
        assert prepare.unusable_views(views, np.array([0, 0, 1, 1, 2, 2.0])) == {}

    def test_a_gap_is_filled_from_beside(self, views):
        views[2, 4:6, 5] = [np.nan, np.inf]
        filled, number = prepare.fill_gaps(views)
        assert number == 2
        assert np.isfinite(filled).all()
        assert filled[2, 4, 5] in views[2, 3:5, 4:7]
        rest = np.isfinite(views)
        np.testing.assert_array_equal(filled[rest], views[rest])
        assert prepare.unusable_views(views, np.arange(6.0)) == {}


def test_normalise_views_finds_the_gains():
    data = make_tilt_series(
        "graded", 48, n_views=7, counts=5000, gain_sd=0.05, background=4, seed=3
    )
    views, gains = prepare.normalise_views(data.views, 4.0)
    np.testing.assert_allclose(gains, data.gains, rtol=0.01)
    sums = views.sum(axis=(1, 2))
    np.testing.assert_allclose(sums, sums.mean(), rtol=1e-4)
    with pytest.raises(ValueError, match="views 1 have no intensity"):
        prepare.normalise_views(data.views[:2], [0.0, 1e6])


class TestCrop:
    def test_the_axis_stays_in_the_middle(self):
        views = np.zeros((3, 40, 50))
        views[:, 8:17, 11:30] = 5
        cropped, (rows, columns) = prepare.crop_to_object(views, margin=0.0)
        assert rows.start == 40 - rows.stop
        assert 4 <= rows.start <= 8
        assert 8 <= columns.start <= 11
        assert 30 <= columns.stop <= 33
        assert cropped.sum() == views.sum()

    def test_nothing_to_see(self):
        views = np.zeros((3, 40, 50))
        assert prepare.crop_to_object(views)[0].shape == views.shape


class TestBin:
    def test_lazy_is_the_same(self, rng):
        views = rng.integers(0, 900, (4, 37, 50)).astype(np.int16)
        eager = prepare.bin_views(views, 3)
        lazy = prepare.bin_views(da.from_array(views, chunks=(2, 16, 50)), 3)
        assert eager.shape == (4, 12, 16)
        np.testing.assert_allclose(lazy.compute(), eager, rtol=1e-6)
        np.testing.assert_allclose(eager[0, 0, 0], views[0, :3, 1:4].mean(), rtol=1e-6)

    @pytest.mark.parametrize("factor", [0, 1.5, "2", 6])
    def test_refused(self, factor):
        with pytest.raises(ValueError, match=f"binning={factor!r}"):
            prepare.bin_views(np.zeros((2, 40, 40)), factor)


def test_a_vertical_axis_is_laid_along_x():
    data = make_tilt_series("core-shell", 32, n_views=3)
    upright = np.rot90(data.views, -1, axes=(1, 2))
    np.testing.assert_array_equal(prepare.orient_axis(upright, 1), data.views)


class TestMemory:
    def test_refused_with_the_size_and_a_binning_that_fits(self, monkeypatch):
        monkeypatch.setattr(prepare, "available_bytes", lambda: 2**29)
        with pytest.raises(
            MemoryError, match=r"GiB.*has 0\.5; give binning=3"
        ) as caught:
            prepare.check_memory(90, (512, 512), 512, 1)
        assert "512 x 512" in str(caught.value)
        prepare.check_memory(90, (512 // 3, 512 // 3), 512 // 3, 3)

    def test_binned_already(self, monkeypatch):
        monkeypatch.setattr(prepare, "available_bytes", lambda: 2**29)
        with pytest.raises(MemoryError, match="give binning=6"):
            prepare.check_memory(90, (512, 512), 512, 2)

    def test_a_system_that_does_not_tell(self, monkeypatch):
        monkeypatch.setattr(prepare, "available_bytes", lambda: None)
        prepare.check_memory(10**6, (10**5, 10**5), 10**5, 1)
