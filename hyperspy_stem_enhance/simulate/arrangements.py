"""Draw where columns stand, from perfect lattices to empty fields.

The arrangements are those of Li et al. (CVPR 2025, section 3.3), columns
deleted, added and placed at random, and beyond them what real frames show:
strain, slow distortion, edges against vacuum, adatoms far brighter than
the lattice, and fields without any atom.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .structures import STRUCTURES

ARRANGEMENTS = {
    "lattice": 0.46,
    "particle": 0.12,
    "interface": 0.10,
    "random": 0.12,
    "sparse": 0.09,
    "empty": 0.11,
}
SPACING_RANGE = (5.0, 50.0)  # nearest neighbours, pixels
SIGMA_RANGE = (1.2, 7.5)  # pixels


@dataclass
class Columns:
    """Columns of one field of view.

    Attributes
    ----------
    positions : numpy.ndarray, shape (n, 2)
        (y, x) in pixel indices; may lie outside the frame by a margin.
    heights : numpy.ndarray, shape (n,)
        Relative height.
    sigmas : numpy.ndarray, shape (n,)
        Standard deviation in pixels.
    region : callable or None
        ``region(y, x)`` tells by a value in [0, 1] how much of the
        specimen is at a pixel; None where it fills the frame.
    structure : str
        Name of the structure, or of the arrangement where it has none.
    """

    positions: np.ndarray
    heights: np.ndarray
    sigmas: np.ndarray
    region: object = None
    structure: str = ""

    def take(self, keep):
        """Return the columns selected by a boolean or index array."""
        return Columns(
            self.positions[keep],
            self.heights[keep],
            self.sigmas[keep],
            self.region,
            self.structure,
        )


def _join(first, second):
    return Columns(
        np.concatenate([first.positions, second.positions]),
        np.concatenate([first.heights, second.heights]),
        np.concatenate([first.sigmas, second.sigmas]),
        first.region,
        first.structure,
    )


def draw_columns(rng, shape, arrangement=None, structures=None):
    """Draw the columns of one field of view.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    arrangement : str, optional
        One of `ARRANGEMENTS`; drawn by their weights by default.
    structures : sequence of str, optional
        Names out of `STRUCTURES` to draw lattices from. By default all.

    Returns
    -------
    Columns
    """
    if arrangement is None:
        names, weights = zip(*ARRANGEMENTS.items(), strict=True)
        arrangement = rng.choice(names, p=weights)
    structures = tuple(STRUCTURES) if structures is None else tuple(structures)
    if arrangement == "empty":
        none = np.zeros(0)
        return Columns(np.zeros((0, 2)), none, none, _edge(rng, shape), "empty")
    if arrangement == "random":
        return _random_field(rng, shape)
    if arrangement == "sparse":
        return _sparse_field(rng, shape)
    columns = _lattice(rng, shape, structures)
    if arrangement == "particle":
        columns = _cut(columns, _particle(rng, shape))
    elif arrangement == "interface":
        columns = _interface(rng, shape, structures, columns)
    return _with_defects(rng, shape, columns)


def _draw_spacing(rng):
    low, high = np.log(SPACING_RANGE)
    return np.exp(rng.uniform(low, high) * 0.7 + 0.3 * np.log(16.0))


def _cell_and_sites(rng, structures):
    """A structure of the table, or one time in four an invented one."""
    if rng.random() < 0.75:
        structure = STRUCTURES[rng.choice(structures)]
        heights = structure.brightness ** rng.uniform(0.5, 1.2)
        return structure.name, structure.cell, structure.sites, heights
    ratio, angle = rng.uniform(0.8, 2.0), np.deg2rad(rng.uniform(55, 125))
    cell = np.array([[1.0, 0.0], [ratio * np.cos(angle), ratio * np.sin(angle)]])
    n_sites = rng.integers(1, 4)
    sites = rng.random((n_sites, 2))
    return "oblique", cell, sites, rng.uniform(0.15, 1.0, n_sites)


def _nearest_spacing(cell, sites):
    """Smallest distance between the columns of a lattice."""
    shifts = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 1, 2)
    images = ((sites[None] + shifts) @ cell).reshape(-1, 2)
    distance = np.linalg.norm(images[:, None] - (sites @ cell)[None], axis=-1)
    distance[distance < 1e-6] = np.inf
    return distance.min()


def _lattice(rng, shape, structures):
    name, cell, sites, heights = _cell_and_sites(rng, structures)
    spacing = _draw_spacing(rng)
    nearest = _nearest_spacing(cell, sites)
    if name not in STRUCTURES:  # invented sites may nearly coincide
        nearest = max(nearest, 0.15 * abs(cell).max())
    cell = cell * (spacing / nearest)
    angle = rng.uniform(0, 2 * np.pi)
    rotation = np.array(
        [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    )
    strain = np.eye(2) + rng.normal(0, 0.02, (2, 2))
    cell = cell @ rotation @ strain
    margin = 8 + 4 * SIGMA_RANGE[1]
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) * (
        np.array(shape) / 2 + margin
    )
    reach = np.abs(corners @ np.linalg.inv(cell)).max(axis=0).astype(int) + 2
    grid = np.stack(
        np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1
    ).reshape(-1, 1, 2)
    origin = np.array(shape) / 2 + rng.random(2) @ cell
    positions = ((grid + sites) @ cell + origin).reshape(-1, 2)
    heights = np.tile(heights, len(grid))
    ratio = rng.uniform(0.15, 0.45)  # two equal columns merge at 0.5
    sigma = np.clip(ratio * spacing, *SIGMA_RANGE)
    sigmas = np.tile(sigma * rng.normal(1, 0.06, len(sites)), len(grid))
    inside = ((positions > -margin) & (positions < np.array(shape) + margin)).all(1)
    columns = Columns(positions, heights, sigmas, None, name).take(inside)
    return _distort(rng, shape, columns, spacing)


def _distort(rng, shape, columns, spacing):
    """Slow drift of the lattice, thickness and static disorder."""
    n = len(columns.positions)
    scaled = columns.positions / max(shape)
    if rng.random() < 0.4:
        for _ in range(2):
            wave = rng.normal(0, 4, 2)
            shift = np.sin(scaled @ wave + rng.uniform(0, 2 * np.pi))
            columns.positions += (
                rng.uniform(0, 0.15) * spacing * shift[:, None] * _direction(rng)
            )
    columns.positions += rng.normal(0, 0.02 * spacing * rng.random(), (n, 2))
    if rng.random() < 0.5:
        thickness = 1 + rng.uniform(0, 0.8) * np.sin(
            scaled @ rng.normal(0, 3, 2) + rng.uniform(0, 2 * np.pi)
        )
        columns.heights = columns.heights * np.clip(thickness, 0.1, None)
    columns.heights = columns.heights * np.clip(rng.normal(1, 0.05, n), 0.3, 2)
    return columns


def _direction(rng):
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _with_defects(rng, shape, columns):
    n = len(columns.positions)
    if n and rng.random() < 0.5:
        columns = columns.take(rng.random(n) >= rng.uniform(0, 0.15))
    n = len(columns.positions)
    if n and rng.random() < 0.3:
        replaced = rng.random(n) < rng.uniform(0, 0.15)
        columns.heights = np.where(
            replaced, columns.heights * np.exp(rng.normal(0, 0.5, n)), columns.heights
        )
    if n and rng.random() < 0.35:
        added = rng.integers(1, max(2, n // 20) + 1)
        brightness = np.median(columns.heights) * np.exp(rng.uniform(-0.7, 2.1))
        extra = Columns(
            rng.random((added, 2)) * np.array(shape),
            brightness * np.clip(rng.normal(1, 0.1, added), 0.3, 2),
            np.full(added, np.median(columns.sigmas)) * rng.uniform(0.8, 1.2),
        )
        columns = _join(columns, extra)
    return columns


def _random_field(rng, shape):
    spacing = _draw_spacing(rng)
    sigma = np.clip(rng.uniform(0.15, 0.35) * spacing, *SIGMA_RANGE)
    n = int(np.prod(shape) / spacing**2 * rng.uniform(0.2, 0.9)) + 1
    positions = rng.random((n, 2)) * (np.array(shape) + 20) - 10
    if rng.random() < 0.8:  # keep atoms apart, as in a solid
        close = cKDTree(positions).query_pairs(0.8 * spacing, output_type="ndarray")
        keep = np.ones(n, bool)
        keep[close[:, 1]] = False
        positions = positions[keep]
    n = len(positions)
    if rng.random() < 0.5:
        sigmas = sigma * rng.uniform(0.7, 1.3, n)
    else:
        sigmas = np.full(n, sigma)
    heights = rng.uniform(rng.uniform(0.1, 0.9), 1.0, n)
    return Columns(positions, heights, np.clip(sigmas, *SIGMA_RANGE), None, "random")


def _sparse_field(rng, shape):
    """Single atoms and small clusters on a support."""
    sigma = np.exp(rng.uniform(np.log(1.3), np.log(5.0)))
    n = rng.poisson(np.prod(shape) / 65536 * np.exp(rng.uniform(0.5, 4.2)))
    positions = rng.random((n, 2)) * np.array(shape)
    partners = positions[rng.random(n) < rng.uniform(0, 0.3)]
    partners = partners + rng.normal(0, 2.5 * sigma, partners.shape)
    positions = np.concatenate([positions, partners])
    n = len(positions)
    heights = np.clip(rng.normal(1, rng.uniform(0.02, 0.25), n), 0.3, 3)
    sigmas = sigma * np.clip(rng.normal(1, 0.08, n), 0.7, 1.4)
    return Columns(positions, heights, sigmas, _edge(rng, shape), "sparse")


def _edge(rng, shape):
    """Edge of a support: a curved line across the frame, or none."""
    if rng.random() < 0.4:
        return None
    normal, offset = _direction(rng), rng.uniform(-0.4, 0.4) * max(shape)
    width = np.exp(rng.uniform(np.log(0.7), np.log(12.0)))
    bend, frequency, phase = (
        rng.uniform(0, 0.08) * max(shape),
        rng.uniform(2, 12) / max(shape),
        rng.uniform(0, 6.3),
    )

    def region(y, x):
        y, x = y - shape[0] / 2, x - shape[1] / 2
        along = y * normal[1] - x * normal[0]
        distance = y * normal[0] + x * normal[1] - offset
        distance = distance + bend * np.sin(frequency * along + phase)
        return 1 / (1 + np.exp(-np.clip(distance / width, -30, 30)))

    return region


def _particle(rng, shape):
    """A faceted or round particle with vacuum around it."""
    centre = np.array(shape) * rng.uniform(0.2, 0.8, 2)
    radius = min(shape) * rng.uniform(0.2, 0.55)
    width = np.exp(rng.uniform(np.log(0.7), np.log(5.0)))
    facets = rng.integers(4, 9)
    angles = rng.uniform(0, 2 * np.pi) + np.arange(facets) * 2 * np.pi / facets
    cuts = radius * rng.uniform(0.7, 1.1, facets)

    def region(y, x):
        y, x = y - centre[0], x - centre[1]
        distance = np.full(np.broadcast(y, x).shape, np.inf)
        for angle, cut in zip(angles, cuts, strict=True):
            side = cut - (y * np.cos(angle) + x * np.sin(angle))
            distance = np.minimum(distance, side)
        return 1 / (1 + np.exp(-np.clip(distance / width, -30, 30)))

    return region


def _cut(columns, region):
    inside = region(columns.positions[:, 0], columns.positions[:, 1]) > 0.5
    columns = columns.take(inside)
    columns.region = region
    return columns


def _interface(rng, shape, structures, first):
    """Two crystals, or a crystal and its own rotated grain, side by side."""
    normal, offset = _direction(rng), rng.uniform(-0.25, 0.25) * max(shape)
    second = _lattice(rng, shape, structures)
    scale = np.median(first.sigmas) / np.median(second.sigmas)
    if 0.5 < scale < 2:  # one probe made both
        second.sigmas = second.sigmas * scale
    second.heights = second.heights * np.exp(rng.normal(0, 0.4))

    def side(columns):
        return (columns.positions - np.array(shape) / 2) @ normal - offset

    joined = _join(first.take(side(first) > 0), second.take(side(second) <= 0))
    if len(joined.positions) > 1:
        close = cKDTree(joined.positions).query_pairs(
            1.5 * np.median(joined.sigmas), output_type="ndarray"
        )
        across = close[
            (close[:, 0] < (side(first) > 0).sum())
            & (close[:, 1] >= (side(first) > 0).sum())
        ]
        keep = np.ones(len(joined.positions), bool)
        keep[across[:, 1]] = False
        joined = joined.take(keep)
    return joined
