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

    Notes
    -----
    The frame is cut into tiles, and each column is drawn in those that it
    reaches: the cost grows with the pixels, with the columns, and with the
    area of a column, not with the product of columns and pixels.

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
    counts = [max(1, round(size / _TILE)) for size in shape]
    edges = [
        np.linspace(0, size, count + 1).astype(int)
        for size, count in zip(shape, counts, strict=True)
    ]
    for tile, members in _members(positions, sigmas, edges):
        top, left = np.unravel_index(tile, counts)
        rows = slice(edges[0][top], edges[0][top + 1])
        columns = slice(edges[1][left], edges[1][left + 1])
        inverse = np.sqrt(np.float32(0.5)) / sigmas[members]
        y = _gaussians(rows, positions[members, 0], inverse) * heights[members]
        x = _gaussians(columns, positions[members, 1], inverse)
        image[rows, columns] = y @ x.T
    return image


def _gaussians(pixels, centres, inverse):
    distance = np.arange(pixels.start, pixels.stop, dtype=np.float32)[:, None]
    distance = (distance - centres) * inverse
    return np.exp(-np.square(distance, out=distance))


def _members(positions, sigmas, edges):
    """Yield the number of each tile and the indices of columns that reach it."""
    reach = _REACH * sigmas
    spans = []
    for centres, edge in zip(positions.T, edges, strict=True):
        first = np.searchsorted(edge, centres - reach, "right") - 1
        last = np.searchsorted(edge, centres + reach, "left") - 1
        first, last = np.maximum(first, 0), np.minimum(last, len(edge) - 2)
        spans.append((first, np.maximum(last - first + 1, 0)))
    (top, n_down), (left, n_across) = spans
    n_tiles = n_down * n_across
    member = np.repeat(np.arange(len(positions)), n_tiles)
    step = np.arange(len(member)) - np.repeat(np.cumsum(n_tiles) - n_tiles, n_tiles)
    down, across = np.divmod(step, n_across[member])
    tile = (top[member] + down) * (len(edges[1]) - 1) + left[member] + across
    order = np.argsort(tile, kind="stable")
    starts = np.flatnonzero(np.diff(tile[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        if len(members):
            yield tile[members[0]], member[members]
