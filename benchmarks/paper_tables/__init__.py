"""Comparison of networks and filters on the tables of the SFIN and SCGN papers."""

from . import networks  # noqa: F401, makes them known by name
from .hrtem import run_hrtem_benchmark
from .stem import BenchmarkSettings, run_benchmark

__all__ = ["BenchmarkSettings", "run_benchmark", "run_hrtem_benchmark"]
