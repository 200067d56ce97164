"""HyperSpy extension for atomic-resolution electron microscopy images."""

__version__ = "0.1.0.dev0"
