import numpy as np
import pytest
from scipy.ndimage import sobel
from scipy.stats import kurtosis

from hyperspy_stem_enhance.noise.parameters import PUBLISHED_PARAMETERS
from hyperspy_stem_enhance.simulate.kinds import (
    draw_low_dose_noise,
    draw_parameters,
    draw_scanning_noise,
)
from hyperspy_stem_enhance.simulate.noise import TERMS, FrameNoise, frame_noise_from
from hyperspy_stem_enhance.simulate.scan import (
    SCAN_PATTERNS,
    draw_scan_pattern,
    gradient_magnitude,
    shift_rows,
    stretch_row_starts,
)

EVERYTHING = FrameNoise(
    scan_slope=0.1,
    scan_intercept=2,
    scan_row_correlation=1,
    scan_slant=1,
    pointwise_slope=0.05,
    pointwise_intercept=3,
    pointwise_lambda=0.2,
    electrons_per_unit=0.4,
    readout_sd=2,
    row_jitter=0.5,
    row_offset_sd=3,
    column_offset_sd=2,
    flyback=3,
    flyback_decay=8,
    hot_pixels=0.01,
    hot_level=200,
    offset=15,
    correlation=0.8,
    levels=255,
)


def test_scan_pattern_has_unit_sd_and_independent_rows(rng):
    pattern = draw_scan_pattern(rng, (2000, 64))
    assert pattern.std() == pytest.approx(1, abs=0.02)
    assert abs(np.mean(pattern[1:] * pattern[:-1])) < 0.02
    assert np.mean(pattern[:, 1:] * pattern[:, :-1]) > 0.9


def test_scan_pattern_is_the_sum_of_two_blurred_ones(rng):
    pattern = draw_scan_pattern(rng, (4000, 96))
    for lag in (3, 8, 20):
        found = np.mean(pattern[:, lag:] * pattern[:, :-lag])
        expected = sum(
            weight**2 * np.exp(-(lag**2) / (4 * length**2))
            for length, weight in SCAN_PATTERNS
        )
        assert found == pytest.approx(expected, abs=0.03)


def test_gradient_is_that_of_sobel(rng):
    image = rng.random((20, 31)) * 100
    expected = np.hypot(sobel(image, 0), sobel(image, 1))
    np.testing.assert_allclose(gradient_magnitude(image), expected, rtol=1e-4)


def test_sd_of_scan_noise_follows_the_gradient(rng):
    ramp = np.tile(np.arange(64.0) * 5, (4000, 1))  # gradient 8 * 5 inside
    assert gradient_magnitude(ramp)[5, 5] == pytest.approx(40)
    noise = FrameNoise(scan_slope=0.1, scan_intercept=2).apply(rng, ramp) - ramp
    assert noise[:, 20:40].std() == pytest.approx(0.1 * 40 + 2, rel=0.03)


@pytest.mark.parametrize("level", [0, 50, 200])
def test_sd_of_pointwise_noise_follows_intensity(rng, level):
    image = np.full((400, 400), float(level))
    noise = FrameNoise(
        pointwise_slope=0.07, pointwise_intercept=11, pointwise_lambda=0.27
    )
    added = noise.apply(rng, image) - image
    assert added.std() == pytest.approx(0.07 * level + 11, rel=0.02)
    # Tukey's lambda distribution with 0.27 has lighter tails than a Gaussian
    assert kurtosis(added.ravel()) == pytest.approx(-0.47, abs=0.08)


def test_electrons_are_counted(rng):
    image = np.full((300, 300), 10.0)
    counted = FrameNoise(electrons_per_unit=0.05).apply(rng, image)
    assert counted.mean() == pytest.approx(10, rel=0.02)
    assert counted.var() == pytest.approx(10 / 0.05, rel=0.03)
    np.testing.assert_allclose(counted % 20, 0, atol=1e-3)


def test_rows_are_shifted_by_parts_of_a_pixel():
    x = np.arange(64)
    image = np.tile(np.sin(2 * np.pi * 3 * x / 64), (3, 1))
    shifted = shift_rows(image, np.array([0, 1, 0.37]))
    expected = [np.sin(2 * np.pi * 3 * (x - d) / 64) for d in (0, 1, 0.37)]
    np.testing.assert_allclose(shifted, expected, atol=1e-5)


def test_row_jitter_has_the_sd_asked_for(rng):
    ramp = np.tile(np.sin(2 * np.pi * np.arange(128) / 128), (4000, 1))
    jittered = FrameNoise(row_jitter=0.5).apply(rng, ramp)
    displacement = (ramp - jittered)[:, 0] / (2 * np.pi / 128)
    assert displacement.std() == pytest.approx(0.5, rel=0.04)


def test_row_offsets_and_readout(rng):
    zero = np.zeros((2000, 32))
    rows = FrameNoise(row_offset_sd=3).apply(rng, zero)
    assert np.ptp(rows, axis=1).max() == 0
    assert rows[:, 0].std() == pytest.approx(3, rel=0.06)
    assert FrameNoise(readout_sd=2).apply(rng, zero).std() == pytest.approx(2, rel=0.02)


