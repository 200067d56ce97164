import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.noise.column_noise import measure_column_noise


def speckle(rng, shape=(256, 256)):
    return 6 * gaussian_filter(rng.normal(size=shape), 2)


@pytest.mark.parametrize("shape", [(256, 256), (120, 300), (512, 96)])
def test_sd_of_the_offsets(rng, shape):
    offsets = rng.normal(0, 0.6, shape[1])
    found = measure_column_noise(
        speckle(rng, shape) + rng.normal(0, 2, shape) + offsets, np.ones(shape, bool)
    )
    assert found.sd == pytest.approx(0.6, abs=3.5 * found.sd_error)
    assert found.sd_error < 0.12
    assert np.corrcoef(found.offsets, offsets)[0, 1] > 0.85


def test_no_offsets_are_found_where_there_are_none(rng):
    found = [
        measure_column_noise(
            speckle(rng, (128, 128)) + rng.normal(0, 2, (128, 128)),
            np.ones((128, 128), bool),
        )
        for _ in range(20)
    ]
    significance = [noise.variance / noise.variance_error for noise in found]
    assert np.abs(np.mean(significance)) < 1
    assert np.max(np.abs(significance)) < 4


def test_a_lattice_along_the_columns_is_no_offset(rng):
    lattice = 5 * np.cos(2 * np.pi * np.arange(256) / 9.3)
    image = lattice + rng.normal(0, 2, (256, 256)) + rng.normal(0, 0.5, 256)
    found = measure_column_noise(image, np.ones(image.shape, bool))
    assert found.sd == pytest.approx(0.5, rel=0.3)
    assert np.corrcoef(found.offsets, lattice)[0, 1] < 0.3


def test_shading_is_no_offset(rng):
    ramp = np.linspace(0, 60, 256)
    image = ramp + rng.normal(0, 2, (256, 256)) + rng.normal(0, 0.5, 256)
    found = measure_column_noise(image, np.ones(image.shape, bool))
    assert found.sd == pytest.approx(0.5, rel=0.2)
    assert abs(np.polyfit(np.arange(256), found.offsets, 1)[0]) < 0.01


def test_unusable_columns_have_no_offset(rng):
    image = rng.normal(0, 2, (256, 256)) + rng.normal(0, 0.8, 256)
    usable = np.ones(image.shape, bool)
    usable[:, 200:] = False
    image[:, 200:] = 1e3
    found = measure_column_noise(image, usable)
    assert found.sd == pytest.approx(0.8, rel=0.2)
    assert not found.offsets[200:].any()


def test_most_of_the_rows_may_be_missing(rng):
    image = rng.normal(0, 2, (256, 256)) + rng.normal(0, 0.8, 256)
    usable = np.zeros(image.shape, bool)
    usable[180:, :240] = True
    found = measure_column_noise(np.where(usable, image, 0), usable)
    assert found.sd == pytest.approx(0.8, rel=0.25)


def test_too_few_usable_rows(rng):
    usable = np.zeros((64, 64), bool)
    usable[:5] = True
    found = measure_column_noise(rng.normal(size=(64, 64)), usable)
    assert np.isnan(found.variance)
    assert np.isnan(found.sd)
