"""Huge images in tiles, so that memory and time stay those of the tiles.

The statistics of some millions of pixels are enough for the laws of the
noise: tiles spread over the image stand for it, stacked as one tall image.
"""

from dataclasses import fields

import numpy as np

from .structure import NoiseBands

TILE = 512  # pixels
MOST_TILES = 12
LARGEST_WHOLE = 5 * TILE**2  # pixels that are not cut into tiles


def choose_tiles(shape):
    """Tiles that stand for an image.

    Parameters
    ----------
    shape : tuple of int

    Returns
    -------
    list of tuple of slice
        The whole image, or at most 12 tiles of 512 x 512 pixels spread
        evenly over it, the corners included.

    Examples
    --------
    >>> len(choose_tiles((1024, 1024))), len(choose_tiles((4096, 4096)))
    (1, 12)
    """
    if shape[0] * shape[1] <= LARGEST_WHOLE:
        return [(slice(0, shape[0]), slice(0, shape[1]))]
    counts = [max(1, n // TILE) for n in shape]
    while counts[0] * counts[1] > MOST_TILES:
        counts[int(np.argmax(counts))] -= 1
    starts = [
        np.linspace(0, n - min(n, TILE), count).astype(int)
        for n, count in zip(shape, counts, strict=True)
    ]
    return [
        (slice(top, min(top + TILE, shape[0])), slice(left, min(left + TILE, shape[1])))
        for top in starts[0].tolist()
        for left in starts[1].tolist()
    ]


def stack_bands(bands):
    """Bands of tiles of one size, as those of one tall image.

    Parameters
    ----------
    bands : list of NoiseBands

    Returns
    -------
    NoiseBands
        Arrays one below the other; numbers and weights are means.
    """
    if len(bands) == 1:
        return bands[0]
    stacked = {}
    for field in fields(NoiseBands):
        values = [getattr(band, field.name) for band in bands]
        if np.ndim(values[0]) == 2:
            stacked[field.name] = np.concatenate(values)
        else:
            mean = np.mean(values, axis=0)
            stacked[field.name] = mean if mean.ndim else float(mean)
    return NoiseBands(**stacked)
