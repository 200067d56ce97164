"""Grey images from images in colour."""

import numpy as np

# Luma of ITU-R BT.601, in which image formats keep the brightness.
_WEIGHTS = {"R": 0.299, "G": 0.587, "B": 0.114}


def to_grey(signal):
    """Grey images of images in colour.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
        With one of HyperSpy's RGB dtypes, lazy or not.

    Returns
    -------
    hyperspy.api.signals.Signal2D
        The values of one channel, in its dtype, where all are equal, else
        the brightness 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) as
        float32. Transparency is left out. Axes and metadata are kept.

    Raises
    ------
    TypeError
        If the images are not in colour.

    Notes
    -----
    Whether the channels are equal is seen by looking at all images: lazy
    ones are read once for it. Of a false-colour image, brightness is not the
    signal; use the file that it was made of.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> import hyperspy_stem_enhance as hse
    >>> colour = np.zeros((32, 32), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    >>> for channel in "RGB":
    ...     colour[channel][8, 8] = 200
    >>> hse.to_grey(hs.signals.Signal2D(colour)).data[8, 8]
    np.uint8(200)
    """
    if not is_colour(signal):
        raise TypeError(
            f"the images have the dtype {signal.data.dtype} and are not in colour; use "
            "them as they are"
        )
    data = signal.data
    if has_equal_channels(signal):
        grey = data["R"]
    else:
        grey = sum(weight * data[name] for name, weight in _WEIGHTS.items())
        grey = grey.astype(np.float32)
    # A copy, since a channel of an array in colour is a view with gaps
    return signal._deepcopy_with_new_data(grey.copy())


def is_colour(signal):
    """Whether a signal has one of HyperSpy's RGB dtypes.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal

    Returns
    -------
    bool
    """
    return set(_WEIGHTS) <= set(signal.data.dtype.names or ())


def has_equal_channels(signal):
    """Whether red, green and blue are the same in all images.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        In colour; lazy ones are read.

    Returns
    -------
    bool
    """
    data = signal.data
    same = ((data["R"] == data["G"]) & (data["G"] == data["B"])).all()
    return bool(same.compute() if hasattr(same, "compute") else same)
