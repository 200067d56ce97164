import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from hyperspy_stem_enhance.noise.parameters import NoiseParameters
from hyperspy_stem_enhance.simulate.arrangements import ARRANGEMENTS
from hyperspy_stem_enhance.simulate.background import (
    draw_grain,
    draw_smooth_background,
    draw_strong_background,
)
from hyperspy_stem_enhance.simulate.kinds import NOISE_KINDS
from hyperspy_stem_enhance.simulate.lattice import Columns
from hyperspy_stem_enhance.simulate.noise import TERMS
from hyperspy_stem_enhance.simulate.scene import draw_recipe, draw_scene
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
    none = np.zeros(0)
    region = lambda y, x: (x > 32) * (y > -1) * 1.0  # noqa: E731
    columns = Columns(np.zeros((0, 2)), none, none, region)
    steps = [
        np.ptp(draw_strong_background(rng, columns, (64, 64), 1.0)) for _ in range(60)
    ]
    assert max(steps) > 5
    assert min(steps) < 1


@pytest.mark.parametrize("noise", [QUIET, "low-dose"])
@pytest.mark.parametrize(("mode", "sign"), [("HAADF", 1), ("BF", -1)])
def test_vacuum_is_dark_or_bright_as_the_mode_has_it(noise, mode, sign):
    differences = []
    for index in range(12):
        scene = draw_scene(2, index, (96, 96), mode, noise, "particle", ["Pt [001]"])
        if len(scene.positions) == 0:
            continue
        y, x = np.mgrid[:96, :96]
        tree = cKDTree(scene.positions[:, :2])
        distance, _ = tree.query(np.column_stack([y.ravel(), x.ravel()]))
        spacing = np.median(tree.query(scene.positions[:, :2], 2)[0][:, 1])
        far = (distance > 3 * spacing).reshape(96, 96)
        near = (distance < spacing / 2).reshape(96, 96)
        if far.any():
            inside, outside = scene.background[near], scene.background[far]
            differences.append(sign * (inside.mean() - outside.mean()))
    assert len(differences) > 3
    assert np.mean(np.array(differences) > 0) > 0.8


def test_speckle_has_the_width_of_an_atom(rng):
    grain = np.concatenate([draw_grain(rng, (128, 96), 2.5) for _ in range(8)])
    assert grain.std() == pytest.approx(1, abs=1e-3)
    # white noise blurred by a Gaussian: correlation exp(-d^2 / 4 sigma^2)
    for axis in (0, 1):
        shifted = np.roll(grain, 3, axis)
        assert np.mean(grain * shifted) == pytest.approx(np.exp(-9 / 25), abs=0.04)


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


@pytest.mark.parametrize("noise", NOISE_KINDS)
def test_terms_add_up_to_the_noisy_frame(noise):
    for index in range(6):
        plain = draw_scene(2, index, (48, 64), "BF", noise)
        scene = draw_scene(2, index, (48, 64), "BF", noise, terms=True)
        assert tuple(scene.terms) == TERMS
        np.testing.assert_array_equal(scene.noisy, plain.noisy)
        total = scene.background - scene.clean + sum(scene.terms.values())
        np.testing.assert_allclose(scene.noisy, total, rtol=1e-5, atol=1e-2)
    assert plain.terms == {}


def test_label_has_a_dot_at_each_column():
    scene = draw_scene(1, 3, (96, 96), "HAADF", QUIET, "lattice")
    label = scene.label
    assert label.max() <= 1
    rows, columns = np.round(scene.positions[:, :2]).astype(int).T
    assert (label[rows, columns] > 0.75).all()
    assert label.mean() < 0.5
    empty = draw_scene(1, 3, (96, 96), "HAADF", QUIET, "empty")
    assert not empty.label.any()


def test_narrow_columns_are_as_high_and_narrower():
    scene = draw_scene(1, 3, (96, 96), "HAADF", QUIET, "lattice")
    rows, columns = np.round(scene.positions[:, :2]).astype(int).T
    heights = scene.positions[:, 2]
    strong = heights > 0.5 * heights.max()
    at_columns = scene.narrow[rows, columns][strong]
    assert (at_columns > 0.6 * heights[strong]).all()
    assert (at_columns < 1.4 * scene.clean[rows, columns][strong]).all()
    assert scene.narrow.sum() < 0.6 * scene.clean.sum()


def test_columns_outside_of_the_frame_have_no_position():
    scene = draw_scene(1, 3, (96, 96), "HAADF", QUIET, "lattice")
    assert len(scene.columns) > len(scene.positions) > 0
    assert scene.positions[:, :2].min() >= 0
    assert scene.positions[:, :2].max() <= 95


def test_recipe_is_that_of_the_frame():
    for index in range(8):
        recipe = draw_recipe(4, index, "BF", "mixed", structures=["Si [110]"])
        scene = draw_scene(4, index, (48, 48), "BF", structures=["Si [110]"])
        assert recipe == scene.recipe
        assert (scene.kind, scene.arrangement) == (recipe.kind, recipe.arrangement)
        assert scene.noise == recipe.noise
        assert recipe.structure in ("", "Si [110]", "Si [110] | Si [110]")


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
