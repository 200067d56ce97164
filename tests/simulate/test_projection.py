import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, mx2

from hyperspy_stem_enhance.simulate.crystals import tabulated_crystals
from hyperspy_stem_enhance.simulate.projection import alike_columns, project

CRYSTALS = tabulated_crystals()
_S = 1 / np.sqrt(2)
_u = 0.30479
# Drawn by hand: cell in ångström, (y, x, atoms) of the columns
BY_HAND = {
    "Pt [001]": ([3.9236 / 2, 3.9236 / 2], [(0, 0, "Pt")]),
    "Pt [110]": ([3.9236, 3.9236 * _S], [(0, 0, "Pt"), (0.5, 0.5, "Pt")]),
    "NiO [001]": ([2.089, 2.089], [(0, 0, "Ni O")]),
    "NiO [110]": (
        [4.178, 4.178 * _S],
        [(0, 0, "Ni"), (0.5, 0.5, "Ni"), (0.5, 0, "O"), (0, 0.5, "O")],
    ),
    "SrTiO3 [001]": (
        [3.9053, 3.9053],
        [(0, 0, "Sr"), (0.5, 0.5, "Ti O"), (0.5, 0, "O"), (0, 0.5, "O")],
    ),
    "SrTiO3 [110]": (
        [3.9053, 3.9053 * _S],
        [(0, 0, "Sr O"), (0.5, 0, "Ti"), (0.5, 0.5, "O O")],
    ),
    "Si [110]": (
        [5.431, 5.431 * _S],
        [(0, 0, "Si"), (0.25, 0, "Si"), (0.5, 0.5, "Si"), (0.75, 0.5, "Si")],
    ),
    "GaAs [110]": (
        [5.6533, 5.6533 * _S],
        [(0, 0, "Ga"), (0.25, 0, "As"), (0.5, 0.5, "Ga"), (0.75, 0.5, "As")],
    ),
    "TiO2 [001]": (
        [4.59366, 4.59366],
        [
            (0, 0, "Ti"),
            (0.5, 0.5, "Ti"),
            (_u, _u, "O"),
            (1 - _u, 1 - _u, "O"),
            (0.5 + _u, 0.5 - _u, "O"),
            (0.5 - _u, 0.5 + _u, "O"),
        ],
    ),
    "TiO2 [100]": (
        [4.59366, 2.95868],
        [
            (0, 0, "Ti"),
            (0.5, 0.5, "Ti"),
            (_u, 0, "O"),
            (1 - _u, 0, "O"),
            (0.5 - _u, 0.5, "O"),
            (0.5 + _u, 0.5, "O"),
        ],
    ),
    "TiO2 [110]": (
        [4.59366 * _S, 2.95868],
        [
            (0, 0, "Ti O O"),
            (0, 0.5, "Ti"),
            (2 * _u, 0.5, "O"),
            (1 - 2 * _u, 0.5, "O"),
        ],
    ),
    "graphene": (
        [[2.4612, 0], [-1.2306, 2.4612 * np.sqrt(0.75)]],
        [(1 / 3, 2 / 3, "C"), (2 / 3, 1 / 3, "C")],
    ),
    "MoS2 [001]": (
        [[3.1602, 0], [-1.5801, 3.1602 * np.sqrt(0.75)]],
        [(1 / 3, 2 / 3, "Mo"), (2 / 3, 1 / 3, "S S")],
    ),
}


def surroundings(cell, sites, columns):
    """For each column, its atoms and those around it, with distances."""
    steps = np.stack(np.meshgrid(range(-4, 5), range(-4, 5)), -1).reshape(-1, 1, 2)
    places = (np.asarray(sites) + steps) @ cell
    found = []
    for site, own in zip(np.asarray(sites) @ cell, columns, strict=True):
        distance = np.linalg.norm(places - site, axis=-1)
        near = [
            (round(float(d), 2), column)
            for row in distance
            for d, column in zip(row, columns, strict=True)
            if 0.01 < d < 5
        ]
        found.append((own, sorted(near)))
    return sorted(found)


@pytest.mark.parametrize("name", BY_HAND)
def test_projection_is_what_one_draws_by_hand(name):
    crystal = CRYSTALS[name]
    seen = project(crystal.atoms, crystal.zone_axis)
    cell, sites = BY_HAND[name]
    cell = np.array(cell) if np.ndim(cell) == 2 else np.diag(cell)
    columns = [" ".join(reversed(sorted_by_z(site[2]))) for site in sites]
    expected = surroundings(cell, [site[:2] for site in sites], columns)
    found = surroundings(seen.cell, seen.sites, seen.columns)
    assert len(found) == len(expected)
    for (own, near), (own_by_hand, near_by_hand) in zip(found, expected, strict=True):
        assert own == own_by_hand
        assert [c for _, c in near] == [c for _, c in near_by_hand]
        np.testing.assert_allclose(
            [d for d, _ in near], [d for d, _ in near_by_hand], atol=0.011
        )


def sorted_by_z(column):
    from ase.data import atomic_numbers

    return sorted(column.split(), key=atomic_numbers.get)


@pytest.mark.parametrize("name", CRYSTALS)
def test_no_atom_is_lost_and_no_bond_impossible(name):
    crystal = CRYSTALS[name]
    seen = project(crystal.atoms, crystal.zone_axis)
    n_atoms = sum(len(column.split()) for column in seen.columns)
    volume = abs(np.linalg.det(seen.cell)) * seen.repeat
    density = len(crystal.atoms) / crystal.atoms.cell.volume
    assert n_atoms / volume == pytest.approx(density, rel=1e-3)
    distances = (crystal.atoms * (2, 2, 2)).get_all_distances(mic=True)
    shortest = distances[distances > 1e-6].min()
    assert shortest > (1.4 if name == "graphene" else 1.9)


