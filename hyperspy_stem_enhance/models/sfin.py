"""SFIN, the spatial-frequency interactive network, and a faster variant.

Source: Li, Wu, Shao, Zhang, Fu, "Noise Calibration and Spatial-Frequency
Interactive Network for STEM Image Enhancement", CVPR 2025 (arXiv
2504.02555).  Layers and names of the parameters follow the authors'
published network (HeasonLee/SFIN, Apache-2.0), so that their checkpoints
load; the code here is our own.

Half of the channels (``l``) is spatial, the other half (``g``) passes
through a convolution of its Fourier spectrum; the halves exchange what
they found in every block.  ``downscale=2`` moves the body to half
resolution by pixel-unshuffling, which two processor cores can train and
run (`SFIN_FAST`).  One network may give several images at the cost of one
(`OUTPUTS`), where the authors train one network for each task.
"""

import torch
from torch import nn
from torch.nn import functional

OUTPUTS = ("enhanced", "super-resolution", "detection")
"""What a network returns, in this order: the columns, the columns narrower
than they are, and the logit of a dot at every column."""

INPUTS = ("frame", "order")
"""What a network may be given, in this order: the normalised frame, and what
repeats across it (`enhance.order`)."""

SFIN_PAPER = {"width": 64, "n_blocks": 8, "downscale": 1}
SFIN_FAST = {
    "width": 64,
    "n_blocks": 3,
    "downscale": 2,
    "n_outputs": 3,
    "n_inputs": 2,
}


