"""SCGN: its layers as published, and what they do."""

import pytest
import torch

from hyperspy_stem_enhance.models.architectures import build_network
from hyperspy_stem_enhance.models.scgn import (
    SCGN,
    SCGN_FAST,
    SCGN_PAPER,
    ChannelAttention,
    LocalDeviation,
)


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(0)
    return build_network(SCGN_PAPER).eval()


def test_size_is_the_published_one(published):
    assert sum(p.numel() for p in published.parameters()) == 1_640_641
    assert len(published.state_dict()) == 484


@pytest.mark.parametrize(
    ("key", "shape"),
    {
        "head_conv.weight": (64, 1, 3, 3),
        "body.0.conv1.ffc.convl2l.weight": (32, 32, 3, 3),
        "body.0.conv1.ffc.conv1.weight": (32, 32, 1, 1),
        "body.0.conv1.ffc.std.mean_kernel": (32, 1, 3, 3),
        "body.7.conv2.ffc.convg2g.conv1.bias": (32,),
        "body.7.conv2.ffc.convg2g.fu.conv_layer.weight": (64, 66, 1, 1),
        "body.7.conv2.ffc.convg2g.fu.channel_attn.conv.weight": (64, 64, 3, 3),
        "body.7.conv2.ffc.convg2g.fu.channel_attn.fc.0.weight": (4, 64, 1, 1),
        "body.7.conv2.ffc.convg2g.fu.channel_attn.fc.2.weight": (64, 4, 1, 1),
        "body.7.conv2.ffc.convg2g.fu.conv_layer2.weight": (64, 64, 1, 1),
        "body.7.conv2.ffc.convg2g.conv2.weight": (32, 64, 3, 3),
        "body.3.conv1.bn_g.running_var": (32,),
        "body.3.fuse.weight": (64, 64, 3, 3),
        "tail_conv.weight": (1, 64, 3, 3),
    }.items(),
)
def test_parameters_have_the_published_names(published, key, shape):
    assert tuple(published.state_dict()[key].shape) == shape


def test_deviation_is_that_of_the_window():
    x = torch.randn(1, 4, 9, 12, dtype=torch.float64).float() * 5 + 20
    found = LocalDeviation(4)(x)
    expected = x[0, 2, 3:6, 5:8].std(correction=0)
    assert float(found[0, 2, 4, 6]) == pytest.approx(float(expected), rel=1e-3)
    # the border is continued by reflection
    corner = x[0, 0, [1, 0, 1]][:, [1, 0, 1]].std(correction=0)
    assert float(found[0, 0, 0, 0]) == pytest.approx(float(corner), rel=1e-3)
    flat = LocalDeviation(2)(torch.ones(1, 2, 5, 5))
    assert float(flat.max()) == pytest.approx(1e-5**0.5)


def test_attention_gives_each_channel_one_weight():
    torch.manual_seed(0)
    attention = ChannelAttention(32)
    weights = attention(torch.randn(2, 32, 6, 5))
    assert weights.shape == (2, 32, 1, 1)
    assert 0 < weights.min() < weights.max() < 2


def test_fast_variant_works_at_half_resolution():
    network = build_network(SCGN_FAST).eval()
    assert isinstance(network, SCGN)
    with torch.inference_mode():
        assert network(torch.zeros(1, 2, 32, 64)).shape == (1, 3, 32, 64)


def test_training_in_half_precision_is_finite():
    torch.manual_seed(0)
    network = SCGN(width=16, n_blocks=1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(torch.randn(2, 1, 32, 32)).float().abs().mean()
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())
