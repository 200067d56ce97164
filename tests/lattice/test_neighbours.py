import numpy as np
import pytest
from numpy.testing import assert_allclose

from hyperspy_stem_enhance.lattice import fit_lattice, local_vectors, nearest_shell


def test_coordination(lattices, cut_lattice):
    for kind, count in (("square", 4), ("honeycomb", 3)):
        vectors, sites, _ = lattices[kind]
        columns, _ = cut_lattice(vectors, sites)
        inside = np.all((columns > 40) & (columns < (460, 560)), axis=1)
        distance, found = nearest_shell(columns)
        assert set(found[inside]) == {count}
        assert_allclose(distance[inside], distance[inside][0])


@pytest.mark.parametrize("n", [0, 1])
def test_without_neighbours(n):
    distance, count = nearest_shell(np.zeros((n, 2)))
    assert np.all(np.isinf(distance))
    assert np.all(count == 0)
    assert len(distance) == len(count) == n


def test_local_vectors_follow_strain(cut_lattice):
    columns, _ = cut_lattice([[0, 20], [20, 0]], [(0, 0)])
    strained = columns.copy()
    strained[:, 1] = columns[:, 1] + 0.02 * np.maximum(columns[:, 1] - 300, 0)
    local = local_vectors(fit_lattice(strained))
    a = np.hypot(*local[:, 0].T)
    far_left, far_right = columns[:, 1] < 260, columns[:, 1] > 340
    assert_allclose(a[far_left], 20, rtol=1e-6)
    assert_allclose(a[far_right], 20.4, rtol=1e-6)
    assert_allclose(np.hypot(*local[:, 1].T), 20, rtol=1e-6)


def test_lone_column_has_no_vectors(cut_lattice):
    columns, _ = cut_lattice([[0, 20], [20, 0]], [(0, 0)])
    lattice = fit_lattice(np.vstack([columns, [1000, 1000]]))
    assert np.isnan(local_vectors(lattice)[-1]).all()
