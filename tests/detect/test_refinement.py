"""Refinement of positions: exactness, precision, errors, failures, edges."""

import numpy as np
import pytest

from hyperspy_stem_enhance.detect.refinement import REFINED_NAMES, refine_positions
from hyperspy_stem_enhance.simulate.render import render_columns

SHAPE = (90, 120)
METHODS = tuple(REFINED_NAMES)


def named(table, method="gaussian"):
    return dict(zip(REFINED_NAMES[method], table.T, strict=True))


def draw_ellipse(y, x, major, minor, angle, shape=SHAPE):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    dx, dy = columns - x, -(rows - y)  # y upwards, as angles are meant
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = -dx * np.sin(angle) + dy * np.cos(angle)
    return np.exp(-((along / major) ** 2 + (across / minor) ** 2) / 2)


@pytest.fixture
def lattice_image(draw, lattice, rng):
    """Sixteen pixels apart, heights 80 on 20, with the start half a pixel off."""
    true = lattice((16, 0), (0, 16), SHAPE, margin=9)
    true = true + rng.uniform(-0.5, 0.5, true.shape)
    return draw(true, 80, 2.5, SHAPE) + 20, true, true + rng.normal(0, 0.4, true.shape)


@pytest.mark.parametrize("method", METHODS)
def test_gives_back_what_was_drawn(method, lattice_image):
    image, true, start = lattice_image
    found = named(refine_positions(image, start, method), method)
    assert found["refined"].all()
    tolerance = 0.02 if method == "center_of_mass" else 5e-3
    np.testing.assert_allclose(found["y"], true[:, 0], atol=tolerance)
    np.testing.assert_allclose(found["x"], true[:, 1], atol=tolerance)
    if method != "center_of_mass":
        np.testing.assert_allclose(found["height"], 80, rtol=0.01)
        np.testing.assert_allclose(found["background"], 20, atol=0.5)
        for name in set(found) & {"sigma", "sigma_major", "sigma_minor"}:
            np.testing.assert_allclose(found[name], 2.5, rtol=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_dark_columns_are_as_good(method, lattice_image):
    image, _, start = lattice_image
    bright = refine_positions(image, start, method)
    dark = named(refine_positions(200 - image, start, method, mode="BF"), method)
    expected = named(bright, method)
    for name in ("y", "x", "height"):
        if name in dark:
            np.testing.assert_allclose(dark[name], expected[name], rtol=1e-3)
    if "background" in dark:
        np.testing.assert_allclose(dark["background"], 180, atol=0.5)


@pytest.mark.parametrize("method", METHODS)
def test_dark_columns_of_a_camera(method, lattice_image, rng):
    image, _, start = lattice_image
    image = image + rng.normal(0, 3, image.shape[1])
    bright = refine_positions(image, start, method, mode="HRTEM")
    dark = refine_positions(-image, start, method, mode="HRTEM", contrast="dark")
    bright, dark = named(bright, method), named(dark, method)
    for name in ("y", "x", "height", "refined"):
        if name in dark:
            np.testing.assert_allclose(dark[name], bright[name], rtol=1e-3)
    if "background" in dark:
        np.testing.assert_allclose(dark["background"], -bright["background"], atol=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_offsets_of_columns_of_pixels_move_less(method, draw, lattice, rng):
    shape = (160, 160)
    true = lattice((15, 3), (-3, 15), shape, margin=9)
    image = draw(true, 80, 2.5, shape) + rng.normal(0, 10, shape)
    start = true + rng.normal(0, 0.3, true.shape)
    noisy = image + rng.normal(0, 8, shape[1])
    noisy[40, 50] = np.nan

    def error(image, mode):
        found = refine_positions(image, start, method, mode=mode)
        return np.sqrt(np.mean((found[:, 1] - true[:, 1]) ** 2))

    assert error(noisy, "HRTEM") < 0.7 * error(noisy, "HAADF")
    assert error(image, "HRTEM") < 1.05 * error(image, "HAADF")


@pytest.mark.parametrize("angle", [0.3, 1.2, 2.5])
def test_rotation_is_that_of_atomap(angle):
    image = 50 * draw_ellipse(40.3, 60.7, 4.0, 2.5, angle)
    found = named(refine_positions(image, [[40, 61]], "elliptical"), "elliptical")
    assert found["y"][0] == pytest.approx(40.3, abs=0.01)
    assert found["x"][0] == pytest.approx(60.7, abs=0.01)
    assert found["sigma_major"][0] == pytest.approx(4.0, rel=0.02)
    assert found["sigma_minor"][0] == pytest.approx(2.5, rel=0.02)
    assert found["rotation"][0] == pytest.approx(angle, abs=0.02)


def test_reaches_the_cramer_rao_bound(draw, lattice, rng):
    """Lone columns on no background: the bound is sigma over the root of electrons."""
    true = lattice((26, 0), (0, 26), (200, 220), margin=11)
    counts, sigma = 30, 2.5
    clean = draw(true, counts, sigma, (200, 220))
    deviations, errors = [], []
    for _ in range(5):
        start = true + rng.normal(0, 0.4, true.shape)
        table = refine_positions(rng.poisson(clean), start)
        found = named(table)
        deviations.append(table[:, :2] - true)
        errors.append(np.stack([found["y_error"], found["x_error"]], axis=1))
    bound = sigma / np.sqrt(2 * np.pi * sigma**2 * counts)
    assert 0.9 * bound < np.sqrt(np.mean(np.square(deviations))) < 1.2 * bound
    ratio = np.array(deviations) / np.array(errors)
    assert np.sqrt(np.mean(ratio**2)) == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("apart", [2.2, 3.0])
def test_merged_columns_are_separated(apart, draw, lattice, rng):
    sigma = 3.0
    pairs = lattice((30, 0), (0, 34), (250, 280), margin=18)
    true = np.concatenate([pairs, pairs + np.array([0, apart * sigma])])
    height = np.repeat([100.0, 50.0], len(pairs))
    clean = draw(true, height, sigma, (250, 280)) + 10
    start = true + rng.normal(0, 0.4, true.shape)
    exact = refine_positions(clean, start)
    np.testing.assert_allclose(exact[:, :2], true, atol=0.02)
    table = refine_positions(rng.poisson(clean), start)
    found, deviation = named(table), table[:, :2] - true
    assert found["refined"].all()
    stated = np.stack([found["y_error"], found["x_error"]], axis=1)
    assert np.sqrt(np.mean((deviation / stated) ** 2)) == pytest.approx(1, abs=0.2)
    # Along the pair, positions are known less well, and it is said so.
    assert np.median(found["x_error"]) > 1.2 * np.median(found["y_error"])


def test_given_and_measured_noise_agree(lattice_image, rng):
    image, _, start = lattice_image
    counts = rng.poisson(image)
    measured = named(refine_positions(counts, start))
    given = named(refine_positions(counts, start, variance=(1, 0)))
    np.testing.assert_allclose(given["y"], measured["y"], atol=0.03)
    np.testing.assert_allclose(
        np.median(given["y_error"]), np.median(measured["y_error"]), rtol=0.1
    )
    # In other units, an electron is 7 on a dark level of 100.
    scaled = named(refine_positions(7 * counts + 100, start, variance=(7, -700)))
    np.testing.assert_allclose(scaled["x_error"], given["x_error"], rtol=1e-3)
    dark = refine_positions(-7.0 * counts, start, mode="BF", variance=(-7, 0))
    np.testing.assert_allclose(named(dark)["x_error"], given["x_error"], rtol=1e-3)


def test_a_wrong_noise_is_not_believed(lattice_image, rng):
    image, _, start = lattice_image
    noisy = image + rng.normal(0, 10, image.shape)
    known = named(refine_positions(noisy, start, variance=(0, 100)))
    boasted = named(refine_positions(noisy, start, variance=(0, 1)))
    np.testing.assert_allclose(boasted["y_error"], known["y_error"], rtol=0.05)


def test_a_plane_takes_out_a_ramp(lattice_image):
    image, true, start = lattice_image
    ramp = 30 * np.arange(SHAPE[0])[:, None]
    level = refine_positions(image + ramp, start)
    plane = refine_positions(image + ramp, start, background="plane")
    error = [np.abs(table[:, 0] - true[:, 0]).max() for table in (level, plane)]
    assert error[1] < 0.02 < error[0]
    expected = 20 + 30 * true[:, 0]
    np.testing.assert_allclose(named(plane)["background"], expected, atol=2)


def test_without_a_background(draw):
    image = draw([[30.3, 40.6], [30.0, 46.2]], [1.0, 0.5], 2.2, SHAPE)
    found = named(refine_positions(image, [[30, 41], [30, 46]], background="none"))
    np.testing.assert_allclose(found["x"], [40.6, 46.2], atol=5e-3)
    np.testing.assert_allclose(found["height"], [1, 0.5], rtol=0.01)
    assert (found["background"] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_missing_pixels_and_edges(method, draw):
    true = np.array([[0.4, 50.2], [40.3, 119.2], [50.5, 60.2]])
    image = draw(true, 60, 2.5, SHAPE) + 5
    image[49, 60:62], image[10, :9], image[20, 20] = np.nan, np.inf, -np.inf
    table = refine_positions(image, np.rint(true), method)
    where = slice(None) if method != "center_of_mass" else slice(2, None)
    assert table[where, -1].all()
    tolerance = 0.01 if method != "center_of_mass" else 0.3
    np.testing.assert_allclose(table[where, :2], true[where], atol=tolerance)
    assert not np.isnan(table[:, :2]).any()


@pytest.mark.parametrize("method", METHODS)
def test_failures_stay_and_are_flagged(method, draw, rng):
    true = np.array([[30.3, 30.2], [30.1, 90.4]])
    image = rng.poisson(draw(true, 100, 2.5, SHAPE) + 10).astype(float)
    image[60:, :40] = np.nan
    lost = np.array([[75.0, 15.0], [-20.0, 5.0], [30.0, 500.0], [60.0, 60.0]])
    start = np.concatenate([np.rint(true), lost])
    table = refine_positions(image, start, method)
    found = named(table, method)
    np.testing.assert_array_equal(found["refined"][:2], 1)
    np.testing.assert_allclose(table[:2, :2], true, atol=0.2)
    # Of the last start, on nothing but noise, either is right.
    np.testing.assert_array_equal(found["refined"][2:5], 0)
    np.testing.assert_array_equal(table[2:5, :2], lost[:3])
    assert np.isnan(found["y_error"][2:5]).all()
    failed = found["refined"] == 0
    np.testing.assert_array_equal(table[failed, :2], start[failed])


def test_two_starts_on_one_column_are_not_both_believed(draw):
    image = draw([[30.3, 40.2]], 100, 2.5, SHAPE) + 10
    table = refine_positions(image, [[30, 40], [30, 40], [31, 40]])
    assert np.isfinite(table[:, :2]).all()
    assert named(table)["refined"].sum() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_no_atoms_and_no_pixels(method):
    k = len(REFINED_NAMES[method])
    assert refine_positions(np.ones(SHAPE), [], method).shape == (0, k)
    table = refine_positions(np.full(SHAPE, np.nan), [[3, 4]], method)
    np.testing.assert_array_equal(table[0, [0, 1, -1]], [3, 4, 0])
    table = refine_positions(np.ones(SHAPE, dtype=np.uint8), [[30, 40]], method)
    np.testing.assert_array_equal(table[0, [0, 1, -1]], [30, 40, 0])


def test_order_and_units_do_not_matter(lattice_image, rng):
    image, _, start = lattice_image
    noisy = image + rng.normal(0, 3, image.shape)
    table = refine_positions(noisy, start)
    order = rng.permutation(len(start))
    mixed = refine_positions(noisy, start[order])
    np.testing.assert_allclose(mixed, table[order], atol=2e-3)
    tiny = refine_positions(1e-20 * noisy, start)
    np.testing.assert_allclose(tiny[:, :2], table[:, :2], atol=2e-3)
    np.testing.assert_allclose(tiny[:, 2], 1e-20 * table[:, 2], rtol=1e-3)


def test_many_columns_of_different_widths(draw, lattice, rng):
    true = lattice((14, 0), (0, 15), (300, 300), margin=8)
    sigma = np.where(np.arange(len(true)) % 2, 1.8, 2.7)
    image = draw(true, 50, sigma, (300, 300)) + rng.normal(0, 1, (300, 300))
    found = named(refine_positions(image, true + rng.normal(0, 0.3, true.shape)))
    assert found["refined"].all()
    np.testing.assert_allclose(found["sigma"], sigma, rtol=0.15)
    assert np.sqrt(np.mean((found["y"] - true[:, 0]) ** 2)) < 0.05


def test_chunks_change_nothing(lattice_image, rng, monkeypatch):
    image, _, start = lattice_image
    noisy = rng.poisson(image)
    whole = [refine_positions(noisy, start, method) for method in METHODS]
    for module in ("joint_gaussians", "mass_refinement"):
        name = f"hyperspy_stem_enhance.detect.{module}._CHUNK_PIXELS"
        monkeypatch.setattr(name, 2000)
    for method, table in zip(METHODS, whole, strict=True):
        cut = refine_positions(noisy, start, method)
        np.testing.assert_allclose(cut, table, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "gauss"}, "method='gauss'"),
        ({"mode": "DF"}, "mode='DF'"),
        ({"background": "cubic"}, "background='cubic'"),
        ({"sigma": 0}, "sigma=0"),
        ({"mask_radius": -2}, "mask_radius=-2"),
        ({"variance": 3}, "variance=3"),
        ({"variance": (1, np.nan)}, "variance="),
    ],
)
def test_refuses_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        refine_positions(np.ones(SHAPE), [[3, 4]], **arguments)


def test_refuses_arrays():
    with pytest.raises(ValueError, match=r"image has the shape \(2, 90, 120\)"):
        refine_positions(np.ones((2, *SHAPE)), [[3, 4]])
    with pytest.raises(ValueError, match="complex"):
        refine_positions(np.ones(SHAPE, dtype=complex), [[3, 4]])
    with pytest.raises(ValueError, match=r"positions has the shape \(3,\)"):
        refine_positions(np.ones(SHAPE), [1, 2, 3])


def test_fits_the_renderer_of_the_simulator():
    """The scene's own columns are the Gaussians that are fitted."""
    image = render_columns([[40.25, 50.75]], [100.0], [3.0], SHAPE)
    found = named(refine_positions(image, [[40, 51]]))
    assert found["y"][0] == pytest.approx(40.25, abs=1e-3)
    assert found["sigma"][0] == pytest.approx(3.0, rel=1e-3)
