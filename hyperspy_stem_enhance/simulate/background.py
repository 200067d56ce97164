"""Draw backgrounds: the published one, and the strong ones of real frames.

Real frames have supports with an edge, thickness ramps and films whose
speckle has the size of an atom's image and may rival its height.
"""

from functools import lru_cache

import numpy as np
from scipy.fft import irfft2, rfftfreq


def draw_smooth_background(rng, shape, low, high):
    """Coarse uniform noise, enlarged bicubically to span [low, high].

    Li et al. (CVPR 2025, section 3.3) call it Perlin noise.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns).
    low, high : float
        Lowest and highest value of the background.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`
    """
    cells = int(rng.integers(3, 6))
    grid = rng.random((cells, cells), dtype=np.float32)
    rows, columns = (_bicubic(size, cells) for size in shape)
    return _span(rows @ grid @ columns.T, low, high)


def _span(field, low, high):
    span = max(np.ptp(field), 1e-6)
    return low + (field - field.min()) * np.float32((high - low) / span)


@lru_cache(maxsize=32)
def _bicubic(size, cells):
    """Matrix that interpolates cells to pixels by Keys' cubic kernel.

    R. Keys, IEEE Trans. Acoust. 29, 1153 (1981), with a = -0.5; the
    outermost cells go on beyond the frame.
    """
    position = (np.arange(size) + 0.5) * cells / size - 0.5
    matrix = np.zeros((size, cells))
    nearest = np.floor(position).astype(int)
    for offset in range(-1, 3):
        distance = abs(position - (nearest + offset))
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        cell = np.clip(nearest + offset, 0, cells - 1)
        weight = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
        np.add.at(matrix, (np.arange(size), cell), weight)
    return matrix.astype(np.float32)


def draw_grain(rng, shape, sigma):
    """Speckle of an amorphous film: a Gaussian random field of unit SD.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns).
    sigma : float
        SD, in pixels, of the Gaussian that white noise is blurred by: that
        of an atom's image, since the same probe made both.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`; periodic
    """
    ky, kx = _frequencies(shape)
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * (ky**2 + kx**2))
    # Only what the blur lets through is drawn
    n_rows = int(np.count_nonzero(transfer[: shape[0] // 2 + 1, 0] > 1e-3))
    n_columns = int(np.count_nonzero(transfer[0] > 1e-3))
    spectrum = np.zeros(transfer.shape, np.complex64)
    for rows in (slice(0, n_rows), slice(shape[0] - n_rows + 1, shape[0])):
        part = transfer[rows, :n_columns]
        white = rng.standard_normal((*part.shape, 2), dtype=np.float32)
        spectrum[rows, :n_columns] = part * white.view(np.complex64)[..., 0]
    spectrum[0, 0] = 0
    field = irfft2(spectrum, shape)
    return field / max(np.float32(field.std()), np.float32(1e-12))


@lru_cache(maxsize=8)
def _frequencies(shape):
    ky = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    return ky, rfftfreq(shape[1]).astype(np.float32)[None]


def draw_published_background(rng, columns, shape, low, high, mode="HAADF"):
    """The smooth background, with vacuum and amorphous areas in it.

    Parameters
    ----------
    rng : numpy.random.Generator
    columns : lattice.Columns
        Its ``region`` is where the specimen is, its ``amorphous`` where
        that has no order.
    shape : tuple of int
        (rows, columns).
    low, high : float
        Lowest and highest value of the whole.
    mode : {"HAADF", "BF"}
        Whether vacuum is dark or bright.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`
    """
    background = draw_smooth_background(rng, shape, low, high)
    if columns.amorphous is None and columns.region is None:
        return background
    y, x = _coordinates(shape)
    if columns.amorphous is not None:
        where = columns.amorphous(y, x).astype(np.float32)
        grain = draw_grain(rng, shape, _width_of_speckle(rng, columns))
        background += where * grain * np.float32((high - low) / 5)
    if columns.region is not None:
        there = columns.region(y, x).astype(np.float32)
        vacuum = np.float32(high if mode == "BF" else low)
        background = vacuum + (background - vacuum) * there
    return _span(background, low, high)


def draw_strong_background(rng, columns, shape, contrast, mode="HAADF", film=False):
    """Background as real frames have it, up to many times the contrast.

    Parameters
    ----------
    rng : numpy.random.Generator
    columns : lattice.Columns
        Its ``region`` is where the specimen is, its ``amorphous`` where
        that has no order.
    shape : tuple of int
        (rows, columns).
    contrast : float
        Height of the brightest columns; the background spans 0.02 to 10
        times it.
    mode : {"HAADF", "BF"}
        In BF what is thick is dark, and vacuum bright.
    film : bool, default False
        Whether the support is an amorphous film, of which the speckle
        often rivals the columns; otherwise there is little of it.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`; not negative
    """
    level = contrast * rng.uniform(0, 0.4)
    span = contrast * np.exp(rng.uniform(np.log(0.02), np.log(3.0)))
    background = draw_smooth_background(rng, shape, level, level + span)
    y, x = _coordinates(shape)
    if rng.random() < 0.3:  # thickness ramp
        slope = (rng.normal(0, contrast / max(shape), 2) * rng.uniform(0, 3)).astype(
            "f"
        )
        ramp = slope[0] * y + slope[1] * x
        background += ramp - ramp.min()
    sigma = _width_of_speckle(rng, columns)
    if rng.random() < (0.8 if film else 0.4):
        sd = contrast * rng.uniform(0, 0.35 if film else 0.12)
        background += np.float32(sd) * draw_grain(rng, shape, sigma)
    if columns.amorphous is not None:
        sd = np.float32(contrast * rng.uniform(0.05, 0.3))
        where = columns.amorphous(y, x).astype(np.float32)
        background += where * (sd * draw_grain(rng, shape, sigma) + 2 * sd)
    if columns.region is not None:
        there = columns.region(y, x).astype(np.float32)
        step = np.float32(contrast * np.exp(rng.uniform(np.log(0.1), np.log(10.0))))
        vacuum = np.float32(rng.uniform(0, 0.5))
        background = background * (vacuum + (1 - vacuum) * there) + step * there
    if mode == "BF":
        least = np.float32(contrast * rng.uniform(1.0, 2.5))
        return least + background.max() - background
    return np.clip(background, 0, None, out=background)


def _width_of_speckle(rng, columns):
    if len(columns) == 0:
        return rng.uniform(1.0, 4.0)
    return np.median(columns.sigmas) * rng.uniform(0.6, 1.3)


def _coordinates(shape):
    """Row and column of the pixels, to be broadcast."""
    rows, columns = shape
    return (
        np.arange(rows, dtype=np.float32)[:, None],
        np.arange(columns, dtype=np.float32)[None],
    )
