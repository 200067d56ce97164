"""The table of what each frame of a data set is, kept in its metadata."""

from dataclasses import fields

import numpy as np

from .noise import FrameNoise
from .probe import PROBE_NAMES, probe_columns

NODE = "STEM_enhance.simulate"
_TEXT = ("arrangement", "structure", "zone_axis", "kind", "artefact")
NOISE_NAMES = tuple(field.name for field in fields(FrameNoise))
# Parameters that are no noise, of scanned and of HRTEM frames
_LEVEL_NAMES = {
    False: ("background_min", "background_max"),
    True: ("intensity_min", "intensity_max"),
}


def frame_columns(recipes):
    """Columns of the table, as arrays that any file can hold.

    Parameters
    ----------
    recipes : sequence of Recipe

    Returns
    -------
    dict of str to numpy.ndarray or dict
        ``arrangement``, ``structure``, ``zone_axis``, ``kind`` (of noise) and
        ``artefact`` as numbers, which count the text of ``names``;
        ``contrast``, ``background_min``, ``background_max`` and every
        parameter of `FrameNoise` and of `Probe` (``probe_tail`` and so on) as
        floats, NaN where a frame has none. Of HRTEM frames ``appearance`` as
        well, and ``intensity_min`` and ``intensity_max`` for the background.
    """
    hrtem = any(recipe.appearance for recipe in recipes)
    columns, names = {}, {}
    for name in (
        (*_TEXT, "appearance") if hrtem else _TEXT
    ):  # files hold arrays of numbers best
        text = [getattr(recipe, name) for recipe in recipes]
        names[name] = sorted(set(text))
        columns[name] = np.array([names[name].index(value) for value in text])
    columns["contrast"] = np.array([float(recipe.contrast) for recipe in recipes])
    for name in _LEVEL_NAMES[hrtem]:
        values = [getattr(recipe.parameters, name, np.nan) for recipe in recipes]
        columns[name] = np.array(values, float)
    for name in NOISE_NAMES:  # None becomes NaN
        values = [getattr(recipe.noise, name) for recipe in recipes]
        columns[name] = np.array(values, float)
    columns |= probe_columns([recipe.probe for recipe in recipes])
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
        ``background_min``, ``background_max``, the parameters of
        `FrameNoise`, NaN where a frame has none, and those of `Probe` as
        ``probe_tail`` and so on, ``artefact`` among the first. Of HRTEM frames
        as `frame_columns` has them.

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
    for name in names:
        columns[name] = np.array(names[name], object)[columns[name]]
    hrtem = "appearance" in names
    text = (*_TEXT, "appearance") if hrtem else _TEXT
    order = [*text, "contrast", *_LEVEL_NAMES[hrtem], *NOISE_NAMES, *PROBE_NAMES]
    # Files of before have neither artefacts nor probes
    table = pd.DataFrame(columns)[[name for name in order if name in columns]]
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
