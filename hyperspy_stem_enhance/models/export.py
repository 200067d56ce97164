"""Write the averaged weights of a training as a model of the registry."""

import hashlib
import json
import os
from pathlib import Path

import torch


def export_weights(network, name, folder, **card):
    """Write a network's weights in half precision and register them.

    Statistics of batch normalisation stay in single precision: their
    range exceeds that of half precision.

    Parameters
    ----------
    network : models.sfin.SFIN
    name : str
        Name of the model.
    folder : str or pathlib.Path
        Holds ``registry.json``, made where there is none.
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
        key: tensor.half() if _stored_in_half(key, tensor) else tensor
        for key, tensor in network.state_dict().items()
    }
    content = save_safetensors({k: t.contiguous() for k, t in state.items()})
    registry_file = folder / "registry.json"
    registry = json.loads(registry_file.read_text()) if registry_file.exists() else {}
    registry[name] = {
        "file": f"{name}.safetensors",
        "sha256": hashlib.sha256(content).hexdigest(),
        **card,
    }
    _write_whole(folder / f"{name}.safetensors", content)
    _write_whole(registry_file, (json.dumps(registry, indent=1) + "\n").encode())
    return registry[name]["sha256"]


def _stored_in_half(key, tensor):
    return tensor.dtype == torch.float32 and "running_" not in key


def _write_whole(path, content):
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)
