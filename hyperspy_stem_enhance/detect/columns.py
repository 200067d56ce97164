"""Atom columns of an enhanced image, one row each."""

COLUMN_NAMES = ("y", "x", "intensity", "sigma", "confidence")
