import sys
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk, graphene

from hyperspy_stem_enhance.simulate.column_fit import fit_columns, sum_gaussians
from hyperspy_stem_enhance.simulate.multislice import (
    CONDITIONS,
    _extent,
    _scan_positions,
    blur_cell,
    fill_block,
    simulate_image,
)
from hyperspy_stem_enhance.simulate.projection import project

SILICON = bulk("Si", cubic=True)


def test_blur_widens_gaussians_as_it_should():
    for cell in (np.eye(2) * 5.0, np.array([[4.5, 0.0], [-1.2, 3.9]])):
        sites = np.array([[0.4, 0.5]])
        sharp = sum_gaussians((48, 40), cell, sites, [1.0], [0.4])
        blurred = blur_cell(sharp, cell, 0.3)
        expected = sum_gaussians((48, 40), cell, sites, [0.16 / 0.25], [0.5])
        np.testing.assert_allclose(blurred, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("atoms", "zone_axis"),
    [
        (SILICON, (1, 1, 0)),
        (SILICON, (1, 1, 1)),
        (bulk("Zn"), (1, 0, 0)),
        (bulk("Zn"), (0, 0, 1)),
    ],
)
def test_block_has_the_density_and_the_columns_of_the_crystal(atoms, zone_axis):
    seen = project(atoms, zone_axis)
    times = np.array([3, 2])
    extent = np.array([19.3, 17.1])
    if abs(seen.cell[1, 0]) < 1e-6:
        extent = times * np.diag(seen.cell)
        n_atoms = 2 * 6 * sum(len(c.split()) for c in seen.columns)
    else:
        volume = extent.prod() * 2 * seen.repeat
        n_atoms = pytest.approx(volume * len(atoms) / atoms.cell.volume, rel=0.1)
    block = fill_block(atoms, seen, extent, 2)
    assert len(block) == n_atoms
    fractions = block.positions[:, :2] @ np.linalg.inv(seen.cell)
    apart = fractions[:, None] - seen.sites
    apart = np.linalg.norm((apart - np.round(apart)) @ seen.cell, axis=-1)
    assert apart.min(axis=1).max() < 1e-3


def test_box_keeps_probes_away_from_the_edges_of_a_cut_crystal():
    seen = project(bulk("Zn"), (0, 0, 1))
    extent, origin, times = _extent(seen)
    assert (times == 1).all()
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) @ seen.cell + origin
    assert corners.min() > 6
    assert (extent - corners.max(axis=0)).min() > 6
    steps = origin @ np.linalg.inv(seen.cell)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)


def test_box_of_a_rectangular_cell_is_periodic():
    seen = project(SILICON, (1, 1, 0))
    extent, origin, times = _extent(seen)
    np.testing.assert_allclose(extent, times * np.diag(seen.cell))
    assert (extent >= 13).all()
    assert not origin.any()


def test_centred_cells_are_scanned_by_half():
    seen = project(SILICON, (1, 1, 0))
    positions, shape, copies = _scan_positions(seen, 0.3)
    assert copies == 2
    assert len(positions) == np.prod(shape)
    assert positions[:, 0].max() < seen.cell[0, 0] / 2
    whole = project(bulk("GaAs", "zincblende", a=5.65, cubic=True), (0, 0, 1))
    assert _scan_positions(whole, 0.3)[2] == 1


def test_absence_of_abtem_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "abtem", None)
    with pytest.raises(ImportError, match="abtem]"):
        simulate_image(SILICON, (1, 1, 0), CONDITIONS["HAADF"])


class TestWithAbtem:
    @pytest.fixture(autouse=True)
    def _needs_abtem(self):
        pytest.importorskip("abtem")

    @pytest.mark.parametrize("mode", ["HAADF", "BF"])
    def test_columns_are_where_they_should_be(self, mode):
        conditions = replace(
            CONDITIONS[mode], thickness=8, configurations=1, step=0.45, sampling=0.07
        )
        if mode == "HAADF":
            conditions = replace(conditions, inner=60, outer=110)
        image, seen = simulate_image(SILICON, (1, 1, 0), conditions, 0.08, seed=1)
        fit = fit_columns(image, seen.cell, seen.sites, seen.columns, mode == "BF")
        assert fit.correlation > 0.9
        assert fit.heights.min() > 0.5 * fit.heights.max()
        again, _ = simulate_image(SILICON, (1, 1, 0), conditions, 0.08, seed=1)
        np.testing.assert_allclose(again, image, rtol=1e-4)

    def test_a_layer_is_simulated_once(self):
        conditions = replace(
            CONDITIONS["BF"], configurations=1, step=0.6, sampling=0.1, outer=12
        )
        layer = graphene(vacuum=3)
        image, _ = simulate_image(layer, (0, 0, 1), conditions)
        vacuum = (12 / 24) ** 2
        assert abs(image / vacuum - 1).max() < 0.1
