"""Load the images of files, and leave out spectra and the like."""

import logging
import re
from dataclasses import dataclass

import numpy as np

from hyperspy_stem_enhance.signals._colour import is_colour, to_grey

from .pictures import load_pictures
from .plain_hdf5 import load_plain_hdf5


@dataclass
class Image:
    """Images of a source that belong together, and what they are called.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
        Lazy.
    label : str
        Start of the names of the results.
    name : str
        For messages: the source, and which of its signals where it has
        several.
    index, number : int
        Which of how many of the source.
    """

    signal: object
    label: str
    name: str
    index: int = 0
    number: int = 1


def load_source(source, file_format=None, maps=False, grey=False):
    """Load the images of a source lazily.

    Parameters
    ----------
    source : cli.inputs.Source
    file_format : str, optional
        Name of HyperSpy's reader. Files that several readers claim are
        tried as HyperSpy's own format by default.
    maps : bool, default False
        Whether spectrum images are taken as well, as a stack of maps.
    grey : bool, default False
        Whether images in colour are taken by their brightness.

    Returns
    -------
    images : list of Image
    left_out : list of str
        What else there is.

    Raises
    ------
    ValueError
        If nothing in it is an image.
    """
    paths = [str(path) for path in source.paths]
    path = paths if len(paths) > 1 else source.paths[0]
    signals = load_signals(path, file_format, maps)
    images = [as_images(signal, maps) for signal in signals]
    left_out = [
        repr(signal)
        for signal, image in zip(signals, images, strict=True)
        if image is None
    ]
    images = [image for image in images if image is not None]
    if grey:
        images = [to_grey(s) if is_colour(s) else s for s in images]
    if not images:
        remedy = "take spectrum images as maps with --maps, or make images of it in "
        raise ValueError(
            f"it holds no images, but {', '.join(left_out) or 'nothing'}; {remedy}"
            "Python with `s.transpose(signal_axes=2)`"
        )
    return _named(images, source), left_out


def load_signals(path, file_format=None, maps=False):
    """Load all signals of a file, lazily.

    Parameters
    ----------
    path : pathlib.Path or list of str
        Several are stacked to one series.
    file_format : str, optional
    maps : bool, default False
        Whether spectrum images are needed as well.

    Returns
    -------
    list of hyperspy.api.signals.BaseSignal
        Lazy, even where the reader can only read everything at once.
    """
    import hyperspy.api as hs

    # What cannot be read is reported once, by the command
    logging.getLogger("hyperspy.io").setLevel(logging.CRITICAL)
    stack = isinstance(path, list)
    if not stack and path.is_file() and path.stat().st_size == 0:
        raise ValueError("the file is empty")
    options = {"file_format": file_format, "stack": stack}
    if stack:
        options["show_progressbar"] = False
    elif is_velox(path):
        # Otherwise one frame of what was recorded beside a spectrum image
        options["load_SI_image_stack"] = True
        if not maps:  # spectra take long to decode
            options["select_type"] = "images"
    elif file_format is None and path.is_file():
        pictures = load_pictures(path)
        if pictures is not None:
            return [pictures.as_lazy()]
    try:
        lazy = stack or not _is_fortran_array(path)
        loaded = hs.load(path, lazy=lazy, **options)
    except Exception as error:
        several = "multiple file readers" in str(error)
        if several and file_format is not None:
            raise
        if several:
            options["file_format"] = "HSPY"
        try:
            loaded = hs.load(path, lazy=several, **options)
        except Exception as second:
            loaded = load_plain_hdf5(path) if several and not stack else None
            if several and loaded is None:
                raise ValueError(
                    f"{error} On the command line: --file-format NAME."
                ) from None
            if loaded is None:
                raise second from None
    signals = loaded if isinstance(loaded, list) else [loaded]
    return [signal if signal._lazy else signal.as_lazy() for signal in signals]


def is_velox(path):
    """Tell whether a file was written by Velox.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    bool
    """
    if path.suffix.lower() != ".emd":
        return False
    import h5py

    try:
        with h5py.File(path) as file:
            return "Version" in file and "Data" in file
    except OSError:
        return False


def _is_fortran_array(path):
    """Tell whether a file is .npy in Fortran's order, which is misread lazily."""
    if path.suffix.lower() != ".npy":
        return False
    return not np.load(path, mmap_mode="r").flags.c_contiguous


def as_images(signal, maps=False):
    """Return a signal as images, or None if it has none.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
    maps : bool, default False
        Whether a spectrum image, or the map of one element, is taken as
        images: those over its navigation axes.

    Returns
    -------
    hyperspy.api.signals.Signal2D or None
    """
    import hyperspy.api as hs

    if isinstance(signal, hs.signals.Signal2D):
        return signal
    axes = signal.axes_manager
    if axes.signal_dimension > 2 and axes.navigation_dimension == 0:
        # Of an array without more, such as .npy, the last two axes are the image
        images = signal.transpose(signal_axes=[0, 1])
        return images if isinstance(images, hs.signals.Signal2D) else None
    is_map = axes.signal_dimension < 2 and axes.navigation_dimension >= 2
    if not maps or not is_map or signal.data.dtype == object:
        return None
    # The fastest axes of the map are the image, all others its navigation
    images = signal.transpose(signal_axes=axes.navigation_axes[:2])
    return images if isinstance(images, hs.signals.Signal2D) else None


def _named(images, source):
    if len(images) == 1:
        return [Image(images[0], source.label, str(source))]
    titles = [_slug(image.metadata.General.title) for image in images]
    named = []
    for index, (image, title) in enumerate(zip(images, titles, strict=True)):
        unique = title and titles.count(title) == 1
        part = title if unique else str(index)
        called = f"image {index}" + (f" ({title})" if title else "")
        label = f"{source.label}_{part}"
        name = f"{source}, {called}"
        named.append(Image(image, label, name, index, len(images)))
    return named


def _slug(title):
    return re.sub(r"[^\w.+-]+", "_", title).strip("_")[:60]


def describe(signal):
    """Title, number, size and dtype of the images of a signal, for a line of text.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D

    Returns
    -------
    str
    """
    width, height = signal.axes_manager.signal_shape
    number = int(np.prod(signal.axes_manager.navigation_shape or (1,)))
    images = "1 image" if number == 1 else f"{number} images"
    title = signal.metadata.General.title
    return f"{title + ': ' if title else ''}{images} of {width} x {height}"
