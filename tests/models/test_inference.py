import pytest
import torch
from torch import nn

from hyperspy_stem_enhance.models import SFIN, list_models, load_model, registry
from hyperspy_stem_enhance.models.inference import InferenceSFIN
from hyperspy_stem_enhance.models.sfin import SFIN_FAST, SFIN_PAPER


def make_network(**architecture):
    """Network whose batch normalisations are far from doing nothing."""
    torch.manual_seed(0)
    network = SFIN(**architecture).eval()
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
        found = InferenceSFIN(network)(x)
    return float((found - expected).abs().max() / (expected.max() - expected.min()))


@pytest.mark.parametrize("architecture", [SFIN_PAPER, SFIN_FAST])
@pytest.mark.parametrize("shape", [(32, 32), (46, 30), (34, 52)])
def test_numbers_are_those_of_the_trained_module(architecture, shape):
    x = torch.randn(2, 1, *shape)
    assert relative_error(make_network(**architecture), x) < 1e-5


@pytest.mark.parametrize("name", list_models())
def test_numbers_are_those_of_every_model_that_ships(name):
    assert relative_error(load_model(name), torch.randn(1, 1, 128, 96)) < 1e-5


def test_odd_sizes_are_served_at_full_resolution():
    network = make_network(width=8, n_blocks=1)
    assert relative_error(network, torch.randn(1, 1, 33, 45)) < 1e-5


def test_trained_module_and_input_are_left_alone():
    network = make_network(width=8, n_blocks=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(1, 1, 32, 32)
    kept = x.clone()
    with torch.inference_mode():
        InferenceSFIN(network)(x)
    assert torch.equal(x, kept)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_networks_are_run_in_this_form():
    network, _ = registry.load_for_use("sfin-fast", "HAADF", "cpu")
    assert isinstance(network, InferenceSFIN)
    assert not any(parameter.requires_grad for parameter in network.parameters())
