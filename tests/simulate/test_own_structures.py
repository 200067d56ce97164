import sys

import numpy as np
import pytest
from ase.build import bulk, graphene
from ase.io import write

from hyperspy_stem_enhance.simulate import from_atoms, own_structures
from hyperspy_stem_enhance.simulate.own_structures import structure_from_atoms

SALT = bulk("NaCl", "rocksalt", a=5.64, cubic=True)


def test_structure_of_atoms():
    structure = structure_from_atoms(SALT, (1, 1, 0))
    assert structure.name == "ClNa [1 1 0]"
    assert structure.zone_axis == (1, 1, 0)
    heights, widths = structure.appearance("HAADF")
    np.testing.assert_allclose(heights, [1, 1, *[(11 / 17) ** 1.7] * 2])
    np.testing.assert_allclose(widths, 1)
    assert structure_from_atoms(SALT, name="salt").name == "salt"


def test_structure_of_a_cif_file(tmp_path):
    path = tmp_path / "salt.cif"
    write(path, SALT)
    for given in (path, str(path)):
        structure = structure_from_atoms(given, (1, 1, 0))
        assert structure.columns == ("Cl", "Cl", "Na", "Na")
        assert structure.source == "salt.cif"


CIF = """data_mixed
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Au1 Au 0 0 0 0.7
Cu1 Cu 0 0 0 0.3
"""


def test_partly_occupied_sites_are_told(tmp_path):
    path = tmp_path / "mixed.cif"
    path.write_text(CIF)
    with pytest.warns(UserWarning, match="mixed.cif has sites"):
        structure = structure_from_atoms(path)
    assert structure.columns == ("Au",)


def test_images_of_atoms_at_true_scale():
    data = from_atoms(
        SALT, (1, 1, 0), n=2, shape=(96, 80), pixel_size=0.25, arrangement="perfect"
    )
    for axis in data.noisy.axes_manager.signal_axes:
        assert axis.scale == pytest.approx(0.025)
        assert axis.units == "nm"
    positions = data.positions.data[0][:, :2] * 0.25
    distance = np.linalg.norm(positions[:, None] - positions, axis=-1)
    distance[distance < 1e-3] = np.inf
    # Na and Cl of one (001) plane: half a lattice parameter, or a / sqrt(8)
    assert np.median(distance.min(axis=1)) == pytest.approx(5.64 / 8**0.5, abs=0.05)


def test_images_of_atoms_at_any_scale():
    data = from_atoms(graphene(vacuum=3), n=3, shape=(48, 64), mode="BF", seed=4)
    assert data.clean.axes_manager.shape == (3, 64, 48)
    assert data.noisy.axes_manager.signal_axes[0].scale == 1
    again = from_atoms(graphene(vacuum=3), n=1, shape=(48, 64), mode="BF", seed=4)
    np.testing.assert_array_equal(again.noisy.data[0], data.noisy.data[0])


def test_multislice_on_the_spot(monkeypatch):
    from hyperspy_stem_enhance.simulate import multislice
    from hyperspy_stem_enhance.simulate.column_fit import sum_gaussians

    def simulate_image(atoms, zone_axis, conditions, displacements):
        seen = own_structures.project(atoms, zone_axis)
        strong = [2, 2, 1, 1] if conditions.inner else [1, 1, 1, 1]
        image = sum_gaussians((20, 18), seen.cell, seen.sites, strong, [0.5] * 4)
        return (image if conditions.inner else 4 - image), seen

    monkeypatch.setattr(multislice, "simulate_image", simulate_image)
    structure = structure_from_atoms(SALT, (1, 1, 0), appearance="multislice")
    np.testing.assert_allclose(structure.heights["HAADF"], [1, 1, 0.5, 0.5], atol=0.02)
    np.testing.assert_allclose(structure.heights["BF"], 1, atol=0.02)


def test_multislice_without_abtem_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "abtem", None)
    with pytest.raises(ImportError, match="pip install"):
        from_atoms(SALT, n=1, appearance="multislice")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"atoms": 3}, TypeError, "atoms=3"),
        ({"atoms": SALT, "appearance": "guess"}, ValueError, "appearance='guess'"),
        ({"atoms": SALT, "displacements": {"Na": 0.1}}, ValueError, "lacks Cl"),
        ({"atoms": SALT, "zone_axis": (0, 0, 0)}, ValueError, "zone_axis"),
        ({"atoms": "absent.cif"}, FileNotFoundError, "absent.cif"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        structure_from_atoms(**arguments)
