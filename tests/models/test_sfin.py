import pytest
import torch

from hyperspy_stem_enhance.models.sfin import SFIN, SFIN_FAST, FourierUnit


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SFIN().eval()


def test_size_is_that_of_the_paper(network):
    assert sum(p.numel() for p in network.parameters()) == 960_193
    assert len(network.state_dict()) == 420


def test_names_are_those_of_the_published_checkpoints(network):
    names = network.state_dict()
    for name, shape in {
        "head_conv.weight": (64, 1, 3, 3),
        "body.0.conv1.ffc.convl2l.weight": (32, 32, 3, 3),
        "body.7.conv2.ffc.convg2l.bias": (32,),
        "body.3.conv1.ffc.convg2g.conv1.weight": (32, 32, 3, 3),
        "body.3.conv1.ffc.convg2g.fu.conv_layer.weight": (64, 66, 1, 1),
        "body.3.conv1.ffc.convg2g.fu.bn.running_var": (64,),
        "body.3.conv1.ffc.convg2g.conv2.weight": (32, 64, 3, 3),
        "body.5.conv2.bn_l.weight": (32,),
        "body.5.conv2.bn_g.num_batches_tracked": (),
        "tail_conv.weight": (1, 64, 3, 3),
    }.items():
        assert tuple(names[name].shape) == shape
    assert not any("fu.conv_layer.bias" in name for name in names)


def test_fourier_unit_is_what_the_paper_says():
    """Against the transform written out channel by channel."""
    torch.manual_seed(1)
    unit = FourierUnit(2).eval()
    unit.bn.running_mean.uniform_(-1, 1)
    unit.bn.running_var.uniform_(0.5, 2)
    x = torch.randn(1, 2, 6, 10)
    spectrum = torch.fft.rfft2(x, norm="ortho")[0]
    y, f = torch.meshgrid(
        torch.linspace(0, 1, 6), torch.linspace(0, 1, 6), indexing="ij"
    )
    parts = [y, f]
    for channel in spectrum:
        parts += [channel.real, channel.imag]
    mixed = torch.einsum(
        "oi,ihw->ohw", unit.conv_layer.weight[:, :, 0, 0], torch.stack(parts)
    )
    mixed = torch.relu(unit.bn(mixed[None]))[0]
    expected = torch.stack(
        [
            torch.fft.irfft2(
                torch.complex(mixed[2 * c], mixed[2 * c + 1]), s=(6, 10), norm="ortho"
            )
            for c in range(2)
        ]
    )
    torch.testing.assert_close(unit(x)[0], expected)


def test_output_is_not_bounded_and_has_the_size_of_the_input(network):
    with torch.inference_mode():
        for shape in ((1, 1, 32, 32), (2, 1, 33, 47)):
            assert network(torch.zeros(shape)).shape == shape
        assert network(torch.full((1, 1, 32, 32), 255.0)).abs().max() > 1


def test_residual_block_adds_its_input():
    network = SFIN(8, 1).eval()
    block = network.body[0]
    for bn in (block.conv2.bn_l, block.conv2.bn_g):
        torch.nn.init.zeros_(bn.weight)
        torch.nn.init.zeros_(bn.bias)
    x = torch.randn(1, 8, 16, 16)
    torch.testing.assert_close(block(x), x)


def test_fast_variant_works_at_half_resolution():
    network = SFIN(**SFIN_FAST).eval()
    assert network.downscale == 2
    assert network.head_conv.in_channels == 2 * 4
    with torch.inference_mode():
        assert network(torch.zeros(1, 2, 32, 64)).shape == (1, 3, 32, 64)
