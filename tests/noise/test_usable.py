import numpy as np
import pytest

from hyperspy_stem_enhance.noise.usable import fill_gaps, usable_pixels
from hyperspy_stem_enhance.simulate.render import render_columns


@pytest.fixture
def noisy(rng):
    return rng.normal(1000, 20, (96, 128))


def test_values_are_the_image_in_other_units(noisy):
    found = usable_pixels(noisy)
    assert found.usable.all()
    np.testing.assert_allclose(
        found.values * found.scale + found.offset, noisy, rtol=1e-5
    )
    assert found.noise_sd * found.scale == pytest.approx(20, rel=0.1)


def test_gaps_and_hot_pixels_are_found_and_filled(noisy):
    noisy[10, 20] = np.nan
    noisy[11, 60] = -np.inf
    noisy[40, 40:42] = 1e6  # a pair
    noisy[0, 0] = 5e4  # at the corner
    noisy[70, 9] = -3e4  # dead
    found = usable_pixels(noisy)
    expected = {(10, 20), (11, 60), (40, 40), (40, 41), (0, 0), (70, 9)}
    assert set(map(tuple, np.argwhere(~found.finite).tolist())) == expected
    assert np.abs(found.values).max() < 2


def test_sharp_bright_columns_are_not_hot(rng):
    positions = np.argwhere(np.ones((9, 9))) * 10.0 + 8.3
    image = render_columns(positions, np.full(81, 500.0), np.full(81, 1.0), (96, 96))
    found = usable_pixels(image + rng.normal(0, 5, image.shape))
    assert found.finite.all()


def test_counted_electrons_are_neither_hot_nor_clipped(rng):
    assert usable_pixels(rng.poisson(0.3, (128, 128))).usable.all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_saturated_area_is_not_usable(rng, dtype):
    image = rng.normal(100, 8, (96, 96))
    image[30:60, 30:60] += 200
    image = np.clip(np.round(image), 0, 255).astype(dtype)
    found = usable_pixels(image)
    assert not found.usable[30:60, 30:60].any()
    assert found.usable[:20].all()
    assert found.finite.all()


def test_padding_with_zeros_is_not_usable(rng):
    image = rng.normal(100, 8, (96, 96))
    image[:, :20] = 0
    found = usable_pixels(image)
    assert not found.usable[:, :20].any()
    assert found.usable[:, 40:].all()


def test_wide_gap_is_filled_with_the_mean():
    values = np.full((64, 64), 3.0, np.float32)
    valid = np.ones((64, 64), bool)
    valid[:, :40] = False
    values[~valid] = 1e3
    np.testing.assert_allclose(fill_gaps(values, valid), 3.0, rtol=1e-5)


def test_constant_image_has_no_scale():
    assert usable_pixels(np.full((32, 32), 7, "uint16")).scale == 0


def test_gaps_are_filled_by_the_nearest_pixels_there_are(rng):
    y, x = np.mgrid[:96, :96]
    image = np.cos(x / 3).astype(np.float32) * np.cos(y / 4).astype(np.float32)
    valid = rng.random(image.shape) < 0.4
    valid[40:60, 30:50] = False
    filled = fill_gaps(np.where(valid, image, 0), valid, (0.7, 1, 2, 4, 8, 16))
    np.testing.assert_array_equal(filled[valid], image[valid])
    near = np.ones_like(valid)
    near[38:62, 28:52] = False
    assert np.abs(filled - image)[near & ~valid].mean() < 0.1
    assert np.isfinite(filled).all()
    alone = np.zeros_like(valid)
    alone[0, 0] = True
    assert (fill_gaps(image, alone, (0.7, 1))[50:] == image[0, 0]).all()
