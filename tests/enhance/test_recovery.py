"""What a network missed comes back, and noise does not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from hyperspy_stem_enhance.enhance.recovery import recover_structure


def lattice(shape=(256, 256)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.cos(2 * np.pi * (x + 0.2 * y) / 13) * np.cos(2 * np.pi * y / 17)


def row_noise(rng, shape):
    """Noise that hangs together along the rows, and offsets of rows."""
    return 2 * gaussian_filter1d(rng.normal(size=shape), 2, axis=1) + rng.normal(
        size=(shape[0], 1)
    )


@pytest.mark.parametrize("columns", [0.0, 5.0], ids=["nothing", "columns"])
@pytest.mark.parametrize("kind", ["white", "rows", "counting"])
def test_noise_does_not_come_back(kind, columns, rng):
    noise = rng.normal(size=(256, 256))
    if kind == "rows":
        noise = row_noise(rng, noise.shape)
    if kind == "counting":
        clean = 3 + 2 * lattice()
        noise = rng.poisson(clean) - clean
    found = recover_structure(noise, columns * (1 + lattice()))
    assert found.std() < 0.05 * noise.std()


@pytest.mark.parametrize(("sigma", "most"), [(0.7, 0.2), (1.5, 0.5)])
def test_little_comes_back_of_noise_that_is_correlated(sigma, most, rng):
    noise = gaussian_filter(rng.normal(size=(256, 256)), sigma)
    found = recover_structure(noise, 1 + lattice())
    assert found.std() < most * noise.std()


@pytest.mark.parametrize("noisy_rows", [False, True])
def test_missing_structure_comes_back_as_noise_vanishes(noisy_rows, rng):
    missing, columns = 0.3 * lattice(), 1 + lattice()
    noise = row_noise(rng, missing.shape) if noisy_rows else rng.normal(size=(256, 256))
    errors = []
    for strength in (3, 0.3, 0.03):
        found = recover_structure(missing + strength * noise, columns)
        errors.append((found - missing).std() / missing.std())
    assert errors[0] < 1.1  # hardly worse than adding nothing
    assert errors[1] < 0.6
    assert errors[2] < 0.1


def test_structure_without_columns_comes_back(rng):
    missing = 0.5 * lattice()
    found = recover_structure(missing + rng.normal(size=missing.shape), 0 * missing)
    assert (found - missing).std() < 0.5 * missing.std()


def test_it_comes_back_where_it_is(rng):
    missing = 2 * lattice((512, 512))
    missing[:, 200:] = 0
    found = recover_structure(missing + rng.normal(size=missing.shape), 0 * missing)
    assert found[:, :150].std() > 0.9 * missing[:, :150].std()
    assert found[:, 400:].std() < 0.03


@pytest.mark.parametrize("unit", [1e-30, 1e4, 1e30])
def test_units_do_not_matter(unit, rng):
    residual = 0.3 * lattice() + rng.normal(size=(256, 256))
    once = recover_structure(residual, 1 + lattice())
    scaled = recover_structure(unit * residual, unit * (1 + lattice()))
    np.testing.assert_allclose(scaled / unit, once, atol=1e-4)


@pytest.mark.parametrize("shape", [(16, 16), (17, 130), (23, 24), (300, 191)])
def test_any_size_from_sixteen_pixels(shape, rng):
    residual = rng.normal(size=shape).astype(np.float32)
    found = recover_structure(residual, np.zeros(shape, np.float32))
    assert found.shape == shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.std() < 0.5 * residual.std()


def test_nothing_comes_of_nothing():
    assert not recover_structure(np.zeros((64, 64)), np.zeros((64, 64))).any()


def test_without_noise_all_comes_back():
    missing, columns = 1e-3 * lattice(), 1e3 * (1 + lattice())
    found = recover_structure(missing, columns)
    assert (found - missing).std() < 0.05 * missing.std()
    inside = (slice(32, -32),) * 2
    np.testing.assert_allclose(found[inside], missing[inside], atol=5e-5)
