"""The networks in the form they are run in: the same numbers, sooner.

Exact algebra on a trained `sfin.SFIN` or `scgn.SCGN`, no approximation:

- batch normalisation, affine once trained, becomes part of the convolution
  before it;
- the convolutions of one block that share their input become one;
- the two coordinates and the constant that the Fourier unit adds to its
  spectrum become columns of one matrix product, which reads the real and
  imaginary parts of the transform where they lie in memory;
- sums and ReLUs are taken in place, on a processor no more images go
  through at once than keep a layer in memory that is used again, and of
  several outputs those that nobody asked for are not computed.

Only the order in which numbers are added changes, so the result differs
from that of the trained module by the rounding of float32.
"""

from copy import deepcopy

import torch
from torch import nn
from torch.nn import functional

from .scgn import SCGN
from .sfin import SFIN

# Larger tensors leave the caches, and are new memory of the system in every
# layer: 1.1 to 1.8 times the time per image, measured for batches of 8 and 16
_LAYER_BYTES = 2**22 + 2**20


def inference_form(network):
    """Return the form in which a trained network is run.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    torch.nn.Module
        `InferenceNetwork` of SFIN and SCGN; of others the network itself.
    """
    own_form = type(network) in (SFIN, SCGN)
    return InferenceNetwork(network) if own_form else network.eval()


def run_outputs(network, x, outputs):
    """Run a network for some of its outputs.

    Parameters
    ----------
    network : torch.nn.Module
        From `inference_form`.
    x : torch.Tensor, shape (n, n_inputs, h, w)
    outputs : list of int

    Returns
    -------
    torch.Tensor, shape (n, len(outputs), h, w)
    """
    if isinstance(network, InferenceNetwork):
        return network(x, outputs)
    return network(x)[:, outputs]


