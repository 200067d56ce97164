import numpy as np
import pytest
from numpy.testing import assert_allclose

from hyperspy_stem_enhance.lattice import NoLatticeError, fit_lattice

KINDS = ["square", "perovskite", "bright field", "dumbbell", "honeycomb", "layers"]


def same_lattice(found, vectors, tolerance):
    """Whether the vectors span the same lattice, each a whole combination."""
    whole = np.asarray(vectors, float) @ np.linalg.inv(found)
    close = np.abs(whole - np.rint(whole)).max() < tolerance
    return close and round(abs(np.linalg.det(whole))) == 1


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_exact(self, kind, lattices, cut_lattice, turned):
        vectors, sites, levels = lattices[kind]
        vectors = turned(vectors, 17)
        columns, site = cut_lattice(vectors, sites)
        lattice = fit_lattice(columns, np.array(levels)[site])
        assert same_lattice(lattice.vectors, vectors, 1e-9)
        assert len(lattice.sites) == len(sites)
        assert lattice.on_lattice.all()
        assert lattice.rms_displacement < 1e-9
        assert len(lattice.empty_sites()) == 0
        # Sites found are the true ones, under other names
        names = {(a, b) for a, b in zip(site, lattice.site, strict=True)}
        assert len(names) == len(sites)

    def test_missing_displaced_and_invented(self, kind, lattices, cut_lattice, turned):
        vectors, sites, levels = lattices[kind]
        vectors = turned(vectors, -31)
        columns, site = cut_lattice(
            vectors, sites, sigma=0.5, recall=0.93, invented=0.05, seed=3
        )
        intensity = np.append(levels, 0.5)[site]
        intensity *= np.random.default_rng(4).normal(1, 0.1, len(site))
        lattice = fit_lattice(columns, intensity)
        assert same_lattice(lattice.vectors, vectors, 5e-3)
        assert len(lattice.sites) == len(sites)
        true = site >= 0
        assert np.mean(lattice.on_lattice[true]) > 0.98
        assert np.mean(lattice.on_lattice[~true]) < 0.35
        assert lattice.rms_displacement == pytest.approx(0.5 * np.sqrt(2), rel=0.15)

    def test_particle_with_vacuum(self, kind, lattices, cut_lattice):
        vectors, sites, levels = lattices[kind]
        columns, site = cut_lattice(vectors, sites, sigma=0.3)
        inside = np.hypot(*(columns - (200, 380)).T) < 130
        columns, site = columns[inside], site[inside]
        lattice = fit_lattice(columns, np.array(levels)[site])
        assert same_lattice(lattice.vectors, vectors, 0.01)
        assert np.mean(lattice.on_lattice) > 0.98


def test_positions_alone_give_the_centred_cell(lattices, cut_lattice):
    vectors, sites, _ = lattices["perovskite"]
    columns, _ = cut_lattice(vectors, sites, sigma=0.3)
    lattice = fit_lattice(columns)
    assert len(lattice.sites) == 1
    assert_allclose((lattice.a, lattice.b), 20 / np.sqrt(2), rtol=1e-3)


def test_convention_of_the_vectors(cut_lattice, turned):
    columns, _ = cut_lattice([[0, 20], [20.4, 0]], [(0, 0)])
    lattice = fit_lattice(columns)
    assert_allclose(lattice.vectors, [[0, 20], [20.4, 0]], atol=1e-9)
    # Equal within a tenth: along x first, although it is the longer one
    columns, _ = cut_lattice(turned([[0, 20.4], [20, 0]], 5), [(0, 0)])
    (ay, ax), (by, bx) = fit_lattice(columns).vectors
    assert ax > abs(ay)
    assert by > abs(bx)
    columns, _ = cut_lattice([[0, 40], [20, 0]], [(0, 0)])
    lattice = fit_lattice(columns)
    assert lattice.a == pytest.approx(20)
    assert lattice.gamma == pytest.approx(90)
    assert lattice.vectors[0, 0] == pytest.approx(20)


def test_standard_errors_are_right(cut_lattice):
    pulls = []
    for seed in range(30):
        columns, _ = cut_lattice(
            [[1, 21], [20, 3]], [(0, 0)], (300, 300), sigma=0.5, seed=seed
        )
        lattice = fit_lattice(columns)
        pulls.append(
            [
                (lattice.a - np.hypot(1, 21)) / lattice.lengths_error[0],
                (lattice.b - np.hypot(20, 3)) / lattice.lengths_error[1],
                *((lattice.vectors - [[1, 21], [20, 3]]) / lattice.vectors_error).flat,
            ]
        )
    scatter = np.sqrt(np.mean(np.square(pulls), axis=0))
    assert np.all((scatter > 0.65) & (scatter < 1.4))


