"""Scores of HRTEM images: columns as spots on black, from 0 to 255."""

import numpy as np

from hyperspy_stem_enhance.imaging import invert_contrast
from hyperspy_stem_enhance.metrics import psnr, ssim

_WHITE = 255.0
_HALF = 127.5  # threshold of the spots in the SCGN paper


def bright_image(scene):
    """Noisy image of a scene as a network is given it: with bright columns.

    Parameters
    ----------
    scene : simulate.truth.Scene
        Of an HRTEM or a dark-field image.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
    """
    dark = scene.recipe.appearance == "dark"
    return invert_contrast(scene.noisy) if dark else scene.noisy


def score_spots(image, truth):
    """PSNR, SSIM, and intersection over union of the spots.

    Parameters
    ----------
    image, truth : numpy.ndarray, shape (h, w)
        Columns bright on zero, in the same units.

    Returns
    -------
    list of float
        PSNR in dB and SSIM at a scale where the highest value of the truth
        is 255; area where both are above half of it over the area where
        either is (Li et al., CVPR 2026).

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.zeros((32, 32))
    >>> truth[8:12, 8:12] = 3
    >>> [round(float(value), 2) for value in score_spots(truth / 1.5, truth)]
    [27.6, 0.97, 1.0]
    """
    unit = _WHITE / truth.max()
    image, truth = np.multiply(image, unit), truth * unit
    found, true = image > _HALF, truth > _HALF
    overlap = np.count_nonzero(found & true) / np.count_nonzero(found | true)
    return [float(psnr(image, truth)), float(ssim(image, truth)), overlap]
