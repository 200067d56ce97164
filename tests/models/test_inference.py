import pytest
import torch
from torch import nn

from hyperspy_stem_enhance.models import inference, list_models, load_model, registry
from hyperspy_stem_enhance.models.architectures import build_network
from hyperspy_stem_enhance.models.inference import (
    InferenceNetwork,
    inference_form,
    run_outputs,
)
from hyperspy_stem_enhance.models.scgn import SCGN_FAST, SCGN_PAPER
from hyperspy_stem_enhance.models.sfin import SFIN_FAST, SFIN_PAPER


def make_network(**architecture):
    """Network whose batch normalisations are far from doing nothing."""
    torch.manual_seed(0)
    network = build_network(architecture).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network


def relative_error(network, x):
    with torch.inference_mode():
        expected = network(x)
        found = InferenceNetwork(network)(x)
    return float((found - expected).abs().max() / (expected.max() - expected.min()))


@pytest.mark.parametrize("architecture", [SFIN_PAPER, SFIN_FAST, SCGN_PAPER, SCGN_FAST])
@pytest.mark.parametrize("shape", [(32, 32), (46, 30), (34, 52)])
def test_numbers_are_those_of_the_trained_module(architecture, shape):
    x = torch.randn(2, architecture.get("n_inputs", 1), *shape)
    assert relative_error(make_network(**architecture), x) < 1e-5


@pytest.mark.parametrize("name", list_models())
def test_numbers_are_those_of_every_model_that_ships(name):
    network = load_model(name)
    assert relative_error(network, torch.randn(1, network.n_inputs, 128, 96)) < 1e-5


@pytest.mark.parametrize("name", ["sfin", "scgn"])
def test_odd_sizes_are_served_at_full_resolution(name):
    network = make_network(name=name, width=8, n_blocks=1)
    assert relative_error(network, torch.randn(1, 1, 33, 45)) < 1e-5


@pytest.mark.parametrize("name", ["sfin", "scgn"])
def test_trained_module_and_input_are_left_alone(name):
    network = make_network(name=name, width=8, n_blocks=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(1, 1, 32, 32)
    kept = x.clone()
    with torch.inference_mode():
        InferenceNetwork(network)(x)
    assert torch.equal(x, kept)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("name", ["sfin", "scgn"])
@pytest.mark.parametrize("outputs", [[0], [2], [0, 2], [2, 0, 1]])
def test_outputs_that_are_asked_for_are_those_of_all(name, outputs):
    architecture = {"name": name, "width": 8, "n_blocks": 1, "downscale": 2}
    network = make_network(**architecture, n_outputs=3)
    x = torch.randn(2, 1, 32, 48)
    form = inference_form(network)
    with torch.inference_mode():
        expected = form(x)[:, outputs]
        found = run_outputs(form, x, outputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_large_batches_go_through_in_parts(monkeypatch):
    form = InferenceNetwork(make_network(name="sfin", width=8, n_blocks=1))
    x = torch.randn(5, 1, 32, 32)
    seen = []
    form.body.register_forward_pre_hook(lambda _, x: seen.append(len(x[0])))
    with torch.inference_mode():
        expected = form(x)
        monkeypatch.setattr(inference, "_LAYER_BYTES", 2 * 4 * 8 * 32**2)
        found = form(x)
    assert seen == [5, 2, 2, 1]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_networks_are_run_in_this_form():
    network, _ = registry.load_for_use("sfin-fast", "HAADF", "cpu")
    assert isinstance(network, InferenceNetwork)
    assert not any(parameter.requires_grad for parameter in network.parameters())
