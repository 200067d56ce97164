"""Comparison of networks and filters on the tables of the SFIN paper."""

from .tables import BenchmarkSettings, run_benchmark

__all__ = ["BenchmarkSettings", "run_benchmark"]
