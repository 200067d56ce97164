"""What tells how far to believe an enhanced signal: run on frames, and checked."""

import numpy as np

from hyperspy_stem_enhance.signals import _checks, _workers

INTERVAL = 0.68  # share of the pixels that the interval holds


def enhancing(settings, shape):
    """How `map_frames` enhances frames together with their uncertainty.

    Parameters
    ----------
    settings : dict
        As of `_workers.enhancing`.
    shape : tuple of int
        Of a frame.

    Returns
    -------
    dict
        Arguments of `map_frames`; each result is the enhanced image above
        its uncertainty, so that both come from one run of the network.
    """
    arguments = _workers.enhancing(settings)
    del arguments["in_parts"]
    rows, columns = shape
    return {**arguments, "function": enhance_both, "size": (2 * rows, columns)}


def enhance_both(frames, model, mode, device, **options):
    """Enhance a batch of frames; their uncertainties below them."""
    from hyperspy_stem_enhance.enhance import uncertainty

    with _workers._network(model, mode, device):
        both = uncertainty.enhance_with_uncertainty(
            frames, model, mode, device, **options
        )
    return np.concatenate(both, axis=1)


def check_uncertainty(inplace, output):
    """Raise ValueError where an uncertainty cannot be returned."""
    from hyperspy_stem_enhance.enhance import uncertainty

    if inplace:
        raise ValueError(
            "inplace=True leaves no place for the uncertainty of "
            "return_uncertainty=True; take both signals that are returned."
        )
    uncertainty.check_output(output)


def check_pair(image, enhanced):
    """Raise unless a signal and the enhanced one are of one and the same image."""
    _checks.check_images(image)
    for signal, name in ((image, "the signal"), (enhanced, "enhanced")):
        if signal.axes_manager.navigation_size > 1:
            raise ValueError(
                f"{name} has {signal.axes_manager.navigation_size} images; compare "
                "one at a time, such as s.inav[0] with e.inav[0]."
            )
    if image.data.shape[-2:] != enhanced.data.shape[-2:]:
        raise ValueError(
            f"enhanced has images of {enhanced.data.shape[-2:]} pixels, the signal of "
            f"{image.data.shape[-2:]}; give what enhance_sfin made of this signal."
        )


def single_image(signal):
    """Pixels of a signal of one image, in memory."""
    data = signal.data
    data = data.compute() if signal._lazy else data
    return data.reshape(data.shape[-2:])
