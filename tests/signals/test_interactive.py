"""Columns chosen by a slider."""

import sys

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

from hyperspy_stem_enhance import AtomPositions
from hyperspy_stem_enhance.signals._interactive import ThresholdChooser

CONFIDENCES = [[0.1, 0.6, 0.9], [0.3, 0.95]]


@pytest.fixture
def images():
    yield hs.signals.Signal2D(np.zeros((2, 32, 32)))
    plt.close("all")


@pytest.fixture
def atoms(images):
    tables = [
        np.stack([[5 + 5 * i, 9, 1, 2, value] for i, value in enumerate(values)])
        for values in CONFIDENCES
    ]
    return AtomPositions.from_arrays(tables, image=images)


def test_columns_follow_what_is_chosen(images, atoms):
    images.plot()
    chooser = ThresholdChooser(images, atoms, 0.5)
    assert chooser.atoms is atoms
    assert list(atoms.n_atoms) == [2, 1]
    chooser.choose(0.0)
    assert list(atoms.n_atoms) == [3, 2]
    chooser.choose(0.92)
    assert list(atoms.n_atoms) == [0, 1]
    drawn = images._plot.signal_plot.ax_markers
    assert len(drawn) == 1
    images._plot.close()
    chooser.choose(0.5)  # without a plot
    assert list(atoms.n_atoms) == [2, 1]


def test_slider(images, atoms):
    pytest.importorskip("ipywidgets")
    slider, label = ThresholdChooser(images, atoms, 0.5).widget(0.5).children
    assert label.value == "3 columns"
    slider.value = 0.0
    assert label.value == "5 columns"
    assert list(atoms.n_atoms) == [3, 2]


def test_method(images, monkeypatch):
    pytest.importorskip("ipywidgets")
    display = pytest.importorskip("IPython.display")
    shown = []
    monkeypatch.setattr(display, "display", shown.append)
    y, x = np.mgrid[:32, :32]
    images.data[:] = 100 * np.exp(-((y - 15) ** 2 + (x - 16) ** 2) / (2 * 3**2))
    atoms = images.detect_atoms(enhance=False, interactive=True)
    expected = images.detect_atoms(enhance=False)
    assert len(shown) == 1
    assert list(atoms.n_atoms) == list(expected.n_atoms)
    with pytest.raises(ValueError, match="lazy_output"):
        images.as_lazy().detect_atoms(interactive=True)


def test_without_ipywidgets(images, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ValueError, match="pip install ipywidgets"):
        images.detect_atoms(enhance=False, interactive=True)
