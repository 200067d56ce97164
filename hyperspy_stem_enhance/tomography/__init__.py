"""Tomography: volumes from tilt series of few views."""

from .files import load_gaussians, save_gaussians
from .gaussians import Gaussians
from .geometry import back_project, project_volume
from .reconstruct import METHODS, Reconstruction, reconstruct

__all__ = [
    "METHODS",
    "Gaussians",
    "Reconstruction",
    "back_project",
    "load_gaussians",
    "project_volume",
    "reconstruct",
    "save_gaussians",
]