def test_slow_distortions_lose_no_column(cut_lattice):
    columns, _ = cut_lattice([[0, 20], [20, 0]], [(0, 0), (0.5, 0.5)], (700, 900))
    bent = columns.copy()
    # By a whole cell over the frame, and not evenly
    bent[:, 1] += 30 * (columns[:, 0] / 700) ** 2
    bent[:, 0] += 8 * np.sin(columns[:, 1] / 150)
    lattice = fit_lattice(bent)
    assert lattice.on_lattice.all()
    assert len(lattice.sites) == 1
    assert lattice.rms_displacement > 3
    local = lattice.local_displacement
    assert np.nanmax(np.hypot(*local.T)) < 0.1


def test_local_displacement_of_one_column(cut_lattice):
    columns, _ = cut_lattice([[0, 20], [20, 0]], [(0, 0)])
    middle = np.argmin(np.hypot(*(columns - (250, 300)).T))
    columns[middle] += (1.0, -2.0)
    local = fit_lattice(columns).local_displacement
    assert_allclose(local[middle], (1, -2), atol=1e-9)
    assert np.isnan(local).any()  # at the edges


def test_empty_sites(cut_lattice):
    columns, _ = cut_lattice([[0, 20], [20, 0]], [(0, 0)])
    columns[:, 1] += 0.05 * columns[:, 0]  # sheared: cells are not square
    gone = np.argsort(np.hypot(*(columns - (250, 300)).T))[[0, 30]]
    lattice = fit_lattice(np.delete(columns, gone, axis=0))
    empty = lattice.empty_sites()
    assert_allclose(
        empty[np.lexsort(empty.T)], columns[gone][np.lexsort(columns[gone].T)]
    )


def test_column_found_twice(cut_lattice):
    columns, _ = cut_lattice([[0, 20], [20, 0]], [(0, 0)])
    twice = np.vstack([columns, columns[100] + (3, 2)])
    lattice = fit_lattice(twice)
    assert not lattice.on_lattice[-1]
    assert lattice.on_lattice[:-1].all()
    assert np.isnan(lattice.displacement[-1]).all()


def test_the_larger_of_two_grains(cut_lattice, turned):
    columns, _ = cut_lattice([[0, 20], [20, 0]], [(0, 0)], sigma=0.3)
    other, _ = cut_lattice(turned([[0, 20], [20, 0]], 31), [(0, 0)], sigma=0.3)
    left = columns[:, 1] < 380
    both = np.vstack([columns[left], other[other[:, 1] > 395]])
    lattice = fit_lattice(both)
    assert same_lattice(lattice.vectors, [[0, 20], [20, 0]], 0.01)
    assert np.mean(lattice.on_lattice[: left.sum()]) > 0.98
    assert np.mean(lattice.on_lattice[left.sum() :]) < 0.2


def test_units_scale_everything(cut_lattice):
    columns, _ = cut_lattice([[0, 20], [20, 0]], [(0, 0)], sigma=0.3)
    px, nm = fit_lattice(columns), fit_lattice(columns * 0.0125 + 7, units="nm")
    assert nm.a == pytest.approx(0.0125 * px.a)
    assert nm.rms_displacement == pytest.approx(0.0125 * px.rms_displacement)
    assert_allclose(nm.lengths_error[0], 0.0125 * px.lengths_error[0])
    assert "nm" in repr(nm)


def test_summary_and_table(cut_lattice):
    columns, _ = cut_lattice([[0, 20], [25, 0]], [(0, 0)], sigma=0.2)
    lattice = fit_lattice(columns, units="pm")
    summary = lattice.summary()
    assert summary["n_columns"] == summary["n_on_lattice"] == len(columns)
    assert summary["a"] == pytest.approx(20, abs=0.05)
    assert summary["b"] == pytest.approx(25, abs=0.05)
    assert summary["spacing"] == pytest.approx(20, abs=0.3)
    assert summary["units"] == "pm"
    table = lattice.to_dataframe()
    assert_allclose(table[["y", "x"]], columns)
    assert table["n_neighbours"].mode()[0] == 2
    assert table["nearest_distance"].median() == pytest.approx(20, abs=0.3)
    fitted = lattice.fitted_positions(table[["cell_a", "cell_b"]], table["site"])
    assert_allclose(
        fitted + table[["displacement_y", "displacement_x"]].to_numpy(), columns
    )


def test_no_lattice(rng):
    with pytest.raises(NoLatticeError, match="better than chance"):
        fit_lattice(rng.uniform(0, 500, (300, 2)))


@pytest.mark.parametrize(
    "positions",
    [np.zeros((0, 2)), [[0, 0], [0, 1]], [[0, k] for k in range(20)], [[1, 1]] * 9],
)
def test_too_few_or_on_a_line(positions):
    with pytest.raises(NoLatticeError, match=r"too few|on a line"):
        fit_lattice(positions)


def test_refuses_arrays():
    with pytest.raises(ValueError, match=r"positions has the shape \(3,\)"):
        fit_lattice([1, 2, 3])
    with pytest.raises(ValueError, match="not finite"):
        fit_lattice([[np.nan, 1]] * 9)
    y, x = np.mgrid[:5, :5]
    positions = np.stack([y.ravel(), x.ravel()], 1)
    with pytest.raises(ValueError, match=r"intensity has the shape \(3,\)"):
        fit_lattice(positions, [1, 2, 3])
