"""Parameters of many two-dimensional Gaussians, each on a background of its own."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Gaussians:
    """Parameters of n columns.

    Attributes
    ----------
    y, x : numpy.ndarray of float64, shape (n,)
        Centres in pixels.
    height : numpy.ndarray of float64, shape (n,)
        Above the background.
    precision : numpy.ndarray of float64, shape (n, 3)
        Elements yy, yx, xx of the inverse of the covariance, in 1/pixel².
    background : numpy.ndarray of float64, shape (n, 0), (n, 1) or (n, 3)
        Level at the centre of the window, and slopes along y and x per
        pixel.
    """

    y: np.ndarray
    x: np.ndarray
    height: np.ndarray
    precision: np.ndarray
    background: np.ndarray

    def __len__(self):
        return len(self.y)

    def select(self, index):
        """Those chosen by an index or a mask."""
        return Gaussians(**{k: v[index] for k, v in vars(self).items()})

    def replace(self, mask, other):
        """These, with those of the mask taken from others."""
        return Gaussians(
            **{
                k: np.where(mask.reshape(-1, *[1] * (v.ndim - 1)), vars(other)[k], v)
                for k, v in vars(self).items()
            }
        )

    def update(self, index, other):
        """These, with those of an index replaced by others, in their order."""
        out = {}
        for name, values in vars(self).items():
            out[name] = values.copy()
            out[name][index] = vars(other)[name]
        return Gaussians(**out)

    def sigmas(self):
        """Standard deviations along the major and the minor axis, shape (n, 2)."""
        yy, yx, xx = self.precision.T
        mean, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
        return np.stack([mean - half, mean + half], axis=1) ** -0.5

    def sigma(self):
        """Geometric mean of both standard deviations, shape (n,)."""
        yy, yx, xx = self.precision.T
        return (yy * xx - yx**2) ** -0.25
