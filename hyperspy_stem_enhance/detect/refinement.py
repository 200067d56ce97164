"""Sub-pixel positions of columns on the image as recorded, with standard errors.

Two-dimensional Gaussians on local backgrounds, all columns of an image in one
weighted fit, or centres of mass. The weights are the noise of the pixels: a
straight line of their variance against intensity, as electron counting and
readout give it, measured on what the fit leaves over or given.
"""

from dataclasses import dataclass

import numpy as np

from ..imaging import check_contrast
from ..noise.column_noise import measure_column_noise
from ..noise.parameters import NOISE_MODES
from .gaussian_refinement import refine_gaussians
from .joint_gaussians import BACKGROUND_TERMS
from .mass_refinement import refine_masses
from .mean_width import measure_mean_width
from .refine import GaussianFit, render_gaussians

REFINED_NAMES = {
    "gaussian": (
        *("y", "x", "height", "sigma", "background"),
        *("y_error", "x_error", "refined"),
    ),
    "elliptical": (
        *("y", "x", "height", "sigma_major", "sigma_minor", "rotation"),
        *("background", "y_error", "x_error", "refined"),
    ),
    "center_of_mass": ("y", "x", "y_error", "x_error", "refined"),
}
"""Columns of the tables, by method."""

_ROUNDS = 2  # of fits that tell columns of atoms from offsets of columns of pixels


