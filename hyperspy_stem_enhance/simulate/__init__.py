"""Simulated images of atom columns, with the noise of real microscopes."""

from .dataset import SimulatedDataset, add_noise, make_dataset
from .noise import FrameNoise
from .scene import Scene, draw_scene
from .structures import STRUCTURES, ProjectedStructure

__all__ = [
    "STRUCTURES",
    "FrameNoise",
    "ProjectedStructure",
    "Scene",
    "SimulatedDataset",
    "add_noise",
    "draw_scene",
    "make_dataset",
]
