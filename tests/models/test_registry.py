import json

import numpy as np
import pytest
import torch

from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.models import (
    SFIN,
    install_model,
    list_models,
    load_model,
    registry,
    resolve,
    resolve_device,
    weights_sha256,
)
from hyperspy_stem_enhance.models.architectures import build_network
from hyperspy_stem_enhance.models.export import export_weights, store_constants
from hyperspy_stem_enhance.train.loop import train

ARCHITECTURE = {"width": 8, "n_blocks": 1, "downscale": 2}


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A registry of its own with one small model."""
    torch.manual_seed(0)
    network = SFIN(**ARCHITECTURE).eval()
    export_weights(
        network, "small", tmp_path, architecture=ARCHITECTURE, modes=["HAADF"]
    )
    monkeypatch.setattr(registry, "_WEIGHTS", tmp_path)
    return tmp_path, network


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


class TestOwnModels:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HSE_MODELS", str(tmp_path / "own"))
        return tmp_path / "own"

    @pytest.fixture
    def run(self, tmp_path):
        return train(tmp_path / "run", ARCHITECTURE, 1, n_workers=0, report=str).parent

    def test_training_is_used_by_name(self, run, folder):
        assert install_model(run, "mine") == folder / "mine.safetensors"
        assert set(list_models()) >= {"mine", "sfin-fast"}
        frame = np.random.default_rng(0).poisson(20, (1, 64, 64))
        own = enhance_frames(frame, model="mine", allow_negative=True)
        assert not np.array_equal(own, enhance_frames(frame, allow_negative=True))

    def test_a_training_knows_its_modes(self, run, tmp_path):
        settings = {"n_workers": 0, "report": str, "modes": ("HRTEM",)}
        hrtem = train(tmp_path / "hrtem", ARCHITECTURE, 1, **settings).parent
        install_model(run, "mine")
        install_model(hrtem, "other")
        modes = {name: list_models()[name]["modes"] for name in ("mine", "other")}
        assert modes == {"mine": ["HAADF", "BF"], "other": ["HRTEM"]}

    def test_weights_installed_again_are_loaded_again(self, run):
        install_model(run, "mine")
        first, _ = registry.load_for_use("mine")
        state = torch.load(run / "checkpoint.pt", weights_only=True)
        for name, tensor in state["average"].items():
            if name.endswith("tail_conv.weight"):
                tensor += 1
        torch.save(state, run / "checkpoint.pt")
        install_model(run, "mine")
        assert registry.load_for_use("mine")[0] is not first

    @pytest.mark.parametrize("name", ["sfin-fast", "auto", "../mine", "", "a b"])
    def test_names_that_cannot_be(self, run, name):
        with pytest.raises(ValueError, match="name="):
            install_model(run, name)

    def test_folder_without_a_training(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"settings\.json"):
            install_model(tmp_path, "mine")

    def test_broken_registry_is_named(self, folder):
        folder.mkdir()
        (folder / "registry.json").write_text("{")
        with pytest.raises(ValueError, match="not a registry"):
            list_models()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Name of a small model of a user's, beside those of the package."""
    folder = tmp_path / "models"
    monkeypatch.setenv("HSE_MODELS", str(folder))
    torch.manual_seed(0)
    card = {"architecture": ARCHITECTURE, "modes": ["HAADF", "BF"]}
    export_weights(SFIN(**ARCHITECTURE).eval(), "own", folder, half=False, **card)
    return "own"


@pytest.mark.parametrize("name", ["sfin-fast", "scgn-fast"])
def test_every_model_that_ships_is_calibrated(name, recwarn):
    for mode in registry.list_models()[name]["modes"]:
        confidence = registry.constants("confidence", name, mode)
        full = "raw enhanced probability misfit height apart spacing"
        assert full in {names.replace("peaked ", "") for names in confidence}
        if mode != "HRTEM":  # enhance_scgn gives no intervals
            interval = registry.constants("interval", name, mode)
            assert sum(interval["exponents"]) == pytest.approx(1, abs=2e-3)
    assert not recwarn.list


@pytest.mark.parametrize("kind", ["confidence", "interval"])
def test_a_model_without_constants_says_so(own, kind):
    with pytest.warns(UserWarning, match=rf"model='{own}'.*--model {own}"):
        found = registry.constants(kind, own)
    assert found == registry.constants(kind, "sfin-fast")


def test_constants_are_stored_with_a_model(own, recwarn):
    values = {"log_factor": 0.5, "exponents": [0.2, 0.3, 0.5]}
    before = registry.list_models()[own]
    path = store_constants("interval", values, own)
    assert path == registry.models_folder() / "registry.json"
    assert registry.constants("interval", own, "BF") == values
    store_constants("confidence", {"enhanced": [1.0]}, own)
    assert registry.constants("interval", own) == values
    assert registry.constants("confidence", own) == {"enhanced": [1.0]}
    after = registry.list_models()[own]
    assert {k: v for k, v in after.items() if k != "constants"} == before
    assert not recwarn.list


def test_constants_follow_the_weights_to_another_name(own, tmp_path):
    values = {"log_factor": 0.5, "exponents": [0.2, 0.3, 0.5]}
    store_constants("interval", values, own)
    network, entry = load_model(own), registry.list_models()[own]
    card = {"architecture": entry["architecture"], "modes": entry["modes"]}
    export_weights(network, "renamed", tmp_path / "shipped", half=False, **card)
    written = json.loads((tmp_path / "shipped" / "registry.json").read_text())
    assert written["renamed"]["constants"]["BF"]["interval"] == values
    torch.manual_seed(1)
    other = build_network(entry["architecture"])
    export_weights(other, "other", tmp_path / "shipped", half=False, **card)
    written = json.loads((tmp_path / "shipped" / "registry.json").read_text())
    assert "constants" not in written["other"]


def test_constants_of_no_kind_are_refused():
    with pytest.raises(ValueError, match=r"kind='interval2'.*'confidence'"):
        store_constants("interval2", {}, "sfin-fast")
