"""Background around columns that may have steps: vacuum edges, supports, frames.

Medians of lines keep monotone steps as they are, however steep (Gallagher and Wise,
IEEE Trans. Acoust. Speech Signal Process. 29, 1136 (1981)), and do not see what is
narrower than half of their length, as columns are.
"""

import numpy as np
from scipy.ndimage import median_filter

from .significance import fill_missing

# Length of the medians in column widths: twice what a column is wide at a part of 1/20,
# and beyond what the filter for heights reads its background from
_LENGTH = 10.0


def local_background(residual, width):
    """Level around each pixel, with its steps, without columns and noise.

    Parameters
    ----------
    residual : numpy.ndarray, shape (h, w)
        An image minus its columns; NaN pixels are taken to have the local mean.
    width : float
        Typical sigma of the columns in pixels.

    Returns
    -------
    numpy.ndarray of float64, shape (h, w)
        Running medians along the rows, and of these along the columns of pixels.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((64, 64))
    >>> image[:, 30:] = 50
    >>> image[20:23, 10:13] += 10
    >>> level = local_background(image, 2.0)
    >>> float(level[21, 11]), float(level[21, 29]), float(level[21, 30])
    (0.0, 0.0, 50.0)
    """
    filled = fill_missing(np.asarray(residual, dtype=np.float64), width)
    length = 2 * int(_LENGTH * width / 2) + 1
    along = _median_of_rows(filled, length)
    return _median_of_rows(along.T, length).T


def _median_of_rows(image, length):
    """Running median along each row, mirrored at its ends."""
    reach = min(length // 2, image.shape[1] - 1)
    rows = np.pad(image, ((0, 0), (reach, reach)), mode="reflect")
    # One line of all rows: SciPy has a fast median of lines
    medians = median_filter(rows.ravel(), 2 * reach + 1).reshape(rows.shape)
    return medians[:, reach : reach + image.shape[1]]
