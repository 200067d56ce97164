"""Networks that SFIN is compared with, to be trained as it is.

The layers follow the publications named below; the code is our own.  All of
them return their last layer as it is: where a paper ends in a sigmoid, its
images lie between 0 and 1, while the frames of this package have no largest
value.
"""

import torch
from torch import nn
from torch.nn import functional

from hyperspy_stem_enhance.models.architectures import register_network
from hyperspy_stem_enhance.models.sfin import SFIN, SpectralTransform


def _convolutions(inputs, outputs, n, slope=0.0, dilations=None):
    """Convolutions 3x3, each with batch normalisation and (leaky) ReLU."""
    layers = []
    for dilation in dilations or [1] * n:
        layers += [
            nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(slope) if slope else nn.ReLU(),
        ]
        inputs = outputs
    return nn.Sequential(*layers)


def _enlarge(x):
    return functional.interpolate(x, scale_factor=2, mode="bilinear")


class UNet(nn.Module):
    """The U-Net of AtomSegNet: three resolutions, twice joined.

    Parameters
    ----------
    width : int, default 64
        Channels at full resolution, doubled at every halving of it.
    n_outputs : int, default 1

    Notes
    -----
    Input (n, 1, h, w), output (n, n_outputs, h, w), sides multiples of 4.
    Channels and normalisations are those of the published network; its
    sigmoid, and the ReLU and normalisation before that, are left out.

    References
    ----------
    Lin, Zhang, Wang, Yang, Xin, "TEMImageNet training library and
    AtomSegNet deep-learning models for high-precision atom segmentation,
    localization, denoising, and deblurring of atomic-resolution images",
    Sci. Rep. 11, 5386 (2021), https://doi.org/10.1038/s41598-021-84499-w

    Examples
    --------
    >>> import torch
    >>> from paper_tables.networks import UNet
    >>> UNet(width=8)(torch.zeros(1, 1, 32, 32)).shape
    torch.Size([1, 1, 32, 32])
    """

    downscale = 4
    n_inputs = 1

    def __init__(self, width=64, n_outputs=1):
        super().__init__()
        self.n_outputs = n_outputs
        self.down = nn.ModuleList(
            _convolutions(inputs, outputs, 2)
            for inputs, outputs in (
                (1, width),
                (width, 2 * width),
                (2 * width, 4 * width),
            )
        )
        self.narrow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * n, n, 1), nn.BatchNorm2d(n))
            for n in (2 * width, width)
        )
        self.joined = nn.ModuleList(nn.BatchNorm2d(n) for n in (4 * width, 2 * width))
        self.up = nn.ModuleList(_convolutions(2 * n, n, 2) for n in (2 * width, width))
        self.tail_conv = nn.Conv2d(width, n_outputs, 1)

    def forward(self, x):
        passed = []
        for block in self.down:
            x = block(functional.max_pool2d(x, 2) if passed else x)
            passed.append(x)
        layers = zip(self.narrow, self.joined, self.up, passed[-2::-1], strict=True)
        for narrow, joined, block, skip in layers:
            x = block(joined(torch.cat([skip, narrow(_enlarge(x))], 1)))
        return self.tail_conv(x)


