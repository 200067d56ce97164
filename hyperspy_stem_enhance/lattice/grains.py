"""Grains: the lattices that describe a set of columns best.

A lattice is looked for in windows of the field, which mostly lie in one grain,
and followed from there over all columns; then the next one in what is left.
Small windows find small grains, large ones large cells: descriptions from
windows of several sizes are compared as a whole by their evidence, so that a
vector that happens to suit two grains does not make a cell of both.
"""

from dataclasses import dataclass

import numpy as np

from .assign import Numbers, number_columns
from .evidence import Description, describe, off_lattice
from .translations import candidate_cells, same_cell, survey

# Columns per window, and most windows.
_WINDOWS = (24, 96, 400, 1500)
_SEEDS = 6
# Cells of windows that are followed over all columns, the best ones.
_FOLLOWED = 4
_MOST_GRAINS = 20
# A description by one column per cell with this share of the columns on it
# leaves nothing to be described better.
_ENOUGH = 0.97


@dataclass(frozen=True)
class Grain:
    """One lattice among those of an image.

    Attributes
    ----------
    members : numpy.ndarray of int, shape (k,)
        Index of its columns among all.
    description : .evidence.Description
        Of these columns.
    """

    members: np.ndarray
    description: Description


def find_grains(positions):
    """Lattices that describe the columns, and how well others would.

    Parameters
    ----------
    positions : numpy.ndarray of float64, shape (n, 2)

    Returns
    -------
    descriptions : list of (float, list of Grain)
        Evidence and grains, the one with the most columns first, of each
        window size that finds any; the best first.
    """
    found = []
    for size in _WINDOWS:
        grains = _describe_by(positions, size)
        if grains:
            on = sum(len(grain.members) for grain in grains)
            total = sum(grain.description.evidence for grain in grains)
            total += off_lattice(len(positions) - on, len(positions))
            grains.sort(key=lambda grain: -len(grain.members))
            found.append((total, grains))
            simple = all(g.description.numbers.site.max() == 0 for g in grains)
            if simple and on >= _ENOUGH * len(positions):
                break
            if len(found) > 1 and found[-1][0] < found[-2][0] + 1:
                break
        if size >= len(positions):
            break
    return sorted(found, key=lambda description: -description[0])


def _describe_by(positions, size):
    """Grains one after the other, by windows of one size."""
    rest = np.arange(len(positions))
    grains = []
    while len(grains) < _MOST_GRAINS:
        around = survey(positions[rest])
        if around is None:
            break
        best = _best_lattice(around, size)
        if best is None:
            break
        on = best.numbers.on
        grains.append(Grain(rest[on], _only(best, on)))
        rest = rest[~on]
    return grains


def _best_lattice(around, size):
    """The lattice that describes most of some columns, None without one."""
    n = len(around.positions)
    proposals = []
    for window in _windows(around, size):
        part = survey(around.positions[window])
        if part is None:
            continue
        for cell in candidate_cells(around, window):
            found = describe(part, number_columns(part, cell))
            if found is not None and found.evidence > 0:
                proposals.append((_total(found, len(window)), found.numbers.cell))
    proposals.sort(key=lambda proposal: -proposal[0])
    cells = []
    for _, cell in proposals:
        if not any(same_cell(cell, other) for other in cells):
            cells.append(cell)
        if len(cells) == _FOLLOWED:
            break
    described = [describe(around, number_columns(around, cell)) for cell in cells]
    described = [
        d for d in described if d is not None and _total(d, n) > _total(None, n)
    ]
    return max(described, key=lambda d: _total(d, n), default=None)


def _total(description, n):
    if description is None:
        return 0.0
    return description.evidence + off_lattice(n - description.numbers.on.sum(), n)


def _windows(around, size):
    """Index of the columns of each window."""
    n = len(around.positions)
    if size >= n:
        return [np.arange(n)]
    count = int(np.clip(2 * n / size, 2, _SEEDS))
    seeds = np.random.default_rng(0).choice(n, count, replace=False)
    return list(around.tree.query(around.positions[seeds], k=size)[1])


def _only(description, on):
    """The description of the columns on the lattice alone."""
    numbers = description.numbers
    numbers = Numbers(numbers.cell, numbers.site[on], numbers.cell_index[on])
    return Description(
        numbers, description.residual[on], description.sigma, description.evidence
    )
