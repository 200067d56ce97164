"""Networks, their weights, and how to load them."""

from .checkpoint import load_checkpoint
from .export import install_checkpoint, install_model
from .registry import (
    list_models,
    load_model,
    models_folder,
    resolve,
    resolve_device,
    weights_sha256,
)
from .sfin import SFIN, SFIN_FAST, SFIN_PAPER

__all__ = [
    "SFIN",
    "SFIN_FAST",
    "SFIN_PAPER",
    "install_checkpoint",
    "install_model",
    "list_models",
    "load_checkpoint",
    "load_model",
    "models_folder",
    "resolve",
    "resolve_device",
    "weights_sha256",
]
