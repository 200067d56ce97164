"""Find, verify and load weights: those of the package, and a user's own.

Weights are safetensors files; ``registry.json`` beside them holds for each
model its architecture, the modes it serves, the ranges it was trained on,
for each mode the constants that its confidences and intervals follow from,
and the sha256 of its file, which is checked at every loading.
"""

import hashlib
import json
import math
import os
import threading
import warnings
from copy import deepcopy
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import torch

from .architectures import build_network
from .devices import best_device, why_unfit
from .inference import inference_form
from .sfin import OUTPUTS

_WEIGHTS = files("hyperspy_stem_enhance") / "weights"
_DEFAULTS = {"HRTEM": "scgn-fast"}  # of other modes: _DEFAULT
_DEFAULT = "sfin-fast"
# What the constants of a kind make, and the script that fits them
CONSTANTS = {
    "confidence": ("the confidence of columns", "benchmarks/confidence.py fit"),
    "interval": ("the interval of an uncertainty", "benchmarks/uncertainty.py --fit"),
}
_loaded = {}
_lock = threading.Lock()


def models_folder():
    """Folder of a user's own models.

    Returns
    -------
    pathlib.Path
        What the environment variable ``HSE_MODELS`` names, or
        ``.hyperspy_stem_enhance/models`` in the home folder. It need not
        exist.
    """
    own = os.environ.get("HSE_MODELS")
    return Path(own) if own else Path.home() / ".hyperspy_stem_enhance" / "models"


def _registry():
    """All models by name, each with the ``folder`` that holds its weights."""
    return {
        name: {**entry, "folder": folder}
        # Those of the package last: nothing of a user's takes their names
        for folder in (models_folder(), _WEIGHTS)
        for name, entry in _read_registry(folder).items()
    }


def _read_registry(folder):
    path = folder / "registry.json"
    try:
        stamp = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return _parse_registry(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=8)