def refine_positions(
    image,
    positions,
    method="gaussian",
    *,
    mode="HAADF",
    contrast="bright",
    background="constant",
    sigma=None,
    mask_radius=None,
    variance=None,
):
    """Refine the positions of columns on an image, all at once.

    Parameters
    ----------
    image : array-like, shape (h, w)
        As recorded, or enhanced. NaN pixels are left out.
    positions : array-like, shape (n, k)
        Row y and column x in pixels to start from; further values are
        ignored.
    method : {"gaussian", "elliptical", "center_of_mass"}
        A circular Gaussian, one with two widths and a rotation, or the
        centre of mass of a disc that is centred on itself. Gaussians that
        overlap are fitted together; the centre of mass knows of no
        neighbours.
    mode : {"HAADF", "BF", "HRTEM"}
        Whether columns are bright or dark, or the image is that of a
        camera, which columns of pixels share noise in.
    contrast : {"bright", "dark"}
        Of an HRTEM image: how its columns look.
    background : {"constant", "plane", "none"}
        What is below each column, in the pixels that are nearest to it: a
        level, a level with slopes, or nothing, for enhanced images. Of no
        effect on centres of mass.
    sigma : float, optional
        Typical width of the columns in pixels. By default, that of the
        mean of all columns.
    mask_radius : float, optional
        Pixels count up to this distance from a column, in pixels. By
        default three sigma of the column; 1.5 for centres of mass.
    variance : tuple of float, optional
        Gain and offset of the noise: the variance of a pixel is ``gain *
        intensity + offset``, in units of the image; ``(1, 0)`` for counts
        of electrons. By default, measured on what the fit leaves over.

    Returns
    -------
    numpy.ndarray of float64, shape (n, k)
        One row per column, in the order of ``positions``, with what
        :data:`REFINED_NAMES` names: position; height of the Gaussian
        (positive for dark ones too) over the background and level of the
        background, in units of the image; sigma in pixels (along the
        major and minor axis, and the angle of the major axis with the x
        axis in radians, from 0 to pi, anticlockwise as displayed with y
        downwards, as Atomap's ``rotation_ellipticity``); standard errors
        of the position in pixels; and 1 where the fit succeeded.
        Otherwise, 0: the position is that of the start, its errors are
        NaN, and so is what could not be fitted.

    Raises
    ------
    ValueError
        If a shape is wrong, or an argument unknown or out of range.

    Notes
    -----
    Least squares with the inverse variances of the pixels as weights, by
    Levenberg-Marquardt steps for all columns together. The logarithm of a
    width is drawn to that of the typical one with a tolerance of 0.15,
    which matters at a few electrons per column. From HRTEM images the
    offsets of columns of pixels are taken off first, as far as they are
    told from the structure (:func:`.column_noise.measure_column_noise`).

    The standard errors are those of the fit, with all its parameters free
    and those of its neighbours too. They hold for noise that is
    independent between pixels; displaced scan lines and resampled images
    have larger ones. They are not smaller than what the residuals around
    a column, or in the whole image, say.

    A fit has failed where the column moved by more than a sigma or 0.4
    of the distance to its neighbour (and more than a pixel), or out of
    the image, is lower than the error of its
    height, has a position error above its width, or too few pixels, or
    where it has not come to rest: its last step is not small against its
    standard error.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:32, :32]
    >>> clean = 3 + 200 * np.exp(-((y - 12.3) ** 2 + (x - 20.8) ** 2) / (2 * 2.5**2))
    >>> image = np.random.default_rng(0).poisson(clean)
    >>> y, x, *_, y_error, x_error, refined = refine_positions(image, [[12, 21]])[0]
    >>> bool(abs(y - 12.3) < 3 * y_error and abs(x - 20.8) < 3 * x_error)
    True
    """
    check_settings(method, mode, contrast, background, sigma, mask_radius, variance)
    image, positions = _check_arrays(image, positions)
    table = np.full((len(positions), len(REFINED_NAMES[method])), np.nan)
    table[:, :2], table[:, -1] = positions, 0
    inside = np.all((positions >= -0.5) & (positions <= np.array(image.shape) - 0.5), 1)
    index = np.flatnonzero(inside)
    if len(index) == 0 or not np.isfinite(image).any():
        return table
    dark = mode == "BF" or contrast == "dark"
    units = _Units.of(image, dark, background)
    data = units.convert(image)
    if sigma is None:
        sigma = measure_mean_width(data, positions[index])
    # Neighbours follow each other, so that their windows are near in memory.
    index = index[np.lexsort((positions[index, 1], positions[index, 0] // (8 * sigma)))]
    law = None if variance is None else units.convert_law(*variance)
    start = positions[index]
    if mode == "HRTEM":
        data = _without_column_noise(data, start, sigma, law, background)
    if method == "center_of_mass":
        table[index] = refine_masses(data, start, sigma, mask_radius, law)
        return table
    fit = refine_gaussians(
        data, start, sigma, mask_radius, law, background, method == "elliptical"
    )
    table[index] = _make_table(fit, method, units)
    return table


@dataclass
class _Units:
    """Units of an image, for data of order one with bright columns."""

    sign: int
    offset: float
    scale: float

    @classmethod
    def of(cls, image, dark, background):
        sign = -1 if dark else 1
        # float32 data keep weak columns on a high level this way. Without a
        # background, zero has a meaning.
        low, high = np.nanmin(image), np.nanmax(image)
        offset = 0.0 if background == "none" else float(low + high) / 2
        scale = float(max(high - offset, offset - low))
        return cls(sign, offset, scale if scale > 0 else 1.0)

    def convert(self, image):
        return (self.sign * (image - self.offset) / self.scale).astype(np.float32)

    def convert_law(self, gain, offset):
        """Gain and offset of the variance, of converted data."""
        at_zero = offset + gain * self.offset
        return self.sign * gain / self.scale, at_zero / self.scale**2

    def restore_level(self, level):
        return self.offset + self.sign * self.scale * level


def _without_column_noise(data, start, sigma, law, background):
    """The image less the offsets of columns of pixels, which would move x."""
    usable, flat = np.isfinite(data), data
    for _ in range(_ROUNDS):
        fit = refine_gaussians(flat, start, sigma, None, law, background, False)
        g = fit.gaussians.select(fit.refined)
        zero = np.zeros(len(g.y))
        found = GaussianFit(g.y, g.x, g.height, g.sigma(), zero, zero)
        left = np.where(usable, data - render_gaussians(data.shape, found), 0)
        left[~usable] = np.median(left[usable])
        flat = data - measure_column_noise(left.astype(np.float32), usable).offsets
    return flat


def _make_table(fit, method, units):
    g = fit.gaussians
    columns = [g.y, g.x, units.scale * g.height]
    if method == "elliptical":
        yy, yx, xx = g.precision.T
        # Anticlockwise for y downwards
        rotation = np.mod(0.5 * np.arctan2(2 * yx, yy - xx), np.pi)
        columns += [*g.sigmas().T, rotation]
    else:
        columns.append(g.sigma())
    columns += [units.restore_level(fit.level), *fit.errors.T, fit.refined]
    return np.stack(columns, axis=1)


def check_settings(method, mode, contrast, background, sigma, mask_radius, variance):
    """Raise ValueError unless these are arguments of `refine_positions`."""
    for name, value, known in (
        ("method", method, REFINED_NAMES),
        ("mode", mode, NOISE_MODES),
        ("background", background, BACKGROUND_TERMS),
    ):
        if value not in known:
            raise ValueError(f"{name}={value!r} is unknown; use one of {list(known)}.")
    check_contrast(contrast, mode)
    for name, value in (("sigma", sigma), ("mask_radius", mask_radius)):
        if value is not None and not 0 < value < np.inf:
            raise ValueError(f"{name}={value} is not a positive number of pixels.")
    if variance is None:
        return
    if np.shape(variance) != (2,) or not np.all(np.isfinite(variance)):
        raise ValueError(
            f"variance={variance!r} is not (gain, offset), two finite numbers. Use "
            "(1, 0) for counts of electrons."
        )


def _check_arrays(image, positions):
    image = np.asarray(image)
    if image.ndim != 2 or image.dtype.kind not in "buif":
        raise ValueError(
            f"image has the shape {image.shape} and dtype {image.dtype}; a real image "
            "of shape (h, w) is needed."
        )
    positions = np.asarray(positions, dtype=np.float64)
    if positions.size == 0:
        positions = np.empty((0, 2))
    if positions.ndim != 2 or positions.shape[1] < 2:
        raise ValueError(
            f"positions has the shape {positions.shape}, expected (n, k) with y and x "
            "in pixels first."
        )
    image = image.astype(np.float64)
    image[~np.isfinite(image)] = np.nan
    return image, positions[:, :2]
