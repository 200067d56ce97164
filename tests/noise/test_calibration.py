from dataclasses import astuple

import numpy as np
import pytest

from hyperspy_stem_enhance.noise import (
    PARAMETER_NAMES,
    calibrate_frames,
    calibrate_image,
)
from hyperspy_stem_enhance.simulate.noise import gradient_magnitude

METHODS = ("unbiased", "paper")
INTERCEPTS = ("scan_intercept", "pointwise_intercept")


def as_dict(parameters):
    return dict(zip(PARAMETER_NAMES, astuple(parameters), strict=True))


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("levels", [None, 255])
def test_simulated_noise_comes_back(simulate, mode, seed, levels):
    image, true, ideal = simulate(mode, seed, levels)
    found = calibrate_image(image, mode).parameters
    intensity = np.quantile(ideal, [0.05, 0.5, 0.95])
    expected = true.pointwise_slope * intensity + true.pointwise_intercept
    measured = found.pointwise_slope * intensity + found.pointwise_intercept
    np.testing.assert_allclose(measured, expected, rtol=0.04)
    gradient = np.array([0, np.quantile(gradient_magnitude(ideal), 0.9)])
    expected = true.scan_slope * gradient + true.scan_intercept
    measured = found.scan_slope * gradient + found.scan_intercept
    np.testing.assert_allclose(measured, expected, rtol=0.25)
    assert found.pointwise_lambda == pytest.approx(true.pointwise_lambda, abs=0.05)
    assert found.atom_brightness == pytest.approx(true.atom_brightness, rel=0.08)
    if levels is None:
        assert found.background_min == pytest.approx(true.background_min, abs=12)
        assert found.background_max == pytest.approx(true.background_max, abs=8)


def test_scan_and_pointwise_noise_are_told_apart(simulate):
    silent = {"scan_slope": 0.0, "scan_intercept": 0.0}
    without = calibrate_image(simulate(**silent)[0]).parameters
    strong = {"scan_slope": 0.2, "scan_intercept": 15.0}
    with_scan = calibrate_image(simulate(**strong)[0]).parameters
    assert without.scan_intercept < 2
    assert with_scan.scan_intercept == pytest.approx(15, rel=0.1)
    for name in ("pointwise_slope", "pointwise_intercept"):
        assert getattr(with_scan, name) == pytest.approx(
            getattr(without, name), rel=0.15
        )


@pytest.mark.parametrize("shape", [0.0, 0.14, 0.5])
def test_shape_of_the_pointwise_noise_comes_back(simulate, shape):
    found = calibrate_image(simulate(pointwise_lambda=shape)[0]).parameters
    assert found.pointwise_lambda == pytest.approx(shape, abs=0.05)


def test_standard_errors_are_of_the_size_of_the_errors(simulate):
    results = [calibrate_image(simulate(seed=seed)[0]) for seed in range(6)]
    for name in ("pointwise_slope", "pointwise_intercept", "scan_slope"):
        scatter = np.std([getattr(r.parameters, name) for r in results], ddof=1)
        error = np.mean([getattr(r.standard_errors, name) for r in results])
        assert 0.3 < scatter / error < 2.5


def test_paper_has_the_transfer_of_its_blurs(rng):
    ramp = np.linspace(50, 150, 256) * np.ones((256, 1))
    found = calibrate_image(rng.normal(ramp, 10), method="paper").parameters
    sd = found.pointwise_slope * 100 + found.pointwise_intercept
    assert sd == pytest.approx(0.910 * 10, rel=0.02)
    assert found.scan_intercept == pytest.approx(0.279 * 10, rel=0.05)


def test_paper_draws_the_shape_towards_the_gaussian(simulate):
    image, true, _ = simulate(pointwise_lambda=0.5)
    found = calibrate_image(image, method="paper").parameters.pointwise_lambda
    assert 0.14 < found < true.pointwise_lambda - 0.05


