"""SCGN, the statistical characteristic-guided network for HRTEM frames.

Source: Li, Wu, Shao, Fu, "Statistical Characteristic-Guided Denoising for
Rapid High-Resolution Transmission Electron Microscopy Imaging", CVPR 2026
(arXiv 2603.18834).  Layers and names of the parameters follow the authors'
published network (HeasonLee/SCGN, MIT), so that their checkpoints load; the
code here is our own, and what SCGN has in common with SFIN is that of
`models.sfin`.

The halves of the channels pass beside each other.  What the spatial half
convolves is weighted by the local standard deviation of its input, the
spectrum of the frequency half by an attention over its channels, and a
convolution fuses the halves after every block.
"""

import torch
from torch import nn
from torch.nn import functional

from .sfin import SFIN, FourierUnit, SpectralTransform, conv3

SCGN_PAPER = {"name": "scgn", "width": 64, "n_blocks": 8, "downscale": 1}
SCGN_FAST = {
    "name": "scgn",
    "width": 64,
    "n_blocks": 3,
    "downscale": 2,
    "n_outputs": 3,
    "n_inputs": 2,
}

_LEAST_VARIANCE = 1e-5
_REDUCTION = 16  # channels per channel of the attention's narrow layer


class LocalDeviation(nn.Module):
    """Standard deviation in windows of 3 x 3 pixels, of each channel."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("mean_kernel", torch.full((channels, 1, 3, 3), 1 / 9))

    def forward(self, x):
        # the difference of two large squares: never in half precision
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            variance = self._mean(x * x) - self._mean(x) ** 2
            return torch.sqrt(torch.clamp(variance, min=_LEAST_VARIANCE))

    def _mean(self, x):
        padded = functional.pad(x, (1, 1, 1, 1), mode="reflect")
        return functional.conv2d(padded, self.mean_kernel, groups=len(self.mean_kernel))


class ChannelAttention(nn.Module):
    """Weights of channels from the mean and the maximum of each."""

    def __init__(self, channels):
        super().__init__()
        narrow = max(1, channels // _REDUCTION)
        self.conv = conv3(channels, channels)
        self.fc = nn.Sequential(
            nn.Conv2d(channels, narrow, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(narrow, channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        x = self.conv(x)
        mean, highest = x.mean((-2, -1), True), x.amax((-2, -1), True)
        return self.fc(mean) + self.fc(highest)


class WeightedFourierUnit(FourierUnit):
    """Fourier unit whose channels are weighted, and convolved once more."""

    def __init__(self, channels):
        super().__init__(channels)
        self.channel_attn = ChannelAttention(2 * channels)
        self.conv_layer2 = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)

    def mix(self, parts):
        """Mix as `FourierUnit`, weight the channels, convolve again."""
        parts = super().mix(parts)
        return self.conv_layer2(parts * self.channel_attn(parts))


class _Halves(nn.Module):
    """Spatial path, guided by deviations, beside the frequency path."""

    def __init__(self, channels):
        super().__init__()
        self.convl2l = conv3(channels, channels)
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.std = LocalDeviation(channels)
        self.convg2g = SpectralTransform(channels, WeightedFourierUnit)

    def forward(self, local, spectral):
        weight = torch.sigmoid(self.conv1(self.std(local)))
        return self.convl2l(local) * weight, self.convg2g(spectral)


class GuidedBlock(nn.Module):
    """Both halves, batch normalisation, ReLU."""

    def __init__(self, channels):
        super().__init__()
        self.ffc = _Halves(channels)
        self.bn_l = nn.BatchNorm2d(channels)
        self.bn_g = nn.BatchNorm2d(channels)

    def forward(self, local, spectral):
        local, spectral = self.ffc(local, spectral)
        return functional.relu(self.bn_l(local)), functional.relu(self.bn_g(spectral))


class FusedResidualBlock(nn.Module):
    """Two guided blocks and their input, fused by a convolution."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = GuidedBlock(width // 2)
        self.conv2 = GuidedBlock(width // 2)
        self.fuse = conv3(width, width)

    def forward(self, x):
        halves = self.conv2(*self.conv1(*x.chunk(2, dim=1)))
        return self.fuse(x + torch.cat(halves, 1))


class SCGN(SFIN):
    """Statistical characteristic-guided network.

    Parameters are those of `models.sfin.SFIN`, and so are the shapes of
    input and output. The defaults are the network of the paper: 1,640,641
    parameters.

    References
    ----------
    Li et al., CVPR 2026, https://arxiv.org/abs/2603.18834

    Examples
    --------
    >>> import torch
    >>> from hyperspy_stem_enhance.models.scgn import SCGN
    >>> network = SCGN()
    >>> sum(p.numel() for p in network.parameters())
    1640641
    >>> network(torch.zeros(1, 1, 32, 32)).shape
    torch.Size([1, 1, 32, 32])
    """

    residual_block = FusedResidualBlock