def conv3(inputs, outputs):
    """3x3 convolution that keeps the size of the image."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class FourierUnit(nn.Module):
    """1x1 convolution of the real and imaginary parts of the spectrum."""

    def __init__(self, channels):
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels + 2, 2 * channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x):
        kind = x.device.type
        # half-precision transforms fail on CPU and off powers of two
        with torch.autocast(kind, enabled=False):
            spectrum = torch.fft.rfftn(x.float(), dim=(-2, -1), norm="ortho")
        n, c, h, w = spectrum.shape
        parts = torch.view_as_real(spectrum).permute(0, 1, 4, 2, 3)
        if torch.is_autocast_enabled(kind):  # in the copy that changes the order
            dtype = torch.get_autocast_dtype(kind)
            parts = parts.to(dtype, memory_format=torch.contiguous_format)
        parts = self.mix(parts.reshape(n, 2 * c, h, w))
        parts = parts.reshape(n, c, 2, h, w).permute(0, 1, 3, 4, 2)
        parts = parts.to(torch.float32, memory_format=torch.contiguous_format)
        with torch.autocast(kind, enabled=False):
            return torch.fft.irfftn(
                torch.view_as_complex(parts.contiguous()),
                s=x.shape[-2:],
                dim=(-2, -1),
                norm="ortho",
            )

    def mix(self, parts):
        """Convolve the parts (n, 2c, h, w) and the coordinates before them."""
        n, channels, h, w = parts.shape
        weight = self.conv_layer.weight[:, :, 0, 0]
        y = torch.linspace(0, 1, h, device=parts.device)[:, None]
        x = torch.linspace(0, 1, w, device=parts.device)
        # the coordinates are the same for all images
        plane = weight[:, 0, None, None] * y + weight[:, 1, None, None] * x
        mixed = torch.matmul(weight[:, 2:], parts.reshape(n, channels, h * w))
        mixed = mixed.view(n, -1, h, w) + plane.to(mixed.dtype)
        return functional.relu(self.bn(mixed))


class SpectralTransform(nn.Module):
    """Frequency branch: convolution, Fourier unit, fusion with the input."""

    def __init__(self, channels, unit=FourierUnit):
        super().__init__()
        self.conv1 = conv3(channels, channels)
        self.fu = unit(channels)
        self.conv2 = conv3(2 * channels, channels)

    def forward(self, g):
        return self.conv2(torch.cat([g, self.fu(self.conv1(g))], 1))


class _Exchange(nn.Module):
    """The four paths between the spatial and the frequency half.

    Those that end in one half are taken as one convolution of all channels it
    is made of: the same sum, in nine tenths of the time of a training step.
    """

    def __init__(self, channels):
        super().__init__()
        self.convl2l = conv3(channels, channels)
        self.convl2g = conv3(channels, channels)
        self.convg2l = conv3(channels, channels)
        self.convg2g = SpectralTransform(channels)

    def forward(self, local, spectral):
        transform = self.convg2g
        unit = transform.fu(transform.conv1(spectral)).to(local.dtype)
        if local.is_contiguous(memory_format=torch.channels_last):
            unit = unit.contiguous(memory_format=torch.channels_last)
        both = torch.cat([local, spectral], 1)
        return (
            _joint_convolution(both, self.convl2l, self.convg2l),
            _joint_convolution(
                torch.cat([both, unit], 1), self.convl2g, transform.conv2
            ),
        )


def _joint_convolution(x, *convolutions):
    """Sum of the convolutions of successive channels."""
    weight = torch.cat([convolution.weight for convolution in convolutions], 1)
    bias = sum(convolution.bias for convolution in convolutions)
    return functional.conv2d(x, weight, bias, padding=1)


class SpatialFrequencyBlock(nn.Module):
    """Exchange between the halves, batch normalisation, ReLU (SFIB)."""

    def __init__(self, channels):
        super().__init__()
        self.ffc = _Exchange(channels)
        self.bn_l = nn.BatchNorm2d(channels)
        self.bn_g = nn.BatchNorm2d(channels)

    def forward(self, local, spectral):
        local, spectral = self.ffc(local, spectral)
        return functional.relu(self.bn_l(local)), functional.relu(self.bn_g(spectral))


class ResidualBlock(nn.Module):
    """Two spatial-frequency blocks and the block's own input."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = SpatialFrequencyBlock(width // 2)
        self.conv2 = SpatialFrequencyBlock(width // 2)

    def forward(self, x):
        halves = self.conv2(*self.conv1(*x.chunk(2, dim=1)))
        return x + torch.cat(halves, 1)


class SFIN(nn.Module):
    """Spatial-frequency interactive network.

    Parameters
    ----------
    width : int, default 64
        Channels, half of them spatial, half of them frequency.
    n_blocks : int, default 8
        Residual blocks of two spatial-frequency blocks each.
    downscale : int, default 1
        The body works at 1 / `downscale` of the resolution; both sides of
        the image must be multiples of it.
    n_outputs : int, default 1
        How many of `OUTPUTS`, from the first on, it returns.
    n_inputs : int, default 1
        How many of `INPUTS`, from the first on, it takes.

    Notes
    -----
    The input is a float32 tensor of shape (n, n_inputs, h, w), the output one
    of shape (n, n_outputs, h, w).  The defaults are the network of the paper:
    960,193 parameters.

    References
    ----------
    Li et al., CVPR 2025, https://arxiv.org/abs/2504.02555

    Examples
    --------
    >>> import torch
    >>> from hyperspy_stem_enhance.models.sfin import SFIN
    >>> network = SFIN()
    >>> sum(p.numel() for p in network.parameters())
    960193
    >>> network(torch.zeros(1, 1, 32, 32)).shape
    torch.Size([1, 1, 32, 32])
    """

    residual_block = ResidualBlock

    def __init__(self, width=64, n_blocks=8, downscale=1, n_outputs=1, n_inputs=1):
        super().__init__()
        self.downscale = downscale
        self.n_inputs = n_inputs
        self.n_outputs = n_outputs
        pixels = downscale**2
        self.head_conv = conv3(n_inputs * pixels, width)
        self.body = nn.Sequential(
            *(self.residual_block(width) for _ in range(n_blocks))
        )
        self.tail_conv = conv3(width, n_outputs * pixels)

    def forward(self, x):
        if self.downscale > 1:
            x = functional.pixel_unshuffle(x, self.downscale)
        skip = self.head_conv(x)
        x = self.tail_conv(self.body(skip) + skip)
        if self.downscale > 1:
            x = functional.pixel_shuffle(x, self.downscale)
        return x
