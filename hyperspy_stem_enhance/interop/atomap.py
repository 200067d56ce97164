"""Columns handed to Atomap: a Sublattice ready to refine and analyse.

Atomap takes positions as (x, y), square pixels, images without negative or
missing values, and bright columns; what differs is converted or refused.
"""

import numpy as np
from scipy.spatial import cKDTree

from hyperspy_stem_enhance.signals._ragged import common_scale, image_axes_dictionary

_ANISOTROPY = 1e-3
# Radius of the window of a fit, in parts of the nearest distance: Atomap's own.
_WINDOW = 0.4
_COLOURS = ("red", "blue", "lime", "orange", "magenta", "cyan")


def make_sublattice(
    positions,
    image,
    original_image=None,
    refine=False,
    invert=None,
    show_progressbar=None,
):
    """Make an Atomap sublattice from columns found in an image.

    Parameters
    ----------
    positions : array-like, shape (n, k)
        Row y and column x in pixels, further values are ignored.
    image : hyperspy.api.signals.Signal2D or array-like, shape (h, w)
        The image that the sublattice shows. Pixel size and units are taken
        from a signal; lazy ones are computed.
    original_image : hyperspy.api.signals.Signal2D or array-like, optional
        The image that Atomap refines on, of the same shape. The default is
        ``image``.
    refine : bool, default False
        Refine the positions on ``original_image``: centre of mass, then
        2-D Gaussians.
    invert : bool, optional
        Whether to turn images so that dark columns become bright. By
        default each image is turned if it is darker at the columns than
        its median.
    show_progressbar : bool, optional
        For refining. By default, HyperSpy's preference.

    Returns
    -------
    atomap.sublattice.Sublattice

    Raises
    ------
    ValueError
        If an image is not a single one, has no finite pixels or pixels
        that are not square, if the shapes differ, if a position lies
        outside, or if fewer than two columns are to be refined.

    Notes
    -----
    Atomap refuses float16 and fits badly to negative values: images become
    float32 at least, and are shifted to a minimum of zero where they are
    negative. Missing pixels get the median of the image. Axes that were flipped
    have the size of their pixels, since lengths have no direction.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> s = hs.signals.Signal2D(np.ones((20, 30)))
    >>> lattice = make_sublattice([[4.0, 25.0]], s)  # doctest: +SKIP
    >>> lattice.atom_positions  # doctest: +SKIP
    array([[25.,  4.]])
    """
    positions = np.asarray(positions, dtype=float)
    data = _single_image(image, "image")
    _check_positions(positions, data.shape)
    pixel_size, units = _calibration(image)
    original = _original_image(original_image, data.shape, positions, invert)
    if refine and len(positions) < 2:
        raise ValueError(
            f"refine=True needs the distance between columns, and there are "
            f"{len(positions)}. Use refine=False."
        )
    # Atomap's modules import each other in a circle: this one has to be first.
    import atomap.api as am

    sublattice = am.Sublattice(
        positions[:, 1::-1],
        image=_for_atomap(data, positions, invert),
        original_image=original,
        pixel_size=pixel_size,
        units=units,
    )
    if hasattr(image, "axes_manager"):
        # Atomap has no direction and no origin of axes
        axes = image_axes_dictionary(image.axes_manager.signal_axes)
        sublattice._image_axes = axes
    if refine:
        _refine(sublattice, _WINDOW, show_progressbar)
    return sublattice


