import numpy as np
import pytest

from hyperspy_stem_enhance.simulate.crystals import tabulated_crystals

CRYSTALS = tabulated_crystals()


def bonds(atoms, symbol, other, longest):
    """Distinct distances from each `symbol` to `other`, sorted, in ångström."""
    atoms = atoms * (2, 2, 3)
    distances = atoms.get_all_distances(mic=True)
    own, others = (atoms.symbols == each for each in (symbol, other))
    return [
        np.unique(row[(row > 0.1) & (row < longest)].round(2))
        for row in distances[np.ix_(own, others)]
    ]


@pytest.mark.parametrize("crystal", CRYSTALS.values(), ids=CRYSTALS)
def test_every_element_has_its_thermal_displacement(crystal):
    assert set(crystal.displacements) == set(crystal.atoms.symbols)
    assert all(0.04 < u < 0.15 for u in crystal.displacements.values())
    assert crystal.source


@pytest.mark.parametrize(
    ("name", "symbol", "other", "length"),
    [
        ("Pt [001]", "Pt", "Pt", 2.774),
        ("NiO [001]", "Ni", "O", 2.089),
        ("SrTiO3 [001]", "Ti", "O", 1.953),
        ("Si [110]", "Si", "Si", 2.352),
        ("GaAs [110]", "Ga", "As", 2.448),
        ("graphene", "C", "C", 1.421),
        ("MoS2 [001]", "Mo", "S", 2.417),
        ("LiCoO2 [100]", "Co", "O", 1.921),
    ],
)
def test_shortest_bonds(name, symbol, other, length):
    for found in bonds(CRYSTALS[name].atoms, symbol, other, 3):
        assert found[0] == pytest.approx(length, abs=0.01)


def test_rutile_has_two_bond_lengths():
    # 1.9485 and 1.9800 Å: Abrahams & Bernstein, J. Chem. Phys. 55, 3206 (1971)
    for found in bonds(CRYSTALS["TiO2 [001]"].atoms, "Ti", "O", 2.5):
        np.testing.assert_allclose(found, [1.9485, 1.98], atol=0.006)


def test_antimony_has_the_published_neighbours():
    # 2.664 to 3.248 Å and 2.589 to 3.485 Å: Voutsas et al. (1985)
    ranges = {
        (found[0], found[-1])
        for found in bonds(CRYSTALS["Sb2Se3 [001]"].atoms, "Sb", "Se", 3.6)
    }
    assert len(ranges) == 2
    (low_2, high_2), (low_1, high_1) = sorted(ranges)
    np.testing.assert_allclose([low_2, high_2], [2.589, 3.485], atol=0.02)
    np.testing.assert_allclose([low_1, high_1], [2.664, 3.248], atol=0.03)
