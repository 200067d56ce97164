"""What about an image puts its calibration in doubt.

Correlated noise, clipped histograms, hot pixels, and a scan that does not
run along the rows.
"""

from dataclasses import astuple, dataclass

import numpy as np
import scipy.fft as sf

_SIDE = 512  # pixels: the middle of larger images is enough
_HIGH = 0.35  # cycles per pixel, above which there is hardly any structure
_LOW = 0.12  # below which scan noise is
_LEAST_EXCESS = 0.2  # of power along the wrong axis
_ERRORS = 6.0  # standard errors of it
_FAR = 3.0  # ranges of all other pixels from their middle: a hot pixel

_CORRELATED = (
    "noise correlated between neighbouring pixels (filtered, resampled or binned, or a "
    "detector slower than the scan?): the pointwise noise found is its uncorrelated "
    "part alone; calibrate images as they were recorded"
)
_WRONG_AXIS = (
    "noise correlated along the columns of the array instead of the rows (is the fast "
    'scan axis vertical?): calibrate with fast_axis="y", or "x" if that was given'
)
_CORRELATED_HRTEM = (
    "noise correlated between neighbouring pixels (the point spread of the camera, or "
    "filtered, resampled or binned?): the pointwise noise found with the structure "
    "removed is its uncorrelated part alone; give atom_free to measure all of it"
)
_WRONG_AXIS_HRTEM = (
    "noise that is the same along the rows of the array instead of the columns (is the "
    'image turned?): calibrate with fast_axis="y", or "x" if that was given'
)


@dataclass(frozen=True)
class ImageChecks:
    """What was found to put the calibration of an image in doubt.

    Attributes
    ----------
    correlated : bool
        Noise is alike in neighbouring pixels.
    clipped_low, clipped_high : float
        Share of the pixels at the lowest and at the highest value, where
        the histogram is cut off there.
    hot_pixels : int
        Pixels far outside the range of all others.
    wrong_axis : bool
        Scan noise is correlated along the columns, not along the rows; of
        HRTEM images, offsets are those of rows, not of columns.
    """

    correlated: bool = False
    clipped_low: float = 0.0
    clipped_high: float = 0.0
    hot_pixels: int = 0
    wrong_axis: bool = False

    def notes(self, at_most=False, mode="HAADF"):
        """Put in words what was found.

        Parameters
        ----------
        at_most : bool, default False
            Whether the numbers are the largest of several images.
        mode : {"HAADF", "BF", "HRTEM"}

        Returns
        -------
        dict of str
            What the image has, by its kind: "correlated", "clipped",
            "hot", "fast_axis".
        """
        hrtem = mode == "HRTEM"
        found = {}
        up_to = "up to " if at_most else ""
        if self.correlated:
            found["correlated"] = _CORRELATED_HRTEM if hrtem else _CORRELATED
        ends = [
            f"{up_to}{share:.2g} % of the pixels at the {end} value"
            for share, end in (
                (100 * self.clipped_low, "lowest"),
                (100 * self.clipped_high, "highest"),
            )
            if share > 0
        ]
        if ends:
            found["clipped"] = (
                f"{' and '.join(ends)} (saturated, or cut off): there is no noise to "
                "measure there"
            )
        if self.hot_pixels:
            pixels = "pixel" if self.hot_pixels == 1 else "pixels"
            found["hot"] = (
                f"{up_to}{self.hot_pixels} {pixels} far outside the range of all others"
            )
        if self.wrong_axis:
            found["fast_axis"] = _WRONG_AXIS_HRTEM if hrtem else _WRONG_AXIS
        return found


def combine_checks(checks):
    """What was found in any of several images, with the largest numbers."""
    columns = zip(*(astuple(check) for check in checks), strict=True)
    return ImageChecks(*(max(column) for column in columns))


def check_pixels(image, pixels):
    """Look for hot and clipped pixels.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
    pixels : UsablePixels
        Of the image.

    Returns
    -------
    dict
        ``hot_pixels``, ``clipped_low`` and ``clipped_high``.
    """
    finite = image[np.isfinite(image)].astype(np.float64)
    low, high = np.quantile(finite, [0.001, 0.999])
    # Not two electrons in a pixel where there is one in a thousand
    far = np.abs(finite - (low + high) / 2) > _FAR * (high - low)
    ends = {}
    for name, end in (("clipped_low", np.min), ("clipped_high", np.max)):
        values = pixels.values[pixels.finite]
        at_end = pixels.finite & (pixels.values == end(values))
        # of an end that clips, most pixels lie where others do
        clips = np.mean(pixels.usable[at_end]) < 0.5
        ends[name] = float(np.mean(at_end)) if clips else 0.0
    return {"hot_pixels": int(far.sum()) if high > low else 0, **ends}


