"""Fit of a sum of Gaussians to the views of a tilt series.

What is minimised is ½ Σ (γ P f + b − v)² / σ² + β Σ |∇f|: the first sum goes over
the pixels of all views v, each with its variance σ² and each view with its gain γ and
background b, the second over the voxels. A step takes one view and one block of voxels,
drawn at random. Densities are normalised, so β is in nats per voxel whose
density rises by that of the object.
"""

from dataclasses import dataclass, field

import numpy as np

from . import kernels, losses
from .levels import gain_and_background

# Steps of Adam for positions (voxels), M (of its size) and raw denza
_RATES = (0.05, 0.01, 0.03)
_BLOCK = 24  # voxels
# Softness of the total variation, of the density of the object
_SOFTNESS = 0.02
_MARGIN = 4  # voxels around the object that count as its box
# Part of a new estimate of gain and background that a visit to a view takes over
_GAIN_RATE = 0.3
_PATCH = 8  # pixels
_DATA_TERMS = {
    "likelihood": losses.least_squares,
    "l1+dssim": losses.absolute_and_structure,
}


@dataclass
class Series:
    """Views of normalised intensity, and what their projection needs.

    Attributes
    ----------
    views : numpy.ndarray of float32, shape (n, u, x)
    tilts : numpy.ndarray, shape (n,)
        In degrees.
    variance : numpy.ndarray, shape (n, u, x)
        Of the noise.
    shape : tuple of int
        Voxels (x, z, y) of the volume.
    """

    views: np.ndarray
    tilts: np.ndarray
    variance: np.ndarray
    shape: tuple
    cos: np.ndarray = field(init=False)
    sin: np.ndarray = field(init=False)
    middles: np.ndarray = field(init=False)

    def __post_init__(self):
        radians = np.deg2rad(self.tilts)
        self.cos, self.sin = np.cos(radians), np.sin(radians)
        _, n_z, n_y = self.shape
        n_u = self.views.shape[1]
        self.middles = np.array([(n_z - 1) / 2, (n_y - 1) / 2, (n_u - 1) / 2])

    def project(self, model, chosen):
        """Views of a model, without gain and background."""
        views = np.zeros((len(chosen), *self.views.shape[1:]), np.float32)
        kernels.project(
            model.positions,
            model.covariances,
            model.denza,
            self.cos[chosen],
            self.sin[chosen],
            self.middles,
            views,
        )
        return views


@dataclass(frozen=True)
class Terms:
    """What is fitted, and by which loss.

    Attributes
    ----------
    gain, background : bool
        Whether each view has its own.
    data : str
        "likelihood", or "l1+dssim" as in splatting, to compare with.
    fourier : float
        Weight of the term of Fourier amplitudes, against the likelihood.
    """

    gain: bool = True
    background: bool = True
    data: str = "likelihood"
    fourier: float = 0.0