class FCN(nn.Module):
    """A fully convolutional network of dilated convolutions.

    Parameters
    ----------
    width : int, default 25
        Channels at full resolution, twice as many at half of it.
    n_outputs : int, default 1

    Notes
    -----
    Input (n, 1, h, w), output (n, n_outputs, h, w), sides multiples of 2.
    Ziatdinov et al. brought fully convolutional networks to STEM images of
    atoms [1]_; the layers here are those of "dilnet" in their library [2]_:
    three convolutions, half the resolution, two cascades of convolutions
    dilated by 2, 4 and 6 whose layers are added up, three convolutions
    over what is enlarged and what was passed on. Which FCN the tables of
    the SFIN paper mean is not known to us beyond its name.

    References
    ----------
    .. [1] Ziatdinov et al., "Deep learning of atomically resolved scanning
       transmission electron microscopy images", ACS Nano 11, 12742 (2017),
       https://doi.org/10.1021/acsnano.7b07504
    .. [2] Ziatdinov, Ghosh, Wong, Kalinin, "AtomAI framework for deep
       learning analysis of image and spectroscopy data in electron and
       scanning probe microscopy", Nat. Mach. Intell. 4, 1101 (2022),
       https://doi.org/10.1038/s42256-022-00555-8

    Examples
    --------
    >>> import torch
    >>> from paper_tables.networks import FCN
    >>> FCN()(torch.zeros(1, 1, 32, 32)).shape
    torch.Size([1, 1, 32, 32])
    """

    downscale = 2
    n_inputs = 1

    def __init__(self, width=25, n_outputs=1):
        super().__init__()
        self.n_outputs = n_outputs
        self.first = _convolutions(1, width, 3, slope=0.01)
        self.wide = nn.Sequential(
            _DilatedCascade(width, 2 * width), _DilatedCascade(2 * width, 2 * width)
        )
        self.narrow = nn.Conv2d(2 * width, width, 1)
        self.last = _convolutions(2 * width, width, 3, slope=0.01)
        self.tail_conv = nn.Conv2d(width, n_outputs, 1)

    def forward(self, x):
        first = self.first(x)
        x = self.narrow(_enlarge(self.wide(functional.max_pool2d(first, 2))))
        return self.tail_conv(self.last(torch.cat([first, x], 1)))


class _DilatedCascade(nn.Module):
    """Convolutions of growing dilation, one after the other; their sum."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = nn.ModuleList(
            _convolutions(n, outputs, 1, slope=0.01, dilations=[dilation])
            for n, dilation in ((inputs, 2), (outputs, 4), (outputs, 6))
        )

    def forward(self, x):
        total = 0
        for layer in self.layers:
            x = layer(x)
            total = total + x
        return total


class SpatialSFIN(SFIN):
    """SFIN without its frequency half: all channels are spatial.

    Parameters are those of `models.sfin.SFIN`. A block is a 3x3
    convolution of all channels, batch normalisation and ReLU ("spatial
    only" in table 7 of the SFIN paper).

    Examples
    --------
    >>> from paper_tables.networks import SpatialSFIN
    >>> network = SpatialSFIN(width=8, n_blocks=1)
    """

    def __init__(self, width=64, n_blocks=8, downscale=1, n_outputs=1):
        super().__init__(width, 0, downscale, n_outputs)
        self.body = nn.Sequential(
            *(_Residual(_convolutions(width, width, 2)) for _ in range(n_blocks))
        )


class SeparateSFIN(SFIN):
    """SFIN without interaction: each half passes through paths of its own.

    Parameters are those of `models.sfin.SFIN`. The spatial half is
    convolved, the frequency half goes through the spectral transform, and
    they meet in the first and last convolution alone ("with frequency" in
    table 7 of the SFIN paper).

    Examples
    --------
    >>> from paper_tables.networks import SeparateSFIN
    >>> network = SeparateSFIN(width=8, n_blocks=1)
    """

    def __init__(self, width=64, n_blocks=8, downscale=1, n_outputs=1):
        super().__init__(width, 0, downscale, n_outputs)
        self.body = nn.Sequential(
            *(
                _Residual(nn.Sequential(_Separate(width // 2), _Separate(width // 2)))
                for _ in range(n_blocks)
            )
        )


class _Residual(nn.Module):
    """A block and its own input."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        return x + self.block(x)


class _Separate(nn.Module):
    """Spatial and frequency half beside each other."""

    def __init__(self, channels):
        super().__init__()
        self.local = _convolutions(channels, channels, 1)
        self.spectral = nn.Sequential(
            SpectralTransform(channels), nn.BatchNorm2d(channels), nn.ReLU()
        )

    def forward(self, x):
        local, spectral = x.chunk(2, dim=1)
        return torch.cat([self.local(local), self.spectral(spectral)], 1)


NETWORKS = {
    "sfin-separate": SeparateSFIN,
    "sfin-spatial": SpatialSFIN,
    "fcn": FCN,
    "unet": UNet,
}

for _name, _network in NETWORKS.items():
    register_network(_name, _network)