def describe_defects(frame):
    """Describe hot and dead pixels and saturated areas of an image for a warning.

    Parameters
    ----------
    frame : numpy.ndarray, shape (h, w)
        Real, with at least one finite pixel.

    Returns
    -------
    dict of str to str
        From the kind of defect to a text with the number of pixels. Empty
        for an image without any.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(100, 5, (64, 64))
    >>> image[30, 30] = 1e4
    >>> describe_defects(image)["hot"]
    '1 pixel far outside the range of all others'
    """
    from .usable import usable_pixels

    found = check_pixels(frame, usable_pixels(frame))
    defects = {}
    if found["hot_pixels"]:
        pixels = "pixel" if found["hot_pixels"] == 1 else "pixels"
        defects["hot"] = (
            f"{found['hot_pixels']} {pixels} far outside the range of all others"
        )
    at_ends = found["clipped_low"] + found["clipped_high"]
    if at_ends > 0:
        few = at_ends < 0.0005  # what would be called 0.0%
        share = f"{at_ends * frame.size:.0f}" if few else f"{at_ends:.1%}"
        defects["clipped"] = (
            f"{share} of its pixels at the ends of the detector's range "
            "(saturated, or cut off at the lowest value)"
        )
    return defects


def scan_axis_excess(values):
    """Power of noise along each axis beyond that of white noise.

    Scan noise is smooth along the fast axis and independent across it. At
    high frequencies across it and low ones along it there is more power
    than at high frequencies both ways, where pointwise noise is alone.
    Blurred noise has as much excess along both axes.

    Parameters
    ----------
    values : numpy.ndarray, shape (h, w)
        Finite everywhere.

    Returns
    -------
    along_rows, along_columns : float
        Excess relative to white noise.
    error : float
        Standard error of either for white noise.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter1d
    >>> scan, white = np.random.default_rng(0).normal(size=(2, 128, 128))
    >>> image = 3 * gaussian_filter1d(scan, 3, axis=1) + white
    >>> along_rows, along_columns, error = scan_axis_excess(image)
    >>> along_rows > 10 * error, abs(along_columns) < 3 * error
    (True, True)
    """
    middle = tuple(
        slice((n - min(n, _SIDE)) // 2, (n + min(n, _SIDE)) // 2) for n in values.shape
    )
    values = values[middle].astype(np.float32)
    window = np.outer(*(np.hanning(n) for n in values.shape)).astype(np.float32)
    spectrum = sf.rfft2((values - values.mean()) * window)
    power = spectrum.real**2 + spectrum.imag**2
    q_row = np.abs(sf.fftfreq(values.shape[0]))[:, None]
    q_column = sf.rfftfreq(values.shape[1])[None]
    rows = power[(q_row[:, 0] > _HIGH)][:, q_column[0] < _LOW]
    columns = power[(q_row[:, 0] < _LOW)][:, q_column[0] > _HIGH]
    both = power[(q_row[:, 0] > _HIGH)][:, q_column[0] > _HIGH]
    # medians: the lattice has peaks there where columns are sharp
    white = max(float(np.median(both)), 1e-30)
    # the window makes neighbours alike, hence 2.5
    error = 2.5 / np.sqrt(min(rows.size, columns.size, both.size))
    return (
        float(np.median(rows)) / white - 1,
        float(np.median(columns)) / white - 1,
        float(error),
    )


def runs_along_columns(values):
    """Whether the noise says that the fast scan axis is vertical.

    Parameters
    ----------
    values : numpy.ndarray, shape (h, w)
        Finite everywhere.

    Returns
    -------
    bool
        False as well where there is no scan noise to tell it from.
    """
    along_rows, along_columns, error = scan_axis_excess(values)
    least = max(_LEAST_EXCESS, _ERRORS * error)
    return along_columns > least + 2 * max(along_rows, 0.0)
