"""Load checkpoints that the authors of SFIN and SCGN published."""

import pickle
import re
from pathlib import Path

import torch

from .architectures import build_network


def load_checkpoint(path):
    """Load a published checkpoint of SFIN or SCGN.

    Such a file is a dictionary written by ``torch.save`` whose
    ``model_state_dict`` holds the parameters, their names prefixed by
    ``module.``. Only tensors are read from it, no code.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    models.sfin.SFIN or models.scgn.SCGN
        In evaluation mode, on the CPU; width and number of blocks are
        those of the file. The published networks expect 8-bit values as
        floats between 0 and 255.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no checkpoint, or belongs to another network.

    Examples
    --------
    >>> network = load_checkpoint("ours_enhance_tem_500.pth")  # doctest: +SKIP
    """
    return read_checkpoint(path)[1]


def read_checkpoint(path):
    """Load a published checkpoint, and tell the architecture of its network.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    architecture : dict
        As `architectures.build_network` takes it.
    network : models.sfin.SFIN or models.scgn.SCGN
        As from `load_checkpoint`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_checkpoint`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path={str(path)!r}: there is no such file.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        RuntimeError,
        OSError,
        EOFError,
        pickle.UnpicklingError,
        ValueError,
    ) as error:
        raise ValueError(
            f"path={str(path)!r} cannot be read as a checkpoint of tensors "
            f"({str(error).splitlines()[0]}). It may be truncated, or hold objects "
            "other than tensors, which are refused."
        ) from None
    state = content.get("model_state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise ValueError(
            f"path={str(path)!r} has no entry 'model_state_dict'; give a checkpoint "
            "as published with SFIN."
        )
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    try:
        architecture = _architecture(state)
        network = build_network(architecture)
        network.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"path={str(path)!r} holds another network than SFIN or SCGN "
            f"({str(error).splitlines()[0]})."
        ) from None
    return architecture, network.eval()


def _architecture(state):
    width, pixels = state["head_conv.weight"].shape[:2]
    blocks = {re.match(r"body\.(\d+)\.", name) for name in state} - {None}
    return {
        "name": "scgn" if "body.0.fuse.weight" in state else "sfin",
        "width": width,
        "n_blocks": len({match[1] for match in blocks}),
        "downscale": round(pixels**0.5),
    }
