"""What metadata tell of images: how they were enhanced, how large pixels are."""

import numpy as np

import hyperspy_stem_enhance

_ENHANCEMENTS = ("enhance_sfin", "enhance_scgn")


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
    for name in _ENHANCEMENTS:
        record = signal.metadata.get_item(f"STEM_enhance.{name}", default=None)
        if record is not None:
            return record.as_dictionary()
    return {}


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
    signal.metadata.set_item(f"STEM_enhance.{name}", record)


def pixel_size_nm(signal):
    """Pixel size in nanometres, or None where the axes have no unit of length."""
    sizes = []
    for axis in signal.axes_manager.signal_axes:
        try:
            scale, _, _ = axis.convert_to_units("nm", inplace=False)
        except Exception:  # pint has many ways to refuse a unit
            return None
        sizes.append(abs(scale))
    return float(np.sqrt(sizes[0] * sizes[1]))
