"""What metadata tell of images: how they were enhanced, how large pixels are.

Formats of HyperSpy keep its metadata whole. TIFF files keep the node of this
package in a tag of their own, as text in JSON.
"""

import json
import warnings

import numpy as np

import hyperspy_stem_enhance

_ENHANCEMENTS = ("enhance_sfin", "enhance_scgn")
_NODE = "STEM_enhance"
_TIFF_TAG = 65280  # of the range for private use; DigitalMicrograph has 65003 to 65027


def read_provenance(signal):
    """Record of what a signal was enhanced with.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal

    Returns
    -------
    dict
        Settings of the step; empty where the images are as recorded.
    """
    node = signal.metadata.get_item(_NODE)
    known = _read_tiff_tag(signal) if node is None else node.as_dictionary()
    for name in _ENHANCEMENTS:
        if name in known:
            return known[name]
    return {}


def confidence_constants(signal):
    """Constants of the confidence of columns in images that were enhanced.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal

    Returns
    -------
    dict or None
        Those of the model that is recorded, with a warning where it is not
        known here; None where no model is.
    """
    record = read_provenance(signal)
    model, mode = record.get("model"), record.get("mode", "HAADF")
    if model is None:
        return None
    from hyperspy_stem_enhance.models import registry

    if model in registry.list_models():
        return registry.constants("confidence", model, mode)
    warnings.warn(
        f"the images were enhanced with model={model!r}, which is not among those "
        "known here: the confidence of columns is not calibrated for it, the constants "
        "of the default model are used; put the model into the folder HSE_MODELS.",
        stacklevel=1,
    )
    return registry.constants("confidence", mode=mode)


def tiff_tags(signal):
    """Tags for a TIFF file, which tell what this package did to the images.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal

    Returns
    -------
    list of tuple
        For the argument ``extratags`` of HyperSpy's ``save``; empty where
        nothing was done. HyperSpy does not keep ``metadata`` in TIFF files.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> import hyperspy_stem_enhance as hse
    >>> s = hs.signals.Signal2D(np.random.default_rng(0).poisson(20, (64, 64)))
    >>> e = s.enhance_sfin(scale=1, show_progressbar=False)
    >>> [tag] = hse.tiff_tags(e)
    >>> e.save("enhanced.tif", extratags=[tag])  # doctest: +SKIP
    """
    node = signal.metadata.get_item(_NODE)
    if node is None:
        return []
    text = json.dumps({_NODE: node.as_dictionary()}, default=_plain)
    return [(_TIFF_TAG, "s", 0, text, False)]


def _plain(value):
    """NumPy's numbers and arrays as those of Python, anything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _read_tiff_tag(signal):
    """Node of this package in the tag of a TIFF file; empty where there is none."""
    found = signal.original_metadata
    # Of files that are loaded as a stack, the first speaks for all
    found = found.get_item("stack_elements.element0.original_metadata", found)
    text = found.get_item(f"Number_{_TIFF_TAG}")
    try:
        node = json.loads(text)[_NODE]
    except (TypeError, ValueError, KeyError):  # no tag, or one of another program
        return {}
    return node if isinstance(node, dict) else {}


def write_provenance(signal, name, record):
    """Write what a method has done into the metadata of its result.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
    name : str
        Of the node below ``metadata.STEM_enhance``.
    record : dict
        The version of this package is added.
    """
    record = {**record, "version": hyperspy_stem_enhance.__version__}
    signal.metadata.set_item(f"{_NODE}.{name}", record)


def pixel_size_nm(signal):
    """Pixel size in nanometres, or None where the axes have no unit of length."""
    sizes = []
    for axis in signal.axes_manager.signal_axes:
        try:
            scale, _, _ = axis.convert_to_units("nm", inplace=False)
        except Exception:  # pint has many ways to refuse a unit
            return None
        if not np.isfinite(scale) or scale == 0:
            return None
        sizes.append(abs(scale))
    return float(np.sqrt(sizes[0] * sizes[1]))
