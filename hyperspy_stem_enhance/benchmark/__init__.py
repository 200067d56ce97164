"""Comparison of networks and filters on the tables of the SFIN and SCGN papers."""

from .hrtem import run_hrtem_benchmark
from .tables import BenchmarkSettings, run_benchmark

__all__ = ["BenchmarkSettings", "run_benchmark", "run_hrtem_benchmark"]
