"""Level of an image that may have steps: vacuum edges, supports, frames.

Running medians of lines keep all that is monotone, however steep, and do not see
what is narrower than half of their length (Gallagher and Wise, IEEE Trans. Acoust.
Speech Signal Process. 29, 1136 (1981)).
"""

import numpy as np
from scipy.ndimage import median_filter


def level_with_steps(image, length):
    """Running medians along the rows, and of these along the columns of pixels.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Without NaN.
    length : float
        Of the lines, in pixels.

    Returns
    -------
    numpy.ndarray, shape (h, w)

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((64, 64))
    >>> image[:, 30:] = 50
    >>> image[20:23, 10:13] += 10
    >>> level = level_with_steps(image, 21)
    >>> float(level[21, 11]), float(level[21, 29]), float(level[21, 30])
    (0.0, 0.0, 50.0)
    """
    reach = int(length / 2)
    return _median_of_rows(_median_of_rows(image, reach).T, reach).T


def _median_of_rows(image, reach):
    """Running median along each row, mirrored at its ends."""
    reach = min(reach, image.shape[1] - 1)
    rows = np.pad(image, ((0, 0), (reach, reach)), mode="reflect")
    # One line of all rows: SciPy has a fast median of lines
    medians = median_filter(rows.ravel(), 2 * reach + 1).reshape(rows.shape)
    return medians[:, reach : reach + image.shape[1]]
