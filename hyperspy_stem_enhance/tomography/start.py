"""Gaussians to start a fit with, from a volume of voxels."""

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from . import kernels
from .model import Model

# Where the density is below this part of that of the object, nothing is drawn
EMPTY = 0.1
# Standard deviation of a Gaussian over the mean distance of its three neighbours
_OVERLAP = 0.8
_WIDEST = 8.0  # voxels
# Voxels that a Gaussian stands for where the number is not given
_VOXELS_EACH = 20
_NUMBERS = (200, 20_000)
# Maxima are those of the volume smoothed by this many voxels
_PEAK_BLUR = 0.5
_LOWEST_PEAK = 0.15  # of the highest
_PEAK_WIDTH = 0.3  # of the distance to the nearest other maximum


def default_number(volume):
    """Number of Gaussians for the voxels that an object fills."""
    occupied = np.count_nonzero(volume > EMPTY)
    return int(np.clip(occupied // _VOXELS_EACH, *_NUMBERS))


def draw_gaussians(volume, number, smallest, rng):
    """A model of Gaussians at places drawn by the density of a volume.

    Their widths follow the distance of neighbours, their denza the volume and
    their overlap, and all together have its mass.
    """
    chance = np.where(volume > EMPTY, volume, 0).ravel()
    if not chance.any():
        chance = np.maximum(volume, 0).ravel()
    occupied = np.count_nonzero(chance)
    chosen = rng.choice(
        chance.size, number, p=chance / chance.sum(), replace=number > occupied
    )
    voxels = np.stack(np.unravel_index(chosen, volume.shape), axis=1)
    positions = voxels + rng.uniform(-0.5, 0.5, voxels.shape)
    widths = np.clip(_OVERLAP * _spacing(positions, 3), smallest, _WIDEST)
    overlap = np.zeros(volume.shape, np.float32)
    unit = Model(positions, widths, np.ones(number), smallest)
    kernels.voxelise(
        unit.positions, unit.covariances, np.ones(number), np.zeros(3), overlap
    )
    at = tuple(voxels.T)
    denza = np.maximum(volume[at] / np.maximum(overlap[at], 0.5), 1e-3)
    mass = (denza * (np.sqrt(2 * np.pi) * widths) ** 3).sum()
    denza *= chance.sum() / mass
    return Model(positions, widths, denza, smallest)


def gaussians_at_maxima(volume, smallest):
    """A model with one Gaussian at each maximum, as atoms are; None if none is."""
    smooth = gaussian_filter(volume, _PEAK_BLUR)
    peaks = smooth == maximum_filter(smooth, 3)
    peaks &= smooth > _LOWEST_PEAK * smooth.max()
    positions = np.argwhere(peaks).astype(float)
    if len(positions) < 2:
        return None
    spacing = np.median(_spacing(positions, 1))
    widths = np.full(len(positions), max(_PEAK_WIDTH * spacing, 1.2 * smallest))
    return Model(positions, widths, smooth[peaks], smallest)


def _spacing(positions, n_neighbours):
    n_neighbours = min(n_neighbours, len(positions) - 1)
    if n_neighbours < 1:
        return np.full(len(positions), _WIDEST)
    distances = cKDTree(positions).query(positions, k=n_neighbours + 1)[0]
    return distances[:, 1:].mean(axis=1)
