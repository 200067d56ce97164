"""Project a crystal along a zone axis onto its columns.

A unimodular change of the cell puts its third vector along [uvw]; the
other two, projected, span the two-dimensional lattice, and each atom of the
cell is one atom of one repeat of a column.  The cell of the columns is then
made as small as their arrangement allows.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import gcd

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SMALLEST_SPACING = 0.5  # ångström; beyond what microscopes separate
LARGEST_DISTANCE = 20.0  # ångström between atoms along a column
MOST_ATOMS = 1000  # more are no unit cell, and take minutes
_SAME = 0.05  # ångström; positions of one another's copies


@dataclass(frozen=True)
class Projection:
    """Columns of a crystal seen along a zone axis.

    Attributes
    ----------
    cell : numpy.ndarray, shape (2, 2)
        Rows are the lattice vectors, (y, x), in ångström.
    sites : numpy.ndarray, shape (n, 2)
        Fractional coordinates of the columns, in [0, 1).
    columns : tuple of str
        Atoms of one repeat of each column, heaviest first: "Ti O".
    repeat : float
        Repeat length along the zone axis, in ångström.
    zone_axis : tuple of int
        [uvw], without common divisor.
    frame : numpy.ndarray, shape (3, 3)
        Unit vectors of rows, of columns and towards the viewer, in the
        coordinates of the atoms.
    """

    cell: np.ndarray
    sites: np.ndarray
    columns: tuple
    repeat: float
    zone_axis: tuple
    frame: np.ndarray


def project(atoms, zone_axis=(0, 0, 1), tolerance=0.3):
    """Project a crystal along a zone axis.

    Parameters
    ----------
    atoms : ase.Atoms
        A periodic crystal. A layer needs vacuum in its cell.
    zone_axis : sequence of 3 or 4 int, default (0, 0, 1)
        [uvw] in the axes of the cell of `atoms`, pointing to the viewer;
        fractions are allowed. Four numbers are the [uvtw] of a hexagonal
        cell.
    tolerance : float, default 0.3
        Atoms whose projections are at most this far apart, in ångström,
        belong to one column.

    Returns
    -------
    Projection
        Its cell is rectangular where the lattice is rectangular or centred
        rectangular, oblique otherwise; the longer vector is vertical.

    Raises
    ------
    ValueError
        If the atoms are not periodic, have no cell of three vectors, or
        are more than 1000; if the zone axis is no direction; if there are
        no columns to be seen: closer than 0.5 Å, or with atoms more than
        20 Å apart, as along directions of high index or without order.

    Examples
    --------
    >>> from ase.build import bulk
    >>> silicon = project(bulk("Si", cubic=True), (1, 1, 0))
    >>> silicon.cell.round(2).tolist(), silicon.columns
    ([[5.43, 0.0], [0.0, 3.84]], ('Si', 'Si', 'Si', 'Si'))
    """
    _check_crystal(atoms)
    direction = _integers(zone_axis, atoms)
    cell = _along(direction) @ np.asarray(atoms.cell)
    frame = _frame(cell)
    vectors = _reduce(cell[:2] @ frame[:2].T)
    plane = np.asarray(atoms.positions) @ frame[:2].T
    numbers = np.asarray(atoms.numbers)
    places, groups = _merge(vectors, plane, numbers, tolerance)
    _check_spacing(vectors, places, direction)
    counts = np.array([np.bincount(numbers[g], minlength=119) for g in groups])
    fold = _fold(atoms, direction, counts)
    repeat = float(np.linalg.norm(cell[2])) / fold
    _check_density(atoms, direction, repeat * fold / counts.sum(axis=1).max())
    counts = counts // fold
    vectors = _smallest_cell(vectors, places, counts)
    vectors, centring = _rectangular(vectors)
    vectors, turn = _upright(vectors)
    places = (places[:, None] + centring) @ turn.T
    sites, first = _distinct(places.reshape(-1, 2), vectors)
    counts = counts[first // len(centring)]
    columns = [_formula(count) for count in counts]
    order = sorted(range(len(sites)), key=lambda i: (*_rank(counts[i]), *sites[i]))
    return Projection(
        vectors,
        sites[order],
        tuple(columns[i] for i in order),
        repeat,
        direction,
        np.concatenate([turn @ frame[:2], frame[2:]]),
    )


def _check_crystal(atoms):
    if len(atoms) == 0 or abs(np.linalg.det(np.asarray(atoms.cell))) < 1e-6:
        raise ValueError(
            "atoms has no cell of three vectors, so it is no crystal; give a layer "
            "vacuum with atoms.center(vacuum=5, axis=2)."
        )
    if not np.any(atoms.pbc):
        raise ValueError(
            "atoms is not periodic, so it is no crystal; set atoms.pbc = True if its "
            "cell is the unit cell of one."
        )
    if len(atoms) > MOST_ATOMS:
        raise ValueError(
            f"atoms holds {len(atoms)} atoms, too many for a unit cell (at most "
            f"{MOST_ATOMS}); give the unit cell of the crystal."
        )


def _integers(zone_axis, atoms):
    """[uvw] as integers without common divisor."""
    try:
        exact = [Fraction(float(n)).limit_denominator(100) for n in zone_axis]
    except (TypeError, ValueError) as error:
        raise ValueError(_not_an_axis(zone_axis)) from error
    near = all(abs(float(n) - q) < 1e-6 for n, q in zip(zone_axis, exact, strict=True))
    if len(exact) == 4 and near:
        u, v, t, w = exact
        if u + v + t != 0 or not _is_hexagonal(atoms.cell):
            raise ValueError(
                f"zone_axis={tuple(zone_axis)} has four numbers; that is for hexagonal "
                "cells, with u + v + t = 0. Give three numbers."
            )
        exact = [u - t, v - t, w]
    if len(exact) != 3 or not near or not any(exact):
        raise ValueError(_not_an_axis(zone_axis))
    scale = np.lcm.reduce([q.denominator for q in exact])
    whole = [int(q * int(scale)) for q in exact]
    divisor = gcd(*whole)
    return tuple(n // divisor for n in whole)


def _not_an_axis(zone_axis):
    return (
        f"zone_axis={zone_axis!r} is no direction of a crystal; give three integers, "
        "not all zero, such as (1, 1, 0)."
    )


def _is_hexagonal(cell):
    a, b, _, alpha, beta, gamma = cell.cellpar()
    return np.allclose([a / b, alpha, beta, gamma], [1, 90, 90, 120], atol=1e-3)


def _along(direction):
    """Integer matrix of determinant 1 whose last row is a direction."""
    matrix, row = np.eye(3, dtype=int), list(direction)
    # Euclid's algorithm on the direction; undoing its steps builds the matrix
    while np.count_nonzero(row) > 1:
        order = sorted((i for i in range(3) if row[i]), key=lambda i: abs(row[i]))
        small, large = order[0], order[-1]
        times = row[large] // row[small]
        row[large] -= times * row[small]
        matrix[small] += times * matrix[large]
    last = int(np.flatnonzero(row)[0])
    matrix = row[last] * matrix[[(last + 1) % 3, (last + 2) % 3, last]]
    matrix[0] *= round(np.linalg.det(matrix))
    return matrix


def _frame(cell):
    """Unit vectors of rows, columns and view for a cell along the axis."""
    axis = cell[2] / np.linalg.norm(cell[2])
    across = cell[0] - (cell[0] @ axis) * axis
    across /= np.linalg.norm(across)
    # Rows run downwards: columns x upwards point to the viewer
    return np.array([np.cross(across, axis), across, axis])


def _reduce(vectors):
    """Two shortest vectors that span a plane lattice, shorter first."""
    first, second = sorted(vectors, key=np.linalg.norm)
    while times := np.round(first @ second / (first @ first) * (1 - 1e-9)):
        second = second - times * first
        first, second = sorted([first, second], key=np.linalg.norm)
    return np.array([first, second])


def _shortest(difference, vectors):
    """Shortest equivalents of differences of positions, in ångström."""
    fractions = difference @ np.linalg.inv(vectors)
    steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 2)
    options = ((fractions - np.round(fractions))[..., None, :] + steps) @ vectors
    best = np.linalg.norm(options, axis=-1).argmin(axis=-1)
    return np.take_along_axis(options, best[..., None, None], axis=-2)[..., 0, :]


def _merge(vectors, plane, numbers, tolerance):
    """Places of the columns, and the atoms that form each."""
    apart = _shortest(plane[:, None] - plane[None], vectors)
    near = np.linalg.norm(apart, axis=-1) <= tolerance
    _, labels = connected_components(coo_array(near), directed=False)
    groups = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    places = []
    for group in groups:
        inside = apart[group, group[0]]
        if np.linalg.norm(inside, axis=-1).max() > 2 * tolerance:
            raise ValueError(
                "atoms overlap along zone_axis without forming columns; choose a "
                "direction of lower index, or a crystal with fewer displaced atoms."
            )
        places.append(plane[group[0]] + np.average(inside, 0, numbers[group]))
    return np.array(places), groups


def _check_spacing(vectors, places, direction):
    distance = np.linalg.norm(_shortest(places[:, None] - places, vectors), axis=-1)
    np.fill_diagonal(distance, np.linalg.norm(vectors[0]))
    if distance.min() < SMALLEST_SPACING:
        raise ValueError(
            f"zone_axis={direction} shows columns {distance.min():.2f} Å apart, too "
            f"close to be seen as columns (at least {SMALLEST_SPACING} Å); choose a "
            "direction of lower index."
        )


def _check_density(atoms, direction, distance):
    # A layer is one atom thick, with vacuum above
    if atoms.pbc.all() and distance > LARGEST_DISTANCE:
        raise ValueError(
            f"zone_axis={direction} has atoms no closer than {distance:.0f} Å along "
            f"it, too few to be columns (at most {LARGEST_DISTANCE} Å); choose a "
            "direction of lower index."
        )


def _fold(atoms, direction, counts):
    """How often the crystal repeats within one lattice vector of the axis."""
    scaled, numbers = atoms.get_scaled_positions(), np.asarray(atoms.numbers)
    most = int(np.gcd.reduce(counts[counts > 0]))
    for fold in range(most, 1, -1):
        shift = np.array(direction) / fold
        apart = scaled[:, None] + shift - scaled
        distance = np.linalg.norm((apart - np.round(apart)) @ atoms.cell, axis=-1)
        distance[numbers[:, None] != numbers] = np.inf
        if most % fold == 0 and distance.min(axis=1).max() < _SAME:
            return fold
    return 1


def _smallest_cell(vectors, places, counts):
    """Reduce the cell by the translations between like columns."""
    _, kind = np.unique(counts, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    rarest = np.flatnonzero(kind == np.bincount(kind).argmin())
    unlike = kind[:, None] != kind
    shifts = []
    for other in rarest[1:]:
        shift = places[other] - places[rarest[0]]
        apart = _shortest(places[:, None] + shift - places, vectors)
        distance = np.linalg.norm(apart, axis=-1)
        distance[unlike] = np.inf
        if distance.min(axis=1).max() < _SAME:
            shifts.append(shift)
    area = abs(np.linalg.det(vectors)) / (len(shifts) + 1)
    spanning = _shortest(np.array(shifts).reshape(-1, 2), vectors)
    spanning = np.concatenate([spanning, vectors, spanning + vectors[0]])
    spanning = spanning[np.argsort(np.linalg.norm(spanning, axis=1))]
    first = spanning[0]
    areas = abs(first[0] * spanning[:, 1] - first[1] * spanning[:, 0])
    second = spanning[np.argmin(abs(areas - area))]
    return _reduce(np.array([first, second]))


def _rectangular(vectors):
    """Rectangular cell if the lattice has one, and the points in it."""
    first, second = vectors
    a, b, dot = first @ first, second @ second, first @ second
    one, two = np.zeros((1, 2)), np.array([np.zeros(2), second])
    close = 1e-3 * a
    if abs(dot) < close:
        return vectors, one
    equal, half = abs(a - b) < close, abs(abs(dot) - a / 2) < close
    if equal and half:  # hexagonal
        return np.array([first, second - (first if dot > 0 else 0)]), one
    if equal:
        return np.array([first + second, first - second]), two
    if half:
        return np.array([first, 2 * second - np.sign(dot) * first]), two
    return vectors, one


def _upright(vectors):
    """Turn the longer vector upright; the rotation comes along."""
    # Of vectors that differ by rounding alone, the first
    order = np.argsort(-np.linalg.norm(vectors, axis=1).round(4), kind="stable")
    vectors = vectors[order]
    y, x = vectors[0] / np.linalg.norm(vectors[0])
    turn = np.array([[y, x], [-x, y]])
    vectors = vectors @ turn.T
    if vectors[1, 1] < 0:
        vectors[1] *= -1
    return vectors.round(9) + 0.0, turn


def _distinct(places, vectors):
    """Fractional coordinates of distinct places, and the first of each."""
    kept = []
    for i, place in enumerate(places):
        apart = _shortest(place - places[kept], vectors)
        if not kept or np.linalg.norm(apart, axis=-1).min() > 2 * _SAME:
            kept.append(i)
    sites = places[kept] @ np.linalg.inv(vectors) % 1
    sites[sites > 1 - 1e-6] = 0
    return sites.round(6), np.array(kept)


def _rank(count):
    """Key that sorts heavy columns first."""
    numbers = np.flatnonzero(count)
    return -(count[numbers] * numbers**1.7).sum(), tuple(-numbers)


def _formula(count):
    from ase.data import chemical_symbols

    heaviest_first = np.flatnonzero(count)[::-1]
    return " ".join(
        symbol
        for number in heaviest_first
        for symbol in [chemical_symbols[number]] * count[number]
    )


def alike_columns(projection, reach=6.0):
    """Tell which columns have the same atoms and the same surroundings.

    Parameters
    ----------
    projection : Projection
    reach : float, default 6.0
        How far around each column to look, in ångström.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        Equal for columns that are alike; numbered from 0.

    Examples
    --------
    >>> from ase.build import bulk
    >>> alike_columns(project(bulk("GaAs", "zincblende", a=5.65, cubic=True)))
    array([0, 1])
    """
    cell, sites = projection.cell, projection.sites
    _, kinds = np.unique(projection.columns, return_inverse=True)
    times = np.ceil(reach * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(int) + 1
    ranges = [np.arange(-t, t + 1) for t in times]
    steps = np.stack(np.meshgrid(*ranges, indexing="ij"), -1).reshape(-1, 1, 2)
    copies = ((sites + steps) @ cell).reshape(-1, 2)
    labels, known = [], []
    for kind, place in zip(kinds, sites @ cell, strict=True):
        distances = np.linalg.norm(copies - place, axis=1)
        # Weighted by nearness, so that nothing hangs on where the reach ends
        near = np.clip(1 - distances / reach, 0, None) ** 2
        around = np.tile(kinds, len(steps))
        sums = [np.bincount(around, near * distances**n) for n in range(3)]
        found = np.concatenate([[kind], *sums])
        same = [i for i, other in enumerate(known) if np.allclose(found, other, 1e-2)]
        labels.append(same[0] if same else len(known))
        if not same:
            known.append(found)
    return np.array(labels)
