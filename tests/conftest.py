"""Fixtures for all tests: real data, no progress bars, no windows."""

import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def data_dir():
    """Folder with real images; its tests are skipped where it is absent."""
    default = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("HSE_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}; set HSE_TEST_DATA to their folder")
    return folder


@pytest.fixture(autouse=True)
def _no_progress_bars():
    from hyperspy.defaults_parser import preferences

    before = preferences.General.show_progressbar
    preferences.General.show_progressbar = False
    yield
    preferences.General.show_progressbar = before


@pytest.fixture
def rng():
    """Random generator with a fixed seed."""
    return np.random.default_rng(0)