class Fit:
    """A model on its way down the loss.

    Parameters
    ----------
    series : Series
    model : Model
    box : numpy.ndarray of int, shape (2, 3)
        First and last voxel of the object, see :func:`object_box`.
    fitted : array-like of int
        Views that are fitted.
    strength : float
        β.
    terms : Terms
    seed : int
    """

    def __init__(self, series, model, box, fitted, strength, terms, seed=0):
        self.series, self.model, self.box = series, model, box
        self.strength, self.terms = strength, terms
        self.rng = np.random.default_rng(seed)
        n = len(series.views)
        self.gains, self.backgrounds = np.ones(n), np.zeros(n)
        self._is_met = np.zeros(n, bool)
        self.set_views(fitted)

    def set_views(self, fitted):
        """Fit these views from now on."""
        self.fitted = np.asarray(fitted)
        self._queue = []

    def step(self, pace=1.0):
        """One step of Adam, its rates times `pace`; the loss it saw."""
        if not self._queue:
            self._queue = list(self.rng.permutation(self.fitted))
        slopes = self.model.zero_slopes()
        loss = self._descend_view(self._queue.pop(), slopes)
        if self.strength:
            loss += self._descend_block(slopes)
        self.model.step(slopes, [rate * pace for rate in _RATES])
        return loss

    def left_out_errors(self, chosen):
        """Mean (model − view)² / σ² of patches of views, each with its best gain.

        Errors of pixels near each other go together, those of patches hardly.
        """
        errors = []
        for k, image in zip(
            chosen, self.series.project(self.model, chosen), strict=True
        ):
            squares = self._best(image, k)[2] ** 2 / self.series.variance[k]
            rows = np.array_split(squares, max(len(squares) // _PATCH, 1))
            for row in rows:
                parts = np.array_split(row, max(row.shape[1] // _PATCH, 1), axis=1)
                errors.extend(part.mean() for part in parts)
        return np.array(errors)

    def gains_and_residuals(self):
        """Gain, background and root mean square residual of each view."""
        everything = np.arange(len(self.series.views))
        found = []
        for k, image in enumerate(self.series.project(self.model, everything)):
            gain, background, residual = self._best(image, k)
            found.append((gain, background, np.sqrt(np.mean(residual**2))))
        gains, backgrounds, rms = np.array(found).T
        # What all gains have in common belongs to the object
        common = np.exp(np.log(gains).mean()) if self.terms.gain else 1.0
        return gains / common, backgrounds, rms, common

    def _best(self, image, k):
        view = self.series.views[k]
        gain, background = gain_and_background(
            image, view, self.series.variance[k], self.terms
        )
        return gain, background, gain * image + background - view

    def _descend_view(self, k, slopes):
        series, model, terms = self.series, self.model, self.terms
        image = series.project(model, [k])[0]
        self._update_gain(k, image)
        gain, view, variance = self.gains[k], series.views[k], series.variance[k]
        seen = gain * image + self.backgrounds[k]
        loss, slope = _DATA_TERMS[terms.data](seen, view, variance)
        if terms.fourier:
            more, extra = losses.fourier_amplitudes(seen, view, variance)
            loss, slope = loss + terms.fourier * more, slope + terms.fourier * extra
        # One view stands for all
        slope = slope * (gain * len(self.fitted))
        kernels.project_backward(
            model.positions,
            model.covariances,
            model.denza,
            series.cos[[k]],
            series.sin[[k]],
            series.middles,
            slope[None].astype(np.float32),
            *slopes,
        )
        return loss * len(self.fitted)

    def _descend_block(self, slopes):
        model = self.model
        low, high = self.box
        size = np.minimum(_BLOCK, self.series.shape)
        # Corners are even over all that meet the box, so each voxel counts alike
        corner = self.rng.integers(low - size + 1, high).astype(float)
        block = np.zeros(size, np.float32)
        kernels.voxelise(model.positions, model.covariances, model.denza, corner, block)
        slope = np.empty_like(block)
        loss = losses.total_variation(block, _SOFTNESS, slope)
        share = self.strength * np.prod(high - low + size - 1) / np.prod(size)
        slope *= share
        kernels.voxelise_backward(
            model.positions, model.covariances, model.denza, corner, slope, *slopes
        )
        return loss * share

    def _update_gain(self, k, image):
        found = gain_and_background(
            image, self.series.views[k], self.series.variance[k], self.terms
        )
        rate = _GAIN_RATE if self._is_met[k] else 1.0
        self._is_met[k] = True
        self.gains[k] += rate * (found[0] - self.gains[k])
        self.backgrounds[k] += rate * (found[1] - self.backgrounds[k])
        if self.terms.gain:
            self.gains /= np.exp(np.log(self.gains[self.fitted]).mean())


def object_box(volume):
    """First voxel of the object and the one after its last, with a margin."""
    occupied = np.argwhere(volume > 0.1)
    shape = np.array(volume.shape)
    if not len(occupied):
        return np.array([np.zeros(3, int), shape])
    low = np.maximum(occupied.min(axis=0) - _MARGIN, 0)
    return np.array([low, np.minimum(occupied.max(axis=0) + _MARGIN + 1, shape)])
