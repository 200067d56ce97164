import json

import pytest
import torch

from hyperspy_stem_enhance.models import (
    SFIN,
    list_models,
    load_model,
    registry,
    resolve,
    resolve_device,
    weights_sha256,
)
from hyperspy_stem_enhance.models.export import export_weights

ARCHITECTURE = {"width": 8, "n_blocks": 1, "downscale": 2}


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A registry of its own with one small model."""
    torch.manual_seed(0)
    network = SFIN(**ARCHITECTURE).eval()
    export_weights(
        network, "small", tmp_path, architecture=ARCHITECTURE, modes=["HAADF"]
    )
    registry._registry.cache_clear()
    monkeypatch.setattr(registry, "_WEIGHTS", tmp_path)
    yield tmp_path, network
    registry._registry.cache_clear()


@pytest.mark.parametrize("name", list_models())
def test_every_model_that_ships_loads_and_has_a_card(name):
    network = load_model(name)
    assert not network.training
    card = registry._WEIGHTS / f"{name}.md"
    assert weights_sha256(name) in card.read_text()


def test_auto_serves_both_modes():
    for mode in ("HAADF", "BF"):
        assert resolve("auto", mode) in list_models()


def test_listing_is_a_copy():
    list_models()["sfin-fast"]["modes"].clear()
    assert list_models()["sfin-fast"]["modes"]


def test_exported_weights_are_read_in_half_precision(weights):
    _, network = weights
    x = torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        expected, found = network(x), load_model("small")(x)
    assert (found - expected).abs().max() < 5e-3 * expected.abs().max()


def test_altered_weights_are_refused(weights):
    path = weights[0] / "small.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="altered or truncated"):
        load_model("small")
    path.write_bytes(content[:100])
    with pytest.raises(ValueError, match="altered or truncated"):
        load_model("small")


def test_weights_of_another_architecture_are_refused(weights):
    path = weights[0] / "registry.json"
    entries = json.loads(path.read_text())
    entries["small"]["architecture"]["width"] = 16
    path.write_text(json.dumps(entries))
    registry._registry.cache_clear()
    with pytest.raises(ValueError, match="do not fit"):
        load_model("small")


def test_unknown_model_names_those_there_are():
    with pytest.raises(ValueError, match=r"model='unet'.*'sfin-fast'"):
        resolve("unet")


def test_mode_that_a_model_was_not_trained_for(weights):
    with pytest.raises(ValueError, match="mode='BF'; it serves HAADF"):
        resolve("small", "BF")


@pytest.mark.parametrize("device", ["tpu", "cuda:99", 3.5])
def test_unknown_device_is_named(device):
    with pytest.raises(ValueError, match="device="):
        resolve_device(device)


def test_a_network_is_loaded_once():
    first, _ = registry.load_for_use("auto", "HAADF", "cpu")
    second, _ = registry.load_for_use("sfin-fast", "BF", "cpu")
    assert first is second
