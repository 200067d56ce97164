"""What a microscopist reads from a calibration: one line per image.

The parameters of the noise model, SD and signal-to-noise ratio, gain and
electrons per pixel, with their standard errors, and the reason for every
value that is NaN.
"""

import numpy as np

from .checks import combine_checks
from .gain import NOT_MEASURED
from .parameters import parameter_names


def reading_names(mode="HAADF"):
    """Names of what is read from the calibration of an image of a mode.

    Parameters
    ----------
    mode : {"HAADF", "BF", "HRTEM"}

    Returns
    -------
    tuple of str
        The parameters, and the levels after them.
    """
    return (*parameter_names(mode), *level_names(mode))


def level_names(mode="HAADF"):
    """Those of `reading_names` that are no parameters."""
    if mode == "HRTEM":  # no columns are looked for
        return "noise_sd", "snr", "gain", "electrons_per_pixel"
    return "noise_sd", "snr", "column_snr", "gain", "electrons_per_pixel"


READING_NAMES = reading_names()  # of scanned images


def read_values(result, dark_level=None):
    """Values of one image in the order of `reading_names`.

    Parameters
    ----------
    result : CalibrationResult
    dark_level : float, optional
        Intensity without electrons, as of `gain.estimate_gain`.

    Returns
    -------
    numpy.ndarray of float, shape (len(reading_names(result.mode)),)
    """
    estimate = result.gain(dark_level)
    levels = {
        "noise_sd": result.levels.noise_sd,
        "snr": result.levels.snr,
        "column_snr": result.column_snr,
        "gain": estimate.gain,
        "electrons_per_pixel": estimate.electrons,
    }
    known = [levels[name] for name in level_names(result.mode)]
    return np.array([*result.parameters.to_tuple(), *known])


def read_errors(result, dark_level=None):
    """Standard errors of `read_values`; NaN where they are not known."""
    estimate = result.gain(dark_level)
    stated = result.standard_errors.to_tuple()
    errors = np.full(len(reading_names(result.mode)), np.nan)
    errors[: len(stated)] = stated
    errors[-2:] = estimate.gain_error, estimate.electrons_error
    # no error of what is not known
    return np.where(np.isnan(read_values(result, dark_level)), np.nan, errors)


def read_reasons(result, dark_level=None):
    """Reasons, by name, for all that is NaN in `read_values`."""
    names = reading_names(result.mode)
    values = dict(zip(names, read_values(result, dark_level), strict=True))
    known = {**result.gain(dark_level).reasons, **result.reasons}
    # a ratio has the reason of what it is made of
    known["column_snr"] = result.reasons.get("atom_brightness")
    # what every usable image has is the background, or its range of intensity
    always = "intensity_min" if result.mode == "HRTEM" else "background_min"
    for_all = result.reasons.get(always)
    return {
        name: for_all or known.get(name) or NOT_MEASURED
        for name, value in values.items()
        if np.isnan(value)
    }


def describe_notes(results, names):
    """Sentences on what puts images in doubt, one per kind.

    Parameters
    ----------
    results : sequence of CalibrationResult
    names : sequence of str
        Of the images, for example "inav[0]"; empty for a single image.

    Returns
    -------
    dict of str
        By the kind of note, with the images that have it.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.noise import calibrate_image
    >>> image = np.random.default_rng(0).normal(100, 5, (64, 64))
    >>> image[30, 30] = 1e4
    >>> describe_notes([calibrate_image(image)], [])["hot"]
    'the image has 1 pixel far outside the range of all others'
    """
    kinds = {}
    for index, result in enumerate(results):
        for kind in result.checks.notes(mode=result.mode):
            kinds.setdefault(kind, []).append(index)
    sentences = {}
    for kind, indices in kinds.items():
        found = combine_checks([results[i].checks for i in indices])
        text = found.notes(len(indices) > 1, results[indices[0]].mode)[kind]
        sentences[kind] = f"{_name_images(indices, names)} {text}"
    return sentences


_LISTED = 8  # images that are named one by one


def _name_images(indices, names):
    if not names:
        return "the image has"
    listed = ", ".join(names[i] for i in indices[:_LISTED])
    if len(indices) == 1:
        return f"frame {listed} has"
    if len(indices) == len(names):
        return f"all {len(names)} frames have"
    rest = len(indices) - _LISTED
    more = f" and {rest} more" if rest > 0 else ""
    return f"{len(indices)} of {len(names)} frames ({listed}{more}) have"
