"""The table of what each frame of a data set is, kept in its metadata."""

from dataclasses import fields

import numpy as np

from ..noise.parameters import PARAMETER_NAMES
from .noise import FrameNoise

NODE = "STEM_enhance.simulate"
_TEXT = ("arrangement", "structure", "zone_axis", "kind")
NOISE_NAMES = tuple(field.name for field in fields(FrameNoise))
_BACKGROUND_NAMES = PARAMETER_NAMES[1:3]  # the others are those of the noise


def frame_columns(recipes):
    """Columns of the table, as arrays that any file can hold.

    Parameters
    ----------
    recipes : sequence of Recipe

    Returns
    -------
    dict of str to numpy.ndarray or dict
        ``arrangement``, ``structure``, ``zone_axis`` and ``kind`` (of
        noise) as numbers, which count the text of ``names``;
        ``contrast``, ``background_min``, ``background_max`` and every
        parameter of `FrameNoise` as floats, NaN where a frame has none.
    """
    columns, names = {}, {}
    for name in _TEXT:  # files hold arrays of numbers best
        text = [getattr(recipe, name) for recipe in recipes]
        names[name] = sorted(set(text))
        columns[name] = np.array([names[name].index(value) for value in text])
    columns["contrast"] = np.array([float(recipe.contrast) for recipe in recipes])
    for name in _BACKGROUND_NAMES:
        values = [getattr(recipe.parameters, name, np.nan) for recipe in recipes]
        columns[name] = np.array(values, float)
    for name in NOISE_NAMES:  # of levels, None becomes NaN
        values = [getattr(recipe.noise, name) for recipe in recipes]
        columns[name] = np.array(values, float)
    return columns | {"names": names}


def frame_table(signal):
    """Table of what each frame of a simulated signal is.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Any signal of `make_dataset`, or loaded from a file of one; also
        after ``inav`` has taken a range of it.

    Returns
    -------
    pandas.DataFrame
        A row per frame, in array order, with the index that together with
        the seed makes the frame: ``index``, ``arrangement``,
        ``structure``, ``zone_axis``, ``kind``, ``contrast``,
        ``background_min``, ``background_max`` and the parameters of
        `FrameNoise`; NaN where a frame has none.

    Raises
    ------
    ValueError
        If the signal holds no such table, or a single frame was taken
        out, of which no axis tells which one it is.

    Examples
    --------
    >>> import hyperspy_stem_enhance as hse
    >>> data = hse.simulate.make_dataset(3, (32, 32), arrangement="perfect")
    >>> table = hse.simulate.frame_table(data.noisy.inav[1:])
    >>> table[["index", "arrangement"]]
       index arrangement
    0      1     perfect
    1      2     perfect
    """
    import pandas as pd

    node = signal.metadata.get_item(NODE + ".frames")
    if node is None:
        raise ValueError(
            "signal has no table of simulated frames; give a signal that "
            "make_dataset made."
        )
    # Files keep the columns, but not their order
    columns = node.as_dictionary()
    names = columns.pop("names")
    for name in _TEXT:
        columns[name] = np.array(names[name], object)[columns[name]]
    order = [*_TEXT, "contrast", *_BACKGROUND_NAMES, *NOISE_NAMES]
    table = pd.DataFrame(columns)[order]
    table.insert(0, "index", np.arange(len(table)))
    shape = tuple(int(n) for n in signal.metadata.get_item(NODE + ".navigation_shape"))
    return table.iloc[_rows(signal, shape)].reset_index(drop=True)


def _rows(signal, shape):
    """Rows of the table that are the frames of a signal."""
    axes = signal.axes_manager.navigation_axes[::-1]  # in array order
    if len(axes) != max(len(shape), 1) and np.prod(shape) > 1:
        raise ValueError(
            "signal is a single frame or row of a data set, and nothing tells which; "
            "take a range, as in inav[3:4], or the table before."
        )
    if np.prod(shape) == 1:
        return np.zeros(1, int)
    indices = np.meshgrid(*(np.rint(a.axis).astype(int) for a in axes), indexing="ij")
    return np.ravel_multi_index(indices, shape).ravel()
