"""The scripts are no package: those that are imported are found by the path."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # last: nothing else is hidden by a script's name


@pytest.fixture(scope="session")
def make_tables():
    """The script ``tables.py``, whose name is that of PyTables as well."""
    path = BENCHMARKS / "tables.py"
    spec = importlib.util.spec_from_file_location("make_tables", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main
