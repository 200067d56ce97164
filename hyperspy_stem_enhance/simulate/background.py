"""Draw backgrounds: the published one, and the strong ones of real frames.

Real frames have supports with an edge, thickness ramps and grainy films.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, zoom


def draw_smooth_background(rng, shape, low, high):
    """Coarse uniform noise, enlarged bicubically to span [low, high].

    Li et al. (CVPR 2025, section 3.3) call it Perlin noise.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns).
    low, high : float
        Lowest and highest value of the background.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`
    """
    cells = rng.integers(2, 5) + 1
    grid = rng.random((cells, cells), dtype=np.float32)
    factors = [size / cells for size in shape]
    field = zoom(grid, factors, order=3, mode="nearest", grid_mode=True)
    field = field[: shape[0], : shape[1]]
    span = np.ptp(field)
    return low + (field - field.min()) * np.float32((high - low) / max(span, 1e-6))


def draw_grain(rng, shape, sd):
    """Grain of an amorphous film: a Gaussian random field of given SD."""
    sigma = rng.uniform(1.0, 4.0)
    white = rng.standard_normal(shape, dtype=np.float32)
    field = gaussian_filter(white, sigma, mode="wrap")
    return field * np.float32(sd / field.std())


def draw_strong_background(rng, shape, contrast, region=None, most_grain=0.12):
    """Background as real frames have it, up to many times the contrast.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns).
    contrast : float
        Height of the brightest columns; the background spans 0.02 to 10
        times it.
    region : callable, optional
        ``region(y, x)``: where the specimen is (`Columns.region`).
    most_grain : float, default 0.12
        Largest SD of the grain of a film, relative to the contrast.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`; not negative
    """
    level = contrast * rng.uniform(0, 0.4)
    span = contrast * np.exp(rng.uniform(np.log(0.02), np.log(3.0)))
    background = draw_smooth_background(rng, shape, level, level + span)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    if rng.random() < 0.3:  # thickness ramp
        slope = rng.normal(0, contrast / max(shape), 2) * rng.uniform(0, 3)
        ramp = slope[0] * y + slope[1] * x
        background += (ramp - ramp.min()).astype(np.float32)
    if rng.random() < 0.4:
        grain = draw_grain(rng, shape, contrast * rng.uniform(0, most_grain))
        background += grain
    if region is not None:
        there = region(y, x).astype(np.float32)
        step = contrast * np.exp(rng.uniform(np.log(0.1), np.log(10.0)))
        vacuum = np.float32(rng.uniform(0, 0.5))
        background = background * (vacuum + (1 - vacuum) * there) + step * there
    return np.clip(background, 0, None)
