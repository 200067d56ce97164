"""Show what repeats across a field: what a lattice leaves in few frequencies.

A network sees the neighbourhood of a pixel much better than it sees that
columns stand in order over the whole field, which is what tells them where few
electrons came.  A filter of the spectrum knows nothing else: it gets at half an
electron per pixel of a lattice what the best networks do, and fails wherever
there is no order.  A network that is given both learns which to believe.
"""

import numpy as np

from ..imaging import imaging_mode
from .spectra import SpectralBlocks, average_power, power_of


def find_order(values):
    """Keep the frequencies that stand out of the noise of several blocks.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (h, w)
        An image without its background. The noise of its rows is independent:
        transpose images of cameras.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
        Zero where no frequency does.

    Notes
    -----
    In overlapping windowed blocks, every frequency has the gain ``1 - t / q``,
    zero for ``q < t``, where ``q`` is its power averaged over neighbouring
    blocks, in units of the noise, and ``t`` what noise hardly ever reaches: a
    filter as N. Wiener's, with powers measured in the image itself.

    Examples
    --------
    >>> import numpy as np
    >>> lattice = np.sin(np.arange(256) / 2) * np.ones((256, 1))
    >>> noise = np.random.default_rng(0).normal(0, 3, (256, 256))
    >>> found = find_order(lattice + noise)
    >>> bool(np.corrcoef(found.ravel(), lattice.ravel())[0, 1] > 0.95)
    True
    """
    blocks = SpectralBlocks(values.shape)
    spectra = blocks.transform(values)
    power = power_of(spectra)
    power /= blocks.noise_power(power)
    average = average_power(power)
    threshold = blocks.threshold()
    spectra *= 1 - threshold / np.maximum(average, threshold)
    return blocks.join(spectra)


def network_input(values, mode="HAADF", n_inputs=2):
    """What a network is given of a frame.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (h, w)
        The frame as `normalise.normalise_frame` gives it.
    mode : {"HAADF", "BF", "HRTEM"}
    n_inputs : int, default 2
        How many of `models.sfin.INPUTS`, from the first on.

    Returns
    -------
    numpy.ndarray of float32, shape (n_inputs, h, w)

    Examples
    --------
    >>> import numpy as np
    >>> network_input(np.zeros((32, 32), np.float32)).shape
    (2, 32, 32)
    """
    if n_inputs == 1:
        return values[None]
    orient = imaging_mode(mode).orient_noise_axis
    return np.stack([values, orient(find_order(orient(values)))])
