"""Write the averaged weights of a training as a model of the registry."""

import hashlib
import json
import os
import re
from pathlib import Path

import torch

from ..noise.parameters import MODES
from .checkpoint import read_checkpoint
from .registry import (
    _WEIGHTS,
    CONSTANTS,
    _read_registry,
    list_models,
    models_folder,
    resolve,
)

# Where a network trained on this package's simulations loses nothing
# (benchmarks/scale.py): lattice frequencies in cycles per pixel, and SD of
# columns in pixels. Frames of another scale are resampled for it.
BEST_FREQUENCY = (0.045, 0.115)
BEST_SIGMA = (1.8, 6.5)


def install_model(run, name, modes=None):
    """Make a training's averaged weights a model that is used by name.

    Parameters
    ----------
    run : str or pathlib.Path
        Folder of a training (`train.loop.train`), finished or not.
    name : str
        Letters, digits, ``-``, ``_`` and ``.``; a model of one's own of the
        same name is replaced.
    modes : sequence of str, optional
        Modes it serves. By default those that it was trained for.

    Returns
    -------
    pathlib.Path
        The weights file, in `models.models_folder`.

    Raises
    ------
    FileNotFoundError
        If the folder holds no training.
    ValueError
        If the name cannot be that of a file, or is one of the package's.

    Examples
    --------
    >>> from hyperspy_stem_enhance.models import install_model
    >>> install_model("my-training", "my-model")  # doctest: +SKIP
    >>> s.enhance_sfin(model="my-model")  # doctest: +SKIP
    """
    from ..train.loop import averaged_network

    run, folder = Path(run), models_folder()
    for file in ("settings.json", "checkpoint.pt"):
        if not (run / file).is_file():
            raise FileNotFoundError(
                f"run={str(run)!r} holds no {file}; give the folder of a training."
            )
    check_own_name(name)
    settings = json.loads((run / "settings.json").read_text())
    frequencies, sigmas = _served(settings)
    export_weights(
        averaged_network(run / "checkpoint.pt"),
        name,
        folder,
        architecture=settings["architecture"],
        modes=list(settings.get("modes", MODES) if modes is None else modes),
        noise=settings["noise"],
        seed=settings["seed"],
        best_frequency=list(frequencies),
        best_sigma_pixels=list(sigmas),
    )
    return folder / f"{name}.safetensors"


def _served(settings):
    """Frequencies and widths that a training serves best.

    Resampled noise is no longer the noise of one's own that a network has learnt: it
    serves all that it was trained on as it is.
    """
    if "own_noise" not in settings:
        return BEST_FREQUENCY, BEST_SIGMA
    from ..simulate.lattice import SIGMA_RANGE, SPACING_RANGE

    nearest, farthest = SPACING_RANGE
    return (1 / farthest, 1 / nearest), SIGMA_RANGE


def install_checkpoint(path, name=None, modes=None):
    """Make a checkpoint that the authors published a model by name.

    Parameters
    ----------
    path : str or pathlib.Path
        Such as ``ours_enhance_tem_500.pth``; see `checkpoint.load_checkpoint`.
    name : str, optional
        By default that of the file, without its suffix.
    modes : sequence of str, optional
        Modes it serves. By default BF where the name ends with ``_bf``, as
        the authors name them, else HAADF.

    Returns
    -------
    pathlib.Path
        The weights file, in `models.models_folder`. They keep their single
        precision.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no checkpoint of SFIN or SCGN, or the name cannot be used.

    Notes
    -----
    The model takes values from 0 to 255: images of dtype uint8 as they are,
    others are brought to this range and back.

    Examples
    --------
    >>> from hyperspy_stem_enhance.models import install_checkpoint
    >>> install_checkpoint("ours_enhance_tem_500.pth")  # doctest: +SKIP
    >>> s.enhance_sfin(model="ours_enhance_tem_500")  # doctest: +SKIP
    """
    path, folder = Path(path), models_folder()
    architecture, network = read_checkpoint(path)
    name = path.stem if name is None else name
    check_own_name(name)
    if modes is None:
        modes = ["BF"] if name.lower().endswith("_bf") else ["HAADF"]
    export_weights(
        network,
        name,
        folder,
        half=False,
        architecture=architecture,
        modes=list(modes),
        intensities="8-bit",
        source=path.name,
    )
    return folder / f"{name}.safetensors"


def check_own_name(name):
    """Raise ValueError unless `name` can be that of a user's own model."""
    if name in _read_registry(_WEIGHTS) or name == "auto":
        raise ValueError(
            f"name={name!r} is a model of the package; choose another name."
        )
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(
            f"name={name!r} cannot be that of a model; use letters, digits, '-', '_' "
            "and '.'."
        )


def export_weights(network, name, folder, half=True, **card):
    """Write a network's weights and register them.

    Parameters
    ----------
    network : models.sfin.SFIN
    name : str
        Name of the model. Constants that were fitted to the same weights
        by another name are taken along.
    folder : str or pathlib.Path
        Holds ``registry.json``, made where there is none.
    half : bool, default True
        Store in half precision, except the statistics of batch
        normalisation, whose range exceeds it, and the ninths that SCGN
        averages by, of which differences are taken.
    **card
        What the registry tells of the model: ``architecture`` and
        ``modes`` at least.

    Returns
    -------
    str
        sha256 of the file written.
    """
    from safetensors.torch import save as save_safetensors

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        key: tensor.half() if half and _stored_in_half(key, tensor) else tensor
        for key, tensor in network.state_dict().items()
    }
    content = save_safetensors({k: t.contiguous() for k, t in state.items()})
    sha256 = hashlib.sha256(content).hexdigest()
    entry = {"file": f"{name}.safetensors", "sha256": sha256, **card}
    _write_whole(folder / f"{name}.safetensors", content)
    _register(folder, name, entry | _known_constants(sha256))
    return sha256


def store_constants(kind, values, model="auto"):
    """Write constants that were fitted to a model into its registry.

    Parameters
    ----------
    kind : {"confidence", "interval"}
        As of `registry.constants`.
    values : dict
        Of all modes that the model serves.
    model : str, default "auto"

    Returns
    -------
    pathlib.Path
        The registry.

    Raises
    ------
    ValueError
        If the kind or the model is unknown.
    """
    if kind not in CONSTANTS:
        raise ValueError(
            f"kind={kind!r} is unknown; use one of {', '.join(map(repr, CONSTANTS))}."
        )
    name = resolve(model)
    entry = list_models()[name]
    folder = Path(entry.pop("folder"))
    known = entry.get("constants", {})
    entry["constants"] = {
        mode: {**known.get(mode, {}), kind: values} for mode in entry["modes"]
    }
    return _register(folder, name, entry)


def _register(folder, name, entry):
    """Write the entry of a model into the registry of a folder."""
    path = folder / "registry.json"
    registry = json.loads(path.read_text()) if path.exists() else {}
    _write_whole(path, (json.dumps(registry | {name: entry}, indent=1) + "\n").encode())
    return path


def _known_constants(sha256):
    """Constants that were fitted to weights, by whatever name they had then."""
    for entry in list_models().values():
        if entry["sha256"] == sha256 and "constants" in entry:
            return {"constants": entry["constants"]}
    return {}


def _stored_in_half(key, tensor):
    single = any(name in key for name in ("running_", "mean_kernel"))
    return tensor.dtype == torch.float32 and not single


def _write_whole(path, content):
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)
