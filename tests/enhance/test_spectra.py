"""Blocks come back as they were, and noise is known by its spectrum."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from hyperspy_stem_enhance.enhance.spectra import SpectralBlocks, power_of


@pytest.mark.parametrize("shape", [(16, 16), (31, 64), (128, 100), (300, 257)])
def test_blocks_join_to_the_image(shape, rng):
    image = rng.normal(size=shape).astype(np.float32)
    blocks = SpectralBlocks(shape)
    spectra = blocks.transform(image)
    assert spectra.shape[2:] == (blocks.size, blocks.size // 2 + 1)
    assert spectra.shape[2:] == blocks.rings.shape
    np.testing.assert_allclose(blocks.join(spectra), image, atol=1e-4)


@pytest.mark.parametrize("kind", ["white", "rows"])
def test_noise_has_the_power_that_is_stated(kind, rng):
    noise = rng.normal(size=(512, 512)).astype(np.float32)
    if kind == "rows":
        noise = gaussian_filter1d(noise, 1, axis=1)
    blocks = SpectralBlocks(noise.shape)
    power = power_of(blocks.transform(noise))
    ratio = power / blocks.noise_power(power)
    inside = ratio[:, :, :, 1:-1].mean(axis=(0, 1))
    rows = inside.mean(axis=0)  # by the frequency along the rows
    seen = slice(None) if kind == "white" else slice(0, 24)
    np.testing.assert_allclose(rows[seen], 1, atol=0.15)


def test_a_lattice_does_not_count_as_noise(rng):
    y, x = np.mgrid[:256, :256]
    lattice = np.cos(2 * np.pi * (x + 0.2 * y) / 13) * np.cos(2 * np.pi * y / 17)
    noise = rng.normal(size=lattice.shape)
    blocks = SpectralBlocks(lattice.shape)
    with_it, alone = (
        blocks.noise_power(power_of(blocks.transform(image))).mean()
        for image in (noise + 10 * lattice, noise)
    )
    assert with_it == pytest.approx(alone, rel=0.2)


def test_nothing_has_no_power():
    blocks = SpectralBlocks((64, 64))
    power = power_of(blocks.transform(np.zeros((64, 64), np.float32)))
    with np.errstate(invalid="raise", divide="raise"):
        assert (blocks.noise_power(power) > 0).all()
