"""Simulated images with known noise."""

from dataclasses import replace

import numpy as np
import pytest

from hyperspy_stem_enhance.noise import PUBLISHED_PARAMETERS
from hyperspy_stem_enhance.simulate.noise import frame_noise_from
from hyperspy_stem_enhance.simulate.render import render_columns


def make_ideal(parameters, mode="HAADF", shape=(256, 256), spacing=22.0, sigma=3.0):
    """Tilted square lattice over a smooth background, without noise."""
    y, x = np.mgrid[-2 : shape[0] // spacing + 3, -2 : shape[1] // spacing + 3]
    angle = 0.2
    rows = spacing * (np.cos(angle) * y + np.sin(angle) * x)
    columns = spacing * (np.cos(angle) * x - np.sin(angle) * y)
    positions = np.column_stack([rows.ravel(), columns.ravel()])
    n = len(positions)
    clean = render_columns(
        positions, np.full(n, parameters.atom_brightness), np.full(n, sigma), shape
    )
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    wave = 0.5 - 0.5 * np.cos(np.pi * (y + x))
    low, high = parameters.background_min, parameters.background_max
    background = low + (high - low) * wave / wave.max()
    sign = -1 if mode == "BF" else 1
    return (background + sign * clean).astype(np.float32)


@pytest.fixture
def simulate():
    """Function that draws an image with the noise of given parameters."""

    def draw(mode="HAADF", seed=0, levels=None, shape=(256, 256), **changes):
        parameters = replace(PUBLISHED_PARAMETERS[mode], **changes)
        if mode == "BF" and "atom_brightness" not in changes:
            # columns darker than black are none
            parameters = replace(parameters, atom_brightness=110.0)
        ideal = make_ideal(parameters, mode, shape)
        noise = frame_noise_from(parameters, levels)
        return noise.apply(np.random.default_rng(seed), ideal), parameters, ideal

    return draw
