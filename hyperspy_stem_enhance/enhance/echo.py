"""Find what in a result only follows the noise, and take it away.

A network that sees one image cannot know which of its noise was noise.  Part of
what it returns depends on that: blurred spots where electrons came by chance,
columns that are ragged.  How much, at each spatial frequency, is told by running it
once more on the image with a little more of its own noise: what goes with the noise
is no structure.
"""

import numpy as np

from .spectra import SpectralBlocks, average_power, power_of

_PART = 0.2  # of the noise that is added
_WIDTH = 4  # rings of the spectrum that share a factor
_LAST = 12  # group of the finest frequencies, of which columns have none
_SEED = 0
_TINY = 1e-30


def more_noise(rest):
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


def remove_echo(columns, rest, noise, changed):
    """Lower the frequencies of an enhanced image at which it follows the noise.

    Parameters
    ----------
    columns : numpy.ndarray of float32, shape (h, w)
        The enhanced image, without background.
    rest : numpy.ndarray of float32, shape (h, w)
        What it leaves behind of the frame.
    noise : numpy.ndarray of float32, shape (h, w)
        From `more_noise`.
    changed : numpy.ndarray of float32, shape (h, w)
        What came of the frame with that noise added, enhanced alike.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
        May be slightly negative beside columns.

    Notes
    -----
    At the frequencies of a ring the error is smallest after multiplication by
    ``<X T> / <X X>``, where ``X`` is the enhanced image and ``T`` the truth, which is
    not known. But ``<X T> = <X Y> - <X N>`` with the frame ``Y`` and its noise ``N``,
    and the last term is what `changed` tells: C. Stein's unbiased estimate of the risk,
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
    >>> noise = more_noise(noisy - result)
    >>> changed = result + gaussian_filter(noise, 2) / 3
    >>> better = remove_echo(result, noisy - result, noise, changed)
    >>> bool(np.std(better - truth) < 0.9 * np.std(result - truth))
    True
    """
    blocks = SpectralBlocks(columns.shape)
    mean = columns.mean()
    left = blocks.transform(rest)
    noise_power = blocks.noise_power(power_of(left))
    spectra = blocks.transform(columns - mean)
    left += spectra
    lattice = average_power(power_of(left) / noise_power) > blocks.threshold()
    group = np.minimum(blocks.rings // _WIDTH, _LAST)
    groups = np.broadcast_to(group, lattice.shape)[~lattice]

    def total(values):
        return np.bincount(groups, values[~lattice], minlength=_LAST + 1)

    added = blocks.transform(noise)
    # Structure that was missed adds to the rest, what followed the noise lacks there
    ratio = total(noise_power) / np.maximum(total(power_of(added)), _TINY)
    common = (spectra * left.conj()).real
    echo = (blocks.transform(changed - columns) * added.conj()).real
    common -= ratio.astype(np.float32)[group] * echo
    own = power_of(spectra)
    norm = np.maximum(total(own), _TINY)
    factors = total(common) / norm
    error = common - factors.astype(np.float32)[group] * own
    error = np.sqrt(total(np.square(error, dtype=np.float64))) / norm
    factors = np.clip(factors + error, 0, 1).astype(np.float32)
    spectra *= np.where(lattice, 1, factors[group])
    return blocks.join(spectra) + mean
