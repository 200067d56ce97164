"""Gaussians as numbers without bounds, and their steps by Adam.

Σ = M Mᵀ + s² with M a lower triangle keeps every Gaussian at least s wide in each
direction and needs no rotation; the denza is the softplus of its raw value. Adam is
that of Kingma and Ba, ICLR 2015.
"""

import numpy as np
from numba import njit, prange

from .gaussians import Gaussians, unpack

# Rows and columns of M, in the order of its numbers
_ROWS = np.array([0, 1, 1, 2, 2, 2])
_COLUMNS = np.array([0, 0, 1, 0, 1, 2])
_DECAYS = (0.9, 0.99)


class Model:
    """Gaussians that can be fitted.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, 3)
    widths : numpy.ndarray, shape (n,)
        Standard deviations in voxels of the round Gaussians at the start.
    denza : numpy.ndarray, shape (n,)
    smallest : float
        No Gaussian is narrower, in voxels.
    """

    def __init__(self, positions, widths, denza, smallest):
        n = len(positions)
        self.smallest = smallest
        self.numbers = np.zeros((n, 10))
        self.numbers[:, :3] = positions
        free = np.sqrt(np.maximum(widths**2 - smallest**2, (0.3 * smallest) ** 2))
        self.numbers[:, [3, 5, 8]] = free[:, None]
        self.numbers[:, 9] = inverse_softplus(denza)
        self.restart(self.numbers)

    def unpack(self):
        """Positions, covariances and denza of the present numbers."""
        self.positions = np.ascontiguousarray(self.numbers[:, :3])
        self.covariances = np.empty((len(self.numbers), 6))
        _covariances(self.numbers, self.smallest**2, self.covariances)
        self.denza = softplus(self.numbers[:, 9])

    def zero_slopes(self):
        """Arrays for the gradients of positions, covariances and denza."""
        n = len(self.numbers)
        return np.zeros((n, 3)), np.zeros((n, 6)), np.zeros(n)

    def step(self, slopes, rates):
        """One step of Adam down the gradients.

        `rates` are those of positions, of M (times its own size) and of raw denza.
        """
        self.steps += 1
        _adam(
            self.numbers,
            *slopes,
            self.first,
            self.second,
            self.steps,
            np.array(rates, float),
        )
        self.unpack()

    def restart(self, numbers):
        """Go back to these numbers, with no memory of steps."""
        self.numbers = numbers
        self.first, self.second = np.zeros_like(numbers), np.zeros_like(numbers)
        self.steps = 0
        self.unpack()

    def gaussians(self, shape, factor=1.0):
        """As they are now, the denza times a factor."""
        return Gaussians(
            self.positions.copy(),
            unpack(self.covariances),
            self.denza * factor,
            tuple(shape),
        )


def softplus(raw):
    """log(1 + exp(raw)), for any value."""
    return np.logaddexp(0, raw)


def inverse_softplus(value):
    """The raw value of a positive one, for any value."""
    value = np.maximum(value, 1e-6)
    return value + np.log(-np.expm1(-value))


@njit(cache=True, parallel=True)
def _covariances(numbers, floor, out):
    for i in prange(len(numbers)):
        a, b, c, d, e, f = numbers[i, 3:9]
        out[i, 0] = a * a + floor
        out[i, 1] = b * b + c * c + floor
        out[i, 2] = d * d + e * e + f * f + floor
        out[i, 3] = a * b
        out[i, 4] = a * d
        out[i, 5] = b * d + c * e


@njit(cache=True, parallel=True)
def _adam(numbers, d_positions, d_cov, d_denza, first, second, steps, rates):
    fade1 = 1 - _DECAYS[0] ** steps
    fade2 = 1 - _DECAYS[1] ** steps
    for i in prange(len(numbers)):
        n = numbers[i]
        slope = np.empty(10)
        slope[:3] = d_positions[i]
        xx, zz, yy, xz, xy, zy = d_cov[i]
        # 2 G M of the symmetric G
        slope[3] = 2 * (xx * n[3] + xz * n[4] + xy * n[6])
        slope[4] = 2 * (xz * n[3] + zz * n[4] + zy * n[6])
        slope[5] = 2 * (zz * n[5] + zy * n[7])
        slope[6] = 2 * (xy * n[3] + zy * n[4] + yy * n[6])
        slope[7] = 2 * (zy * n[5] + yy * n[7])
        slope[8] = 2 * yy * n[8]
        slope[9] = d_denza[i] / (1 + np.exp(-n[9]))
        size = np.sqrt((n[3:9] ** 2).sum() / 3)
        for j in range(10):
            g = slope[j]
            first[i, j] = _DECAYS[0] * first[i, j] + (1 - _DECAYS[0]) * g
            second[i, j] = _DECAYS[1] * second[i, j] + (1 - _DECAYS[1]) * g * g
            rate = rates[0] if j < 3 else (rates[1] * size if j < 9 else rates[2])
            root = np.sqrt(second[i, j] / fade2) + 1e-12
            n[j] -= rate * first[i, j] / fade1 / root
