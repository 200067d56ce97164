"""Each arrangement holds what its name says."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_stem_enhance.noise.parameters import NoiseParameters
from hyperspy_stem_enhance.simulate import arrangements
from hyperspy_stem_enhance.simulate.arrangements import (
    ARRANGEMENTS,
    choose_arrangement,
    draw_columns,
)
from hyperspy_stem_enhance.simulate.defects import substitute_columns
from hyperspy_stem_enhance.simulate.lattice import (
    INVENTED,
    SIGMA_RANGE,
    SPACING_RANGE,
    Columns,
    dislocate,
    nearest_spacing,
    resolve_structures,
)
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.simulate.structures import STRUCTURES, ProjectedStructure

SHAPE = (160, 160)
QUIET = NoiseParameters(150, 10, 60, 0, 0, 0, 0, 0.14)
SQUARE = ProjectedStructure(
    "square",
    np.diag([2.0, 2.0]),
    np.zeros((1, 2)),
    ("Pt",),
    (0, 0, 1),
    "made up",
    {"HAADF": np.ones(1), "BF": np.ones(1)},
    {"HAADF": np.ones(1), "BF": np.ones(1)},
)
GUIDE = Path(__file__).parents[2] / "docs" / "user_guide" / "simulation.rst"


def nearest(positions):
    return cKDTree(positions).query(positions, 2)[0][:, 1]


def inner(columns, margin=20):
    """Columns of which no neighbour is beyond the frame."""
    y, x = columns.positions.T
    keep = (y > margin) & (y < SHAPE[0] - margin)
    return columns.take(keep & (x > margin) & (x < SHAPE[1] - margin))


def square(rng, arrangement):
    """Columns of a square lattice with 10 pixels between neighbours."""
    return draw_columns(rng, SHAPE, arrangement, [SQUARE], pixel_size=0.2)


def test_every_arrangement_is_documented_and_drawn(rng):
    assert sum(ARRANGEMENTS.values()) == pytest.approx(1)
    drawn = {choose_arrangement(rng)[0] for _ in range(600)}
    assert drawn == {name for name, share in ARRANGEMENTS.items() if share}
    for name in ARRANGEMENTS:
        assert re.search(rf"^``{name}``", arrangements.__doc__, re.MULTILINE)


@pytest.mark.skipif(not GUIDE.exists(), reason="the documentation is not here")
def test_every_arrangement_is_in_the_guide():
    guide = GUIDE.read_text()
    assert [name for name in ARRANGEMENTS if f"``{name}``" not in guide] == []


def test_perfect_lattice_has_one_spacing(rng):
    columns = square(rng, "perfect")
    np.testing.assert_allclose(nearest(inner(columns).positions), 10, rtol=1e-6)
    assert np.ptp(columns.heights) == 0


def test_spacings_and_widths_cover_their_ranges(rng):
    spacings, sigmas = [], []
    for _ in range(300):
        columns = draw_columns(rng, SHAPE, "perfect", [SQUARE])
        spacings.append(np.median(nearest(columns.positions)))
        sigmas.append(np.median(columns.sigmas))
    assert SPACING_RANGE[0] <= min(spacings) < 7
    assert 40 < max(spacings) <= SPACING_RANGE[1]
    assert SIGMA_RANGE[0] <= min(sigmas) < 1.5
    assert 9 < max(sigmas) <= SIGMA_RANGE[1]


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_heights_and_widths_are_those_of_the_mode(rng, mode):
    structure = STRUCTURES["SrTiO3 [001]"]
    columns = draw_columns(rng, SHAPE, "perfect", [structure], mode)
    heights, widths = structure.appearance(mode)
    np.testing.assert_allclose(np.unique(columns.heights), np.unique(heights))
    relative = np.unique(columns.sigmas) / columns.sigmas.min()
    np.testing.assert_allclose(relative, np.unique(widths) / widths.min())


@pytest.mark.parametrize("name", ["Si [110]", "SrTiO3 [001]"])
def test_pixel_size_gives_the_true_scale(rng, name):
    columns = draw_columns(rng, SHAPE, "perfect", [name], pixel_size=0.12)
    expected = nearest_spacing(STRUCTURES[name]) / 0.12
    assert np.median(nearest(columns.positions)) == pytest.approx(expected)


@pytest.mark.parametrize("arrangement", ["random", "sparse", "adatoms"])
def test_pixel_size_gives_the_width(rng, arrangement):
    for _ in range(6):
        columns = draw_columns(rng, SHAPE, arrangement, [SQUARE], pixel_size=0.1)
        if len(columns):
            assert 2 < np.median(columns.sigmas) < 8


def test_vacancies_are_missing(rng):
    columns = square(rng, "vacancies")
    gaps = cKDTree(columns.positions).query_ball_point(columns.positions, 14)
    neighbours = np.array([len(found) - 1 for found in gaps])
    y, x = columns.positions.T
    central = (abs(y - 80) < 60) & (abs(x - 80) < 60)
    assert (neighbours[central] < 4).any()


def test_substitutions_have_another_height(rng):
    lattice = square(rng, "perfect")
    for share in (1e-9, 0.1, 0.3):
        changed = substitute_columns(rng, lattice, share).heights / lattice.heights
        assert np.mean(changed != 1) == pytest.approx(max(share, 1 / 400), abs=0.08)
        assert (abs(changed - 1) > 0.01).any()
        assert changed.min() > 0


def test_embedded_columns_stand_between_others(rng):
    for _ in range(5):
        columns = inner(square(rng, "embedded"))
        distance = nearest(columns.positions)
        assert distance.min() > 2.5
        assert distance.min() < 9  # the lattice has 10


def test_strain_displaces_slowly(rng):
    irregular = []
    for _ in range(10):
        columns = inner(square(rng, "strain"))
        distance = nearest(columns.positions)
        irregular.append(distance.std())
        assert np.median(distance) == pytest.approx(10, rel=0.25)
    assert max(irregular) > 0.2


def test_dislocation_closes_its_burgers_circuit(rng):
    y, x = np.meshgrid(*[np.arange(-10.0, 171, 10)] * 2, indexing="ij")
    positions = np.stack([y.ravel(), x.ravel()], 1)
    none = np.ones(len(positions))
    columns = dislocate(
        rng, SHAPE, Columns(positions, none, none), np.array([0.0, 10.0])
    )
    shift = (columns.positions - positions).reshape(*y.shape, 2)
    assert not shift[..., 0].any()
    # Far from the core, all is a lattice but for one row that ends there
    left, right = shift[:, 0, 1], shift[:, -1, 1]
    assert np.ptp(left) > 6
    assert abs(np.diff(np.unwrap(left, period=10))).max() < 2
    assert abs(np.diff(np.unwrap(right, period=10))).max() < 2


def test_wedge_grows_across_the_frame(rng):
    rising = []
    for _ in range(5):
        columns = draw_columns(rng, SHAPE, "wedge", [SQUARE], pixel_size=0.2)
        terms = np.column_stack([columns.positions, np.ones(len(columns))])
        _, residual, *_ = np.linalg.lstsq(terms, columns.heights)
        total = np.var(columns.heights) * len(columns)
        rising.append(1 - residual[0] / total)
    assert np.median(rising) > 0.8


def test_particle_is_surrounded_by_vacuum(rng):
    shares = []
    for _ in range(8):
        columns = square(rng, "particle")
        full = len(square(rng, "perfect"))
        shares.append(len(columns) / full)
        inside = columns.region(*columns.positions.T)
        assert np.mean(inside > 0.5) > 0.9  # but for adatoms
    assert 0.05 < np.median(shares) < 0.8


@pytest.mark.parametrize("arrangement", ["interface", "grain-boundary"])
def test_crystals_meet_without_columns_on_each_other(rng, arrangement):
    structures = ["Pt [001]", "NiO [001]"]
    for _ in range(8):
        name, chosen = choose_arrangement(rng, arrangement, structures)
        assert len(chosen) == 1 + (name == "interface")
        columns = arrangements._side_by_side(
            rng, SHAPE, square(rng, "perfect"), square(rng, "perfect")
        )
        assert nearest(columns.positions).min() > columns.sigmas.min()
    assert {s.name for s in choose_arrangement(rng, "interface", structures)[1]} == set(
        structures
    )


def test_amorphous_patch_has_no_lattice(rng):
    unresolved = 0
    for _ in range(12):
        columns = square(rng, "amorphous")
        if columns.amorphous is None:  # a single layer: resolved, no order
            disordered = nearest(columns.positions)
            assert disordered.min() > 5
            assert disordered.std() > 0.3
        else:
            unresolved += 1
            assert (columns.amorphous(*columns.positions.T) <= 0.5).all()
    assert 0 < unresolved < 12


def test_speckle_of_amorphous_areas_is_background():
    rough = []
    for index in range(8):
        scene = draw_scene(0, index, SHAPE, "HAADF", QUIET, "amorphous")
        assert 10 <= scene.background.min() < scene.background.max() <= 60
        rough.append(abs(np.diff(scene.background)).mean())
    smooth = draw_scene(0, 0, SHAPE, "HAADF", QUIET, "lattice").background
    assert max(rough) > 2 * abs(np.diff(smooth)).mean()


def test_adatoms_are_brighter_than_the_lattice_below(rng):
    for _ in range(8):
        columns = draw_columns(rng, SHAPE, "adatoms", [SQUARE])
        bright = columns.heights > 1.2 * np.median(columns.heights)
        assert 0 < bright.sum() < len(columns) / 2
    scene = draw_scene(3, 0, SHAPE, "HAADF", QUIET, "adatoms")
    weak = scene.positions[scene.positions[:, 2] < 0.7 * scene.positions[:, 2].max()]
    assert len(weak) > 10  # the support's columns are in the truth


def test_single_atoms_lie_on_their_support(rng):
    edges = 0
    for _ in range(20):
        columns = draw_columns(rng, SHAPE, "sparse")
        if columns.region is not None:
            edges += 1
            assert (columns.region(*columns.positions.T) > 0.5).all()
    assert 0 < edges < 20


def test_structures_are_drawn_by_name_or_as_themselves(rng):
    def names(structures, n=40):
        drawn = (choose_arrangement(rng, "lattice", structures)[1] for _ in range(n))
        return {chosen[0].name for chosen in drawn}

    assert names(["Si [110]"]) == {"Si [110]"}
    assert names([SQUARE, "Si [110]"]) == {"square", "Si [110]"}
    assert names([INVENTED]) == {INVENTED}
    assert names(["Si [110]", INVENTED]) == {"Si [110]", INVENTED}
    assert names(None, 200) > {INVENTED, "graphene"}


@pytest.mark.parametrize(
    ("structures", "error", "message"),
    [
        (["Si [111]"], ValueError, "'Si \\[111\\]'"),
        ([], ValueError, "structures is empty"),
        ([3], TypeError, "holds 3"),
    ],
)
def test_unknown_structures_are_named(structures, error, message):
    with pytest.raises(error, match=message):
        resolve_structures(structures)


def test_unknown_arrangement_is_named():
    with pytest.raises(ValueError, match="arrangement='flat'"):
        draw_scene(0, 0, SHAPE, arrangement="flat")
