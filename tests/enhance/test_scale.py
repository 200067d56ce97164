import numpy as np
import pytest

from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.enhance.scale import (
    choose_factor,
    lattice_frequencies,
    noise_gain,
    resample,
)
from hyperspy_stem_enhance.metrics import psnr
from hyperspy_stem_enhance.simulate.render import render_columns

SERVED = ((0.045, 0.115), (1.8, 6.5))


def lattice_frequency(image):
    return lattice_frequencies(image)[0]


def draw_lattice(spacing, size, dose=None, seed=0):
    """Heavy and light columns in turn, turned by 17 degrees; and the truth."""
    rng = np.random.default_rng(seed)
    angle = np.deg2rad(17)
    turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    reach = int(size / spacing) + 4
    grid = np.mgrid[-reach:reach, -reach:reach].reshape(2, -1).T
    heights = np.where(grid.sum(1) % 2, 0.45, 1.0)
    positions = spacing * (grid + rng.normal(0, 0.02, grid.shape)) @ turn + size / 2
    near = ((positions > -2 * spacing) & (positions < size + 2 * spacing)).all(1)
    sigmas = np.full(near.sum(), spacing / 4)
    clean = 100 * render_columns(positions[near], heights[near], sigmas, (size, size))
    if dose is None:
        return clean + 30, clean
    counts = dose / spacing**2  # electrons per pixel and unit of intensity
    return rng.poisson((clean + 30) * counts) / counts, clean


@pytest.mark.parametrize("spacing", [5, 12, 30])
@pytest.mark.parametrize("dose", [20, 1000])
def test_frequency_follows_the_spacing(spacing, dose):
    image, _ = draw_lattice(spacing, 256, dose)
    assert lattice_frequency(image) * spacing == pytest.approx(0.97, abs=0.1)


def test_frequency_survives_background_rows_and_bad_pixels(rng):
    image, _ = draw_lattice(14, 256, 200)
    expected = lattice_frequency(image)
    image += np.linspace(0, 1000, 256)[:, None] + rng.normal(0, 20, (256, 1))
    image[40, 50], image[90:95, 100:110] = 1e4, np.nan
    assert lattice_frequency(image) == pytest.approx(expected, rel=0.1)


def test_large_frames_are_averaged_over_patches():
    image, _ = draw_lattice(14, 2100, 200)
    image = image[:1050]
    expected = lattice_frequency(image)
    image[:, :1024] = 30  # vacuum in one of two patches
    assert lattice_frequency(image) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(0, 1, (128, 128)),
        lambda rng: rng.poisson(0.05, (128, 200)),
        lambda rng: rng.normal(0, 1, (128, 1)) + rng.normal(0, 1, (128, 128)),
        lambda rng: (np.arange(128) > 60) * np.ones((128, 1)) + rng.normal(0, 0.1, 128),
        lambda rng: np.ones((64, 64)),
        lambda rng: np.full((64, 64), np.nan),
    ],
)
def test_no_lattice_is_seen_where_there_is_none(rng, draw):
    assert np.isnan(lattice_frequency(draw(rng)))


def test_factor_leads_into_the_range_and_is_one_inside():
    for spacing in (4, 5, 30, 60):
        image, _ = draw_lattice(spacing, 512)
        factor = choose_factor(image, *SERVED)
        assert 14 < factor * spacing < 19
        assert np.log2(factor) * 4 == pytest.approx(round(np.log2(factor) * 4))
    assert choose_factor(draw_lattice(16, 256)[0], *SERVED) == 1


def test_a_few_electrons_are_not_enlarged(rng):
    y, x = np.mgrid[10:240:23, 10:240:23]
    points = np.stack([y.ravel(), x.ravel()], axis=1)
    image = render_columns(points, np.ones(100), np.ones(100), (240, 240))
    factors = [
        choose_factor(rng.poisson(0.5 * image), (0.045, 0.115), (1.2, 12))
        for _ in range(6)
    ]
    assert factors == [1.0] * 6


