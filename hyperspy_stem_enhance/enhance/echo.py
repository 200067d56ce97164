"""Find what in a result only follows the noise, and take it away.

A network that sees one image cannot know which of its noise was noise.  Part of
what it returns depends on that: blurred spots where electrons came by chance,
columns that are ragged.  How much, at each spatial frequency, is told by running it
once more on the image with a little more of its own noise: what goes with the noise
is no structure.
"""

from functools import partial

import numpy as np

from .spectra import SpectralBlocks, average_power, power_of

_PART = 0.2  # of the noise that is added
_WIDTH = 4  # rings of the spectrum that share a factor
_LAST = 12  # group of the finest frequencies, of which columns have none
_WINDOW = 256  # pixels: frames of more than two of them are sampled
_SEED = 0
_TINY = 1e-30


def perturb_noise(rest):
    """Noise to be added to a frame: a part of its own, rows turned over at random.

    Parameters
    ----------
    rest : numpy.ndarray of float32, shape (h, w)
        What an enhanced image leaves behind. The noise of its rows is
        independent: transpose images of cameras.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
        With the same signs for all images of a shape.
    """
    signs = np.random.default_rng(_SEED).choice(np.float32([-1, 1]), (len(rest), 1))
    return _PART * signs * rest


def sample_windows(shape):
    """Windows in which the echo of the noise is measured.

    Parameters
    ----------
    shape : tuple of int
        (rows, columns) of a frame.

    Returns
    -------
    list of tuple of slice
        The whole of a frame up to 512 pixels; above, one window of 256 pixels in
        the middle of each quarter (half, if only one side is that long).

    Examples
    --------
    >>> sample_windows((300, 512))
    [(slice(0, 300, None), slice(0, 512, None))]
    >>> len(sample_windows((1024, 1024)))
    4
    """
    sides = []
    for size in shape:
        if size <= 2 * _WINDOW:
            sides.append([slice(0, size)])
            continue
        middles = (size // 4, size - size // 4)
        sides.append([slice(m - _WINDOW // 2, m + _WINDOW // 2) for m in middles])
    return [(down, across) for down in sides[0] for across in sides[1]]


def remove_echo(columns, rest, noise, changes):
    """Lower the frequencies of an enhanced image at which it follows the noise.

    Parameters
    ----------
    columns : numpy.ndarray of float32, shape (h, w)
        The enhanced image, without background.
    rest : numpy.ndarray of float32, shape (h, w)
        What it leaves behind of the frame.
    noise : numpy.ndarray of float32, shape (h, w)
        From `perturb_noise`.
    changes : list of (tuple of slice, numpy.ndarray of float32)
        By how much what is enhanced of a window of the frame changes where that
        noise is added.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
        May be slightly negative beside columns.

    Notes
    -----
    At the frequencies of a ring the error is smallest after multiplication by
    ``<X T> / <X X>``, where ``X`` is the enhanced image and ``T`` the truth, which is
    not known. But ``<X T> = <X Y> - <X N>`` with the frame ``Y`` and its noise ``N``,
    and the last term is what `changes` tell: C. Stein's unbiased estimate of the risk,
    with the divergence found by a trial, as in [1]_. The factor is raised by its
    standard error, and is 1 at the frequencies of a lattice (see `order`).

    References
    ----------
    .. [1] Ramani, Blu, Unser, "Monte-Carlo SURE: A black-box optimization of
       regularization parameters for general denoising algorithms", IEEE Trans.
       Image Process. 17, 1540 (2008).

    Examples
    --------
    A lattice, and a third of the noise at low frequencies:

    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> truth = np.sin(np.arange(256, dtype=np.float32) / 4) * np.ones((256, 1), "f")
    >>> noisy = truth + np.random.default_rng(0).normal(0, 1, truth.shape).astype("f")
    >>> result = truth + gaussian_filter(noisy - truth, 2) / 3
    >>> noise = perturb_noise(noisy - result)
    >>> (whole,) = sample_windows(truth.shape)
    >>> changes = [(whole, gaussian_filter(noise, 2) / 3)]
    >>> better = remove_echo(result, noisy - result, noise, changes)
    >>> bool(np.std(better - truth) < 0.9 * np.std(result - truth))
    True
    """
    mean = columns.mean()
    blocks, spectra, left, noise_power, lattice = _blocks_of(columns - mean, rest)
    group = _groups(blocks)
    total = partial(_sum_by_group, group, lattice)
    response, spread = _response(columns - mean, rest, noise, changes)
    # Structure that was missed adds to the rest, what followed the noise lacks there
    common = (spectra * left.conj()).real
    common -= response.astype(np.float32)[group] * noise_power
    own = power_of(spectra)
    norm = np.maximum(total(own), _TINY)
    factors = total(common) / norm
    error = common - factors.astype(np.float32)[group] * own
    variance = total(np.square(error, dtype=np.float64))
    variance += (total(noise_power) * spread) ** 2
    factors = np.clip(factors + np.sqrt(variance) / norm, 0, 1).astype(np.float32)
    spectra *= np.where(lattice, 1, factors[group])
    return blocks.join(spectra) + mean


def _response(columns, rest, noise, changes):
    """Part of the noise that comes through at the frequencies of each group.

    With its standard error.
    """
    echo, power, squares = np.zeros((3, _LAST + 1))
    samples = []
    for window, change in changes:
        blocks, *_, lattice = _blocks_of(columns[window], rest[window])
        total = partial(_sum_by_group, _groups(blocks), lattice)
        added = blocks.transform(noise[window])
        came = (blocks.transform(change) * added.conj()).real
        added = power_of(added)
        samples.append((total, _groups(blocks), came, added))
        echo += total(came)
        power += total(added)
    power = np.maximum(power, _TINY)
    response = echo / power
    for total, group, came, added in samples:
        error = came - response.astype(np.float32)[group] * added
        squares += total(np.square(error, dtype=np.float64))
    return response, np.sqrt(squares) / power


def _blocks_of(columns, rest):
    """Blocks, spectra of columns and frame, noise, and where there is a lattice."""
    blocks = SpectralBlocks(columns.shape)
    left = blocks.transform(rest)
    noise_power = blocks.noise_power(power_of(left))
    spectra = blocks.transform(columns)
    left += spectra
    lattice = average_power(power_of(left) / noise_power) > blocks.threshold()
    return blocks, spectra, left, noise_power, lattice


def _groups(blocks):
    """Number of the group of each frequency, whose factor is the same."""
    return np.minimum(blocks.rings // _WIDTH, _LAST)


def _sum_by_group(group, lattice, values):
    """Sums of values at frequencies of no lattice, one for each group."""
    groups = np.broadcast_to(group, lattice.shape)[~lattice]
    return np.bincount(groups, values[~lattice], minlength=_LAST + 1)
