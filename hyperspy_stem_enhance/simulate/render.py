"""Draw columns as two-dimensional Gaussians, at a cost linear in pixels."""

import numpy as np

_TILE = 64
_REACH = 4.5  # standard deviations beyond which a column is not drawn


def render_columns(positions, heights, sigmas, shape):
    """Sum of circular Gaussians sampled at the pixel centres.

    Parameters
    ----------
    positions : array-like, shape (n, 2)
        (y, x) in pixel indices; columns beyond the frame contribute
        their tails.
    heights : array-like, shape (n,)
        Height of each Gaussian.
    sigmas : array-like, shape (n,)
        Standard deviation of each Gaussian, in pixels.
    shape : tuple of int
        (rows, columns) of the frame.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`

    Examples
    --------
    >>> image = render_columns([[4, 5]], [2.0], [1.5], (9, 9))
    >>> float(image[4, 5]), round(float(image[4, 8]), 4)
    (2.0, 0.2707)
    """
    positions = np.asarray(positions, np.float32).reshape(-1, 2)
    heights = np.asarray(heights, np.float32)
    sigmas = np.asarray(sigmas, np.float32)
    image = np.zeros(shape, np.float32)
    if len(positions) == 0:
        return image
    reach = _REACH * sigmas
    for top in range(0, shape[0], _TILE):
        bottom = min(top + _TILE, shape[0])
        near_rows = (positions[:, 0] > top - reach) & (positions[:, 0] < bottom + reach)
        for left in range(0, shape[1], _TILE):
            right = min(left + _TILE, shape[1])
            near = near_rows & (positions[:, 1] > left - reach)
            near &= positions[:, 1] < right + reach
            if not near.any():
                continue
            inverse = np.sqrt(0.5) / sigmas[near]
            y = (np.arange(top, bottom)[:, None] - positions[near, 0]) * inverse
            x = (np.arange(left, right)[:, None] - positions[near, 1]) * inverse
            rows = np.exp(-(y.astype(np.float32) ** 2)) * heights[near]
            image[top:bottom, left:right] = (
                rows @ np.exp(-(x.astype(np.float32) ** 2)).T
            )
    return image