class InferenceNetwork(nn.Module):
    """A trained SFIN or SCGN rewritten to be run, not trained.

    Parameters
    ----------
    network : models.sfin.SFIN or models.scgn.SCGN
        Trained network; it is not changed.

    Notes
    -----
    Input and output are those of the network in evaluation mode; called
    with a list of outputs, it computes only these.

    Examples
    --------
    >>> import torch
    >>> from hyperspy_stem_enhance.models.inference import InferenceNetwork
    >>> from hyperspy_stem_enhance.models.sfin import SFIN
    >>> network = SFIN(width=8, n_blocks=1).eval()
    >>> x = torch.randn(1, 1, 32, 32)
    >>> with torch.inference_mode():
    ...     error = InferenceNetwork(network)(x) - network(x)
    >>> bool(error.abs().max() < 1e-5)
    True
    """

    def __init__(self, network):
        super().__init__()
        self.downscale = network.downscale
        self.n_inputs = network.n_inputs
        self.head = _Convolution(network.head_conv.weight, network.head_conv.bias)
        self.body = nn.Sequential(*(_Residual(part) for part in network.body))
        self.tail = _Convolution(network.tail_conv.weight, network.tail_conv.bias)
        self.eval().requires_grad_(False)

    def forward(self, x, outputs=None):
        tail = self._tail_of(outputs)
        if x.device.type != "cpu":
            return self._run(x, tail)
        pixels = x.shape[-2] * x.shape[-1] // self.downscale**2
        n = max(1, _LAYER_BYTES // (4 * len(self.head.weight) * max(1, pixels)))
        return torch.cat([self._run(part, tail) for part in x.split(n)])

    def _tail_of(self, outputs):
        """Weights and bias of the last convolution for some outputs."""
        tail = self.tail.weight, self.tail.bias
        if outputs is None:
            return tail
        pixels = self.downscale**2  # of an output lie side by side
        return [part.unflatten(0, (-1, pixels))[outputs].flatten(0, 1) for part in tail]

    def _run(self, x, tail):
        if self.downscale > 1:
            x = functional.pixel_unshuffle(x, self.downscale)
        skip = self.head(x)
        x = functional.conv2d(self.body(skip).add_(skip), *tail, padding=1)
        if self.downscale > 1:
            x = functional.pixel_shuffle(x, self.downscale)
        return x


class _Convolution(nn.Module):
    """3x3 convolution of fixed weights."""

    def __init__(self, weight, bias):
        super().__init__()
        self.register_buffer("weight", weight.detach().clone())
        self.register_buffer("bias", None if bias is None else bias.detach().clone())

    def forward(self, x):
        return functional.conv2d(x, self.weight, self.bias, padding=1)


class _Residual(nn.Module):
    """Two blocks and their input, fused by a convolution in SCGN."""

    def __init__(self, residual):
        super().__init__()
        fuse = getattr(residual, "fuse", None)
        block = _ExchangingBlock if fuse is None else _GuidedBlock
        self.blocks = nn.Sequential(block(residual.conv1), block(residual.conv2))
        self.fuse = fuse and _Convolution(fuse.weight, fuse.bias)

    def forward(self, x):
        x = self.blocks(x).add_(x)
        return self.fuse(x) if self.fuse else x


class _ExchangingBlock(nn.Module):
    """A block of SFIN: three convolutions and one Fourier unit."""

    def __init__(self, block):
        super().__init__()
        paths = block.ffc
        spectral = paths.convg2g
        self.half = half = paths.convl2l.out_channels
        gain_l, shift_l = _affine(block.bn_l)
        gain_g, shift_g = _affine(block.bn_g)
        # conv2 of the spectral transform reads [g, what its Fourier unit gave]
        from_g, from_unit = spectral.conv2.weight.split(half, dim=1)
        weight_l = torch.cat([paths.convl2l.weight, paths.convg2l.weight], 1)
        weight_g = torch.cat([paths.convl2g.weight, from_g], 1)
        bias_l = paths.convl2l.bias + paths.convg2l.bias
        bias_g = paths.convl2g.bias + spectral.conv2.bias
        self.both = _Convolution(
            torch.cat([weight_l * gain_l, weight_g * gain_g]),
            torch.cat(
                [
                    bias_l * gain_l.flatten() + shift_l,
                    bias_g * gain_g.flatten() + shift_g,
                ]
            ),
        )
        self.enter = _Convolution(spectral.conv1.weight, spectral.conv1.bias)
        self.leave = _Convolution(from_unit * gain_g, None)
        self.unit = _FourierUnit(spectral.fu)

    def forward(self, x):
        result = self.both(x)
        result[:, self.half :] += self.leave(self.unit(self.enter(x[:, self.half :])))
        return result.relu_()


class _GuidedBlock(nn.Module):
    """A block of SCGN: a weighted convolution beside a spectral transform."""

    def __init__(self, block):
        super().__init__()
        paths = block.ffc
        spectral = paths.convg2g
        self.half = half = paths.convl2l.out_channels
        gain_l, shift_l = _affine(block.bn_l)
        gain_g, shift_g = _affine(block.bn_g)
        from_g, from_unit = spectral.conv2.weight.split(half, dim=1)
        self.local = _Convolution(
            paths.convl2l.weight * gain_l, paths.convl2l.bias * gain_l.flatten()
        )
        self.register_buffer("shift", shift_l.detach().view(-1, 1, 1))
        self.deviation = deepcopy(paths.std)
        self.register_buffer("guide", paths.conv1.weight.detach().clone())
        self.enter = _Convolution(spectral.conv1.weight, spectral.conv1.bias)
        self.spectral = _Convolution(
            from_g * gain_g, spectral.conv2.bias * gain_g.flatten() + shift_g
        )
        self.leave = _Convolution(from_unit * gain_g, None)
        self.unit = _WeightedFourierUnit(spectral.fu)

    def forward(self, x):
        local, spectral = x.split(self.half, 1)
        result = torch.empty_like(x)
        weight = functional.conv2d(self.deviation(local), self.guide).sigmoid_()
        weight.mul_(self.local(local)).add_(self.shift)
        result[:, : self.half] = weight
        unit = self.leave(self.unit(self.enter(spectral)))
        result[:, self.half :] = self.spectral(spectral).add_(unit)
        return result.relu_()


class _FourierUnit(nn.Module):
    """Linear map and ReLU of every frequency's channels, as one product."""

    def __init__(self, unit):
        super().__init__()
        gain, shift = _affine(unit.bn)
        weight = unit.conv_layer.weight[:, :, 0, 0] * gain.flatten()[:, None]
        vertical, horizontal, spectrum = weight.split([1, 1, weight.shape[1] - 2], 1)
        # After the spectrum's channels: (vertical, horizontal), (1, 0)
        unused = torch.zeros_like(vertical)
        columns = [spectrum, vertical, horizontal, shift[:, None], unused]
        self.register_buffer("weight", torch.cat(columns, 1).t().detach().contiguous())

    def forward(self, x):
        spectrum = torch.fft.rfftn(x, dim=(-2, -1), norm="ortho")
        n, channels, h, w = spectrum.shape
        rows = spectrum.new_empty((n, h, w, channels + 2))
        rows[..., :channels] = spectrum.permute(0, 2, 3, 1)
        coordinates = torch.view_as_real(rows[..., channels])
        coordinates[..., 0] = torch.linspace(0, 1, h, device=x.device)[:, None]
        coordinates[..., 1] = torch.linspace(0, 1, w, device=x.device)
        rows[..., channels + 1] = 1
        parts = torch.view_as_real(rows).view(-1, 2 * (channels + 2))
        parts = torch.mm(parts, self.weight).relu_().view(n, h, w, 2 * channels)
        spectrum = torch.view_as_complex(
            self.weighted(parts).view(n, h, w, channels, 2)
        )
        return torch.fft.irfftn(
            spectrum.permute(0, 3, 1, 2), s=x.shape[-2:], dim=(-2, -1), norm="ortho"
        )

    def weighted(self, parts):
        """What is done to the parts (n, h, w, 2c) before they are transformed."""
        return parts


class _WeightedFourierUnit(_FourierUnit):
    """Fourier unit of SCGN: weights of channels enter its second product."""

    def __init__(self, unit):
        super().__init__(unit)
        attention = unit.channel_attn
        self.attend = _Convolution(attention.conv.weight, attention.conv.bias)
        self.fc = deepcopy(attention.fc)
        self.register_buffer("last", unit.conv_layer2.weight.detach()[:, :, 0, 0].t())

    def weighted(self, parts):
        seen = self.attend(parts.permute(0, 3, 1, 2))
        mean, highest = seen.mean((-2, -1), True), seen.amax((-2, -1), True)
        weight = (self.fc(mean) + self.fc(highest)).flatten(1)
        n, h, w, channels = parts.shape
        last = weight[:, :, None] * self.last
        return torch.bmm(parts.view(n, h * w, channels), last).view(parts.shape)


def _affine(norm):
    """Factor, shaped for convolution weights, and summand of a batch norm."""
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return gain.view(-1, 1, 1, 1), norm.bias - norm.running_mean * gain
