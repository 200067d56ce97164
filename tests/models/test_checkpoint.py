import pytest
import torch

from hyperspy_stem_enhance.models import SFIN, load_checkpoint


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SFIN(16, 2).eval()


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
