from dataclasses import replace

import numpy as np
import pytest

from hyperspy_stem_enhance.noise import PUBLISHED_PARAMETERS, calibrate_image
from hyperspy_stem_enhance.noise.gain import NoiseLevels, estimate_gain
from hyperspy_stem_enhance.simulate.noise import FrameNoise

from .conftest import make_ideal

LINE = NoiseLevels(
    mean=60,
    signal_sd=20,
    pointwise_sd=11,
    scan_sd=3,
    variance=120,
    variance_error=1,
    variance_slope=2,
    variance_slope_error=0.1,
    variance_correlation=0,
    variance_bend=0,
    variance_bend_error=0.1,
)


def count_electrons(per_unit, seed=0, dark=0.0, **terms):
    """Lattice in counted electrons, and the number per pixel."""
    ideal = make_ideal(PUBLISHED_PARAMETERS["HAADF"])
    noise = FrameNoise(electrons_per_unit=per_unit, **terms)
    image = noise.apply(np.random.default_rng(seed), ideal) + dark
    return image, float(ideal.mean() * per_unit)


@pytest.mark.parametrize("per_unit", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("dark", [0, 300])
def test_counted_electrons_come_back(per_unit, dark):
    image, electrons = count_electrons(per_unit, dark=dark)
    found = calibrate_image(image).gain()
    assert found.reasons == {}
    assert found.gain == pytest.approx(1 / per_unit, rel=0.08)
    assert abs(found.gain - 1 / per_unit) < 4 * found.gain_error
    assert found.electrons == pytest.approx(electrons, rel=0.15)
    assert abs(found.electrons - electrons) < 4 * found.electrons_error


def test_standard_errors_are_of_the_size_of_the_errors():
    found = [calibrate_image(count_electrons(0.1, s)[0]).gain() for s in range(8)]
    truth = {"gain": 10, "electrons": count_electrons(0.1)[1]}
    for name, value in truth.items():
        errors = np.array([getattr(f, f"{name}_error") for f in found])
        off = np.array([getattr(f, name) for f in found]) - value
        assert 0.4 < np.sqrt(np.mean((off / errors) ** 2)) < 2.0, name


def test_scan_noise_does_not_change_the_gain():
    image, _ = count_electrons(0.2, scan_slope=0.05, scan_intercept=8)
    found = calibrate_image(image)
    assert found.gain().gain == pytest.approx(5, rel=0.06)
    # the noise of counting is less, of the scan more, than the sum
    assert found.levels.scan_sd > 8
    assert found.levels.noise_sd > found.levels.pointwise_sd


def test_readout_noise_needs_the_dark_level():
    image, electrons = count_electrons(0.1, readout_sd=20)
    result = calibrate_image(image)
    found = result.gain()
    assert found.gain == pytest.approx(10, rel=0.1)
    assert np.isnan(found.electrons)
    assert "give dark_level" in found.reasons["electrons_per_pixel"]
    given = result.gain(dark_level=0)
    assert given.electrons == pytest.approx(electrons, rel=0.1)
    assert abs(given.electrons - electrons) < 4 * given.electrons_error


def test_noise_of_one_level_has_no_gain():
    ideal = make_ideal(PUBLISHED_PARAMETERS["HAADF"])
    image = ideal + np.random.default_rng(0).normal(0, 10, ideal.shape)
    result = calibrate_image(image)
    found = result.gain()
    assert np.isnan([found.gain, found.electrons]).all()
    assert "does not rise significantly" in found.reasons["gain"]
    assert result.levels.noise_sd == pytest.approx(10, rel=0.03)
    assert result.levels.snr == pytest.approx(ideal.std() / 10, rel=0.05)
    assert result.column_snr == pytest.approx(16.6, rel=0.1)


def test_levels_of_empty_images_are_known(rng):
    result = calibrate_image(rng.poisson(20, (128, 128)))
    assert result.levels.noise_sd == pytest.approx(np.sqrt(20), rel=0.05)
    assert result.levels.mean == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "correlated", "words"),
    [
        ({"variance_slope": -2}, False, "falls with intensity"),
        ({"variance_slope": 0.2}, False, "does not rise"),
        ({"variance_bend": 0.6}, False, "no straight line"),
        ({}, True, "correlated"),
        ({"variance": np.nan}, False, "not measured"),
    ],
)
def test_reasons_against_a_gain(changes, correlated, words):
    found = estimate_gain(replace(LINE, **changes), correlated)
    assert np.isnan([found.gain, found.electrons]).all()
    assert words in found.reasons["gain"]
    assert words in found.reasons["electrons_per_pixel"]


def test_dark_level_above_the_image():
    found = estimate_gain(LINE, dark_level=70)
    assert found.gain == 2
    assert "above the mean" in found.reasons["electrons_per_pixel"]


def test_levels_in_other_units():
    image, _ = count_electrons(0.1)
    before = calibrate_image(image)
    after = calibrate_image(4 * image + 500)
    assert after.gain().gain == pytest.approx(4 * before.gain().gain, rel=1e-3)
    assert after.gain().electrons == pytest.approx(before.gain().electrons, rel=1e-3)
    assert after.levels.snr == pytest.approx(before.levels.snr, rel=1e-3)
    assert after.gain().dark_level == pytest.approx(
        500 + 4 * before.gain().dark_level, abs=1
    )
