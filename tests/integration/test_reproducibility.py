"""Columns do not hang on the rounding of a processor, of threads or of dask."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from hyperspy_stem_enhance.detect import columns

PATH = Path(__file__).parents[2] / "benchmarks" / "reproducibility.py"


@pytest.fixture(scope="module")
def reproducibility():
    spec = importlib.util.spec_from_file_location(PATH.stem, PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_same(tables, expected):
    """The same columns to a thousandth of a pixel and of an intensity."""
    for table, other in zip(tables, expected, strict=True):
        assert len(table) == len(other)
        # Sorted by rows, which may be the same but for rounding
        table, other = (
            t[np.lexsort(np.rint(10 * t[:, 1::-1].T))] for t in (table, other)
        )
        np.testing.assert_allclose(table[:, :2], other[:, :2], atol=1e-3)
        np.testing.assert_allclose(table[:, 2], other[:, 2], rtol=1e-3)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rounding_of_the_network_moves_no_column(reproducibility, monkeypatch):
    frames = list(reproducibility.simulated_frames(18))
    expected = reproducibility.detect_all(frames, "")
    assert sum(map(len, expected)) > 500
    changed = reproducibility.change_by_rounding(columns.detect_columns)
    monkeypatch.setattr(columns, "detect_columns", changed)
    assert_same(reproducibility.detect_all(frames, ""), expected)


@pytest.mark.slow
def test_other_processors_find_the_same_columns(reproducibility, tmp_path):
    frames = list(reproducibility.simulated_frames(18))
    expected, *others = (
        reproducibility.run_setting(name, frames, tmp_path)
        for name in reproducibility.SETTINGS
        if "bfloat16 allowed" not in name
    )
    assert len(others) > 8
    for tables in others:
        assert_same(tables, expected)
