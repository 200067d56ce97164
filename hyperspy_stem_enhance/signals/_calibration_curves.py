"""Keep what the plot of a calibration shows in its metadata."""

from dataclasses import replace

import numpy as np

from hyperspy_stem_enhance.noise.curves import SDCurve

_CURVES = ("scan", "pointwise")
_ARRAYS = ("columns", "histogram_edges", "histogram_density")


def curves_of(result):
    """What the plot shows of a result, and parameters that tell whose it is.

    Parameters
    ----------
    result : CalibrationResult

    Returns
    -------
    dict of str to numpy.ndarray
    """
    curves = {"parameters": np.array(result.parameters.to_tuple())}
    for name in _CURVES:
        curve = getattr(result, name)
        if curve is not None:
            curves[name] = np.stack([curve.centres, curve.sd, curve.counts])
    for name in _ARRAYS:
        if getattr(result, name) is not None:
            curves[name] = getattr(result, name)
    return curves


def with_curves(result, node):
    """Add curves that were kept to a result, if they are of its image.

    Parameters
    ----------
    result : CalibrationResult
    node : hyperspy.misc.utils.DictionaryTreeBrowser or None
        Of what `curves_of` returned.

    Returns
    -------
    CalibrationResult
    """
    if node is None or not np.array_equal(
        np.asarray(node.parameters), result.parameters.to_tuple(), equal_nan=True
    ):
        return result
    # arrays of a file that was loaded lazily are dask's
    known = {
        name: np.asarray(node.get_item(name))
        for name in (*_CURVES, *_ARRAYS)
        if node.has_item(name)
    }
    for name in _CURVES:
        if name in known:
            known[name] = SDCurve(*known[name])
    return replace(result, **known)
