"""What the image of a column has beyond a circular Gaussian."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from hyperspy_stem_enhance.simulate import draw_recipe, draw_scene
from hyperspy_stem_enhance.simulate.probe import ROUND, Probe, draw_probe
from hyperspy_stem_enhance.simulate.render import render_columns

SIGMA = 3.0
MIDDLE = (40, 45)


@pytest.fixture(scope="module")
def column():
    return render_columns([MIDDLE], [2.0], [SIGMA], (81, 91))


def centre_of_mass(image):
    y, x = np.indices(image.shape)
    return (y * image).sum() / image.sum(), (x * image).sum() / image.sum()


def second_moments(image):
    y, x = np.indices(image.shape) - np.array(centre_of_mass(image))[:, None, None]
    return [(a * b * image).sum() / image.sum() for a, b in ((y, y), (x, x), (y, x))]


def test_a_round_probe_changes_nothing(column):
    assert ROUND.is_round
    assert ROUND.apply(column, SIGMA) is column


@pytest.mark.parametrize(
    "probe",
    [
        Probe(tail=0.4, tail_width=2.5),
        Probe(tail=-0.2, tail_width=2),
        Probe(lobes=0.3, fold=1, lobe_distance=2, lobe_angle=0.7),
        Probe(lobes=0.35, fold=3),
        Probe(elongation=0.9, elongation_angle=1.0),
        Probe(drift=1.5, drift_angle=2.0),
        Probe(tail=0.3, lobes=0.2, fold=2, elongation=0.5, elongation_angle=0.4),
    ],
)
def test_a_column_keeps_its_height_at_its_place(column, probe):
    assert probe.apply(column, SIGMA)[MIDDLE] == pytest.approx(2.0, abs=4e-3)


def test_a_tail_is_a_wider_gaussian_of_this_height(column):
    probe = Probe(tail=0.4, tail_width=2.5)
    wide = render_columns([MIDDLE], [0.8], [2.5 * SIGMA], column.shape)
    np.testing.assert_allclose(
        probe.apply(column, SIGMA), (column + wide) / 1.4, atol=2e-3
    )


def test_coma_is_a_copy_of_the_column_beside_it(column):
    probe = Probe(lobes=0.3, fold=1, lobe_distance=2, lobe_angle=0)
    copy = shift(column, (2 * SIGMA, 0), order=3)
    expected = column + 0.3 * copy
    expected *= 2 / expected[MIDDLE]
    np.testing.assert_allclose(probe.apply(column, SIGMA), expected, atol=3e-3)


@pytest.mark.parametrize("fold", [2, 3])
def test_astigmatism_leaves_the_centre_where_it_is(column, fold):
    probe = Probe(lobes=0.35, fold=fold, lobe_distance=2, lobe_angle=0.3)
    found = centre_of_mass(probe.apply(column, SIGMA))
    np.testing.assert_allclose(found, MIDDLE, atol=0.02)


def test_elongation_adds_to_the_variance_along_its_direction(column):
    probe = Probe(elongation=0.8, elongation_angle=np.pi / 4)
    added = (0.8 * SIGMA) ** 2 / 2
    expected = [SIGMA**2 + added, SIGMA**2 + added, added]
    np.testing.assert_allclose(
        second_moments(probe.apply(column, SIGMA)), expected, rtol=0.01
    )


def test_drift_adds_the_variance_of_a_segment(column):
    probe = Probe(drift=6.0, drift_angle=0)
    expected = [SIGMA**2 + 3, SIGMA**2, 0]
    np.testing.assert_allclose(
        second_moments(probe.apply(column, SIGMA)), expected, atol=0.05
    )


def test_frames_do_not_wrap_around():
    column = render_columns([(2, 40)], [1.0], [SIGMA], (81, 91))
    seen = Probe(tail=0.4, tail_width=4).apply(column, SIGMA)
    assert np.abs(seen[-20:]).max() < 1e-3


def test_a_measured_shape_comes_back(column):
    seen = Probe(tail=0.3, lobes=0.3, fold=3, lobe_distance=1.5).apply(column, SIGMA)
    shape = seen[MIDDLE[0] - 25 : MIDDLE[0] + 26, MIDDLE[1] - 25 : MIDDLE[1] + 26]
    probe = Probe.from_shape(shape, SIGMA)
    again = probe.apply(column, SIGMA)
    assert np.abs(again - seen).max() < 0.02 * seen.max()


@pytest.mark.parametrize(
    ("shape", "cause"),
    [
        (np.ones((4, 4)), "odd"),
        (np.ones((3, 5)), "odd"),
        (np.zeros((5, 5)), "positive"),
    ],
)
def test_shapes_that_are_none_are_refused(shape, cause):
    with pytest.raises(ValueError, match=cause):
        Probe.from_shape(shape, 2)


@pytest.mark.parametrize(
    "arguments", [{"tail_width": 1}, {"lobes": -1}, {"fold": -1}, {"drift": -2}]
)
def test_impossible_probes_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Probe(**arguments)


@pytest.mark.parametrize(
    ("mode", "share"), [("HAADF", 0.36), ("BF", 0.36), ("HRTEM", 0.52)]
)
def test_a_third_of_random_probes_is_round(rng, mode, share):
    """And those of which no part was drawn."""
    probes = [draw_probe(rng, mode) for _ in range(600)]
    assert np.mean([p.is_round for p in probes]) == pytest.approx(share, abs=0.07)
    assert any(probe.tail < 0 for probe in probes) == (mode == "BF")
    assert any(probe.fold for probe in probes) == (mode != "HRTEM")


def test_only_the_image_changes_by_a_probe():
    """Positions, heights, background and the draws of the noise stay."""
    for mode in ("HAADF", "BF"):
        options = {"mode": mode, "noise": "scanning", "arrangement": "perfect"}
        plain = draw_scene(3, 4, (96, 96), **options)
        probe = Probe(tail=0.2, lobes=0.3, fold=1)
        seen = draw_scene(3, 4, (96, 96), probe=probe, **options)
        np.testing.assert_array_equal(seen.columns[:, :2], plain.columns[:, :2])
        np.testing.assert_array_equal(seen.background, plain.background)
        assert seen.recipe.noise == plain.recipe.noise
        scale = seen.columns[0, 2] / plain.columns[0, 2]  # none is darker than black
        np.testing.assert_allclose(seen.clean, plain.clean * scale, rtol=1e-5)
        difference = gaussian_filter(seen.noisy - plain.noisy, 1)
        assert np.abs(difference).max() > 0.05 * plain.recipe.contrast


def test_random_probes_are_those_of_the_recipe():
    probes = [draw_recipe(3, i, probe="random").probe for i in range(30)]
    assert len(set(probes)) > 10
    assert draw_scene(3, 7, (32, 32), probe="random").recipe.probe == probes[7]
    assert draw_recipe(3, 7).probe is ROUND


def test_unknown_probes_are_refused():
    with pytest.raises(ValueError, match="probe='square' is not understood"):
        draw_scene(0, 0, (32, 32), probe="square")
