"""Gain and background of each view, before a volume is known well.

Whatever the object is, its projections agree with each other: each view is compared
with what a quick reconstruction of all views predicts. That holds for objects that are
wholly in view: more of a film is seen the more it is tilted. The background is that of
the vacuum at first, since a quick reconstruction makes a haze of it.
"""

from dataclasses import replace

import numpy as np

from . import voxelwise
from .prepare import background_levels

_ROUNDS = 2
_ITERATIONS = 10  # of SIRT, a round


def find_levels(views, variance, projector, terms):
    """Gain and background of each view, and the volume that they are by.

    Parameters
    ----------
    views, variance : numpy.ndarray of float32, shape (n, u, x)
    projector : SliceProjector
    terms : Terms
        Whether views have gains and backgrounds.

    Returns
    -------
    gains, backgrounds : numpy.ndarray of float64, shape (n,)
        The gains have the geometric mean 1.
    volume : numpy.ndarray of float32, shape (z, y, x)
    """
    n = len(views)
    gains, backgrounds, volume = np.ones(n), np.zeros(n), None
    if terms.background:
        backgrounds = background_levels(views)
    for _ in range(_ROUNDS):
        level = without_levels(views, gains, backgrounds)
        volume, interrupted = voxelwise.sirt(level, projector, _ITERATIONS, volume)
        if interrupted:
            raise KeyboardInterrupt
        if not terms.gain:
            continue
        images = projector.forward(volume)
        above = views - backgrounds[:, None, None]
        gains = np.array(
            [
                gain_and_background(*pair, replace(terms, background=False))[0]
                for pair in zip(images, above, variance, strict=True)
            ]
        )
        gains /= np.exp(np.log(gains).mean())
    return gains, backgrounds, volume


def without_levels(views, gains, backgrounds):
    """Views of gain 1 without background."""
    level = views - backgrounds[:, None, None]
    return (level / gains[:, None, None]).astype(np.float32)


def gain_and_background(image, view, variance, terms):
    """Best factor and offset of an image of the model, by weighted least squares."""
    if not terms.gain and not terms.background:
        return 1.0, 0.0
    weight = 1 / variance
    total = float(weight.sum())
    mean_view = float(np.vdot(weight, view)) / total
    mean_image = float(np.vdot(weight, image)) / total
    if not terms.gain:
        return 1.0, mean_view - mean_image
    if not terms.background:
        mean_view = mean_image = 0.0
    centred = (image - mean_image) * weight
    square = float(np.vdot(centred, image - mean_image))
    # A view that the model has nothing of keeps its gain
    gain = float(np.vdot(centred, view - mean_view)) / square if square > 0 else 1.0
    gain = max(gain, 1e-3)
    return gain, mean_view - gain * mean_image
