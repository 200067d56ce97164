"""Pixels that tell nothing of the specimen."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.noise.invalid_pixels import find_invalid, without_invalid
from hyperspy_stem_enhance.simulate import draw_scene
from hyperspy_stem_enhance.simulate.render import render_columns

SIDE = 160
Y, X = np.mgrid[:SIDE, :SIDE]
SITES = np.array([(y, x) for y in range(8, SIDE, 16) for x in range(8, SIDE, 16)])


def lattice(sigma=2.6, height=10, level=3, seed=0, mode="HAADF"):
    n = len(SITES)
    spots = render_columns(SITES, np.full(n, height), np.full(n, sigma), (SIDE, SIDE))
    if mode == "BF":
        spots = height - spots
    return np.random.default_rng(seed).poisson(spots + level).astype(float)


RECORDED = {
    "border": (Y > 7) & (Y < SIDE - 8) & (X > 7) & (X < SIDE - 8),
    "thin border": (Y > 0) & (X > 1),
    "interrupted": Y < SIDE // 2,
    "corners": np.abs(Y - SIDE / 2) + np.abs(X - SIDE / 2) < 0.6 * SIDE,
    "dead row": Y != 51,
    "dead column": X != 51,
    "gap": (np.abs(Y - 60) > 12) | (np.abs(X - 90) > 12),
}


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("level", [5, 20, 100])
@pytest.mark.parametrize("value", ["zero", "highest"])
def test_what_was_not_recorded_is_found(name, level, value):
    recorded = RECORDED[name]
    counts = lattice(level=level)
    fill = 0 if value == "zero" else counts.max() + 30
    found = find_invalid(np.where(recorded, counts, fill))
    assert found.mask[~recorded].mean() > 0.99
    assert found.mask[recorded].mean() < 1e-3
    assert set(found.reasons) <= {"areas", "lines", "hot"}


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
@pytest.mark.parametrize("number", [1, 6, 40, 120])
@pytest.mark.parametrize("value", [300, 65535])
def test_hot_pixels_are_found_and_no_line_with_them(mode, number, value, rng):
    image = lattice(mode=mode)
    where = np.zeros(image.size, bool)
    where[rng.choice(image.size, number, replace=False)] = True
    where = where.reshape(image.shape)
    image[where] = value
    found = find_invalid(image)
    assert found.mask[where].mean() > 0.97
    assert not found.mask[~where].any()
    assert found.reasons == {"hot": found.mask.sum()}


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("level", [3, 20])
def test_pixels_of_sparse_scans_are_found(share, level, rng):
    scanned = rng.random((SIDE, SIDE)) < share
    found = find_invalid(np.where(scanned, lattice(level=level), 0))
    assert found.mask[~scanned].all()
    assert found.mask[scanned].mean() < 0.05  # counted nothing
    assert list(found.reasons) == ["unscanned"]


def test_bright_lines_that_are_noisy_are_found(rng):
    image = lattice()
    image[70] += rng.poisson(20, SIDE)
    found = find_invalid(image)
    assert found.mask[70].all()
    assert found.mask.sum() == SIDE


def test_burnt_in_boxes_are_found_and_saturated_columns_are_not():
    grey = np.clip(lattice(sigma=4, height=60, level=20) * 4, 0, 255)
    assert (grey == 255).sum() > 1000  # tops of the columns
    assert not find_invalid(grey.astype(np.uint8)).mask.any()
    grey[100:140, 20:90] = 0
    grey[120:130, 30:80] = 255
    found = find_invalid(grey.astype(np.uint8))
    assert found.mask[100:140, 20:90].mean() > 0.99
    found.mask[100:140, 20:90] = False
    assert found.mask.mean() < 1e-3


def test_clean_frames_have_none():
    """A line or two in the noise of 60 simulated frames."""
    spoiled = []
    for index in range(60):
        mode = ("HAADF", "BF", "HRTEM")[index % 3]
        scene = draw_scene(815, index, (SIDE, SIDE), mode)
        found = find_invalid(scene.noisy).reasons
        if scene.noise.hot_pixels:
            found.pop("hot", None)
        if found:
            spoiled.append((index, found))
    assert len(spoiled) <= 1, spoiled


@pytest.mark.parametrize("dose", [0.2, 1, 5])
def test_dark_areas_of_counted_electrons_were_recorded(dose, rng):
    edge = gaussian_filter((Y < SIDE // 2).astype(float), 2)
    image = rng.poisson(dose * (0.05 + edge))
    found = find_invalid(image)
    assert found.mask.mean() < 2e-3


def test_narrow_columns_are_not_hot(rng):
    n = len(SITES)
    off = SITES + rng.uniform(-0.5, 0.5, SITES.shape)
    spots = render_columns(off, np.full(n, 2000), np.full(n, 1.2), (SIDE, SIDE))
    assert not find_invalid(rng.poisson(spots + 5)).mask.any()


def test_pixels_that_are_not_finite_are_left_out():
    image = lattice()
    image[:30] = np.nan
    image[50, 60] = 5000
    found = find_invalid(image)
    assert np.argwhere(found.mask).tolist() == [[50, 60]]
    assert not find_invalid(np.full((32, 32), np.nan)).mask.any()


def test_an_image_of_one_value_is_left_to_others():
    assert not find_invalid(np.ones((32, 32))).mask.any()


def test_invalid_pixels_become_nan():
    image = lattice().astype(np.uint16)
    assert without_invalid(image, find_invalid(image)) is image
    image[:10] = 0
    found = find_invalid(image)
    clean = without_invalid(image, found)
    assert clean.dtype == np.float32
    assert np.isnan(clean[:10]).all()
    np.testing.assert_array_equal(clean[10:], image[10:])
    assert "areas of one value (1600 pixels)" in found.describe()["invalid areas"]
