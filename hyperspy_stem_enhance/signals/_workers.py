"""What the methods of image signals run on batches of frames in dask's workers."""

import logging
import threading
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

import numpy as np

from hyperspy_stem_enhance._blocks import SetupError
from hyperspy_stem_enhance.lazy import network_queue
from hyperspy_stem_enhance.signals import _checks

_logger = logging.getLogger(__name__)
_once = threading.local()


DEFAULTS = {
    "contrast": "bright",
    "keep_background": False,
    "allow_negative": False,
    "scale": "auto",
    "pixel_size": None,
    "self_ensemble": False,
    "remove_echo": False,
}
"""Settings of `enhance` beside the network and its output."""

_STEPS = ("enhance_sfin", "enhance_scgn")


def known_enhancement(signal):
    """Record of what a signal was enhanced with; empty where it was not."""
    for step in _STEPS:
        record = signal.metadata.get_item(f"STEM_enhance.{step}", default=None)
        if record is not None:
            return record.as_dictionary()
    return {}


def enhancement(signal, model, mode, device, contrast="bright"):
    """Return the settings that frames are enhanced with, and what to record."""
    from hyperspy_stem_enhance import models
    from hyperspy_stem_enhance.enhance.contrast import check_contrast

    check_contrast(contrast, mode)
    name = models.resolve(model, mode)
    taken = models.resolve_device(device)
    if "auto" in (model, device):
        _logger.info("model %r on device %r", name, taken)
    settings = {
        "model": name,
        "mode": mode,
        # Not the resolved one: a worker may have a GPU where the user has none
        "device": device,
        "pixel_size": pixel_size(signal),
    }
    sha256 = models.weights_sha256(name)
    record = {"model": name, "weights_sha256": sha256, "mode": mode}
    if mode == "HRTEM":  # other modes tell how columns look
        settings["contrast"] = record["contrast"] = contrast
    return settings, record


def enhancing(settings):
    """How `map_frames` enhances all frames of a signal.

    Parameters
    ----------
    settings : dict
        All arguments of `enhance` but the frames.

    Returns
    -------
    dict
        Arguments of `map_frames`.
    """
    return {
        "function": enhance,
        "kwargs": settings,
        "describe": describe_before(**settings),
        "refuse_constant": True,
        "in_parts": enhance_parts,
    }


def detecting(
    signal,
    mode,
    enhance,
    model,
    device,
    scale,
    threshold,
    contrast="bright",
    method="auto",
    separation=None,
    roi=None,
    support="auto",
):
    """How `map_frames` finds the columns of all frames of a signal.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    mode, enhance, model, device, scale, threshold, contrast, method, separation, \
    roi, support
        As of `detect_atoms`.

    Returns
    -------
    dict
        Arguments of `map_frames`.
    """
    from hyperspy_stem_enhance.detect.columns import COLUMN_NAMES
    from hyperspy_stem_enhance.enhance.contrast import check_contrast
    from hyperspy_stem_enhance.enhance.run import check_scale
    from hyperspy_stem_enhance.signals._regions import region_mask

    if method == "auto":
        method = "network" if find_spec("torch") else "classical"
    check_contrast(contrast, mode)
    if enhance == "auto":
        enhance = not known_enhancement(signal)
    settings = None
    if enhance and method == "network":
        from hyperspy_stem_enhance.models import registry

        check_scale(scale)
        settings, _ = enhancement(signal, model, mode, device, contrast)
        settings["scale"] = scale
        if "detection" in registry.outputs(settings["model"]):
            settings["output"] = ("enhanced", "detection")
    classical = method == "classical"
    detection = {
        # Columns of enhanced images are bright in all modes
        "mode": mode if enhance else "HAADF",
        "contrast": contrast if enhance else "bright",
        "threshold": threshold,
        "separation": separation,
        "region": region_mask(roi, signal),
        "support": support,
        "classical": classical,
    }
    return {
        "function": detect,
        "output": "ragged",
        "size": len(COLUMN_NAMES),
        "kwargs": {"detection": detection, "enhancement": settings},
        "describe": describe_before(**settings) if settings else None,
        "refuse_constant": bool(enhance),
    }


def pixel_size(signal):
    """Pixel size in nanometres, or None where the axes have no unit of length."""
    sizes = []
    for axis in signal.axes_manager.signal_axes:
        try:
            scale, _, _ = axis.convert_to_units("nm", inplace=False)
        except Exception:  # pint has many ways to refuse a unit
            return None
        sizes.append(abs(scale))
    return float(np.sqrt(sizes[0] * sizes[1]))


