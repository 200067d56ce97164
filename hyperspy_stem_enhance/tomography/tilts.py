"""Tilt angles of a series: find them where microscopes and programs put them.

Readers leave angles in many places, and some leave zeros. The places are
asked in a fixed order; what is there but cannot be right (another number of
angles, all of them 0) is passed over and named if nothing else is found.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TILT_FILES = (".rawtlt", ".tlt", ".mdoc")
UNITS = ("auto", "degrees", "radians")
_LARGEST_RADIANS = 3.2  # a little more than half a turn
_LARGEST_DEGREES = 360.0
_SAME_DEGREES = 1e-3
_DEGREES = {"deg", "degs", "degree", "degrees", "°", "º"}
_RADIANS = {"rad", "rads", "radian", "radians"}


@dataclass(frozen=True)
class Tilts:
    """Tilt angles of the views of a series.

    Attributes
    ----------
    angles : numpy.ndarray of float64, shape (n,)
        In degrees; NaN where a view has no angle.
    source : str
        Where they were found.
    """

    angles: np.ndarray
    source: str


class _NotHere(Exception):
    """Why a place has no angles that can be taken."""


def find_tilts(signal, tilts=None, units="auto"):
    """Tilt angles of a series of views.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
        One navigation axis, a view for each of its points.
    tilts : array-like of float, str or pathlib.Path, optional
        The angles, or a file that holds them (``.rawtlt``, ``.tlt``,
        ``.mdoc``). By default they are searched, in this order:
        ``signal.tilts`` as ETSpy's ``TomoStack`` has it,
        ``metadata.Tomography.tilts``, the array
        ``metadata.Acquisition_instrument.TEM.Stage.tilt_alpha``, the metadata
        of the files of a stack, the navigation axis, and a file of tilts
        beside the file of the signal.
    units : {"auto", "degrees", "radians"}, default "auto"
        Of the angles; an axis has its own. By default they are degrees, and
        refused where they look like radians.

    Returns
    -------
    Tilts

    Raises
    ------
    ValueError
        If no place has them, naming all places and what is there; if they are
        not as many as views, all the same, not finite, or look like radians.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> s = hs.signals.Signal2D(np.zeros((3, 16, 16)))
    >>> find_tilts(s, [-60, 0, 60]).angles
    array([-60.,   0.,  60.])
    """
    if units not in UNITS:
        known = ", ".join(map(repr, UNITS))
        raise ValueError(f"tilt_units={units!r} is unknown; use one of {known}")
    n_views = signal.axes_manager.navigation_size
    if tilts is not None:
        found = _given(tilts, n_views)
        return _checked(found, units, known_units=False)
    missing = []
    for name, read, known_units in _PLACES:
        try:
            found = Tilts(read(signal, n_views), name)
        except _NotHere as reason:
            missing.append(f"  {name}: {reason}")
            continue
        return _checked(found, units, known_units)
    listed = "\n".join(missing)
    raise ValueError(
        f"no tilt angles are known for the {n_views} views; give tilts= an array of "
        f"degrees, or the path of a file ({', '.join(TILT_FILES)}). Looked at:\n"
        f"{listed}"
    )


def read_tilt_file(path):
    """Read tilt angles from a text file.

    Parameters
    ----------
    path : str or pathlib.Path
        ``.mdoc`` of SerialEM, sections by ``ZValue``; of any other extension
        (``.rawtlt`` and ``.tlt`` of IMOD, ``.txt``) one angle in each line.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        In degrees; NaN for a section of an ``.mdoc`` without an angle.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it holds no angles, or a line is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> np.savetxt("series.rawtlt", [-2.0, 0.0, 2.0])
    >>> read_tilt_file("series.rawtlt")
    array([-2.,  0.,  2.])
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"tilts: there is no file {path}")
    text = path.read_text(encoding="utf-8", errors="replace")
    read = _read_mdoc if path.suffix.lower() == ".mdoc" else _read_lines
    angles = read(text, path)
    if not len(angles):
        raise ValueError(f"{path} holds no tilt angles")
    return np.array(angles, float)


def _read_lines(text, path):
    angles = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                angles.append(float(line))
            except ValueError:
                raise ValueError(
                    f"line {number} of {path} is {line.strip()!r}, expected one angle "
                    "in degrees in each line"
                ) from None
    return angles


def _read_mdoc(text, path):
    angles = {}
    section = None
    for line in text.splitlines():
        header = re.match(r"\s*\[\s*(\w+)\s*=\s*(-?\d+)", line)
        if header:
            section = int(header[2]) if header[1] == "ZValue" else None
            if section is not None:
                angles[section] = np.nan
            continue
        value = re.match(r"\s*TiltAngle\s*=\s*(\S+)", line)
        if value and section is not None:
            try:
                angles[section] = float(value[1])
            except ValueError:
                raise ValueError(
                    f"section {section} of {path} has the TiltAngle {value[1]!r}, "
                    "expected a number of degrees"
                ) from None
    return [angles[section] for section in sorted(angles)]


def _given(tilts, n_views):
    source = "argument"
    if isinstance(tilts, str | Path):
        source = str(tilts)
        tilts = read_tilt_file(tilts)
    try:
        angles = _numbers(tilts)
    except _NotHere as reason:
        raise ValueError(f"tilts: {reason}; give one angle for each view") from None
    if angles.size != n_views:
        raise ValueError(
            f"tilts has {angles.size} angles ({source}), the series {n_views} views; "
            "give one angle for each view, in the order of the views"
        )
    return Tilts(angles, source)


