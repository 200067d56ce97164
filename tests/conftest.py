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


@pytest.fixture
def three_outputs(tmp_path, monkeypatch):
    """Name of a user's model whose three outputs are known from the first.

    The second is twice the enhanced image, the third, a logit, the same.
    Beside it is a model "one" with the first alone.
    """
    import torch

    from hyperspy_stem_enhance.models import SFIN, SFIN_FAST, list_models, load_model
    from hyperspy_stem_enhance.models.export import export_weights

    known = load_model("sfin-fast")
    state, pixels = known.state_dict(), known.downscale**2
    first = {
        name: state[name][:pixels] for name in ("tail_conv.weight", "tail_conv.bias")
    }
    both = {name: torch.cat([w, 2 * w, w]) for name, w in first.items()}
    for model, n_outputs, tail in (("one", 1, first), ("three", 3, both)):
        architecture = {**SFIN_FAST, "n_outputs": n_outputs}
        architecture["n_inputs"] = known.n_inputs
        network = SFIN(**architecture)
        network.load_state_dict({**state, **tail})
        card = {"architecture": architecture, "modes": ["HAADF", "BF"]}
        card["constants"] = list_models()["sfin-fast"]["constants"]
        export_weights(network, model, tmp_path / "models", **card)
    monkeypatch.setenv("HSE_MODELS", str(tmp_path / "models"))
    return "three"


@pytest.fixture
def small_scgn(tmp_path, monkeypatch):
    """Name of a small model for HRTEM, the default one, with weights at random."""
    import torch

    from hyperspy_stem_enhance.models import registry
    from hyperspy_stem_enhance.models.architectures import build_network
    from hyperspy_stem_enhance.models.export import export_weights

    architecture = {
        "name": "scgn",
        "width": 8,
        "n_blocks": 1,
        "downscale": 2,
        "n_outputs": 3,
    }
    torch.manual_seed(0)
    network = build_network(architecture)
    card = {"architecture": architecture, "modes": ["HRTEM"]}
    card["constants"] = registry.list_models()["scgn-fast"]["constants"]
    export_weights(network, "small-scgn", tmp_path / "models", **card)
    monkeypatch.setenv("HSE_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(registry._DEFAULTS, "HRTEM", "small-scgn")
    return "small-scgn"