def test_fine_detail_of_a_wide_lattice_is_not_lost():
    """Dumbbells far apart: their two columns must stay two."""
    y, x = np.mgrid[:14, :14]
    centres = 36 * np.stack([0.9 * y + 0.4 * x, 0.9 * x - 0.4 * y], -1).reshape(-1, 2)
    positions = np.concatenate([centres, centres + np.array([0, 7])])
    sigmas = np.full(len(positions), 1.8)
    image = render_columns(positions, np.ones(len(positions)), sigmas, (420, 420))
    sigmas = np.full(len(centres), 9.0)
    wide = render_columns(centres, np.ones(len(centres)), sigmas, (420, 420))
    limits = (0.06, 0.09), (0, np.inf)
    assert choose_factor(wide, *limits) < 0.6
    assert choose_factor(image, *limits) * 7 > 4.5


def test_pixel_size_tells_the_scale_of_single_atoms(rng):
    noise = rng.normal(0, 1, (128, 128))
    assert choose_factor(noise, *SERVED) == 1
    assert choose_factor(noise, *SERVED, pixel_size=0.012) == 1
    assert choose_factor(noise, *SERVED, pixel_size=0.1) == 1
    assert choose_factor(noise, *SERVED, pixel_size=0.002) < 0.5


def test_model_without_limits_never_resamples(rng):
    none = ((0, np.inf), (0, np.inf))
    for image in (rng.normal(0, 1, (64, 64)), draw_lattice(4, 128)[0]):
        assert choose_factor(image, *none, pixel_size=10) == 1


@pytest.mark.parametrize("shape", [(40, 60), (90, 30), (17, 111)])
def test_resampling_keeps_field_and_values(shape):
    y, x = np.mgrid[:60, :90]
    image = (3 + np.sin(y / 9) + np.cos(x / 11)).astype(np.float32)
    row, column = (
        (np.arange(new) + 0.5) * old / new - 0.5
        for new, old in zip(shape, image.shape, strict=True)
    )
    expected = 3 + np.sin(row[:, None] / 9) + np.cos(column / 11)
    inner = (slice(3, -3),) * 2  # the image does not end mirrored
    np.testing.assert_allclose(
        resample(image, shape)[inner], expected[inner], atol=0.03
    )


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.8])
def test_noise_after_shrinking_is_as_foretold(rng, factor):
    noise = rng.normal(0, 1, (400, 400)).astype(np.float32)
    size = round(400 * factor)
    found = resample(noise, (size, size), noisy=True).std()
    assert found == pytest.approx(noise_gain(factor), rel=0.25)


def test_columns_too_fine_or_too_wide_are_enhanced_as_well_as_others():
    quality = {}
    for spacing in (4, 16, 56):
        # The same field at every scale: the level of a small one is uncertain
        image, clean = draw_lattice(spacing, 14 * spacing, dose=100)
        quality[spacing] = psnr(enhance_frames(image[None])[0], clean)
        if spacing != 16:
            part = (slice(8 * spacing),) * 2
            own = enhance_frames(image[None][:, *part], scale=1)[0]
            assert quality[spacing] > psnr(own, clean[part]) + 3
    assert min(quality.values()) > quality[16] - 3


def test_columns_keep_their_height_when_resampled():
    image, clean = draw_lattice(5, 128, dose=100_000)
    found = enhance_frames(image[None])[0]
    inner = (slice(10, -10),) * 2
    strong = clean[inner] > 80
    assert np.median(found[inner][strong] / clean[inner][strong]) == pytest.approx(
        1, abs=0.1
    )


@pytest.mark.parametrize("scale", ["own", 0, -1, 40, None, True, [1]])
def test_unknown_scales_are_refused(scale):
    with pytest.raises(ValueError, match="scale="):
        enhance_frames(np.zeros((1, 32, 32)), scale=scale)


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("height", [1, 3, 10])
def test_a_step_does_not_hide_the_lattice(turn, height):
    image, _ = draw_lattice(7, 256, 200)
    expected = lattice_frequency(image)
    step = height * np.ptp(image) * (np.arange(256) > 170)
    image += step[:, None] if turn else step
    assert lattice_frequency(image) == pytest.approx(expected, rel=0.1)
