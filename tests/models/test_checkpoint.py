import numpy as np
import pytest
import torch

from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.models import (
    SFIN,
    install_checkpoint,
    list_models,
    load_checkpoint,
    load_model,
)
from hyperspy_stem_enhance.models.scgn import SCGN
from hyperspy_stem_enhance.simulate.scene import draw_scene


@pytest.fixture(params=[SFIN, SCGN])
def network(request):
    torch.manual_seed(0)
    return request.param(16, 2).eval()


def published(network):
    state = {f"module.{name}": t for name, t in network.state_dict().items()}
    return {"epoch": 500, "model_state_dict": state}


def test_published_checkpoint_gives_the_same_numbers(network, tmp_path):
    path = tmp_path / "ours_enhance_tem_500.pth"
    torch.save(published(network), path)
    loaded = load_checkpoint(path)
    x = torch.rand(1, 1, 24, 24) * 255
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), network(x), rtol=0, atol=0)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        load_checkpoint(tmp_path / "none.pth")


def test_truncated_file_is_refused(network, tmp_path):
    path = tmp_path / "cut.pth"
    torch.save(published(network), path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.pth.*truncated"):
        load_checkpoint(path)


def test_code_in_a_file_is_not_run(tmp_path):
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"

    class Evil:
        def __reduce__(self):
            return (open, (str(trace), "w"))

    torch.save({"model_state_dict": Evil()}, path)
    with pytest.raises(ValueError, match="refused"):
        load_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize("content", [{"weights": {}}, [1, 2]])
def test_other_contents_are_refused(content, tmp_path):
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(ValueError, match="model_state_dict"):
        load_checkpoint(path)


def test_another_network_is_refused(network, tmp_path):
    path = tmp_path / "unet.pth"
    torch.save({"model_state_dict": {"down.0.weight": torch.ones(3, 3)}}, path)
    with pytest.raises(ValueError, match="another network"):
        load_checkpoint(path)
    state = published(network)
    state["model_state_dict"].pop("module.body.1.conv2.bn_g.weight")
    torch.save(state, path)
    with pytest.raises(ValueError, match="another network"):
        load_checkpoint(path)


class TestInstalled:
    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HSE_MODELS", str(tmp_path / "models"))

    @pytest.fixture
    def path(self, network, tmp_path):
        path = tmp_path / "ours_enhance_tem_500.pth"
        torch.save(published(network), path)
        return path

    def test_is_used_by_its_own_name(self, network, path):
        install_checkpoint(path)
        x = torch.rand(1, 1, 24, 24) * 255
        with torch.inference_mode():
            difference = load_model(path.stem)(x) - network(x)
        assert difference.abs().max() == 0
        assert list_models()[path.stem]["modes"] == ["HAADF"]

    def test_name_tells_the_mode(self, path):
        install_checkpoint(path.rename(path.with_stem("ours_enhance_tem_bf")))
        assert list_models()["ours_enhance_tem_bf"]["modes"] == ["BF"]
        other = path.with_stem("ours_enhance_tem_bf")
        install_checkpoint(other, "both", modes=("HAADF", "BF"))
        assert list_models()["both"]["modes"] == ["HAADF", "BF"]

    def test_takes_eight_bit_values_as_they_are(self, network, path):
        install_checkpoint(path)
        frame = np.clip(draw_scene(0, 3, (128, 128)).noisy, 0, 255).astype(np.uint8)
        expected = network(torch.from_numpy(frame[None, None]).float())
        expected = expected[0, 0].detach().numpy().clip(0, 255)
        expected -= np.quantile(expected, 0.01)
        enhanced = enhance_frames(frame[None], path.stem, allow_negative=True)[0]
        assert np.ptp(expected) > 0
        np.testing.assert_allclose(enhanced, expected, atol=1e-3 * np.ptp(expected))

    @pytest.mark.parametrize("mode", ["HAADF", "BF"])
    def test_result_is_in_units_of_the_input(self, path, mode):
        install_checkpoint(path, "both", modes=("HAADF", "BF"))
        frame = draw_scene(0, 3, (64, 64), mode).noisy
        one = enhance_frames(frame[None], "both", mode)
        other = enhance_frames(1e4 * frame[None] - 7, "both", mode)
        assert one.min() == 0
        np.testing.assert_allclose(other, 1e4 * one, atol=1e-3 * np.ptp(other))
