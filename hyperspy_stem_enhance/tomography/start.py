"""Gaussians to start a fit with, drawn from a volume of voxels."""

import numpy as np
from scipy.spatial import cKDTree

from . import kernels
from .model import Model

# Where the density is below this part of its maximum, nothing is drawn
_EMPTY = 0.05
# Standard deviation of a Gaussian over the mean distance of its three neighbours
_OVERLAP = 0.8
_WIDEST = 8.0  # voxels


def draw_gaussians(volume, number, smallest, rng):
    """A model of Gaussians at places drawn by the density of a volume.

    Their widths follow the distance of neighbours, and their denza makes the
    sum at each place that of the volume.
    """
    chance = np.where(volume > _EMPTY * volume.max(), volume, 0).ravel()
    occupied = np.count_nonzero(chance)
    chosen = rng.choice(
        chance.size, number, p=chance / chance.sum(), replace=number > occupied
    )
    voxels = np.stack(np.unravel_index(chosen, volume.shape), axis=1)
    positions = voxels + rng.uniform(-0.5, 0.5, voxels.shape)
    n_neighbours = min(4, number)
    distances = cKDTree(positions).query(positions, k=n_neighbours)[0]
    distances = distances.reshape(number, -1)[:, 1:]
    spacing = distances.mean(axis=1) if n_neighbours > 1 else np.full(number, _WIDEST)
    widths = np.clip(_OVERLAP * spacing, smallest, _WIDEST)
    model = Model(positions, widths, np.ones(number), smallest)
    overlap = np.zeros(volume.shape, np.float32)
    kernels.voxelise(
        model.positions, model.covariances, np.ones(number), np.zeros(3), overlap
    )
    at = tuple(voxels.T)
    denza = volume[at] / np.maximum(overlap[at], 0.5)
    return Model(positions, widths, np.maximum(denza, 1e-3), smallest)
