"""The primitive cell, for few and many columns of one or two kinds."""

import warnings

import numpy as np
import pytest

from hyperspy_stem_enhance.lattice import classify_columns, fit_lattice

PLANE = {
    "square": [[0, 20], [20, 0]],
    "rectangular": [[0, 16], [24, 0]],
    "hexagonal": [[0, 20], [20 * np.sqrt(3) / 2, 10]],
    "oblique": [[0, 18], [21.2, 5.7]],
    "centred": [[15, 10], [15, -10]],
}


def block(rows, columns, rng, sigma=0.2):
    """Columns of a square lattice, row by row."""
    i, j = (k.ravel() for k in np.mgrid[:rows, :columns])
    positions = 20.0 * np.stack([i, j], 1)
    return positions + rng.normal(0, sigma, positions.shape), i, j


@pytest.mark.parametrize("sigma", [0.1, 1.0])
@pytest.mark.parametrize("name", PLANE)
def test_equal_columns(name, sigma, cut_lattice, turned, rng):
    vectors = turned(PLANE[name], rng.uniform(0, 360))
    columns, _ = cut_lattice(
        vectors, [(0, 0)], (170, 190), sigma=sigma, recall=0.97, seed=5
    )
    lattice = fit_lattice(columns, rng.normal(1, 0.1, len(columns)))
    assert len(lattice.sites) == 1
    whole = lattice.vectors @ np.linalg.inv(vectors)
    assert np.abs(whole - np.rint(whole)).max() < 0.05
    assert round(abs(np.linalg.det(whole))) == 1
    assert lattice.probability > 0.9


@pytest.mark.parametrize(
    ("rows", "columns"), [(5, 5), (6, 8), (10, 12), (12, 16), (25, 30)]
)
def test_blocks_of_equal_columns(rows, columns, rng):
    for _ in range(2):
        positions, _, _ = block(rows, columns, rng)
        lattice = fit_lattice(positions, rng.normal(1, 0.1, rows * columns))
        assert len(lattice.sites) == 1
        assert lattice.on_lattice.all()
        if lattice.probability > 0.95:
            assert np.max(lattice.lengths_error[:2]) < 0.2


@pytest.mark.parametrize("order", ["rows", "checks"])
def test_two_kinds(order, rng):
    positions, i, j = block(10, 12, rng)
    kind = i % 2 if order == "rows" else (i + j) % 2
    intensity = np.array([1.0, 0.9])[kind] * rng.normal(1, 0.03, len(kind))
    lattice = fit_lattice(positions, intensity)
    assert len(lattice.sites) == 2
    assert abs(np.linalg.det(lattice.vectors)) == pytest.approx(800, rel=0.01)
    np.testing.assert_array_equal(classify_columns(positions, intensity), kind)
    # Not told apart where they do not differ
    assert len(fit_lattice(positions).sites) == 1


def test_kinds_by_displacement(rng):
    positions, i, j = block(12, 14, rng)
    positions[(i + j) % 2 == 1, 0] += 1.5
    lattice = fit_lattice(positions)
    assert len(lattice.sites) == 2
    np.testing.assert_array_equal(lattice.site == lattice.site[0], (i + j) % 2 == 0)
    assert lattice.rms_displacement < 0.4


def test_bright_lines_of_a_scan_are_no_kinds():
    wrong = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        positions, i, _ = block(12, 14, rng)
        lines = rng.normal(0, 0.1, 12)[i]
        intensity = 1 + lines + rng.normal(0, 0.03, len(i))
        wrong += len(fit_lattice(positions, intensity).sites) > 1
    assert wrong <= 1


def test_positions_in_whole_pixels(cut_lattice, turned):
    columns, _ = cut_lattice(turned([[0, 20], [24.4, 0]], 12), [(0, 0)])
    lattice = fit_lattice(np.rint(columns))
    assert len(lattice.sites) == 1
    assert lattice.a == pytest.approx(20, abs=0.05)


def test_a_cell_in_doubt_is_said():
    seen = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        positions, i, _ = block(5, 5, rng)
        intensity = 1 - 0.08 * (i % 2) + rng.normal(0, 0.1, 25)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            lattice = fit_lattice(positions, intensity)
        said = any("in doubt" in str(w.message) for w in said)
        assert said == (lattice.probability < 0.95)
        if said:
            seen += 1
            # The error holds the cell that is twice as long
            assert np.max(lattice.lengths_error[:2]) > 0.5
    assert seen > 0


def test_standard_errors_of_small_sets(cut_lattice):
    pulls = []
    for seed in range(20):
        true = np.array([[1, 21], [20, 3]])
        columns, _ = cut_lattice(true, [(0, 0)], (170, 170), sigma=0.5, seed=seed)
        lattice = fit_lattice(columns)
        if lattice.probability > 0.95:
            pulls.append((lattice.vectors - true) / lattice.vectors_error)
    assert 0.75 < np.sqrt(np.mean(np.square(pulls))) < 1.35