@pytest.mark.parametrize("method", METHODS)
def test_scaling_and_shifting_the_image(simulate, method):
    image, _, _ = simulate()
    before = as_dict(calibrate_image(image, method=method).parameters)
    after = as_dict(calibrate_image(40.0 * image + 7000.0, method=method).parameters)
    expected = {name: before[name] for name in ("scan_slope", "pointwise_slope")}
    expected["pointwise_lambda"] = before["pointwise_lambda"]
    expected["scan_intercept"] = 40 * before["scan_intercept"]
    expected["atom_brightness"] = 40 * before["atom_brightness"]
    for name in ("background_min", "background_max"):
        expected[name] = 40 * before[name] + 7000
    # the SD at intensity zero, which has moved along the line
    expected["pointwise_intercept"] = (
        40 * before["pointwise_intercept"] - 7000 * before["pointwise_slope"]
    )
    for name, value in expected.items():
        assert after[name] == pytest.approx(value, rel=0.01, abs=0.002), name


@pytest.mark.parametrize("method", METHODS)
def test_mirrored_image_has_the_same_noise(simulate, method):
    image, _, _ = simulate()
    before = as_dict(calibrate_image(image, method=method).parameters)
    after = as_dict(calibrate_image(image[:, ::-1], method=method).parameters)
    for name, value in before.items():
        # the background may find its lowest point at another corner
        absolute = 3 if name == "background_min" else 0.005
        assert after[name] == pytest.approx(value, rel=0.02, abs=absolute), name


@pytest.mark.parametrize(
    "dtype", ["uint8", "int32", "uint32", "float16", "float64", ">f4", ">u2"]
)
def test_every_dtype_gives_the_same(simulate, dtype):
    image = np.clip(np.round(simulate()[0]), 0, 255)
    expected = calibrate_image(image.astype("float32")).parameters.to_tuple()
    found = calibrate_image(image.astype(dtype)).parameters.to_tuple()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_large_counts_keep_their_precision(simulate):
    image, _, _ = simulate()
    counts = np.round((image + 200) * 100).astype("uint32") + np.uint32(4e9)
    found = calibrate_image(counts).parameters
    expected = calibrate_image(image).parameters
    assert found.pointwise_slope == pytest.approx(expected.pointwise_slope, rel=0.02)
    assert found.scan_intercept / 100 == pytest.approx(
        expected.scan_intercept, rel=0.05
    )


@pytest.mark.parametrize("method", METHODS)
def test_defects_do_not_change_the_result(simulate, rng, method):
    image, _, _ = simulate()
    expected = calibrate_image(image, method=method).parameters
    image[rng.integers(0, 256, 25), rng.integers(0, 256, 25)] = 4000
    image[100:110, 50:90] = np.nan
    image[20, 30] = -np.inf
    found = calibrate_image(image, method=method).parameters
    for name, value in as_dict(expected).items():
        absolute = 8 if name == "background_min" else 2
        assert getattr(found, name) == pytest.approx(value, rel=0.1, abs=absolute), name


def test_saturated_columns_are_left_out(simulate):
    image, true, _ = simulate(levels=None)
    found = calibrate_image(np.minimum(image, 190)).parameters
    at = 80
    assert found.pointwise_slope * at + found.pointwise_intercept == pytest.approx(
        true.pointwise_slope * at + true.pointwise_intercept, rel=0.04
    )


def test_vacuum_around_the_specimen(simulate, rng):
    image, true, _ = simulate()
    image[:, :110] = rng.normal(5, 11.7, (256, 110))
    found = calibrate_image(image).parameters
    sd = found.pointwise_slope * 100 + found.pointwise_intercept
    assert sd == pytest.approx(18.35, rel=0.06)
    # the background cannot follow the edge: columns beside it look higher
    assert found.atom_brightness == pytest.approx(true.atom_brightness, rel=0.45)


@pytest.mark.parametrize("method", METHODS)
def test_noise_alone_does_not_identify_slopes(rng, method):
    result = calibrate_image(rng.normal(100, 10, (256, 256)), method=method)
    for name in ("scan_slope", "pointwise_slope", "pointwise_intercept"):
        assert np.isnan(getattr(result.parameters, name))
        assert "times" in result.reasons[name] or "varies" in result.reasons[name]
    assert result.parameters.background_min == pytest.approx(100, abs=3)
    assert np.isfinite(result.parameters.pointwise_lambda)


def test_noise_alone_has_no_columns(rng):
    result = calibrate_image(rng.normal(100, 10, (256, 256)))
    assert np.isnan(result.parameters.atom_brightness)
    assert "no column" in result.reasons["atom_brightness"]


@pytest.mark.parametrize("method", METHODS)
def test_constant_image_has_a_reason_for_everything(method):
    result = calibrate_image(np.full((64, 64), 12), method=method)
    assert np.isnan(result.parameters.to_tuple()).all()
    assert set(result.reasons) == set(PARAMETER_NAMES)
    assert "constant (12)" in result.reasons["scan_slope"]


