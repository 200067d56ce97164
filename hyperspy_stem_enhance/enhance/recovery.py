"""Find the structure that a network has missed in what it left behind.

A network returns its own idea of a column.  What differs from it stays in the
residual, image minus columns minus background, and does not become less with
dose.  The residual is taken to overlapping windowed blocks and their Fourier
transforms (as in N. Wiener's filter, with powers measured in the image itself):
what is stronger than noise is structure, and is kept as far as it is.

Scan noise, displaced rows and electron counting do not come back as streaks:
see `spectra`.
"""

import numpy as np
from scipy.ndimage import uniform_filter

from .spectra import SpectralBlocks, average_power, power_of

_ERRORS = 3.0  # standard errors by which a ring must exceed the noise
_MOST = 3.0  # power of what is missing in a ring, in units of that of the columns
_CHANCE = 1e-4  # that noise alone comes back, at one frequency
_TINY = 1e-6  # of the power: rounding
_BEYOND_DOUBT = 10.0  # power of an image, in units of the noise, that is structure


def recover_structure(residual, columns):
    """Structure in a residual that noise does not account for.

    Parameters
    ----------
    residual : numpy.ndarray of float32, shape (h, w)
        Image minus columns minus smooth background; all pixels finite.
        The noise of its rows is independent: transpose images of cameras.
    columns : numpy.ndarray of float32, shape (h, w)
        What a network found; where it is strong, it is likely to be wrong.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
        To be added to what the network found. Zero where there is nothing
        but noise.

    Notes
    -----
    In every block the power of the residual is compared with that of the
    noise, ``q``. Two gains are joined. The first is a Wiener gain ``S / (S +
    1)`` with ``S`` proportional to the power of the columns, by a factor that
    the excess ``q - 1`` of all blocks gives in each ring of frequencies. The
    second is ``1 - t / q``, zero for ``q < t``, with ``q`` averaged over
    neighbouring blocks; ``t`` is 1 where the whole image is ten times as strong as
    the noise, and elsewhere what noise hardly ever reaches. A lattice has few
    peaks in the spectrum: where the median of a ring is above the noise too, that
    much is taken to be noise that is correlated between pixels.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> columns = 10 + 10 * np.sin(np.arange(256) / 2) * np.ones((256, 1))
    >>> noise = rng.normal(0, 1, (256, 256))
    >>> found = recover_structure(0.2 * (columns - 10) + noise, columns)
    >>> bool(np.corrcoef(found.ravel(), columns.ravel())[0, 1] > 0.95)
    True
    >>> bool(np.abs(recover_structure(noise, np.zeros_like(noise))).max() < 0.5)
    True
    """
    unit = float(np.std(residual, dtype=np.float64))
    if not unit > 0:
        return np.zeros(residual.shape, np.float32)
    blocks = SpectralBlocks(residual.shape)
    spectra = blocks.transform(residual / unit)
    power = power_of(spectra)
    noise = blocks.noise_power(power)
    power /= noise
    found = blocks.transform((columns - columns.mean()) / unit)
    prior = uniform_filter(power_of(found), (1, 1, 3, 3), mode="wrap")
    prior /= noise
    prior *= _share(power, prior, blocks.rings)
    missing = 1 / (1 + prior)
    found += spectra
    whole = average_power(power_of(found) / noise)
    rare = np.float32(blocks.threshold(_CHANCE))
    threshold = np.where(whole > _BEYOND_DOUBT, 1, rare)
    missing *= threshold / np.maximum(average_power(power), threshold)
    spectra *= 1 - missing
    return blocks.join(spectra) * np.float32(unit)


def _share(power, prior, ring):
    """Power of what is missing, as a part of that of the columns, by rings."""

    def total(values):
        return np.bincount(ring.ravel(), values.sum(axis=(0, 1)).ravel())

    squares = total(np.square(prior, dtype=np.float64)) + _TINY
    share = total((power - 1) * prior) / squares - _ERRORS / np.sqrt(squares)
    return np.clip(share, 0, _MOST).astype(np.float32)[ring]