def test_flyback_displaces_the_starts_of_rows():
    x = np.arange(128.0)
    ramp = np.tile(x, (3, 1))
    distorted = stretch_row_starts(ramp, 4, 10, start=8)
    np.testing.assert_array_equal(distorted[:, :8], ramp[:, :8])
    expected = x[8:] - 4 * np.exp(-(x[8:] - 8) / 10)
    np.testing.assert_allclose(distorted[1, 8:], expected, atol=0.02)
    noise = FrameNoise(flyback=4, flyback_decay=10)
    np.testing.assert_array_equal(noise.apply(None, ramp, row_start=8), distorted)


def test_hot_pixels_have_their_share_and_level(rng):
    noise = FrameNoise(hot_pixels=0.01, hot_level=50, correlation=1.0)
    spikes = noise.apply(rng, np.full((400, 400), 7.0)) - 7
    hot = spikes > 0
    assert hot.mean() == pytest.approx(0.01, rel=0.1)
    assert spikes[hot].mean() == pytest.approx(50, rel=0.1)
    assert spikes[~hot].max() == 0  # single pixels, correlated or not


def test_offset_is_added_to_every_pixel(rng):
    np.testing.assert_array_equal(
        FrameNoise(offset=-3).apply(rng, np.zeros((8, 9))), -3
    )


def test_terms_add_up_to_what_is_applied(rng):
    image = 60 + 40 * np.sin(np.arange(64) / 3) * np.ones((48, 1))
    noisy = EVERYTHING.apply(np.random.default_rng(7), image, row_start=4)
    terms = EVERYTHING.terms(np.random.default_rng(7), image, row_start=4)
    assert tuple(terms) == TERMS
    assert all(term.any() for term in terms.values())
    np.testing.assert_allclose(image + sum(terms.values()), noisy, atol=1e-3)
    assert not any(term.any() for term in FrameNoise().terms(rng, image).values())


@pytest.mark.parametrize(
    ("parameter", "term"),
    [
        ("readout_sd", "readout"),
        ("row_offset_sd", "row_offset"),
        ("column_offset_sd", "column_offset"),
        ("offset", "offset"),
    ],
)
def test_a_term_is_that_of_its_parameter(rng, parameter, term):
    terms = FrameNoise(**{parameter: 3.0}).terms(rng, np.full((64, 64), 50.0))
    assert [name for name in TERMS if terms[name].any()] == [term]


def test_all_pixels_of_a_column_share_its_offset(rng):
    noisy = FrameNoise(column_offset_sd=2.0).apply(rng, np.full((20, 4000), 9.0))
    assert np.ptp(noisy, axis=0).max() == 0
    assert noisy.std() == pytest.approx(2, rel=0.05)


def test_pointwise_noise_without_a_shape_is_normal(rng):
    noise = FrameNoise(
        pointwise_slope=0.1, pointwise_intercept=2, pointwise_lambda=None
    )
    noisy = noise.apply(rng, np.full((400, 400), 30.0))
    assert noisy.std() == pytest.approx(5, rel=0.01)
    assert kurtosis(noisy.ravel()) == pytest.approx(0, abs=0.05)


def test_faults_are_rare_and_bounded(rng):
    drawn = [draw_low_dose_noise(rng, 100.0) for _ in range(300)]
    drawn += [draw_scanning_noise(rng, "HAADF", 100.0) for _ in range(300)]
    for name, share in (("flyback", 0.1), ("hot_pixels", 0.1), ("offset", 0.3)):
        values = np.array([getattr(noise, name) for noise in drawn])
        assert np.mean(values != 0) == pytest.approx(share, abs=0.06)
    # a steeper lag would show the same column twice
    assert all(abs(noise.flyback) < noise.flyback_decay for noise in drawn)
    assert max(noise.row_jitter for noise in drawn) <= 2.5


def test_correlation_joins_neighbours(rng):
    zero = np.zeros((200, 200))
    noise = FrameNoise(pointwise_intercept=1, correlation=1.0).apply(rng, zero)
    assert np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1] > 0.6


def test_digitised_values_are_whole_and_in_range(rng):
    noisy = FrameNoise(pointwise_intercept=80, levels=255).apply(
        rng, np.full((64, 64), 120.0)
    )
    assert noisy.min() == 0
    assert noisy.max() == 255
    np.testing.assert_array_equal(noisy, np.round(noisy))


def test_no_noise_leaves_the_image(rng):
    image = rng.random((20, 30), dtype=np.float32)
    np.testing.assert_array_equal(FrameNoise().apply(rng, image), image)


def test_parameters_are_drawn_around_the_published_ones(rng):
    drawn = np.array([draw_parameters(rng, "BF").to_tuple() for _ in range(3000)])
    mean = np.array(PUBLISHED_PARAMETERS["BF"].to_tuple())
    np.testing.assert_allclose(drawn.mean(0), mean, rtol=0.02)
    np.testing.assert_allclose(drawn.std(0), 0.15 * mean, rtol=0.06)


def test_parameters_become_the_noise_of_a_frame():
    noise = frame_noise_from(PUBLISHED_PARAMETERS["HAADF"], levels=255)
    assert (noise.scan_slope, noise.pointwise_lambda) == (0.11, 0.27)
    assert noise.levels == 255


def test_scan_noise_may_be_joined_between_rows_and_slanted(rng):
    pattern = draw_scan_pattern(rng, (512, 256), row_correlation=1.5, slant=2)
    assert pattern.std() == pytest.approx(1, abs=0.05)
    along = np.mean(pattern[1:, 2:] * pattern[:-1, :-2])
    against = np.mean(pattern[1:, :-2] * pattern[:-1, 2:])
    assert along > 0.85
    assert along > against + 0.1
