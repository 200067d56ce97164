"""Centres of mass of all columns of an image at once.

Each one is taken in a disc that is centred on it, by a few steps; a constant
background drops out then.
"""

import numpy as np

from .rough_fit import fit_roughly

_DISC_SIGMAS = 1.5
_MIN_RADIUS = 1.5
_STEPS, _TOLERANCE = 30, 1e-3
_LARGEST_STEP = 0.5
# Farther than this part of the disc from its start, another column is meant.
_LARGEST_SHIFT = 1.0
_CHUNK_PIXELS = 2**18


def refine_masses(data, start, sigma, mask_radius, law):
    """Centres of mass, and their standard errors.

    Parameters
    ----------
    data : numpy.ndarray of float32, shape (h, w)
        Bright columns, of order one; NaN pixels are left out.
    start : numpy.ndarray of float64, shape (n, 2)
        Positions y, x in the image, in pixels, n > 0.
    sigma : float
        Typical width of the columns in pixels.
    mask_radius : float or None
        Radius of the discs in pixels; 1.5 sigma if None.
    law : tuple of float, or None
        Gain and offset of the variance of the pixels. If None, measured on
        what Gaussians leave over.

    Returns
    -------
    numpy.ndarray of float64, shape (n, 5)
        Position y, x, their standard errors, and whether the column was
        refined.

    Notes
    -----
    The derivative of the first moment of the disc by its centre is the
    sum of the intensities in it over that at its rim, so that this level
    makes a Newton step of the usual one.
    """
    radius = max(_DISC_SIGMAS * sigma, _MIN_RADIUS)
    radius = radius if mask_radius is None else float(mask_radius)
    _, noise = fit_roughly(data, start, sigma, None, law, "constant")
    half = int(np.ceil(radius + 1.5))
    padded = np.pad(data, half, constant_values=np.nan)
    known = np.isfinite(padded)
    images = [np.where(known, padded, 0), known.astype(np.float32)]
    # The law is straight: on average, noise in the intensity does no harm.
    images.append(noise.variance(images[0]).astype(np.float32))
    size = max(1, _CHUNK_PIXELS // (2 * half + 1) ** 2)
    parts = [
        _refine_part(images, start[k : k + size], half, radius, data.shape)
        for k in range(0, len(start), size)
    ]
    return np.concatenate(parts)


def _refine_part(images, start, half, radius, shape):
    centre = start.copy()
    errors = np.full(centre.shape, np.nan)
    limit = np.array(shape) - 1
    moving = np.arange(len(start))
    for _ in range(_STEPS):
        middle = np.clip(np.rint(centre[moving]), 0, limit).astype(int)
        step, errors[moving] = _step(
            images, middle, centre[moving] - middle, half, radius
        )
        bound = _LARGEST_STEP * radius
        step = np.clip(np.nan_to_num(step), -bound, bound)
        centre[moving] += step
        moving = moving[np.abs(step).max(axis=1) > _TOLERANCE]
        moving = moving[
            np.hypot(*(centre - start)[moving].T) <= _LARGEST_SHIFT * radius
        ]
        if len(moving) == 0:
            break
    shift = np.hypot(*(centre - start).T)
    refined = (shift <= _LARGEST_SHIFT * radius) & (errors.max(axis=1) < radius)
    refined[moving] = False
    centre[~refined], errors[~refined] = start[~refined], np.nan
    return np.column_stack([centre, errors, refined])


def _step(images, middle, offset, half, radius):
    """Newton step to the centre of mass, and the error of its position."""
    steps = np.arange(-half, half + 1)
    dy = (steps - offset[:, :1])[:, :, None]
    dx = (steps - offset[:, 1:])[:, None, :]
    distance = np.hypot(dy, dx)
    side = (2 * half + 1, 2 * half + 1)
    values, known, variance = (
        np.lib.stride_tricks.sliding_window_view(image, side)[tuple(middle.T)]
        for image in images
    )
    # Pixels on the rim count by the part of them inside.
    disc = known * np.clip(radius + 0.5 - distance, 0, 1)
    rim = known * (np.abs(distance - radius) <= 0.5 + 1e-9)
    level = np.sum(rim * values, (1, 2)) / np.maximum(np.sum(rim, (1, 2)), 1e-9)
    values = values - level[:, None, None]
    mass = np.sum(disc * values, (1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.stack([np.sum(disc * d * values, (1, 2)) / mass for d in (dy, dx)], 1)
        error = np.stack(
            [np.sum((disc * d) ** 2 * variance, (1, 2)) / mass**2 for d in (dy, dx)], 1
        )
        # A disc without a column has no centre of mass.
        error[mass <= 0] = np.nan
        return step, np.sqrt(error)
