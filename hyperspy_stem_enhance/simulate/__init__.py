"""Simulated images of atom columns, with the noise of real microscopes."""

from .adding import add_noise
from .arrangements import ARRANGEMENTS
from .artefacts import ARTEFACTS
from .dataset import SimulatedDataset, make_dataset
from .frames import frame_table
from .measured_probe import probe_from_aberrations, probe_from_image
from .noise import FrameNoise
from .nuclei import HRTEM_ARRANGEMENTS
from .own_structures import from_atoms, structure_from_atoms
from .probe import Probe
from .scene import draw_recipe, draw_scene
from .structures import STRUCTURES, ProjectedStructure
from .tilt_series import SimulatedTiltSeries, make_tilt_series
from .truth import Recipe, Scene

__all__ = [
    "ARRANGEMENTS",
    "ARTEFACTS",
    "HRTEM_ARRANGEMENTS",
    "STRUCTURES",
    "FrameNoise",
    "Probe",
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
    "probe_from_aberrations",
    "probe_from_image",
    "structure_from_atoms",
]
