"""Lattices with known vectors, cut out of the plane."""

import numpy as np
import pytest


def _cut_lattice(
    vectors, sites, shape=(500, 600), *, sigma=0.0, recall=1.0, invented=0.0, seed=0
):
    """Columns (y, x), the site of each (-1 for invented ones), in a frame."""
    rng = np.random.default_rng(seed)
    vectors, shape = np.asarray(vectors, float), np.array(shape)
    reach = int(3 * np.hypot(*shape) / np.hypot(*vectors.T).min())
    cells = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T
    site = np.repeat(np.arange(len(sites)), len(cells))
    columns = (np.tile(cells, (len(sites), 1)) + np.asarray(sites)[site]) @ vectors
    columns += shape / 2
    keep = np.all((columns > 0) & (columns < shape), axis=1)
    keep &= rng.random(len(columns)) < recall
    columns = columns[keep] + rng.normal(0, sigma, (keep.sum(), 2))
    wrong = rng.uniform(0, 1, (int(invented * len(columns)), 2)) * shape
    site = np.append(site[keep], np.full(len(wrong), -1))
    order = rng.permutation(len(site))
    return np.concatenate([columns, wrong])[order], site[order]


def _turned(vectors, degrees):
    """Vectors (y, x) turned."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(vectors, float) @ np.array([[c, -s], [s, c]])


@pytest.fixture
def cut_lattice():
    return _cut_lattice


@pytest.fixture
def turned():
    return _turned


@pytest.fixture
def lattices():
    """Vectors, sites and intensities per site of kinds of structures."""
    half = 20 * np.sqrt(3) / 2
    return {
        "square": ([[0, 20], [20, 0]], [(0, 0)], [1]),
        "perovskite": ([[0, 20], [20, 0]], [(0, 0), (0.5, 0.5)], [1, 0.5]),
        "bright field": (
            [[0, 24], [24, 0]],
            [(0, 0), (0.5, 0.5), (0.5, 0), (0, 0.5)],
            [1, 0.8, 0.4, 0.4],
        ),
        "dumbbell": ([[0, 38.4], [27.2, 19.2]], [(0, 0), (0.5, -0.25)], [1, 1]),
        "honeycomb": ([[0, 20], [half, 10]], [(0, 0), (1 / 3, 1 / 3)], [1, 1]),
        "layers": (
            [[0, 14], [90, 0]],
            [(0, 0), (0.13, 0.5), (0.3, 0.1), (0.52, 0.6), (0.7, 0.2), (0.85, 0.5)],
            [1, 1, 0.6, 1, 1, 0.6],
        ),
    }