@pytest.mark.parametrize(
    ("zone_axis", "repeat"),
    [
        ((1, 1, 1), 4 * np.sqrt(3)),
        ((2, 1, 0), 4 * np.sqrt(5)),
        ((-1, 1, 0), 2 * np.sqrt(2)),
        ((0.5, 0.5, 0), 2 * np.sqrt(2)),
        ((2, 2, 0), 2 * np.sqrt(2)),
        ((1, -1, 2), 2 * np.sqrt(6)),
    ],
)
def test_directions_of_a_cubic_metal(zone_axis, repeat):
    seen = project(bulk("Ag", a=4.0, cubic=True), zone_axis)
    assert set(seen.columns) == {"Ag"}
    assert seen.repeat == pytest.approx(repeat)
    volume = abs(np.linalg.det(seen.cell)) * repeat
    assert volume == pytest.approx(16 * len(seen.columns))


def test_supercell_and_primitive_cell_show_the_same():
    unit = bulk("Si", cubic=True)
    seen = project(unit, (1, 1, 0))
    double = project(unit * (2, 2, 2), (1, 1, 0))
    primitive = project(bulk("Si"), (0, 0, 1))  # [110] of the cubic cell
    for other in (double, primitive):
        np.testing.assert_allclose(other.cell, seen.cell, atol=1e-6)
        assert other.columns == seen.columns
        assert other.repeat == pytest.approx(seen.repeat)


def test_hexagonal_axes_have_four_numbers_too():
    zinc = bulk("Zn")
    for three, four in (((1, 0, 0), (2, -1, -1, 0)), ((1, 1, 0), (1, 1, -2, 0))):
        a, b = project(zinc, three), project(zinc, four)
        assert a.zone_axis == b.zone_axis
        np.testing.assert_allclose(a.cell, b.cell)
    along = project(zinc, (0, 0, 1))
    assert abs(along.cell[1, 0] + along.cell[0, 0] / 2) < 1e-6


def test_the_frame_looks_along_the_zone_axis():
    silicon = bulk("Si", cubic=True)
    frame = project(silicon, (1, 2, 0)).frame
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(frame[2], np.array([1, 2, 0]) / np.sqrt(5), atol=1e-9)
    # Right-handed for the eye: columns to the right, rows downwards
    np.testing.assert_allclose(np.cross(frame[1], -frame[0]), frame[2], atol=1e-9)


def test_layers_have_columns():
    layer = graphene(vacuum=4)
    assert project(layer).columns == ("C", "C")
    assert project(mx2(vacuum=5)).columns == ("Mo", "S S")


@pytest.mark.parametrize(
    ("name", "n_kinds"),
    [
        ("Si [110]", 1),
        ("GaAs [110]", 2),
        ("SrTiO3 [001]", 3),
        ("TiO2 [001]", 2),
        ("TiO2 [110]", 3),
        ("LiCoO2 [100]", 3),
        ("Sb2Se3 [001]", 5),
    ],
)
def test_columns_that_symmetry_makes_equal_are_alike(name, n_kinds):
    crystal = CRYSTALS[name]
    seen = project(crystal.atoms, crystal.zone_axis)
    labels = alike_columns(seen)
    assert sorted(set(labels)) == list(range(n_kinds))
    for label in range(n_kinds):
        assert len(set(np.array(seen.columns)[labels == label])) == 1


def test_slightly_displaced_atoms_stay_in_their_column(rng):
    moved = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    moved.positions += rng.uniform(-0.1, 0.1, moved.positions.shape)
    seen = project(moved)
    assert set(seen.columns) == {"Cl Na"}
    assert len(seen.columns) == 4  # no two of them alike


def without_cell():
    return Atoms("Ag2", positions=[(0, 0, 0), (0, 0, 2.9)])


def close_pair():
    places = [(0, 0, 0), (0.4, 0, 2)]
    return Atoms("AgAu", places, cell=[4, 4, 4], pbc=True)


def amorphous():
    rng = np.random.default_rng(0)
    return Atoms("Si40", rng.random((40, 3)) * 9, cell=[9, 9, 9], pbc=True)


@pytest.mark.parametrize(
    ("atoms", "zone_axis", "message"),
    [
        (bulk("Ag", cubic=True), (0, 0, 0), "no direction"),
        (bulk("Ag", cubic=True), (1, 0), "no direction"),
        (bulk("Ag", cubic=True), (1, np.pi, 0), "no direction"),
        (bulk("Ag", cubic=True), (1, np.nan, 0), "no direction"),
        (bulk("Ag", cubic=True), (1, 0, -1, 0), "hexagonal"),
        (bulk("Zn"), (1, 0, 0, 0), "hexagonal"),
        (bulk("Ag", cubic=True), (17, 9, 2), "too few"),
        (close_pair(), (0, 0, 1), "0.40 Å apart"),
        (without_cell(), (0, 0, 1), "vacuum"),
        (Atoms("Ag", cell=[4, 4, 4]), (0, 0, 1), "pbc"),
        (Atoms(cell=[4, 4, 4], pbc=True), (0, 0, 1), "no cell"),
        (amorphous(), (0, 0, 1), "lower index"),
        (bulk("Ag", cubic=True) * (7, 7, 7), (0, 0, 1), "1372 atoms"),
    ],
)
def test_what_shows_no_columns_is_refused(atoms, zone_axis, message):
    with pytest.raises(ValueError, match=message):
        project(atoms, zone_axis)
