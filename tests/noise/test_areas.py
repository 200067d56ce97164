import numpy as np
import pytest

from hyperspy_stem_enhance.noise.areas import check_areas, measure_areas


def three_areas(shape=(256, 256)):
    areas = np.zeros(shape, int)
    areas[:70, :120], areas[:80, 150:], areas[140:, :90] = 1, 2, 3
    return areas


def noisy(rng, areas, levels, column_sd=0.6):
    image = np.choose(areas, [50.0, *levels])
    image += np.linspace(0, 1, areas.shape[0])[:, None]  # shading
    sd = 0.05 * image + 1.0
    offsets = rng.normal(0, column_sd, areas.shape[1])
    return (image + rng.normal(0, sd) + offsets).astype(np.float32), offsets


def test_line_and_offsets_come_out(rng):
    areas = three_areas()
    image, offsets = noisy(rng, areas, (8, 14, 22))
    found = measure_areas(image, np.ones(areas.shape, bool), areas)
    assert found.law.slope == pytest.approx(0.05, abs=3 * found.law.slope_error)
    assert found.law.slope_error < 0.005
    sd = found.law.slope * 14 + found.law.intercept
    assert sd == pytest.approx(1.7, rel=0.03)
    assert np.sqrt(found.column_variance) == pytest.approx(0.6, rel=0.2)
    known = np.isfinite(found.offsets)
    assert known.sum() == found.n_columns == 120 + 106
    assert np.corrcoef(found.offsets[known], offsets[known])[0, 1] > 0.8
    assert found.normalised.std() == pytest.approx(1, abs=0.01)


def test_noise_outside_of_the_areas_does_not_matter(rng):
    areas = three_areas()
    image, _ = noisy(rng, areas, (8, 14, 22))
    other = np.where(areas > 0, image, image + rng.normal(0, 90, image.shape))
    usable = np.ones(areas.shape, bool)
    law = measure_areas(image, usable, areas).law
    assert measure_areas(other.astype(np.float32), usable, areas).law == law


def test_unusable_pixels_are_left_out(rng):
    areas = three_areas()
    image, _ = noisy(rng, areas, (8, 14, 22))
    usable = rng.random(areas.shape) > 0.1
    found = measure_areas(np.where(usable, image, 1e4), usable, areas)
    assert found.law.slope * 14 + found.law.intercept == pytest.approx(1.7, rel=0.03)


def test_one_intensity_does_not_tell_the_slope(rng):
    areas = np.zeros((128, 128), int)
    areas[:64, :64] = 1
    image, _ = noisy(rng, areas, (8,))
    found = measure_areas(image, np.ones(areas.shape, bool), areas)
    assert found.law.slope_error == np.inf
    assert found.law.intercept == pytest.approx(0.05 * 8.25 + 1, rel=0.05)


def test_correlated_noise_is_measured_whole(rng):
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.normal(size=(128, 128)), 0.7)
    areas = np.ones((128, 128), int)
    found = measure_areas((noise + 9).astype("f4"), areas > 0, areas)
    assert found.law.intercept + 9 * found.law.slope == pytest.approx(
        noise.std(), rel=0.05
    )


def test_narrow_areas_tell_no_column_noise(rng):
    areas = np.zeros((128, 128), int)
    areas[:, 20:34] = 1
    image, _ = noisy(rng, areas, (8,))
    found = measure_areas(image, np.ones(areas.shape, bool), areas)
    assert np.isnan(found.column_variance)
    assert found.n_columns == 14


def test_areas_too_small(rng):
    areas = np.zeros((64, 64), int)
    areas[:3, :3] = 1
    assert measure_areas(rng.normal(size=(64, 64)), areas == areas, areas) is None


def test_labels():
    mask = np.zeros((40, 40), bool)
    mask[:10], mask[20:30] = True, True
    labels = check_areas(mask, (40, 40))
    assert labels[5, 5] == 1
    assert labels[25, 5] == 2
    assert labels[15, 5] == 0
    numbered = check_areas(np.where(mask, 7, -1), (40, 40))
    assert set(np.unique(numbered)) == {0, 7}


@pytest.mark.parametrize(
    ("areas", "error", "match"),
    [
        (np.ones((40, 40)), TypeError, "dtype float64"),
        (np.ones((40, 41), bool), ValueError, r"shape \(40, 41\)"),
        (np.zeros((40, 40), bool), ValueError, "marks no pixel"),
    ],
)
def test_what_is_no_area_is_refused(areas, error, match):
    with pytest.raises(error, match=match):
        check_areas(areas, (40, 40))