def _checked(found, units, known_units):
    """Angles in degrees, refused where they cannot be right."""
    angles, source = found.angles.copy(), found.source
    if units == "radians" and not known_units:
        angles = np.rad2deg(angles)
    angles[np.abs(angles) > _LARGEST_DEGREES] = np.nan
    usable = angles[np.isfinite(angles)]
    if usable.size == 0:
        raise ValueError(f"none of the tilt angles ({source}) is a number of degrees")
    if found.angles.size > 1 and np.ptp(usable) < _SAME_DEGREES:
        raise ValueError(
            f"all tilt angles ({source}) are {usable[0]:g}; a reconstruction needs "
            "views from different directions, give their angles by tilts="
        )
    if units == "auto" and not known_units and np.abs(usable).max() < _LARGEST_RADIANS:
        raise ValueError(
            f"the tilt angles ({source}) are between {usable.min():g} and "
            f"{usable.max():g}, which looks like radians; say tilt_units='radians', or "
            "'degrees' if that is what they are"
        )
    return Tilts(angles, source)


def _numbers(values):
    """Flat array of floats of an array, a list, or a signal of ETSpy."""
    values = (
        getattr(values, "data", values) if hasattr(values, "axes_manager") else values
    )
    try:
        return np.array(values, float).ravel()
    except (TypeError, ValueError):
        raise _NotHere("not numbers") from None


def _of_etspy(signal, n_views):
    tilts = getattr(signal, "tilts", None)
    if tilts is None:
        raise _NotHere("not there")
    return _usable(_numbers(tilts), signal, n_views)


def _of_tomography(signal, n_views):
    tilts = signal.metadata.get_item("Tomography.tilts")
    if tilts is None:
        raise _NotHere("not there")
    return _usable(_numbers(tilts), signal, n_views)


def _of_stage(signal, n_views):
    tilts = signal.metadata.get_item("Acquisition_instrument.TEM.Stage.tilt_alpha")
    if tilts is None:
        raise _NotHere("not there")
    angles = _numbers(tilts)
    if np.ndim(tilts) == 0:
        raise _NotHere(f"one number ({angles[0]:g}) for all views")
    return _usable(angles, signal, n_views)


def _of_stack(signal, n_views):
    elements = signal.original_metadata.get_item("stack_elements")
    if elements is None:
        raise _NotHere("the signal is no stack of files")
    angles = []
    for number in range(len(elements)):
        place = f"element{number}.metadata.Acquisition_instrument.TEM.Stage.tilt_alpha"
        angle = elements.get_item(place)
        angles.append(np.nan if angle is None else float(np.ravel(angle)[0]))
    if np.isnan(angles).all():
        raise _NotHere("no file has Stage.tilt_alpha")
    return _usable(np.array(angles), signal, n_views)


def _of_axis(signal, n_views):
    axis = signal.axes_manager.navigation_axes[0]
    units = str(axis.units).strip().lower()
    if units not in _DEGREES | _RADIANS:
        raise _NotHere(f"its units are {axis.units}")
    if not _is_calibrated(axis):
        raise _NotHere("its offset is 0 and its scale 1, as if not set")
    values = np.array(axis.axis, float)
    return np.rad2deg(values) if units in _RADIANS else values


def _of_file(signal, n_views):
    known = signal.tmp_parameters
    name = known.get_item("original_filename") or known.get_item("filename")
    folder = known.get_item("original_folder") or known.get_item("folder")
    if not name or folder is None:
        raise _NotHere("the signal was not loaded from a file")
    extension = known.get_item("original_extension") or known.get_item("extension")
    names = [f"{name}{suffix}" for suffix in TILT_FILES]
    names.append(f"{name}{extension}.mdoc")  # SerialEM keeps the extension
    reasons = []
    for path in (Path(folder) / name for name in names):
        if path.is_file():
            try:
                return _usable(read_tilt_file(path), signal, n_views)
            except (ValueError, _NotHere) as reason:
                reasons.append(f"{path.name}: {reason}")
    raise _NotHere("; ".join(reasons) or f"none of {', '.join(names)} is there")


# Name, reader, whether the units are known
_PLACES = (
    ("signal.tilts", _of_etspy, False),
    ("metadata.Tomography.tilts", _of_tomography, False),
    ("metadata.Acquisition_instrument.TEM.Stage.tilt_alpha", _of_stage, False),
    ("original_metadata.stack_elements", _of_stack, False),
    ("navigation axis", _of_axis, True),
    ("file beside", _of_file, False),
)


def _usable(angles, signal, n_views):
    """Those of the views, or `_NotHere`."""
    if not np.any(angles):
        raise _NotHere("all angles are 0")
    if angles.size < n_views:
        raise _NotHere(f"{angles.size} angles for {n_views} views")
    axis = signal.axes_manager.navigation_axes[0]
    if angles.size == n_views:
        return angles
    # More angles than views: FEI's readers pad them, and slicing by inav leaves
    # them as they are, but counts on the axis which views there are
    if str(axis.units).strip().lower() in _DEGREES | _RADIANS:
        raise _NotHere(f"{angles.size} angles for {n_views} views")
    indices = np.array(axis.axis, float)
    whole = np.round(indices)
    if not np.allclose(indices, whole, atol=1e-6):
        raise _NotHere(f"{angles.size} angles for {n_views} views")
    if whole.min() < 0 or whole.max() >= angles.size:
        raise _NotHere(f"{angles.size} angles for {n_views} views")
    chosen = angles[whole.astype(int)]
    if not chosen.any():
        raise _NotHere("all angles are 0")
    # More than one 0 at the end is padding: views beyond what was recorded
    padding = chosen.size - np.max(np.nonzero(chosen)) - 1
    if padding > 1:
        chosen[-padding:] = np.nan
    return chosen


def _is_calibrated(axis):
    if not axis.is_uniform:
        return True
    return not (axis.offset == 0 and axis.scale == 1)
