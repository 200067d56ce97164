import numpy as np
import pytest

from hyperspy_stem_enhance.enhance.normalise import (
    local_mean,
    normalise_frame,
    single_electron,
)


@pytest.fixture
def lattice(rng):
    y, x = np.mgrid[:160, :200]
    columns = np.cos(2 * np.pi * y / 12) * np.cos(2 * np.pi * x / 14)
    return 50 * columns + 300 + rng.normal(0, 10, (160, 200))


def test_scale_and_offset_of_the_intensities_do_not_matter(lattice):
    plain = normalise_frame(lattice)
    other = normalise_frame(3e5 * lattice + 1e8)
    np.testing.assert_allclose(other.values, plain.values, atol=2e-3)
    np.testing.assert_allclose(other.scale, 3e5 * plain.scale, rtol=1e-3)


def test_strong_background_does_not_squeeze_the_lattice(lattice):
    lattice = np.tile(lattice, (2, 2))
    images = (lattice, lattice + np.linspace(0, 5000, 400))
    plain, tilted = (normalise_frame(image).values for image in images)
    inside = (slice(144, -144),) * 2
    assert tilted[inside].std() > 0.5 * plain[inside].std()
    assert np.corrcoef(plain[inside].ravel(), tilted[inside].ravel())[0, 1] > 0.85


def test_bright_particle_leaves_distant_columns_alone(lattice):
    bright = lattice.copy()
    bright[20:40, 20:40] += 5e3
    far = (slice(None), slice(140, None))
    np.testing.assert_allclose(
        normalise_frame(bright).values[far].std(),
        normalise_frame(lattice).values[far].std(),
        rtol=0.1,
    )


def test_dark_columns_become_bright(lattice):
    np.testing.assert_array_equal(
        normalise_frame(lattice, "BF").values, -normalise_frame(lattice).values
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_leave_the_rest(lattice, value):
    spoiled = lattice.copy()
    spoiled[50:55, 60:70] = value
    found = normalise_frame(spoiled)
    assert np.isfinite(found.values).all()
    around = found.values[47:58, 57:73].copy()
    inside = around[3:-3, 3:-3].copy()
    around[3:-3, 3:-3] = 0
    assert inside.any()
    assert np.abs(inside).max() <= np.abs(around).max()  # interpolated
    far = (slice(100, None), slice(120, None))
    np.testing.assert_allclose(
        found.values[far], normalise_frame(lattice).values[far], atol=0.02
    )


@pytest.mark.parametrize("value", [1e6, -1e6])
def test_hot_and_dead_pixels_are_replaced(lattice, value):
    spoiled = lattice.copy()
    spoiled[30, 40] = spoiled[100, 199] = spoiled[0, 0] = value
    np.testing.assert_allclose(
        normalise_frame(spoiled).values, normalise_frame(lattice).values, atol=5
    )
    assert np.abs(normalise_frame(spoiled).values).max() < 6


@pytest.mark.parametrize("rate", [0.003, 0.006, 0.02])
def test_single_electrons_are_not_hot_pixels(rate, rng):
    counts = rng.poisson(rate, (128, 128))
    values = normalise_frame(counts).values
    assert values[counts > 0].min() > 3


def test_hot_pixels_among_single_electrons_are_replaced(rng):
    counts = rng.poisson(0.006, (128, 128))
    spoiled = counts.copy()
    spoiled[30, 40] = spoiled[100, 90] = 60
    repaired = normalise_frame(spoiled).repaired
    assert repaired[30, 40] == repaired[100, 90] == 0
    assert (repaired == spoiled).sum() >= spoiled.size - 2


def test_small_bright_atom_is_not_a_hot_pixel():
    y, x = np.mgrid[:96, :96]
    atom = 1000 * np.exp(-((y - 48) ** 2 + (x - 48) ** 2) / (2 * 1.3**2))
    noise = np.random.default_rng(0).normal(0, 1, atom.shape)
    values = normalise_frame(atom + noise).values
    assert values[48, 48] == values.max() > 10


def test_noise_between_rows_is_that_of_the_pixels(rng, lattice):
    white = normalise_frame(rng.normal(0, 5, (128, 128)))
    np.testing.assert_allclose(np.median(white.noise), 1, atol=0.05)
    columns = normalise_frame(lattice)  # SD 10 of noise, columns of 50
    measured = np.median(columns.noise * columns.scale)
    assert 9.5 < measured < 11.5


def test_local_mean_keeps_a_constant_and_follows_a_ramp():
    np.testing.assert_allclose(
        local_mean(np.full((50, 70), 3, np.float32)), 3, rtol=1e-5
    )
    ramp = np.tile(np.arange(400, dtype=np.float32), (300, 1))
    np.testing.assert_allclose(
        local_mean(ramp)[:, 100:300], ramp[:, 100:300], atol=0.01
    )


def test_empty_and_constant_images_are_refused():
    with pytest.raises(ValueError, match="no finite pixel"):
        normalise_frame(np.full((32, 32), np.nan))
    for value in (0, 7.5, 1e9):
        with pytest.raises(ValueError, match="constant"):
            normalise_frame(np.full((32, 32), value))


@pytest.mark.parametrize("per_pixel", [2e-4, 2e-3, 2e-2])
def test_few_electrons_are_kept(per_pixel, rng):
    frame = rng.poisson(per_pixel, (128, 128))
    assert frame.any()
    normalised = normalise_frame(frame)
    assert np.ptp(normalised.repaired) > 0
    if per_pixel > 1e-3:
        electrons = frame > 0
        kept = normalised.values[electrons] > 3 * normalised.values[~electrons].max()
        assert kept.mean() > 0.9


@pytest.mark.parametrize("unit", [1e-33, 1e-20, 1e16, 1e20, 1e30])
def test_values_whose_squares_float32_does_not_hold(lattice, unit):
    expected = normalise_frame(lattice)
    normalised = normalise_frame(lattice * unit)
    np.testing.assert_allclose(normalised.values, expected.values, atol=1e-4)
    np.testing.assert_allclose(normalised.scale / unit, expected.scale, rtol=1e-4)
    np.testing.assert_allclose(
        normalised.repaired / unit, expected.repaired, rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("unit", [1e-40, 1e40, 1e300])
def test_values_that_float32_does_not_hold_are_refused(unit):
    image = np.random.default_rng(0).normal(0, unit, (32, 32))
    with pytest.raises(ValueError, match="float32"):
        normalise_frame(image)


def test_an_image_with_empty_margins_is_none_of_single_electrons(lattice, rng):
    assert single_electron(np.pad(lattice, ((0, 100), (0, 120)))) == 0
    assert single_electron(rng.poisson(0.3, (64, 64))) == 1
    columns = np.exp(-(((np.arange(128) % 12 - 6) / 2) ** 2) / 2)
    assert single_electron(rng.poisson(2 * columns[:, None] * columns)) == 1
