"""The networks that SFIN is compared with."""

import pytest
import torch
from paper_tables.networks import FCN, SeparateSFIN, UNet

from hyperspy_stem_enhance.models import install_model, load_model
from hyperspy_stem_enhance.models.architectures import (
    NETWORKS,
    build_network,
    register_network,
)
from hyperspy_stem_enhance.models.inference import inference_form, run_outputs
from hyperspy_stem_enhance.train import stream
from hyperspy_stem_enhance.train.loop import averaged_network, train

SMALL = {"width": 8, "n_outputs": 3}


def receptive_rows(network, size=64):
    """Rows of the input on which the pixel in the middle depends."""
    x = torch.randn(1, 1, size, size, requires_grad=True)
    network.eval()(x)[0, 0, size // 2, size // 2].backward()
    return int((x.grad[0, 0].abs().sum(1) > 0).sum())


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_have_the_shape_of_the_input(name):
    network = build_network({"name": name, **SMALL}).eval()
    assert network.n_outputs == 3
    side = 12 * network.downscale
    with torch.inference_mode():
        assert network(torch.zeros(2, 1, side, 2 * side)).shape == (
            2,
            3,
            side,
            2 * side,
        )


def test_layers_are_those_of_the_publications():
    unet = UNet().state_dict()
    shapes = sorted(tuple(w.shape) for w in unet.values() if w.ndim == 4)
    # Of AtomSegNet's published network, its last convolution included
    published = [(64, 1), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256)]
    published += [(128, 256), (128, 128), (64, 128), (64, 64)]
    expected = [(*shape, 3, 3) for shape in published]
    expected += [(128, 256, 1, 1), (64, 128, 1, 1), (1, 64, 1, 1)]
    assert shapes == sorted(expected)
    dilations = [
        m.dilation[0] for m in FCN().modules() if isinstance(m, torch.nn.Conv2d)
    ]
    assert dilations == [1, 1, 1, 2, 4, 6, 2, 4, 6, 1, 1, 1, 1, 1]


def test_ablations_lack_what_they_are_named_after():
    torch.manual_seed(0)
    spatial = build_network({"name": "sfin-spatial", "width": 8, "n_blocks": 1})
    assert receptive_rows(spatial) == 9  # four convolutions and no spectrum
    separate = SeparateSFIN(8, 1).eval()
    assert receptive_rows(separate) == 64
    x = torch.randn(1, 8, 16, 16)
    changed = x.clone()
    changed[:, 4:] += 1
    with torch.inference_mode():
        difference = separate.body(changed) - separate.body(x)
    assert not difference[:, :4].any()
    assert difference[:, 4:].any()


@pytest.mark.parametrize("name", ["unet", "sfin-separate"])
def test_any_network_trains_resumes_and_is_used_by_name(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HSE_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(stream, "CROPS", ((32, 2),))
    architecture = {"name": name, **SMALL}
    options = {"n_workers": 0, "report": lambda line: None, "half_precision": False}
    train(tmp_path / "run", architecture, 2, minutes=0, **options)
    checkpoint = train(tmp_path / "run", architecture, 2, **options)
    install_model(tmp_path / "run", "mine")
    x = torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        expected, found = averaged_network(checkpoint)(x), load_model("mine")(x)
    assert type(load_model("mine")) is NETWORKS[name]
    assert (found - expected).abs().max() < 5e-3 * expected.abs().max() + 1e-3


@pytest.mark.parametrize(
    ("architecture", "message"),
    [({"name": "vgg"}, "unknown name"), ({"name": "fcn", "depth": 3}, "'depth'")],
)
def test_unknown_architectures_are_named(architecture, message):
    with pytest.raises(ValueError, match=message):
        build_network(architecture)


def test_they_are_run_as_they_are():
    network = build_network({"name": "unet", "width": 4, "n_outputs": 3})
    assert inference_form(network) is network
    assert not network.training
    x = torch.randn(2, 1, 32, 48)
    with torch.inference_mode():
        expected, found = network(x)[:, [2, 0]], run_outputs(network, x, [2, 0])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_name_belongs_to_one_network():
    with pytest.raises(ValueError, match=r"name='unet'.*UNet"):
        register_network("unet", FCN)