@pytest.mark.parametrize("method", METHODS)
def test_too_few_pixels_have_a_reason(rng, method):
    image = rng.normal(100, 10, (128, 128))
    image[:, 6:] = np.nan
    result = calibrate_image(image, method=method)
    assert np.isnan(result.parameters.pointwise_lambda)
    assert "pixels" in result.reasons["pointwise_lambda"]


@pytest.mark.parametrize("shape", [(16, 16), (16, 200), (67, 43), (101, 211)])
@pytest.mark.parametrize("method", METHODS)
def test_any_shape_gives_numbers_or_reasons(rng, shape, method):
    result = calibrate_image(rng.poisson(20, shape), method=method)
    unknown = {
        name for name, value in as_dict(result.parameters).items() if np.isnan(value)
    }
    assert unknown == set(result.reasons)


def test_correlated_noise_is_noted(simulate):
    from scipy.ndimage import gaussian_filter

    image, _, ideal = simulate()
    assert calibrate_image(image).notes == ()
    smooth = ideal + gaussian_filter(image - ideal, 0.7)
    assert "correlated" in calibrate_image(smooth).notes[0]


def test_curves_are_in_the_units_of_the_image(simulate):
    image, true, _ = simulate()
    result = calibrate_image(image)
    for curve, slope, intercept in (
        (result.scan, true.scan_slope, true.scan_intercept),
        (result.pointwise, true.pointwise_slope, true.pointwise_intercept),
    ):
        line = slope * curve.centres + intercept
        error = np.average((curve.sd / line - 1) ** 2, weights=curve.counts) ** 0.5
        assert error < 0.15
    width = np.diff(result.histogram_edges)
    assert (result.histogram_density * width).sum() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_frames_are_calibrated_one_by_one(simulate, method):
    frames = np.stack([simulate(seed=seed, shape=(128, 128))[0] for seed in range(3)])
    frames[1] = np.nan
    found = calibrate_frames(frames, method=method)
    assert found.shape == (3, 8)
    assert found.dtype == np.float64
    assert np.isnan(found[1]).all()
    for i in (0, 2):
        expected = calibrate_image(frames[i], method=method).parameters.to_tuple()
        np.testing.assert_array_equal(found[i], expected)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"mode": "ABF"}, ValueError, "mode='ABF'"),
        ({"method": "best"}, ValueError, "method='best'"),
        ({"image": np.zeros((3, 32, 32))}, ValueError, r"shape \(3, 32, 32\)"),
        ({"image": np.zeros((15, 64))}, ValueError, "16 x 16"),
        ({"image": np.full((32, 32), np.nan)}, ValueError, "no finite pixel"),
        ({"image": np.zeros((32, 32), complex)}, TypeError, "complex128"),
        ({"image": np.zeros((32, 32), object)}, TypeError, "object"),
        ({"image": np.zeros((32, 32), bool)}, TypeError, "bool"),
    ],
)
def test_bad_arguments_are_named(rng, arguments, error, match):
    arguments = {"image": rng.normal(size=(32, 32)), **arguments}
    with pytest.raises(error, match=match):
        calibrate_image(**arguments)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("unit", [1e-310, 1e-80, 1e100, -1e150, 1e306])
def test_values_whose_powers_float64_does_not_hold_are_refused(rng, unit, method):
    with pytest.raises(ValueError, match="bring all to a range"):
        calibrate_image(unit * rng.normal(0, 1, (48, 48)), method=method)


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_single_pixels_beyond_all_limits_are_named(rng, value):
    image = rng.normal(100, 5, (48, 48))
    image[20, 30] = value
    with pytest.raises(ValueError, match="leave out single pixels"):
        calibrate_image(image)


@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_values_of_any_other_unit(simulate, unit):
    image, *_ = simulate("HAADF", 0)
    images = (image.astype(np.float64) * u for u in (1, unit))
    expected, found = (calibrate_image(image).levels for image in images)
    assert found.noise_sd / expected.noise_sd == pytest.approx(unit, rel=1e-3, abs=0)


def test_frames_must_be_three_dimensional(rng):
    with pytest.raises(ValueError, match=r"image\[np.newaxis\]"):
        calibrate_frames(rng.normal(size=(32, 32)))
