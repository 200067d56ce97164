"""What a fit of Gaussians minimises, each term with its gradient.

The data terms compare one view with the model; the total variation is that of a
block of voxels. All are written so that they add: ½ Σ (model − view)² / σ² is the
negative logarithm of the likelihood, up to a constant.
"""

import numpy as np
from numba import njit, prange


def least_squares(model, view, weight):
    """½ Σ weight (model − view)², and its gradient."""
    residual = model - view
    slope = weight * residual
    return 0.5 * float((slope * residual).sum()), slope


@njit(cache=True, fastmath=True, parallel=True)
def total_variation(volume, softness, slopes):
    """Σ √(|∇f|² + softness²) by forward differences; its gradient goes to `slopes`.

    Without the softness a flat region would have no gradient to follow.
    """
    n_x, n_z, n_y = volume.shape
    total = 0.0
    square = np.float32(softness * softness)
    slopes[:] = 0
    # Two passes over planes, as each writes to its neighbour as well
    for parity in range(2):
        for half in prange((n_x - parity + 1) // 2):
            x = 2 * half + parity
            part = np.float32(0)
            for z in range(n_z):
                for y in range(n_y):
                    here = volume[x, z, y]
                    a = volume[x + 1, z, y] - here if x + 1 < n_x else np.float32(0)
                    b = volume[x, z + 1, y] - here if z + 1 < n_z else np.float32(0)
                    c = volume[x, z, y + 1] - here if y + 1 < n_y else np.float32(0)
                    size = np.sqrt(a * a + b * b + c * c + square)
                    part += size
                    a /= size
                    b /= size
                    c /= size
                    slopes[x, z, y] -= a + b + c
                    if x + 1 < n_x:
                        slopes[x + 1, z, y] += a
                    if z + 1 < n_z:
                        slopes[x, z + 1, y] += b
                    if y + 1 < n_y:
                        slopes[x, z, y + 1] += c
            total += part
    return total
