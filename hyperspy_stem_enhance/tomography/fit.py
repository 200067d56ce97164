"""Fit of a sum of Gaussians to the views of a tilt series.

What is minimised is ½ Σ (γ P f + b − v)² / σ² + β Σ |∇f|: the first sum goes over
the pixels of all views v with the gain γ and the background b of each, the second
over the voxels. A step takes one view and one block of voxels, drawn at random.
"""

from dataclasses import dataclass, field

import numpy as np

from . import kernels, losses
from .start import draw_gaussians

# Steps of Adam for positions (voxels), M (of its size) and raw denza at the start;
# they fall to a tenth
_RATES = (0.05, 0.01, 0.03)
_LAST_RATE = 0.1
_BLOCK = 32  # voxels
# Softness of the total variation, of the density of the object
_SOFTNESS = 0.02
_MARGIN = 4  # voxels around the object that count as its box
# Part of a new estimate of gain and background that a visit to a view takes over
_GAIN_RATE = 0.3


@dataclass
class Series:
    """Views and what their projection needs; intensities are normalised.

    Attributes
    ----------
    views : numpy.ndarray of float32, shape (n, u, x)
    tilts : numpy.ndarray, shape (n,)
        In degrees.
    variance : float
        Of the noise of a pixel.
    shape : tuple of int
        Voxels (x, z, y) of the volume.
    """

    views: np.ndarray
    tilts: np.ndarray
    variance: float
    shape: tuple
    gains: np.ndarray = None
    backgrounds: np.ndarray = None
    cos: np.ndarray = field(init=False)
    sin: np.ndarray = field(init=False)
    middles: np.ndarray = field(init=False)

    def __post_init__(self):
        radians = np.deg2rad(self.tilts)
        self.cos, self.sin = np.cos(radians), np.sin(radians)
        _, n_z, n_y = self.shape
        n_u = self.views.shape[1]
        self.middles = np.array([(n_z - 1) / 2, (n_y - 1) / 2, (n_u - 1) / 2])
        if self.gains is None:
            self.gains = np.ones(len(self.views))
        if self.backgrounds is None:
            self.backgrounds = np.zeros(len(self.views))

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


class Fit:
    """A model and its way down the loss.

    Parameters
    ----------
    series : Series
    volume : numpy.ndarray, shape (x, z, y)
        What the Gaussians are drawn from, normalised like the views.
    number : int
    strength : float
        β, in units of the negative logarithm of the likelihood per voxel
        whose density rises by 1.
    smallest : float
        Standard deviation of the narrowest Gaussian in voxels.
    fitted : array-like of int
        Views that are fitted.
    """

    def __init__(
        self,
        series,
        volume,
        number,
        strength,
        smallest,
        fitted,
        fit_gain=True,
        fit_background=True,
        seed=0,
    ):
        self.series, self.strength = series, strength
        self.fitted = np.asarray(fitted)
        self.fit_gain, self.fit_background = fit_gain, fit_background
        self.rng = np.random.default_rng(seed)
        self.model = draw_gaussians(volume, number, smallest, self.rng)
        occupied = np.argwhere(volume > 0.1 * np.percentile(volume[volume > 0], 99))
        shape = np.array(volume.shape)
        self.low = np.maximum(occupied.min(axis=0) - _MARGIN, 0)
        self.high = np.minimum(occupied.max(axis=0) + _MARGIN + 1, shape)
        self.block = np.minimum(_BLOCK, shape)
        self.queue = []
        self.gains = series.gains.copy()
        self.backgrounds = series.backgrounds.copy()

    def step(self, fraction):
        """One step, after a fraction of all; the loss of its view and block."""
        if not self.queue:
            self.queue = list(self.rng.permutation(self.fitted))
        k = self.queue.pop()
        slopes = self.model.zero_slopes()
        loss = self._descend_view(k, slopes)
        if self.strength:
            loss += self._descend_block(slopes)
        fall = _LAST_RATE**fraction
        self.model.step(slopes, [rate * fall for rate in _RATES])
        return loss

    def _descend_view(self, k, slopes):
        series, model = self.series, self.model
        image = series.project(model, [k])[0]
        self._update_gain(k, image)
        gain = self.gains[k]
        weight = 1 / series.variance
        loss, slope = losses.least_squares(
            gain * image + self.backgrounds[k], series.views[k], weight
        )
        # One view stands for all
        slope *= gain * len(self.fitted)
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
        room = np.maximum(self.high - self.low - self.block, 0)
        corner = self.low + self.rng.uniform(-0.5 * self.block, room + 0.5 * self.block)
        limit = np.array(self.series.shape) - self.block
        corner = np.clip(np.round(corner), 0, limit)
        block = np.zeros(self.block, np.float32)
        kernels.voxelise(model.positions, model.covariances, model.denza, corner, block)
        slope = np.empty_like(block)
        loss = losses.total_variation(block, _SOFTNESS, slope)
        # One block stands for all, and those over the rim are half empty
        share = np.prod(self.high - self.low) / np.prod(self.block) * 1.3
        slope *= self.strength * share
        kernels.voxelise_backward(
            model.positions, model.covariances, model.denza, corner, slope, *slopes
        )
        return loss * self.strength * share

    def _update_gain(self, k, image):
        gain, background = gain_and_background(
            image, self.series.views[k], self.fit_gain, self.fit_background
        )
        self.gains[k] += _GAIN_RATE * (gain - self.gains[k])
        self.backgrounds[k] += _GAIN_RATE * (background - self.backgrounds[k])
        if self.fit_gain:
            # The gauge: what all gains have in common belongs to the object
            self.gains /= np.exp(np.log(self.gains[self.fitted]).mean())

    def residuals(self, chosen):
        """Root mean square of model − view, each with its best gain."""
        rms = np.empty(len(chosen))
        for i, (k, image) in enumerate(
            zip(chosen, self.series.project(self.model, chosen), strict=True)
        ):
            view = self.series.views[k]
            gain, background = gain_and_background(
                image, view, self.fit_gain, self.fit_background
            )
            rms[i] = np.sqrt(np.mean((gain * image + background - view) ** 2))
        return rms


def gain_and_background(image, view, fit_gain=True, fit_background=True):
    """Best factor and offset of an image of the model, by least squares."""
    if not fit_gain and not fit_background:
        return 1.0, 0.0
    if not fit_background:
        return float(np.vdot(image, view) / max(np.vdot(image, image), 1e-12)), 0.0
    if not fit_gain:
        return 1.0, float((view - image).mean())
    mean = image.mean()
    centred = image - mean
    gain = float(np.vdot(centred, view) / max(np.vdot(centred, centred), 1e-12))
    gain = max(gain, 1e-3)
    return gain, float(view.mean() - gain * mean)
