import numpy as np
import pytest
from scipy.stats import contingency

from hyperspy_stem_enhance.lattice import classify_columns, fit_lattice

# Sites of each class, by falling intensity
EXPECTED = {
    "square": [[0]],
    "perovskite": [[0], [1]],
    "bright field": [[0], [1], [2, 3]],
    "dumbbell": [[0], [1]],
    "honeycomb": [[0], [1]],
}


def as_partition(labels, truth):
    """Number of columns for each pair of label and truth."""
    return contingency.crosstab(labels, truth).count


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("spread", [0.02, 0.1])
def test_sites_of_the_cell(kind, spread, lattices, cut_lattice, rng):
    vectors, sites, levels = lattices[kind]
    columns, site = cut_lattice(vectors, sites, sigma=0.3, recall=0.97)
    intensity = np.array(levels)[site] * rng.normal(1, spread, len(site))
    found = classify_columns(columns, intensity)
    truth = np.zeros(len(site), int)
    for number, members in enumerate(EXPECTED[kind]):
        truth[np.isin(site, members)] = number
    kept = found >= 0
    assert kept.mean() > 0.98
    counts = as_partition(found[kept], truth[kept])
    assert counts.shape == (len(EXPECTED[kind]),) * 2
    assert counts.max(axis=1).sum() == counts.sum()


def test_classes_that_overlap_in_intensity(lattices, cut_lattice, rng):
    vectors, sites, _ = lattices["perovskite"]
    columns, site = cut_lattice(vectors, sites, sigma=0.3)
    intensity = np.array([1.0, 0.8])[site] * rng.normal(1, 0.15, len(site))
    found = classify_columns(columns, intensity)
    assert np.mean(found == site) == 1
    # What a threshold reaches
    assert np.max([np.mean((intensity < t) == site) for t in (0.85, 0.9, 0.95)]) < 0.8


def test_change_of_thickness(lattices, cut_lattice, rng):
    vectors, sites, _ = lattices["perovskite"]
    columns, site = cut_lattice(vectors, sites, sigma=0.3)
    slope = 1 + 2 * columns[:, 1] / 600
    intensity = np.array([1.0, 0.6])[site] * slope * rng.normal(1, 0.05, len(site))
    assert np.mean(classify_columns(columns, intensity) == site) == 1


def test_by_intensity_wherever_the_columns_are(rng):
    columns = rng.uniform(0, 500, (300, 2))
    truth = rng.integers(0, 2, 300)
    intensity = np.array([1.0, 0.4])[truth] * rng.normal(1, 0.08, 300)
    for by in ("site", "intensity"):  # there is no lattice
        np.testing.assert_array_equal(classify_columns(columns, intensity, by), truth)


@pytest.mark.parametrize("n", [0, 1, 4, 40, 2000])
def test_one_class_where_there_is_one(n, rng):
    columns, intensity = rng.uniform(0, 500, (n, 2)), rng.normal(1, 0.1, n)
    np.testing.assert_array_equal(classify_columns(columns, intensity), np.zeros(n))
    np.testing.assert_array_equal(
        classify_columns(columns, np.ones(n), by="intensity"), np.zeros(n)
    )


def test_dumbbells_of_one_kind_by_intensity(lattices, cut_lattice, rng):
    vectors, sites, _ = lattices["dumbbell"]
    columns, _ = cut_lattice(vectors, sites, sigma=0.3)
    intensity = rng.normal(1, 0.1, len(columns))
    assert classify_columns(columns, intensity).max() == 1
    assert classify_columns(columns, intensity, by="intensity").max() == 0


def test_columns_off_the_lattice_have_no_class(lattices, cut_lattice, rng):
    vectors, sites, _ = lattices["square"]
    columns, _ = cut_lattice(vectors, sites)
    columns = np.vstack([columns, columns[50] + (9, 10)])
    lattice = fit_lattice(columns)
    found = classify_columns(columns, np.ones(len(columns)), lattice=lattice)
    assert found[-1] == -1
    assert np.all(found[:-1] == 0)


def test_unknown_intensities(lattices, cut_lattice, rng):
    vectors, sites, levels = lattices["perovskite"]
    columns, site = cut_lattice(vectors, sites, sigma=0.3)
    intensity = np.array(levels)[site] * rng.normal(1, 0.05, len(site))
    unknown = rng.random(len(site)) < 0.05
    intensity[unknown] = np.nan
    np.testing.assert_array_equal(classify_columns(columns, intensity), site)
    by_intensity = classify_columns(columns, intensity, by="intensity")
    np.testing.assert_array_equal(by_intensity, np.where(unknown, -1, site))
    half = np.where(site == 1, np.nan, intensity)
    np.testing.assert_array_equal(
        classify_columns(columns, half, lattice=fit_lattice(columns, site)), site
    )
    with pytest.raises(ValueError, match="no finite value"):
        classify_columns(columns, np.full(len(columns), np.nan))
    assert len(fit_lattice(columns, np.full(len(columns), np.nan)).sites) == 1


def test_refuses():
    with pytest.raises(ValueError, match="by='colour'"):
        classify_columns([[0, 0]], [1], by="colour")
    with pytest.raises(ValueError, match=r"\(1, 2\) and intensity \(2,\)"):
        classify_columns([[0, 0]], [1, 2])
