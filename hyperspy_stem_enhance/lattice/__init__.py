"""Lattices of columns: cell, sites, displacements, classes and neighbours."""

from .classes import classify_columns
from .fit import NoLatticeError, fit_lattice
from .neighbours import local_vectors, nearest_shell
from .result import Grains, Lattice

__all__ = [
    "Grains",
    "Lattice",
    "NoLatticeError",
    "classify_columns",
    "fit_lattice",
    "local_vectors",
    "nearest_shell",
]