def enhance(frames, model, mode, device, **options):
    """Enhance a batch of frames."""
    kept = getattr(_once, "kept", None)
    if kept is None:
        return _enhance(frames, model, mode, device, **options)
    wanted = options.pop("output", "enhanced")
    # What one caller gives and another leaves out is the same network
    settings = frozenset({**DEFAULTS, **options}.items())
    key = (id(frames), model, mode, device, settings)
    if key not in kept:
        alone = options.get("keep_background") or options.get("remove_echo")
        names = (wanted,) if alone else _once.outputs
        results = _enhance(frames, model, mode, device, output=names, **options)
        kept[key] = dict(zip(names, results, strict=True))
    if isinstance(wanted, str):
        return kept[key][wanted]
    return tuple(kept[key][name] for name in wanted)


def _enhance(frames, model, mode, device, contrast="bright", **options):
    from hyperspy_stem_enhance.enhance import run
    from hyperspy_stem_enhance.enhance.contrast import enhance_either

    network = {"model": model, "mode": mode, "device": device}
    with _network(**network):
        return enhance_either(
            run.enhance_frames, frames, contrast, **network, **options
        )


@contextmanager
def network_once(outputs):
    """Context in which a thread runs a network once on a batch of frames.

    Parameters
    ----------
    outputs : sequence of str
        That are asked for by all who call `enhance` on the same array.
    """
    _once.kept, _once.outputs = {}, tuple(outputs)
    try:
        yield
    finally:
        del _once.kept, _once.outputs


def enhance_parts(parts, model, mode, device, contrast="bright", **options):
    """Enhance a batch of parts of large frames."""
    from hyperspy_stem_enhance.enhance import run
    from hyperspy_stem_enhance.enhance.contrast import enhance_either

    network = {"model": model, "mode": mode, "device": device}
    with _network(**network):
        return enhance_either(run.enhance_parts, parts, contrast, **network, **options)


@contextmanager
def _network(model, mode, device):
    """Wait for a place with a network; errors of its loading blame no frame."""
    from hyperspy_stem_enhance.models import registry

    with network_queue():
        try:
            registry.load_for_use(model, mode, device)
        except ValueError as error:
            raise SetupError(str(error)) from error
        yield


def detect(frames, detection, enhancement):
    """Find the columns of a batch of frames, enhanced before or not."""
    from hyperspy_stem_enhance.detect.columns import detect_classically, detect_columns
    from hyperspy_stem_enhance.enhance.contrast import show_bright

    detection = dict(detection)
    bright = show_bright(frames, detection.pop("contrast"))
    if detection.pop("classical"):
        return [detect_classically(frame, **detection) for frame in bright]
    if enhancement is None:
        return [detect_columns(frame, **detection) for frame in frames]
    results = enhance(frames, **enhancement)
    if not isinstance(results, tuple):
        results = results, [None] * len(frames)
    return [
        detect_columns(enhanced, raw, probability=probability, **detection)
        for enhanced, probability, raw in zip(*results, bright, strict=True)
    ]


def describe_before(model, mode, pixel_size, scale="auto", **_):
    """Function that describes what a user should know before enhancement."""
    return partial(
        _describe, model=model, mode=mode, pixel_size=pixel_size, scale=scale
    )


def _describe(frame, model, mode, pixel_size, scale):
    from hyperspy_stem_enhance.enhance.contrast import lay_noise_along_rows
    from hyperspy_stem_enhance.enhance.scale import choose_factor, lattice_frequencies
    from hyperspy_stem_enhance.models import registry

    found = _checks.describe_defects(frame)
    if scale != "auto":
        return found
    frame = lay_noise_along_rows(frame, mode)
    factor = choose_factor(frame, *registry.ranges(model), pixel_size)
    if factor != 1:
        found["scale"] = (
            f"columns of another scale than the model {model!r} serves best: it is "
            f"resampled by {factor:.3g} for the network, and back"
        )
    elif pixel_size is None and np.isnan(lattice_frequencies(frame)[0]):
        found["scale"] = (
            "neither a lattice that shows nor a pixel size, and is taken at the scale "
            "it has; calibrate the axes, or give `scale`"
        )
    return found
