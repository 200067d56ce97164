"""Cut large frames into overlapping tiles, and blend them without seams.

The Fourier transforms inside the networks see a tile as periodic and know
its size, so a network serves the sizes it was trained at.
"""

import numpy as np

TILE = 256  # pixels; the largest size in training
OVERLAP = 64  # pixels shared by neighbouring tiles
SMALLEST = 128  # pixels; the smallest size in training
# What smaller frames are reflected to: 0.1 to 0.9 dB better than the smallest
# size, on simulated lattices of 64 to 114 pixels
PADDED = 192


def tile_starts(size, tile=TILE, overlap=OVERLAP):
    """First pixels of evenly spaced tiles that cover one axis.

    Parameters
    ----------
    size : int
        Length of the axis, in pixels.
    tile, overlap : int
        Length of a tile, and the least that neighbours share.

    Returns
    -------
    list of int

    Examples
    --------
    >>> tile_starts(256), tile_starts(400), tile_starts(1024)
    ([0], [0, 144], [0, 192, 384, 576, 768])
    """
    if size <= tile:
        return [0]
    n = -(-(size - overlap) // (tile - overlap))
    return [round(i * (size - tile) / (n - 1)) for i in range(n)]


def blend_window(shape, overlap=OVERLAP):
    """Weights that fall smoothly to nearly zero at the borders of a tile.

    Parameters
    ----------
    shape : tuple of int
    overlap : int
        Pixels over which the weight rises.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`
    """
    sides = []
    for size in shape:
        distance = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
        rise = np.clip(distance / overlap, 0, 1)
        sides.append(np.sin(np.pi / 2 * rise) ** 2 + 1e-4)
    return np.outer(*sides).astype(np.float32)


def cut(values, multiple=2):
    """Cut images of a frame into tiles of one size, reflected where too small.

    Parameters
    ----------
    values : numpy.ndarray, shape (j, h, w)
    multiple : int, default 2
        The sides of the tiles are multiples of it.

    Returns
    -------
    tiles : numpy.ndarray, shape (n, j, th, tw)
    corners : list of tuple of int
        First row and column of each tile.
    """
    padding = [(0, 0)]
    for size in values.shape[1:]:
        wanted = size if size >= SMALLEST else PADDED
        padding.append((0, wanted + (-wanted) % multiple - size))
    padded = np.pad(values, padding, mode="symmetric")
    sides = [min(size, TILE) for size in padded.shape[1:]]
    corners = [
        (top, left)
        for top in tile_starts(padded.shape[1])
        for left in tile_starts(padded.shape[2])
    ]
    tiles = np.stack(
        [
            padded[:, top : top + sides[0], left : left + sides[1]]
            for top, left in corners
        ]
    )
    return tiles, corners


def join(tiles, corners, shape):
    """Blend tiles cut by `cut` into a frame.

    Parameters
    ----------
    tiles : numpy.ndarray of float32, shape (n, th, tw)
    corners : list of tuple of int
    shape : tuple of int
        Shape of the frame that was cut.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`
    """
    if len(tiles) == 1:
        return np.ascontiguousarray(tiles[0, : shape[0], : shape[1]])
    th, tw = tiles.shape[1:]
    extent = [max(c[axis] for c in corners) + (th, tw)[axis] for axis in (0, 1)]
    total, weight = np.zeros(extent, np.float32), np.zeros(extent, np.float32)
    window = blend_window((th, tw))
    for tile, (top, left) in zip(tiles, corners, strict=True):
        total[top : top + th, left : left + tw] += tile * window
        weight[top : top + th, left : left + tw] += window
    return (total / weight)[: shape[0], : shape[1]]
