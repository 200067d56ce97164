"""How HRTEM shows columns: phase contrast of a weak object.

Each column is a point of projected potential, and the image is linear in it:
``1 + 2 V * FT(sin chi)`` with damping (J. C. H. Spence, High-Resolution
Electron Microscopy, 4th ed., Oxford, 2013, chapters 3 and 4).  Lengths are in
units in which defocus and spherical aberration become two numbers (L. Reimer
and H. Kohl, Transmission Electron Microscopy, 5th ed., Springer, 2008, section
6.4): ``chi = pi (a u**4 / 2 - D u**2)``, and temporal coherence damps by
``exp(-(u / e)**4)``.

This is an appearance, no calculation of images: there is no dynamical
scattering, hence none of what thickness does to crystals, and no residual
aberration without rotational symmetry.  Only transfers whose image of a point
is a peak with weaker rings are drawn; the sign is drawn apart.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import j0

_HIGHEST = 2.4  # frequencies at which the transfer is tabulated, reduced
_FARTHEST = 3.0  # distance to which the image of a point is, reduced
_STEPS = 120
_LARGEST_RING = 0.45  # of the peak
_TRIES = 12
_HALF_WIDTH = float(np.sqrt(2 * np.log(2)))  # of a Gaussian, in SDs


@dataclass(frozen=True)
class Transfer:
    """Phase contrast transfer of a microscope at some defocus.

    Attributes
    ----------
    aberration : float
        Share of the spherical aberration: 1 uncorrected, 0 corrected.
    defocus : float
        Reduced underfocus; 1.22 is Scherzer's for ``aberration`` 1.
    envelope : float
        Reduced frequency at which damping is to 1/e.
    size : float
        SD of the potential of a column, reduced.
    """

    aberration: float
    defocus: float
    envelope: float
    size: float

    def __call__(self, square):
        """Transfer at the squares of reduced frequencies, in their dtype."""
        phase = (np.pi / 2 * self.aberration * square - np.pi * self.defocus) * square
        damping = (square * self.envelope**-4 + 2 * (np.pi * self.size) ** 2) * square
        return -np.sin(phase) * np.exp(-damping)

    def point_image(self):
        """Image of a column, from its centre outwards.

        Returns
        -------
        distances, values : numpy.ndarray, shape (n,)
            Reduced.
        """
        frequencies, distances, bessel = _hankel()
        step = frequencies[1] - frequencies[0]
        weights = 2 * np.pi * step * frequencies * self(frequencies**2)
        return distances, bessel @ weights

    def peak_sigma(self):
        """SD of the Gaussian as wide as the central peak at half its height.

        Returns
        -------
        float
            Reduced; NaN where there is no peak, or a ring is nearly as strong.
        """
        distances, values = self.point_image()
        if values[0] <= 0:
            return np.nan
        values = values / values[0]
        low, rings = int(np.argmax(values < 0.5)), int(np.argmax(values < 0))
        if rings == 0 or np.abs(values[rings:]).max() > _LARGEST_RING:
            return np.nan
        high = low - 1
        share = (values[high] - 0.5) / (values[high] - values[low])
        half = distances[high] + share * (distances[low] - distances[high])
        return float(half) / _HALF_WIDTH


@lru_cache(maxsize=1)
def _hankel():
    """Frequencies, distances, and the matrix that leads from one to the other."""
    frequencies = (np.arange(_STEPS) + 0.5) * _HIGHEST / _STEPS
    distances = np.linspace(0, _FARTHEST, _STEPS)
    return frequencies, distances, j0(2 * np.pi * np.outer(distances, frequencies))


def draw_transfer(rng):
    """Draw a transfer that images a column as a peak with weaker rings.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    Transfer

    Examples
    --------
    >>> transfer = draw_transfer(np.random.default_rng(0))
    >>> 0.05 < transfer.peak_sigma() < 0.5
    True
    """
    for _ in range(_TRIES):
        transfer = Transfer(
            aberration=rng.random(),
            defocus=rng.uniform(0.3, 1.8),
            envelope=rng.uniform(0.8, 1.7),
            size=rng.uniform(0.05, 0.2),
        )
        if np.isfinite(transfer.peak_sigma()):
            return transfer
    return Transfer(1.0, 1.22, 1.2, 0.1)
