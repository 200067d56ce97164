from dataclasses import astuple

import numpy as np
import pytest

from hyperspy_stem_enhance.noise import (
    PUBLISHED_PARAMETERS,
    calibrate_frames,
    calibrate_image,
    calibrate_records,
    parameter_names,
)
from hyperspy_stem_enhance.noise.distribution import distribution_of
from hyperspy_stem_enhance.noise.plot import plot_calibration
from hyperspy_stem_enhance.noise.record import from_record, record_names, to_record
from hyperspy_stem_enhance.noise.summary import summarise
from hyperspy_stem_enhance.simulate.noise import frame_noise_from

TRUE = PUBLISHED_PARAMETERS["HRTEM"]


def lattice(shape=(256, 256)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return 8 + 9 * (np.cos((x + 0.2 * y) / 3.4) * np.cos((y - 0.2 * x) / 3.6)) ** 2


def noisy(seed, image=None):
    image = lattice() if image is None else image
    return frame_noise_from(TRUE).apply(np.random.default_rng(seed), image)


def sd_of(parameters, intensity):
    return parameters.pointwise_slope * intensity + parameters.pointwise_intercept


@pytest.fixture(scope="module")
def result():
    return calibrate_image(noisy(0), "HRTEM")


def test_what_went_in_comes_out(result):
    found, errors = result.parameters, result.standard_errors
    assert found.column_sd == pytest.approx(TRUE.column_sd, rel=0.2)
    for intensity in (8.5, 11, 15):
        assert sd_of(found, intensity) == pytest.approx(
            sd_of(TRUE, intensity), rel=0.04
        )
    assert found.intensity_min == pytest.approx(8, abs=0.7)
    assert found.intensity_max == pytest.approx(17, abs=0.7)
    for name in parameter_names("HRTEM")[2:]:
        error = getattr(errors, name)
        assert abs(getattr(found, name) - getattr(TRUE, name)) < 4 * error
    assert result.reasons == {}
    assert result.notes == ()
    assert result.levels.noise_sd == pytest.approx(1.85, rel=0.05)


def test_units_of_the_image_matter_as_they_should(result):
    other = calibrate_image(50 * noisy(0) - 300, "HRTEM").parameters
    found = result.parameters
    assert other.column_sd == pytest.approx(50 * found.column_sd, rel=1e-3)
    assert other.pointwise_slope == pytest.approx(found.pointwise_slope, rel=1e-2)
    assert sd_of(other, 50 * 11 - 300) == pytest.approx(50 * sd_of(found, 11), rel=1e-3)
    assert other.intensity_min == pytest.approx(50 * found.intensity_min - 300, abs=2)


def test_areas_are_used_alone():
    x = np.arange(256)
    image = lattice()
    image[:100], image[180:] = 8 + x / 256, 16.0
    areas = np.zeros(image.shape, int)
    areas[4:96], areas[184:] = 1, 2
    found = calibrate_image(noisy(1, image), "HRTEM", atom_free=areas)
    for intensity in (8.5, 16):
        assert sd_of(found.parameters, intensity) == pytest.approx(
            sd_of(TRUE, intensity), rel=0.04
        )
    assert found.parameters.column_sd == pytest.approx(TRUE.column_sd, rel=0.2)
    assert len(found.pointwise.centres) == 16  # cells of at most 64 pixels
    assert found.columns.shape == (256,)


def test_areas_that_are_too_small_have_a_reason():
    areas = np.zeros((256, 256), bool)
    areas[:3, :3] = True
    result = calibrate_image(noisy(0), "HRTEM", atom_free=areas)
    assert set(result.reasons) == set(parameter_names("HRTEM")[2:])
    assert np.isfinite(result.parameters.intensity_min)
    again = from_record(to_record(result), "HRTEM")
    assert again.reasons["column_sd"] == "too few pixels for statistics"


def test_turned_images():
    upright = noisy(0)
    turned = calibrate_image(upright.T, "HRTEM")
    assert "fast_axis" in " ".join(turned.notes)
    right = calibrate_image(upright.T, "HRTEM", fast_axis="y")
    assert right.notes == ()
    found = calibrate_image(upright, "HRTEM")
    assert right.parameters == found.parameters


def test_counted_electrons_have_a_gain(rng):
    image = 7.0 * rng.poisson(lattice())
    gain = calibrate_image(image, "HRTEM").gain()
    assert gain.gain == pytest.approx(7, rel=0.15)


def test_blurred_noise_has_a_note(rng):
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(rng.normal(0, 3, (256, 256)), 0.8)
    result = calibrate_image(lattice() + blurred, "HRTEM")
    assert result.checks.correlated
    assert "correlated" in result.notes[0]


def test_slope_without_intensities(rng):
    result = calibrate_image(noisy(3, np.full((128, 128), 10.0)), "HRTEM")
    assert np.isnan(result.parameters.pointwise_slope)
    assert "intensity varies too little" in result.reasons["pointwise_slope"]
    assert result.levels.pointwise_sd == pytest.approx(sd_of(TRUE, 10), rel=0.03)
    assert result.parameters.column_sd == pytest.approx(TRUE.column_sd, rel=0.3)


def test_gaps_do_not_matter(rng):
    image = noisy(0)
    gaps = rng.random(image.shape) < 0.005
    found = calibrate_image(np.where(gaps, np.nan, image), "HRTEM").parameters
    assert sd_of(found, 11) == pytest.approx(sd_of(TRUE, 11), rel=0.05)
    assert found.column_sd == pytest.approx(TRUE.column_sd, rel=0.2)


def test_rows_that_are_missing_do_not_matter():
    image = noisy(0)
    image[90:] = np.nan
    result = calibrate_image(image, "HRTEM")
    assert result.reasons == {}
    assert result.parameters.column_sd == pytest.approx(TRUE.column_sd, rel=0.25)
    assert sd_of(result.parameters, 11) == pytest.approx(sd_of(TRUE, 11), rel=0.05)


def test_record_holds_all_but_the_curves(result):
    row = to_record(result)
    assert len(row) == len(record_names("HRTEM"))
    again = from_record(row, "HRTEM")
    assert again.parameters == result.parameters
    assert again.standard_errors == result.standard_errors
    assert astuple(again.levels) == astuple(result.levels)
    assert again.checks == result.checks
    assert again.mode == "HRTEM"


def test_frames_and_records():
    frames = np.stack([noisy(0), np.full((256, 256), 3.0), noisy(1)])
    rows = calibrate_records(frames, "HRTEM")
    assert rows.shape == (3, len(record_names("HRTEM")))
    assert np.isnan(rows[1, :5]).all()
    np.testing.assert_array_equal(calibrate_frames(frames, "HRTEM"), rows[:, :5])
    summary = summarise(rows, ["inav[0]", "inav[1]", "inav[2]"], mode="HRTEM")
    assert summary.mean.column_sd == pytest.approx(TRUE.column_sd, rel=0.2)
    assert summary.counts["column_sd"] == 2
    assert "column noise, SD" in repr(summary)
    assert "atom brightness" not in repr(summary)


def test_distribution_draws_within_what_an_image_can_have():
    rows = calibrate_records(np.stack([noisy(seed) for seed in range(3)]), "HRTEM")
    distribution = distribution_of([from_record(r, "HRTEM") for r in rows], "HRTEM")
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawn = distribution.draw(rng)
        assert drawn.intensity_min < drawn.intensity_max
        assert drawn.column_sd == pytest.approx(TRUE.column_sd, rel=0.4)
        assert sd_of(drawn, drawn.intensity_min) > 0


def test_distribution_takes_the_level_where_there_is_no_slope():
    flat = calibrate_image(noisy(3, np.full((128, 128), 10.0)), "HRTEM")
    with pytest.warns(UserWarning, match="no image identifies pointwise_slope"):
        drawn = distribution_of([flat], "HRTEM").draw(np.random.default_rng(0))
    assert drawn.pointwise_slope == 0
    assert drawn.pointwise_intercept == pytest.approx(sd_of(TRUE, 10), rel=0.03)


def test_plot(result):
    from matplotlib import pyplot as plt

    axes = plot_calibration([result], "title")
    assert axes[0].get_ylabel() == "column noise"
    assert len(axes[0].lines[0].get_xdata()) == 256
    assert "SD = 0.6" in axes[0].get_title()
    assert "intensity" in axes[1].get_title()
    assert axes[2].get_title() == "Gaussian"
    lines = plot_calibration([from_record(to_record(result), "HRTEM")] * 2)
    assert "SD = 0.6" in lines[0].get_title()
    plt.close("all")


def test_arguments_of_other_modes_are_refused():
    image = noisy(0)
    with pytest.raises(ValueError, match="method='paper' is for scanned images"):
        calibrate_image(image, "HRTEM", "paper")
    with pytest.raises(ValueError, match="atom_free is given for mode='HAADF'"):
        calibrate_image(image, "HAADF", atom_free=image > 0)
    with pytest.raises(ValueError, match="mode='TEM' is unknown"):
        calibrate_image(image, "TEM")


def test_graphene_of_a_real_microscope(data_dir):
    """Its camera blurs noise; what the image shows of that is known."""
    import hyperspy.api as hs

    image = hs.load(data_dir / "hrtem" / "graphene_flower_raw.tif").data
    result = calibrate_image(image, "HRTEM")
    assert result.checks.correlated
    # power beyond what graphene shows, of white noise as strong as at the highest
    window = np.outer(np.hanning(256), np.hanning(256))
    spectrum = np.fft.fft2((image - image.mean()) * window)
    q = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    power = np.mean(np.abs(spectrum[q > 0.45]) ** 2) / np.sum(window**2)
    assert result.levels.pointwise_sd == pytest.approx(np.sqrt(power), rel=0.1)
    assert result.parameters.column_sd < 0.1 * result.levels.pointwise_sd
