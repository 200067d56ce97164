"""Real images whose lattice is known: every column found, none invented."""

from importlib.util import find_spec
from pathlib import Path

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.spatial import cKDTree

import hyperspy_stem_enhance  # noqa: F401 (gives signals their methods)

ATOMAP = Path(find_spec("atomap").origin).parent / "tests" / "datasets"


def fit_lattice(positions):
    """Indices and residuals of positions of one lattice, in pixels."""
    start = positions[np.argmin(np.hypot(*(positions - positions.mean(0)).T))]
    steps = positions - start
    near = steps[np.argsort(np.hypot(*steps.T))[1:9]]
    a = near[0]
    b = near[np.argmin(abs(near @ a) / np.hypot(*near.T))]
    for _ in range(3):
        index = np.rint(np.linalg.solve(np.stack([a, b], 1), steps.T)).T
        design = np.column_stack([index, np.ones(len(index))])
        fit = np.linalg.lstsq(design, positions, rcond=None)[0]
        a, b, steps = fit[0], fit[1], positions - fit[2]
    return index, positions - design @ fit


@pytest.fixture(scope="module")
def perovskite():
    found = {}
    for name, mode in (("ADF", "HAADF"), ("ABF", "BF")):
        s = hs.load(ATOMAP / f"test_{name}_cropped.hdf5", file_format="HSPY")
        found[mode] = s.detect_atoms(mode=mode, show_progressbar=False).single_array()
    return found


def inner(table):
    return table[np.all((table[:, :2] > 8) & (table[:, :2] < (391, 371)), axis=1)]


def heavy_and_weak(table):
    """Columns of cations, and those of a fifth of their height: oxygen."""
    heavy = table[:, 2] > 0.4 * np.median(table[:, 2])
    return table[heavy], table[~heavy]


def test_sublattices_of_the_perovskite(perovskite):
    table, _ = heavy_and_weak(inner(perovskite["HAADF"]))
    order = np.sort(table[:, 2])
    gap = np.argmax(np.diff(order[10:-10])) + 10
    limit = order[gap : gap + 2].mean()
    for columns in (table[table[:, 2] > limit], table[table[:, 2] <= limit]):
        index, residual = fit_lattice(columns[:, :2])
        assert len(np.unique(index, axis=0)) == len(index) > 90
        # No site of the rectangle is empty, no column is off the lattice.
        assert np.ptp(index[:, 0]) * np.ptp(index[:, 1]) < 1.3 * len(index)
        assert np.hypot(*residual.T).max() < 2.5
        assert np.sqrt(np.mean(residual**2)) * 9.33 < 6  # pm


def test_weak_columns_of_the_dark_field_are_those_of_the_bright_field(perovskite):
    _, weak = heavy_and_weak(inner(perovskite["HAADF"]))
    distance, _ = cKDTree(perovskite["BF"][:, :2]).query(weak[:, :2])
    assert (distance < 2).all()


def test_oxygen_is_seen_in_the_bright_field_only(perovskite):
    adf, abf = perovskite["HAADF"], perovskite["BF"]
    inner = np.all((adf[:, :2] > 10) & (adf[:, :2] < (389, 369)), axis=1)
    distance, _ = cKDTree(abf[:, :2]).query(adf[inner, :2])
    assert np.mean(distance < 4) > 0.97
    distance, _ = cKDTree(adf[:, :2]).query(abf[:, :2])
    assert 100 < np.sum(distance > 7) < 140


def test_strontium_titanate(data_dir):
    s = hs.load(data_dir / "haadf" / "16_STOimage_1.ser")
    s = s[0] if isinstance(s, list) else s
    s = s.isig[:512, :512]
    table = s.detect_atoms(show_progressbar=False).single_array()
    # Heights at the edges rest on halves of columns
    table = table[np.all((table[:, :2] > 12) & (table[:, :2] < 500), axis=1)]
    order = np.sort(table[:, 2])
    limit = order[np.argmax(np.diff(order[10:-10])) + 10]
    index, residual = fit_lattice(table[table[:, 2] > limit, :2])
    assert len(np.unique(index, axis=0)) == len(index) > 120
    assert np.sqrt(np.mean(residual**2)) * 10 < 15  # pm