def _parse_registry(path, *stamp):
    """Entries of a registry, read again only where its stamp is another."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(
            f"{path} is not a registry of models ({error}); mend or remove it."
        ) from None


def list_models():
    """List the models that can be used by name.

    Those that ship with the package, and a user's own in `models_folder`.

    Returns
    -------
    dict of str to dict
        For every name: ``folder``, ``architecture``, ``modes``, ``sha256``,
        ``spacing_pixels`` and ``sigma_pixels`` (ranges in training),
        ``best_frequency`` (cycles per pixel) and ``best_sigma_pixels``
        (outside them frames are resampled), ``constants`` by mode, ...

    Examples
    --------
    >>> from hyperspy_stem_enhance import models
    >>> models.list_models()["sfin-fast"]["modes"]
    ['HAADF', 'BF']
    """
    return {
        name: {**deepcopy(entry), "folder": str(entry["folder"])}
        for name, entry in _registry().items()
    }


def resolve(model="auto", mode=None):
    """Name of the model that a choice stands for.

    Parameters
    ----------
    model : str, default "auto"
    mode : {"HAADF", "BF", "HRTEM"}, optional
        Mode that the model must serve. By default any.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the model is unknown, or does not serve the mode.
    """
    name = _DEFAULTS.get(mode, _DEFAULT) if model == "auto" else model
    if model == "auto" and name not in _registry():
        raise ValueError(_missing(name, mode))
    if not isinstance(name, str) or name not in _registry():
        raise ValueError(
            f"model={model!r} is unknown; use 'auto' or one of "
            f"{', '.join(map(repr, _registry()))}."
        )
    modes = _registry()[name]["modes"]
    if mode is not None and mode not in modes:
        method = "enhance_scgn" if "HRTEM" in modes else "enhance_sfin"
        raise ValueError(
            f"model={name!r} was not trained for mode={mode!r}; it serves "
            f"{', '.join(modes)}: use it by `{method}`."
        )
    return name


def _missing(name, mode):
    """What to do where there is no default model of a mode."""
    own = [model for model, entry in _registry().items() if mode in entry["modes"]]
    others = f", or use model={' or '.join(map(repr, own))}" if own else ""
    return (
        f"model='auto': no weights for mode={mode!r} ship with this package yet. Train "
        f"some by `stem-enhance train --model {name} --steps 6000 --out FOLDER --name "
        f"{name}`, or install a checkpoint of the authors by "
        f"`models.install_checkpoint(path, name, modes=[{mode!r}])`{others}."
    )


def resolve_device(device="auto"):
    """PyTorch device that a choice stands for.

    Parameters
    ----------
    device : str, default "auto"
        "auto" takes a GPU where there is one, see `devices.best_device`.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the device is unknown, or not present.
    """
    if device == "auto" or (device == "cuda" and torch.cuda.is_available()):
        return best_device()
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device={device!r} cannot be used ({str(error).splitlines()[0]}); "
            "use 'auto', 'cpu', or a GPU that PyTorch finds, such as 'cuda:0'."
        ) from None
    return str(torch.device(device))


def weights_sha256(model="auto"):
    """sha256 of the weights file of a model, as registered."""
    return _registry()[resolve(model)]["sha256"]


def ranges(model="auto"):
    """Lattice frequencies and widths of columns that a model serves best.

    Returns
    -------
    frequencies, sigmas : tuple of float
        Lowest and highest, in cycles per pixel and in pixels; without
        limits where the registry gives none.
    """
    entry = _registry()[resolve(model)]
    return tuple(
        tuple(entry.get(name, (0.0, math.inf)))
        for name in ("best_frequency", "best_sigma_pixels")
    )


def constants(kind, model="auto", mode="HAADF"):
    """Constants that were fitted to what a model gives, for a mode.

    Parameters
    ----------
    kind : {"confidence", "interval"}
        Of the confidence of columns
        (:func:`.detect.confidence.calibrated_confidence`), or of the
        interval of an uncertainty (:func:`.enhance.uncertainty.join_spreads`).
    model : str, default "auto"
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"

    Returns
    -------
    dict
        Those of the default model of the mode, with a warning, where the
        model has none of its own.

    Raises
    ------
    ValueError
        If the model is unknown or does not serve the mode, or if the
        default model has no such constants either.

    Examples
    --------
    >>> from hyperspy_stem_enhance.models import registry
    >>> sorted(registry.constants("interval", "sfin-fast"))
    ['exponents', 'log_factor']
    """
    name, default = resolve(model, mode), resolve("auto", mode)
    own = _own_constants(kind, name, mode)
    if own is not None:
        return own
    what, script = CONSTANTS[kind]
    message = (
        f"{what} is not calibrated for model={name!r} and mode={mode!r}: the model has "
        "no such constants of its own"
    )
    remedy = f"fit them by `python {script} --model {name}` in a clone of the package"
    others = _own_constants(kind, default, mode)
    if others is None:
        raise ValueError(f"{message}; {remedy}.")
    # Told where it is, so that Python shows it once and not at every call
    warnings.warn(f"{message}, those of {default!r} are used; {remedy}.", stacklevel=1)
    return others


def _own_constants(kind, name, mode):
    return deepcopy(_registry()[name].get("constants", {}).get(mode, {}).get(kind))


def takes_eight_bit(model="auto"):
    """Whether a model takes values from 0 to 255, as the published ones do."""
    return _registry()[resolve(model)].get("intensities") == "8-bit"


def outputs(model="auto"):
    """Names of what a model returns, in the order of its outputs.

    Parameters
    ----------
    model : str, default "auto"

    Returns
    -------
    tuple of str
        The first of `models.sfin.OUTPUTS`.

    Examples
    --------
    >>> from hyperspy_stem_enhance.models import registry
    >>> registry.outputs("sfin-fast")[0]
    'enhanced'
    """
    architecture = _registry()[resolve(model)]["architecture"]
    return OUTPUTS[: architecture.get("n_outputs", 1)]


def check_outputs(wanted, model="auto"):
    """Raise ValueError unless a model has all outputs of a sequence."""
    for output in wanted:
        if output not in OUTPUTS:
            raise ValueError(
                f"output={output!r} is unknown; use one of "
                f"{', '.join(map(repr, OUTPUTS))}."
            )
        if output not in outputs(model):
            others = [name for name in _registry() if output in outputs(name)]
            remedy = (
                f"use model={' or '.join(map(repr, others))}"
                if others
                else ("train one that has it")
            )
            raise ValueError(
                f"model={resolve(model)!r} has not the output={output!r}, only "
                f"{', '.join(map(repr, outputs(model)))}; {remedy}."
            )


def load_for_use(model="auto", mode="HAADF", device="auto"):
    """Return a network in its inference form and the device it is on.

    One network is loaded per process, model and device. A GPU that "auto"
    stands for gives way, with a warning, where it does not give what the
    processor gives.

    Raises
    ------
    ValueError
        If the model or device is unknown, or the device does not serve it.
    """
    name, taken = resolve(model, mode), resolve_device(device)
    with _lock:
        network = _load_once(name, taken)
        unfit = taken != "cpu" and network.unfit
        if not unfit:
            return network, taken
        message = f"device={taken!r} does not serve model={name!r} ({unfit})"
        if device != "auto":
            raise ValueError(f"{message}; use device='cpu'.")
        warnings.warn(f"{message}; the processor is used.", stacklevel=2)
        return _load_once(name, "cpu"), "cpu"


def _load_once(name, device):
    """Network in its inference form; on a GPU with why it is `unfit`, or ""."""
    key = (weights_sha256(name), device)
    if key not in _loaded:
        network = inference_form(load_model(name, device))
        if device != "cpu":
            network.unfit = why_unfit(network, _load_once(name, "cpu"), device)
        _loaded[key] = network
    return _loaded[key]


def load_model(name="auto", device="cpu"):
    """Load a model by name, verifying its weights.

    Parameters
    ----------
    name : str, default "auto"
        See `list_models`.
    device : str, default "cpu"
        A PyTorch device, or "auto".

    Returns
    -------
    torch.nn.Module
        In evaluation mode: `models.sfin.SFIN`, or what the registry's
        architecture names (`models.architectures.NETWORKS`).

    Raises
    ------
    ValueError
        If the name or device is unknown, or the weights file is altered,
        truncated or of another network.

    Examples
    --------
    >>> from hyperspy_stem_enhance import models
    >>> network = models.load_model("sfin-fast")
    """
    entry = _registry()[resolve(name)]
    network = build_network(entry["architecture"])
    path = entry["folder"] / entry["file"]
    try:
        network.load_state_dict(_read_verified(path, entry["sha256"]))
    except RuntimeError as error:
        raise ValueError(
            f"the weights in {path} do not fit the architecture "
            f"{entry['architecture']} registered for {name!r} "
            f"({str(error).splitlines()[0]}). Export or install it again."
        ) from None
    return network.to(resolve_device(device)).eval()


def _read_verified(path, sha256):
    from safetensors.torch import load as load_safetensors

    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"the weights file {path} has sha256 {found}, registered is {sha256}: "
            "it is altered or truncated. Export or install it again."
        )
    state = load_safetensors(content)
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
