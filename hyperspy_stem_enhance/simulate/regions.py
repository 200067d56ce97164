"""Draw which part of a field of view is specimen, or amorphous.

Each function returns ``region(y, x)``, a value in [0, 1] for pixel
coordinates that broadcast against each other.
"""

import numpy as np

from .lattice import draw_direction


def _sigmoid(distance):
    return 1 / (1 + np.exp(-np.clip(distance, -30, 30)))


def draw_edge(rng, shape):
    """Edge of a support: a curved line across the frame."""
    normal, offset = draw_direction(rng), rng.uniform(-0.4, 0.4) * max(shape)
    width = np.exp(rng.uniform(np.log(0.7), np.log(12.0)))
    bend = rng.uniform(0, 0.08) * max(shape)
    frequency = rng.uniform(2, 12) / max(shape)
    phase = rng.uniform(0, 2 * np.pi)

    def region(y, x):
        y, x = y - shape[0] / 2, x - shape[1] / 2
        along = y * normal[1] - x * normal[0]
        distance = y * normal[0] + x * normal[1] - offset
        distance = distance + bend * np.sin(frequency * along + phase)
        return _sigmoid(distance / width)

    return region


def draw_particle(rng, shape):
    """A faceted particle with vacuum around it."""
    centre = np.array(shape) * rng.uniform(0.2, 0.8, 2)
    radius = min(shape) * rng.uniform(0.2, 0.55)
    width = np.exp(rng.uniform(np.log(0.7), np.log(5.0)))
    facets = rng.integers(4, 9)
    angles = rng.uniform(0, 2 * np.pi) + np.arange(facets) * 2 * np.pi / facets
    cuts = radius * rng.uniform(0.7, 1.1, facets)

    def region(y, x):
        y, x = y - centre[0], x - centre[1]
        distance = np.inf
        for angle, cut in zip(angles, cuts, strict=True):
            side = cut - (y * np.cos(angle) + x * np.sin(angle))
            distance = np.minimum(distance, side)
        return _sigmoid(distance / width)

    return region


def draw_patch(rng, shape):
    """A rounded patch, or all that lies beyond a curved line."""
    if rng.random() < 0.5:
        return draw_edge(rng, shape)
    centre = np.array(shape) * rng.uniform(0.2, 0.8, 2)
    radius = min(shape) * rng.uniform(0.2, 0.45)
    width = rng.uniform(2, 8)
    lobes, depth, phase = rng.integers(2, 6), rng.uniform(0, 0.25), rng.uniform(0, 6)

    def region(y, x):
        y, x = y - centre[0], x - centre[1]
        bulge = 1 + depth * np.sin(lobes * np.arctan2(y, x) + phase)
        return _sigmoid((radius * bulge - np.hypot(y, x)) / width)

    return region


def draw_fringes(rng, shape, region=None):
    """Lattice fringes of one direction: a crystal off its zone axis.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    region : callable, optional
        Where the crystal is; by default all over the frame.

    Returns
    -------
    callable
        ``fringes(y, x)``, between 0 and its strength of 0.1 to 1.5; slightly bent,
        stronger in some parts than in others.
    """
    period = np.exp(rng.uniform(np.log(5.0), np.log(30.0)))
    normal, phase = 2 * np.pi / period * draw_direction(rng), rng.uniform(0, 2 * np.pi)
    strength = np.exp(rng.uniform(np.log(0.1), np.log(1.5)))
    sharpness = rng.uniform(0, 1)  # of real fringes between a cosine and its square
    along = draw_direction(rng)
    bend, bends = rng.uniform(0, 0.6), 2 * np.pi * rng.uniform(0.2, 1) / max(shape)
    uneven, slow = rng.uniform(0, 0.6), 2 * np.pi * rng.uniform(0.2, 1.5) / max(shape)
    turn = draw_direction(rng)

    def fringes(y, x):
        bent = bend * np.sin(bends * (y * along[0] + x * along[1]))
        wave = 0.5 + 0.5 * np.cos(y * normal[0] + x * normal[1] + phase + bent)
        wave = (1 - sharpness) * wave + sharpness * wave**2
        envelope = 1 - uneven * (0.5 + 0.5 * np.sin(slow * (y * turn[0] + x * turn[1])))
        where = 1 if region is None else region(y, x)
        return (strength * wave * envelope * where).astype(np.float32)

    return fringes


def draw_wedge(rng, shape):
    """Thickness that grows evenly across the frame, from an edge or not."""
    normal = draw_direction(rng)
    reach = abs(normal) @ np.array(shape) / 2
    thin = rng.uniform(-0.4, 0.4)  # thickness at the thin side of the frame

    def region(y, x):
        y, x = y - shape[0] / 2, x - shape[1] / 2
        along = (y * normal[0] + x * normal[1]) / reach  # -1 to 1
        return np.clip(thin + (1 - thin) * (along + 1) / 2, 0, 1)

    return region
