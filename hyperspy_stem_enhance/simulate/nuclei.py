"""Draw where columns stand in HRTEM frames: order growing out of disorder.

The arrangements are those of Li et al. (CVPR 2026, arXiv:2603.18834) and
frames without any column.

==============  =========================================================
name            what is in the field of view
==============  =========================================================
``nuclei``      one to four ordered nuclei, each turned its own way, in
                disordered surroundings
``disordered``  columns without order, kept apart as by Poisson-disc
                sampling
``ordered``     a crystal, slowly distorted or with defects or neither
``empty``       no column: a support, or its edge, alone
==============  =========================================================

In three of ten the specimen ends at an edge against vacuum.  All columns,
ordered or not, are in the truth.
"""

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from . import defects, regions
from .arrangements import check_arrangement
from .lattice import (
    Columns,
    choose_structure,
    distort,
    draw_optics,
    fill_lattice,
    resolve_structures,
)

# How often each is drawn where none is asked for
HRTEM_ARRANGEMENTS = {
    "nuclei": 0.45,
    "disordered": 0.2,
    "ordered": 0.28,
    "empty": 0.07,
}
_WITH_EDGE = 0.3
_ROUNDS = 8  # of random points, which leave room for one in six more
_LATTICE_MODE = "BF"  # whose heights grow as slowly with Z as projected potential


def choose_hrtem_arrangement(rng, arrangement=None, structures=None):
    """Draw an arrangement and the structure that it takes.

    Parameters
    ----------
    rng : numpy.random.Generator
    arrangement : str, optional
        One of `HRTEM_ARRANGEMENTS`; drawn by their weights by default.
    structures : sequence of str or ProjectedStructure, optional
        As for `lattice.resolve_structures`.

    Returns
    -------
    arrangement : str
    chosen : tuple of ProjectedStructure
        None or one.
    """
    check_arrangement(arrangement, HRTEM_ARRANGEMENTS)
    if arrangement is None:
        names, weights = HRTEM_ARRANGEMENTS.keys(), HRTEM_ARRANGEMENTS.values()
        arrangement = str(rng.choice(list(names), p=list(weights)))
    if arrangement == "empty":
        return arrangement, ()
    return arrangement, (choose_structure(rng, resolve_structures(structures)),)


def arrange_hrtem_columns(rng, shape, arrangement, chosen, pixel_size=None):
    """Draw the columns of one HRTEM field of view.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    arrangement : str
        One of `HRTEM_ARRANGEMENTS`.
    chosen : tuple of ProjectedStructure
        Of `choose_hrtem_arrangement`; the spacing of disordered columns is
        that of the structure too.
    pixel_size : float, optional
        Ångström per pixel. By default the scale is random.

    Returns
    -------
    Columns
        All of the same width, since the microscope sets it.
    """
    edge = regions.draw_edge(rng, shape) if rng.random() < _WITH_EDGE else None
    if arrangement == "empty":
        none = np.zeros(0)
        return Columns(np.zeros((0, 2)), none, none, edge)
    optics = draw_optics(rng, chosen[0], _LATTICE_MODE, pixel_size)
    if arrangement == "ordered":
        columns = _crystal(rng, shape, chosen[0], optics)
    else:
        columns = _nuclei(rng, shape, chosen[0], optics, arrangement == "nuclei")
    if edge is not None:
        columns = columns.take(edge(*columns.positions.T) > 0.5)
    sigmas = np.full(len(columns), optics.sigma)
    return replace(columns, sigmas=sigmas, region=edge)


def _crystal(rng, shape, structure, optics):
    columns, _ = fill_lattice(rng, shape, structure, optics)
    if rng.random() < 0.5:
        columns = distort(rng, shape, columns, optics.spacing)
    if rng.random() < 0.5:
        columns = defects.draw_some_defects(rng, shape, columns)
    return columns


def _nuclei(rng, shape, structure, optics, ordered):
    """Nuclei, if any, and columns without order around them."""
    none = np.zeros(0)
    columns = Columns(np.zeros((0, 2)), none, none)
    free = None
    for _ in range(rng.integers(1, 5) if ordered else 0):
        crystal, _ = fill_lattice(rng, shape, structure, optics)
        crystal = _vibrating(rng, crystal, rng.uniform(0, 0.06) * optics.spacing)
        region = _draw_nucleus(rng, shape)
        inside = region(*crystal.positions.T) > 0.5
        if free is not None:
            inside &= free.query(crystal.positions)[0] > 0.85 * optics.spacing
        crystal = crystal.take(inside)
        columns = columns.join(crystal.positions, crystal.heights, crystal.sigmas)
        if len(columns):
            free = cKDTree(columns.positions)
    margin = 8 + 4 * optics.sigma
    apart = rng.uniform(0.8, 1.1) * optics.spacing
    around = fill_disc(rng, shape, apart, margin, columns.positions)
    # atoms on top of each other, as many as chance has it
    lowest = rng.uniform(0.3, 0.9)
    heights = rng.uniform(lowest, 1.0, len(around))
    return columns.join(around, heights, np.full(len(around), optics.sigma))


def _draw_nucleus(rng, shape):
    """A rounded nucleus, or one with facets."""
    if rng.random() < 0.5:
        return regions.draw_particle(rng, shape)
    return regions.draw_patch(rng, shape)


def _vibrating(rng, columns, displacement):
    shift = rng.normal(0, displacement, columns.positions.shape)
    return replace(columns, positions=columns.positions + shift)


def fill_disc(rng, shape, distance, margin=0.0, occupied=None):
    """Fill a frame with random points, none of them close to another.

    Poisson-disc sampling by dart throwing (R. L. Cook, ACM Trans. Graph. 5,
    51 (1986)), many darts at once.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    distance : float
        Least distance of two points, in pixels.
    margin : float, default 0
        How far beyond the frame there are points, in pixels.
    occupied : numpy.ndarray, shape (m, 2), optional
        Points that are there already.

    Returns
    -------
    numpy.ndarray of float64, shape (n, 2)
        (y, x) of the points, without those of `occupied`.

    Examples
    --------
    >>> points = fill_disc(np.random.default_rng(0), (100, 100), 10)
    >>> bool(cKDTree(points).query(points, 2)[0][:, 1].min() >= 10)
    True
    """
    size = np.array(shape) + 2 * margin
    n_darts = int(size.prod() / distance**2) + 1
    taken = np.zeros((0, 2)) if occupied is None else occupied
    n_before = len(taken)
    for _ in range(_ROUNDS):
        darts = rng.random((n_darts, 2)) * size - margin
        if len(taken):
            near = cKDTree(taken).query(darts, distance_upper_bound=distance)[0]
            darts = darts[np.isinf(near)]
        close = cKDTree(darts).query_pairs(distance, output_type="ndarray")
        keep = np.ones(len(darts), bool)
        keep[close.max(axis=1)] = False  # of two, the one that came first stays
        taken = np.concatenate([taken, darts[keep]])
    return taken[n_before:]
