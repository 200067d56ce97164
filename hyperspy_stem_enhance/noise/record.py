"""The calibration of one image as a row of numbers.

A row holds all that `result.CalibrationResult` does but for its curves, so
that the rows of a series make one array: sliced, saved and computed lazily
with it.  Reasons and notes are kept as numbers, and put in words again by
`from_record`.
"""

from dataclasses import astuple, fields, replace

import numpy as np

from .checks import ImageChecks
from .gain import LEVEL_NAMES, NoiseLevels
from .parameters import parameter_class, parameter_names
from .reasons import NaNReason, Reason
from .result import empty_result

_CHECK_NAMES = tuple(field.name for field in fields(ImageChecks))


def record_names(mode="HAADF"):
    """Names of the values of a row, for a mode.

    Parameters
    ----------
    mode : {"HAADF", "BF", "HRTEM"}

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> len(record_names("BF")), len(record_names("HRTEM"))
    (33, 27)
    """
    names = parameter_names(mode)
    return (
        *names,
        *(f"{name}_error" for name in names),
        *LEVEL_NAMES,
        *_CHECK_NAMES,
        "reasons",
    )


RECORD_NAMES = record_names()  # of scanned images

_TEXTS = {
    NaNReason.CONSTANT: "the image is constant",
    NaNReason.TOO_FEW_PIXELS: "too few pixels for statistics",
    NaNReason.NO_VARIATION: "{what} varies too little over the image",
    NaNReason.SMALL_SHARE: (
        "pointwise noise is too small a part of the noise from pixel to pixel"
    ),
    NaNReason.NO_COLUMN: "no column stands out of background and noise",
    NaNReason.TOO_FEW_BINS: "too few values of {what} hold enough pixels",
    NaNReason.TOO_FEW_IMAGE_COLUMNS: (
        "the areas without atoms cover too few columns of the image"
    ),
    NaNReason.OTHER: "not identified; noise.calibrate_image tells the reason",
}
_KINDS = frozenset(NaNReason)
_BITS = 4  # of a reason among those of a row; 0 is no reason
_NO_FRAME = "the image could not be used: constant, or without a finite pixel"


def to_record(result):
    """The numbers of a calibration as a row.

    Parameters
    ----------
    result : CalibrationResult

    Returns
    -------
    numpy.ndarray of float64, shape (len(record_names(result.mode)),)
    """
    names = parameter_names(result.mode)
    packed = sum(
        _kind(result.reasons[name]) << _BITS * i
        for i, name in enumerate(names)
        if result.reasons.get(name)
    )
    return np.array(
        [
            *result.parameters.to_tuple(),
            *result.standard_errors.to_tuple(),
            *astuple(result.levels),
            *astuple(result.checks),
            packed,
        ],
        dtype=float,
    )


def from_record(row, mode="HAADF"):
    """The calibration of a row, without curves.

    Parameters
    ----------
    row : numpy.ndarray of float
        As of `to_record`, or the parameters alone.
    mode : {"HAADF", "BF", "HRTEM"}

    Returns
    -------
    CalibrationResult

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.noise import calibrate_image
    >>> counts = np.random.default_rng(0).poisson(20, (128, 128))
    >>> result = from_record(to_record(calibrate_image(counts)))
    >>> result.reasons["atom_brightness"]
    'no column stands out of background and noise'
    """
    row = np.asarray(row, float)
    names = parameter_names(mode)
    parameters, errors, levels, checks = np.split(
        row[: len(record_names(mode)) - 1],
        np.cumsum([len(names), len(names), len(LEVEL_NAMES)]),
    )
    result = replace(
        empty_result(mode, ""),
        parameters=parameter_class(mode)(*parameters.tolist()),
        reasons={},
    )
    if np.isnan(row).all():
        return replace(result, reasons=dict.fromkeys(names, _NO_FRAME))
    if len(row) == len(names):
        return result
    checks = _read_checks(checks)
    result = replace(
        result,
        standard_errors=parameter_class(mode)(*errors.tolist()),
        levels=NoiseLevels(*levels.tolist()),
        checks=checks,
        notes=tuple(checks.notes(mode=mode).values()),
    )
    return replace(result, reasons=_read_reasons(result, row[-1]))


def _kind(reason):
    """Kind of a reason; one that was put in words elsewhere has none."""
    return getattr(reason, "kind", NaNReason.OTHER)


def _read_reasons(result, packed):
    """Reasons of the parameters that are NaN."""
    packed = int(packed) if np.isfinite(packed) and packed == int(packed) else -1
    reasons = {}
    for i, name in enumerate(parameter_names(result.mode)):
        if np.isfinite(getattr(result.parameters, name)):
            continue
        code = packed >> _BITS * i & (1 << _BITS) - 1
        kind = NaNReason(code) if code in _KINDS else NaNReason.OTHER
        what = "the gradient" if name.startswith("scan") else "the intensity"
        text = _TEXTS[kind].format(what=what)
        error = getattr(result.standard_errors, f"{name.split('_')[0]}_slope", np.nan)
        if kind is NaNReason.NO_VARIATION and np.isfinite(error):
            text += f" (standard error of the slope {error:.2g})"
        reasons[name] = Reason(text, kind)
    return reasons


def _read_checks(values):
    """Checks out of a row; means over rows round to what most have."""
    known = dict(zip(_CHECK_NAMES, np.nan_to_num(values).tolist(), strict=True))
    kinds = {field.name: field.type for field in fields(ImageChecks)}
    return ImageChecks(
        **{
            name: kinds[name](value if kinds[name] is float else round(value))
            for name, value in known.items()
        }
    )
