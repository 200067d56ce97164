"""Tomography: volumes from tilt series of few views."""
