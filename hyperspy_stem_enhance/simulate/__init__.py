"""Simulated images of atom columns, with the noise of real microscopes."""

from .adding import add_noise
from .arrangements import ARRANGEMENTS
from .dataset import SimulatedDataset, make_dataset
from .frames import frame_table
from .noise import FrameNoise
from .nuclei import HRTEM_ARRANGEMENTS
from .own_structures import from_atoms, structure_from_atoms
from .scene import draw_recipe, draw_scene
from .structures import STRUCTURES, ProjectedStructure
from .tilt_series import SimulatedTiltSeries, make_tilt_series
from .truth import Recipe, Scene

__all__ = [
    "ARRANGEMENTS",
    "HRTEM_ARRANGEMENTS",
    "STRUCTURES",
    "FrameNoise",
    "ProjectedStructure",
    "Recipe",
    "Scene",
    "SimulatedDataset",
    "SimulatedTiltSeries",
    "add_noise",
    "draw_recipe",
    "draw_scene",
    "frame_table",
    "from_atoms",
    "make_dataset",
    "make_tilt_series",
    "structure_from_atoms",
]
