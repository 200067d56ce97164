"""The examples in the docstrings run and give what they say."""

import doctest
import importlib
import pkgutil

import dask.array as da
import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

import hyperspy_stem_enhance

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(
        hyperspy_stem_enhance.__path__, "hyperspy_stem_enhance."
    )
    if not module.name.endswith("__main__")
)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MODULES)
def test_examples(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(
        module,
        # What HyperSpy's own docstrings take for granted
        extraglobs={"hs": hs, "np": np, "da": da},
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert failed == 0


def test_there_are_examples():
    assert len(MODULES) > 20
