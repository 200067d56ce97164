"""Columns whose flanks reach into an image although nobody gave them.

A column centred beside the frame, or too near to its edge to be detected,
pulls on its neighbours inside unless it is part of the fit.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from .gaussians import Gaussians
from .joint_fit import JointFit
from .joint_gaussians import JointModel
from .peaks import local_maxima

# An outermost strip of so many widths is looked at, smoothed along the edge by a
# part of them, against itself so many widths to both sides.
_STRIP, _ALONG, _ASIDE = 1.0, 0.5, 1.5
# Contrast of a column there, in SD of the noise, and in parts of what the given
# columns have there.
_SEEN, _BESIDE_KNOWN = 4.0, 1.5
# A column beside the frame is taken to be so many widths outside, and to be none
# of those that are given if these are so far.
_OUTSIDE, _KNOWN = 0.5, 1.0
# Given columns this near to the edge have a part in what is seen at it.
_NEAR, _REACH, _TAIL = 4.0, 2.5, 3.25
_STEPS, _TOLERANCE = 2, 1e-3


def find_unseen(data, start, sigma, background):
    """Places beside the frame from which columns reach into it.

    Parameters
    ----------
    data : numpy.ndarray of float32, shape (h, w)
        Bright columns; NaN pixels are left out.
    start : numpy.ndarray of float64, shape (n, 2)
        Positions y, x of the columns that are known.
    sigma : float
        Typical width of the columns in pixels.
    background : {"none", "constant", "plane"}
        What is below the known columns.

    Returns
    -------
    numpy.ndarray of float64, shape (m, 2)
        Positions, half a sigma outside of the outermost pixels.

    Notes
    -----
    Gaussians at the known places are subtracted. What is left in an
    outermost strip, one sigma wide, has a maximum along the edge where a
    column is not known, higher than what is beside it by more than noise
    explains. The noise is that of the differences between neighbouring
    pixels of the strip.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:40, :60]
    >>> image = np.exp(-((y + 2) ** 2 + (x - 30) ** 2) / (2 * 3.0**2))
    >>> image += np.exp(-((y - 9) ** 2 + (x - 30) ** 2) / (2 * 3.0**2))
    >>> image += np.random.default_rng(0).normal(0, 0.02, image.shape)
    >>> find_unseen(image, np.array([[9.0, 30.0]]), 3.0, "constant")
    array([[-1.5, 30. ]])
    """
    left = _without_known(data, start, sigma, background)
    depth = max(1, round(_STRIP * sigma))
    beside = _OUTSIDE * sigma
    places = []
    for axis, images in enumerate(((data, left), (data.T, left.T))):
        for flip, place in ((1, -beside), (-1, data.shape[axis] - 1 + beside)):
            strips = [image[::flip][:depth] for image in images]
            along = _columns_along(*strips, sigma)
            place = np.stack([np.full(len(along), place), along], axis=1)
            places.append(place[:, ::-1] if axis else place)
    places = np.concatenate(places)
    if len(places) == 0 or len(start) == 0:
        return places
    return places[cKDTree(start).query(places)[0] > _KNOWN * sigma]


def _without_known(data, start, sigma, background):
    """Image less Gaussians at the known places near its edge."""
    to_edge = np.minimum(start, np.array(data.shape) - 1 - start).min(axis=1)
    near = start[to_edge < _NEAR * sigma]
    if len(near) == 0:
        return data
    width = np.full(len(near), sigma)
    reach = np.maximum(_REACH * width, 2.5)
    model = JointModel(data, *near.T, width, reach, _TAIL, background, False)
    free = np.ones((len(near), model.n_parameters), dtype=bool)
    free[:, :2] = free[:, 3] = False
    start = Gaussians(
        *near.T.copy(),
        height=np.zeros(len(near)),
        precision=np.outer(width**-2, [1.0, 0.0, 1.0]),
        background=np.zeros((len(near), model.terms)),
    )
    fit = JointFit(model, start, width, free)
    fit.run(_TOLERANCE, _STEPS)
    # The backgrounds end with their cells: they would look like contrast.
    fit.g.background[:] = 0
    margin = model.margin
    left = model.residual(fit.g)[margin:-margin, margin:-margin]
    return np.where(np.isfinite(data), left, np.nan)


def _columns_along(strip, left, sigma):
    """Where what is left of a strip has maxima along it that are no noise."""
    if strip.shape[1] < 3:
        return np.empty(0)
    along = max(_ALONG * sigma, 0.5)
    total, rest = (
        gaussian_filter1d(_mean(s), along, mode="nearest") for s in (strip, left)
    )
    aside = max(1, round(_ASIDE * sigma))
    padded = np.pad(rest, aside, mode="edge")
    contrast = rest - (padded[2 * aside :] + padded[: -2 * aside]) / 2
    # What differs from pixel to pixel is noise, columns are wider. There is more of
    # it where there is more light; where there is hardly any, single electrons are
    # too few to tell.
    steps = _mean(np.diff(strip, 2, axis=1) ** 2 / 6)
    steps = gaussian_filter1d(np.pad(steps, 1, mode="edge"), sigma, mode="nearest")
    steps = np.maximum(steps, steps.mean())
    noise = np.sqrt(1.5 * steps / (len(strip) * 2 * np.sqrt(np.pi) * along))
    limit = np.maximum(_SEEN * noise, _BESIDE_KNOWN * (total - rest))
    top, _ = local_maxima((rest - rest.min() + 1)[:, None])
    return top[contrast[top] > limit[top]].astype(float)


def _mean(strip):
    """Mean of a strip across it, that of all where no pixel is known."""
    known = np.isfinite(strip)
    count, total = known.sum(axis=0), np.where(known, strip, 0).sum(axis=0)
    mean = total.sum() / max(count.sum(), 1)
    return np.where(count > 0, total / np.maximum(count, 1), mean)
