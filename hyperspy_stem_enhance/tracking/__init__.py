"""Columns followed through the frames of a movie: tracks, drift, displacements."""

from .drift import Motion, fit_motion
from .link import link_frames

__all__ = ["Motion", "fit_motion", "link_frames"]
