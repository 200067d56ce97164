import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from hyperspy_stem_enhance.noise.parameters import NoiseParameters
from hyperspy_stem_enhance.simulate.arrangements import ARRANGEMENTS, draw_columns
from hyperspy_stem_enhance.simulate.background import (
    draw_smooth_background,
    draw_strong_background,
)
from hyperspy_stem_enhance.simulate.scene import NOISE_KINDS, draw_scene
from hyperspy_stem_enhance.simulate.structures import STRUCTURES

QUIET = NoiseParameters(150, 10, 60, 0, 0, 0, 0, 0.14)


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
@pytest.mark.parametrize("noise", NOISE_KINDS)
def test_frame_depends_on_seed_and_index_alone(mode, noise):
    first = draw_scene(3, 7, (48, 64), mode, noise)
    again = draw_scene(3, 7, (48, 64), mode, noise)
    np.testing.assert_array_equal(first.noisy, again.noisy)
    for other in (
        draw_scene(3, 8, (48, 64), mode, noise),
        draw_scene(4, 7, (48, 64), mode, noise),
    ):
        assert not np.array_equal(first.noisy, other.noisy)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_noise_aside_a_frame_is_background_and_columns(arrangement, mode):
    for index in range(4):
        scene = draw_scene(0, index, (64, 96), mode, QUIET, arrangement)
        sign = -1 if mode == "BF" else 1
        np.testing.assert_allclose(
            scene.noisy, scene.background + sign * scene.clean, atol=1e-3
        )
        assert scene.clean.min() >= 0
        assert np.isfinite(scene.noisy).all()


def test_background_spans_what_was_asked():
    scene = draw_scene(0, 2, (128, 128), "HAADF", QUIET)
    assert scene.background.min() >= 10
    assert scene.background.max() <= 60
    background = draw_smooth_background(np.random.default_rng(0), (80, 120), -5, 7)
    assert (background.min(), background.max()) == pytest.approx((-5, 7), abs=1e-4)


def test_strong_backgrounds_reach_many_times_the_contrast(rng):
    region = lambda y, x: (x > 32) * 1.0  # noqa: E731
    steps = [
        np.ptp(draw_strong_background(rng, (64, 64), 1.0, region)) for _ in range(60)
    ]
    assert max(steps) > 5
    assert min(steps) < 1


def test_positions_and_heights_are_those_of_the_columns():
    n_columns = 0
    for index in range(12):
        scene = draw_scene(1, index, (128, 128), "HAADF", QUIET)
        y, x, height, _ = scene.positions.T
        at_column = map_coordinates(scene.clean, [y, x], order=3)
        assert (at_column > 0.97 * height).all()  # tails of others only add
        n_columns += len(height)
    assert n_columns > 200


def test_empty_field_has_no_column():
    scene = draw_scene(0, 0, (64, 64), "HAADF", "mixed", "empty")
    assert scene.positions.shape == (0, 4)
    assert not scene.clean.any()


def test_bright_field_columns_are_not_darker_than_black():
    for index in range(10):
        scene = draw_scene(5, index, (64, 64), "BF", QUIET)
        assert scene.noisy.min() > -1e-3


def test_columns_come_from_the_structures_asked_for(rng):
    names = {
        draw_columns(rng, (64, 64), "lattice", ("Si [110]",)).structure
        for _ in range(20)
    }
    assert names <= {"Si [110]", "oblique"}
    assert "Si [110]" in names


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_structures_keep_columns_apart(structure):
    shifts = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 1, 2)
    images = ((structure.sites + shifts) @ structure.cell).reshape(-1, 2)
    distance = np.linalg.norm(
        images[:, None] - (structure.sites @ structure.cell)[None], axis=-1
    )
    assert distance[distance > 1e-9].min() > 0.7  # ångström
    assert np.sum(distance < 1e-9) == len(structure.sites)
    assert structure.brightness.max() == 1


def test_dumbbells_of_silicon_are_136_pm_apart():
    silicon = STRUCTURES["Si [110]"]
    first, second = (silicon.sites @ silicon.cell)[:2]
    assert np.linalg.norm(first - second) == pytest.approx(1.358, abs=0.002)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"mode": "DF"}, "mode='DF'"), ({"noise": "loud"}, "noise='loud'")],
)
def test_unknown_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_scene(0, 0, (64, 64), **arguments)
