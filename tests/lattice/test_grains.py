"""Several lattices in one set of columns."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from hyperspy_stem_enhance.lattice import Grains, Lattice, fit_lattice

CELL = [[0, 20], [24.4, 0]]


@pytest.fixture
def twin(cut_lattice, turned):
    """Columns of two grains, one on each side of a boundary."""

    def make(share, twist, second=CELL, sigma=0.3):
        parts = [
            cut_lattice(turned(v, t), [(0, 0)], (500, 500), sigma=sigma, seed=k)[0]
            for k, (v, t) in enumerate(((CELL, twist / 2), (second, -twist / 2)))
        ]
        limit = 500 * share
        left = parts[0][parts[0][:, 1] < limit - 5]
        right = parts[1][parts[1][:, 1] > limit + 5]
        return np.concatenate([left, right]), np.repeat([0, 1], [len(left), len(right)])

    return make


def is_cell(lattice, vectors):
    whole = lattice.vectors @ np.linalg.inv(vectors)
    close = np.abs(whole - np.rint(whole)).max() < 0.02
    return close and round(abs(np.linalg.det(whole))) == 1


@pytest.mark.parametrize("share", [0.55, 0.8])
@pytest.mark.parametrize("twist", [10, 24, 30, 45])
def test_twin(share, twist, twin, turned):
    columns, label = twin(share, twist)
    with pytest.warns(UserWarning, match="on other lattices"):
        lattice = fit_lattice(columns)
    assert is_cell(lattice, turned(CELL, twist / 2))
    assert lattice.on_lattice[label == 0].mean() > 0.97
    assert lattice.on_lattice[label == 1].mean() < 0.05
    grains = fit_lattice(columns, grains=2)
    assert is_cell(grains[1], turned(CELL, -twist / 2))
    assert np.mean(grains.label == label) > 0.97


def test_two_phases(twin, turned):
    square = [[0, 18], [18, 0]]
    columns, label = twin(0.7, 20, square, sigma=0.6)
    grains = fit_lattice(columns, grains="all")
    assert isinstance(grains, Grains)
    assert is_cell(grains[0], turned(CELL, 10))
    assert is_cell(grains[1], turned(square, -10))
    assert np.mean(grains.label == label) > 0.97


def test_grains_that_hardly_differ_are_said(twin):
    columns, _ = twin(0.5, 4)
    with pytest.warns(UserWarning, match="turns by"):
        lattice = fit_lattice(columns)
    assert lattice.a == pytest.approx(20, abs=0.2)
    assert lattice.b == pytest.approx(24.4, abs=0.2)


def test_one_crystal(cut_lattice):
    columns, _ = cut_lattice(CELL, [(0, 0)], (300, 300), sigma=0.5)
    grains = fit_lattice(columns, grains=3)
    assert len(grains) == 1
    assert isinstance(grains[0], Lattice)
    assert np.all(grains.label == 0)
    np.testing.assert_array_equal(grains[0].vectors, fit_lattice(columns).vectors)


def test_summary_and_figure(twin):
    columns, _ = twin(0.6, 30)
    columns = np.concatenate([columns, [[-60.0, -60.0]]])
    grains = fit_lattice(columns, grains="all")
    assert grains.label[-1] == -1
    table = grains.summary()
    assert table.index.name == "grain"
    assert table["share"].sum() == pytest.approx(np.mean(grains.label >= 0))
    turn = (table["angle"][0] - table["angle"][1]) % 90
    assert min(abs(turn - 30), abs(turn - 60)) < 0.5
    assert "2 lattices" in repr(grains)
    figure = grains.plot(np.zeros((500, 500)))
    panel = figure.axes[0]
    assert panel.yaxis_inverted()
    # Columns of none, of either grain; and a cell for each
    drawn = [len(c.get_offsets()) for c in panel.collections]
    assert drawn == [1, *(np.sum(grains.label == k) for k in (0, 1))]
    assert len(panel.lines) == 4  # each on a white border
    plt.close(figure)
    figure = grains[0].plot()
    assert figure.axes[0].yaxis_inverted()
    plt.close(figure)


@pytest.mark.parametrize("grains", [0, -1, 1.5, "some"])
def test_refuses(grains, twin):
    with pytest.raises(ValueError, match="neither a number above 0 nor 'all'"):
        fit_lattice(twin(0.5, 30)[0], grains=grains)