def make_atom_lattice(
    positions,
    classes,
    image,
    original_image=None,
    refine=False,
    invert=None,
    show_progressbar=None,
):
    """Make an Atomap lattice with a sublattice for each class of columns.

    Parameters
    ----------
    positions : array-like, shape (n, k)
        Row y and column x in pixels, further values are ignored.
    classes : array-like of int, shape (n,)
        Class of each column, see :func:`~.lattice.classify_columns`.
        Columns with a negative one are left out.
    image, original_image, refine, invert, show_progressbar
        As for :func:`make_sublattice`.

    Returns
    -------
    atomap.atom_lattice.Atom_Lattice
        Its sublattices are named "class 0", "class 1", ... and have
        colours of their own.

    Raises
    ------
    ValueError
        As for :func:`make_sublattice`, or if there is not one class for
        each column, or none that is not negative.

    Notes
    -----
    Atomap chooses the windows of fits by the distances within a sublattice;
    here they reach no further than half way to the next column of any
    class, so that the other column of a dumbbell stays outside.
    """
    positions = np.asarray(positions, dtype=float)
    classes = np.asarray(classes)
    if classes.shape != (len(positions),):
        raise ValueError(
            f"classes has the shape {classes.shape}, expected one for each of the "
            f"{len(positions)} columns."
        )
    numbers = np.unique(classes[classes >= 0]).astype(int)
    if len(numbers) == 0:
        raise ValueError("classes has no class that is 0 or more. Use classes=None.")
    sublattices = []
    for number in numbers:
        chosen = positions[classes == number]
        sublattice = make_sublattice(chosen, image, original_image, invert=invert)
        sublattice.name = f"class {number}"
        sublattice._plot_color = _COLOURS[number % len(_COLOURS)]
        if refine:
            part = _spacing(positions) / max(_spacing(chosen), 1e-9)
            _refine(sublattice, min(_WINDOW, part / 2), show_progressbar)
        sublattices.append(sublattice)
    import atomap.api as am

    lattice = am.Atom_Lattice(
        image=sublattices[0].image,
        original_image=sublattices[0].original_image,
        sublattice_list=sublattices,
    )
    lattice.pixel_size = sublattices[0].pixel_size
    lattice.units = sublattices[0].units
    return lattice


def read_lattice(lattice):
    """Columns of an Atomap sublattice, atom lattice or dumbbell lattice.

    Parameters
    ----------
    lattice : atomap.sublattice.Sublattice or atomap.atom_lattice.Atom_Lattice

    Returns
    -------
    table : numpy.ndarray of float32, shape (n, k)
    column_names : tuple of str
        ``y, x, intensity, sigma``: height and mean width of Atomap's 2-D
        Gaussians, NaN for columns that it has not fitted; ``class``, the
        number of the sublattice, where there are several.
    axes : dict
        Calibration of the image axes by "y" and "x": that of the image which
        :func:`make_sublattice` had, else Atomap's pixel size and units.

    Raises
    ------
    TypeError
        If it is neither.
    """
    sublattices = getattr(lattice, "sublattice_list", [lattice])
    if not sublattices or not hasattr(sublattices[0], "atom_list"):
        raise TypeError(
            f"lattice is a {type(lattice).__name__} without sublattices, expected an "
            "Atomap Sublattice or Atom_Lattice."
        )
    rows = [
        (
            atom.pixel_y,
            atom.pixel_x,
            atom.amplitude_gaussian if atom._gaussian_fitted else np.nan,
            (abs(atom.sigma_x) + abs(atom.sigma_y)) / 2
            if atom._gaussian_fitted
            else np.nan,
            number,
        )
        for number, sublattice in enumerate(sublattices)
        for atom in sublattice.atom_list
    ]
    table = np.array(rows, dtype=np.float32).reshape(-1, 5)
    names = ("y", "x", "intensity", "sigma", "class")
    if len(sublattices) == 1:
        table, names = table[:, :4], names[:4]
    return table, names, _image_axes(sublattices[0])


def _image_axes(sublattice):
    if hasattr(sublattice, "_image_axes"):
        return sublattice._image_axes
    axis = {"scale": sublattice.pixel_size, "offset": 0.0}
    if sublattice.units not in (None, "", "pixel"):
        axis["units"] = sublattice.units
    return {
        k: {**axis, "size": n}
        for k, n in zip("yx", sublattice.image.shape, strict=True)
    }


def _original_image(original_image, shape, positions, invert):
    if original_image is None:
        return None
    original = _single_image(original_image, "original_image")
    if original.shape != shape:
        raise ValueError(
            f"original_image has the shape {original.shape}, image {shape}. "
            "Give two images of the same area."
        )
    return _for_atomap(original, positions, invert)


def _refine(sublattice, window, show_progressbar):
    """Centre of mass, then 2-D Gaussians, in parts of the nearest distance."""
    if show_progressbar is None:
        from hyperspy.defaults_parser import preferences

        show_progressbar = preferences.General.show_progressbar
    count = min(9, len(sublattice.atom_list))
    sublattice.find_nearest_neighbors(nearest_neighbors=count)
    for step in (
        sublattice.refine_atom_positions_using_center_of_mass,
        sublattice.refine_atom_positions_using_2d_gaussian,
    ):
        step(percent_to_nn=window, show_progressbar=show_progressbar)


def _spacing(positions):
    if len(positions) < 2:
        return np.inf
    distance, _ = cKDTree(positions[:, :2]).query(positions[:, :2], k=2)
    return np.median(distance[:, 1])


def _single_image(image, name):
    data = image.data if hasattr(image, "axes_manager") else image
    data = np.asarray(data)
    if data.ndim > 2 and data.size == data.shape[-2] * data.shape[-1]:
        data = data.reshape(data.shape[-2:])
    if data.ndim != 2 or data.dtype.kind not in "buif":
        raise ValueError(
            f"{name} has the shape {data.shape} and dtype {data.dtype}; Atomap takes "
            "a single real image. Choose one with inav, for example image.inav[0]."
        )
    if not np.isfinite(data).any():
        raise ValueError(f"{name} has no finite pixel. Give an image with data.")
    return data


def _check_positions(positions, shape):
    if positions.ndim != 2 or positions.shape[1] < 2:
        raise ValueError(
            f"positions has the shape {positions.shape}, expected (n, k) with y and x "
            "in pixels first."
        )
    if len(positions) == 0:
        return
    low, high = positions[:, :2].min(axis=0), positions[:, :2].max(axis=0)
    if np.any(low < -0.5) or np.any(high > np.array(shape) - 0.5):
        raise ValueError(
            f"positions reach from (y, x) = {low} to {high}, outside of an image of "
            f"{shape} pixels. Give the image that the columns were found in."
        )


def _calibration(image):
    """Pixel size and units of a signal, as Atomap's own defaults otherwise."""
    if not hasattr(image, "axes_manager"):
        return 1.0, "pixel"
    x, y = image.axes_manager.signal_axes
    if not (x.is_uniform and y.is_uniform):
        raise ValueError(
            "image has an axis that is not uniform. Convert it with "
            "axis.convert_to_uniform_axis() first."
        )
    scale, _, units = common_scale((y, x), "to_atomap")
    height, width = np.abs(scale)
    if abs(width - height) > _ANISOTROPY * max(width, height):
        raise ValueError(
            f"image has pixels of {height} by {width} {units} (y by x); Atomap takes "
            "square ones. Correct the scale of its axes, or resample the image with "
            "rebin or interpolate_on_axis before detecting."
        )
    return width, "pixel" if units == "px" else units


def _for_atomap(data, positions, invert):
    """Image with bright columns and without negative or missing values."""
    dtype = np.float64 if data.dtype == np.float64 else np.float32
    data = data.astype(dtype)
    missing = ~np.isfinite(data)
    if missing.any():
        data[missing] = np.median(data[~missing])
    if _columns_are_dark(data, positions) if invert is None else invert:
        data = data.max() - data
    return data - min(data.min(), 0)


def _columns_are_dark(data, positions):
    if len(positions) == 0:
        return False
    rows, columns = np.rint(positions[:, :2]).astype(int).T
    at_columns = data[
        np.clip(rows, 0, data.shape[0] - 1), np.clip(columns, 0, data.shape[1] - 1)
    ]
    return np.median(at_columns) < np.median(data)
