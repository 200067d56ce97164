"""Columns numbered by cells and sites, from neighbour to neighbour.

Numbers are carried along chains of columns that are one translation apart, not
read off a rigid grid: slow distortions, as of a scan that drifts, shift the far
end of a frame by more than half a cell. Another grain is not taken for a
distortion: vectors from column to column have to scatter as those nearby, and
to stay near those of the cell.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree

# Ends of a translation, in parts of the nearest spacing.
_TOLERANCE = 0.4
# Vectors this many robust SDs from those around them may lead to chance columns.
# Few of the others are lost, and a chance column can join two sites.
_OUTLIER = 3.0
# Local vectors that differ from those of the cell by more than this part of
# them are those of another lattice: a turn of 7 degrees.
_MOST_STRAIN = 0.12
_ROUNDS = 3
# A vector is supported by this many around it.
_LEAST_SUPPORT = 3
# Groups as small as this belong to the lattice only beside it, within so many
# lengths of the longer vector: further off they fit by chance.
_SMALL, _BESIDE = 5, 1.5
_SAME_SITE = 0.2
# Columns whose mean says where a site is, and how often it is asked for more.
_REFERENCES, _PASSES = 4, 4
# Sites with fewer columns than this part of the fullest are none.
_LEAST_FULL = 0.15
_LEAST_COLUMNS = 3
# Neighbours are within this part of the vector from its end.
_NEAR = 0.4
_STEPS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


@dataclass(frozen=True)
class Numbers:
    """Site and cell of each column, by one cell.

    Attributes
    ----------
    cell : numpy.ndarray, shape (2, 2)
        Vectors a and b, one per row.
    site : numpy.ndarray of int, shape (n,)
        Number of the site, the fullest first; -1 for columns of none.
    cell_index : numpy.ndarray of int, shape (n, 2)
        Cells along a and b.
    """

    cell: np.ndarray
    site: np.ndarray
    cell_index: np.ndarray

    @property
    def on(self):
        """Mask of the columns that have a site."""
        return self.site >= 0


def number_columns(around, cell):
    """Number columns by cells and sites.

    Parameters
    ----------
    around : .translations.Surroundings
    cell : numpy.ndarray, shape (2, 2)
        Vectors a and b, one per row, good enough to find the next column.

    Returns
    -------
    Numbers
        With the cell as the columns have it in the mean.
    """
    positions, spacing = around.positions, around.spacing
    for _ in range(_ROUNDS):
        partners = _find_partners(positions, around.tree, cell, spacing)
        partners, steps, sigma = _drop_strays(positions, partners, cell, spacing)
        graph, group = _connect(partners)
        mean = [_mean_step(steps[group == 0, k]) for k in range(2)]
        cell = np.where(np.isfinite(mean), mean, cell)
    cell_index = _number_cells(partners, graph, group)
    site, cell_index, offsets = _find_sites(positions, cell, group, cell_index, spacing)
    numbers = Numbers(cell, site, cell_index)
    for _ in range(_PASSES):
        numbers = _join_beside(positions, numbers, offsets, max(sigma, 0.05 * spacing))
    return numbers


def _mean_step(steps):
    known = np.isfinite(steps[:, 0])
    return np.median(steps[known], axis=0) if known.any() else (np.nan, np.nan)


def _find_partners(positions, tree, cell, spacing):
    """Index of the columns at +a, +b, -a and -b, -1 where there is none."""
    n = len(positions)
    partners = np.full((n, 4), -1)
    for k, vector in enumerate(cell):
        distance, index = tree.query(
            positions + vector, distance_upper_bound=_TOLERANCE * spacing
        )
        start = np.flatnonzero(np.isfinite(distance))
        # Of two columns that lead to the same one, the nearer has it
        start = start[np.argsort(distance[start], kind="stable")]
        end, first = np.unique(index[start], return_index=True)
        partners[start[first], k] = end
        partners[end, k + 2] = start[first]
    return partners


def _drop_strays(positions, partners, cell, spacing):
    """Partners without those that the vectors around speak against."""
    steps = positions[partners[:, :2]] - positions[:, np.newaxis]
    known = partners[:, :2] >= 0
    steps[~known] = np.nan
    # Sums over columns up to two partners away, themselves included
    total = np.where(known[..., np.newaxis], steps, 0)
    count = known.astype(float)
    there = partners >= 0
    for _ in range(2):
        total = total + np.sum(total[partners] * there[..., None, None], axis=1)
        count = count + np.sum(count[partners] * there[..., None], axis=1)
    local = total / np.maximum(count, 1)[..., np.newaxis]
    off = np.hypot(*np.moveaxis(steps - local, -1, 0))
    sigma = max(_median(off[known]) / 1.1774, 0.01 * spacing)
    strain = np.hypot(*np.moveaxis(local - cell, -1, 0)) / np.hypot(*cell.T)
    bad = (off > _OUTLIER * sigma) | (strain > _MOST_STRAIN) | (count < _LEAST_SUPPORT)
    partners = _cut(partners, bad & known)
    bad = ~_in_parallelograms(partners)
    steps[bad] = np.nan
    return _cut(partners, bad & (partners[:, :2] >= 0)), steps, sigma


def _cut(partners, bad):
    """Partners without those at +a and +b that are bad."""
    partners = partners.copy()
    for k in range(2):
        start = np.flatnonzero(bad[:, k])
        partners[partners[start, k], k + 2] = -1
        partners[start, k] = -1
    return partners


def _in_parallelograms(partners):
    """Whether a partner at +a or +b has the same beside it, on one side at least.

    A chance column between two sites has partners on both, and would join them.
    """
    found = np.zeros((len(partners), 2), bool)
    for k in range(2):
        end = partners[:, k]
        for side in (1 - k, 3 - k):
            beside, across = partners[:, side], partners[end, side]
            there = (end >= 0) & (beside >= 0) & (across >= 0)
            found[:, k] |= there & (partners[beside, k] == across)
    return found


def _median(values):
    return np.median(values) if len(values) else np.nan


def _connect(partners):
    """Graph of the partners, and its connected groups, the largest first."""
    n = len(partners)
    start, k = np.nonzero(partners[:, :2] >= 0)
    end = partners[start, k]
    graph = coo_array((np.ones(len(start)), (start, end)), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    sizes = np.bincount(group)
    rank = np.empty(len(sizes), int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return graph, rank[group]


def _number_cells(partners, graph, group):
    """Cells along a and b, from the first column of each group."""
    n = len(partners)
    roots = np.unique(group, return_index=True)[1]
    # A node more, which leads to the first column of each group
    start = np.append(graph.row, np.full(len(roots), n))
    end = np.append(graph.col, roots)
    tree = coo_array((np.ones(len(start)), (start, end)), shape=(n + 1, n + 1))
    order, before = breadth_first_order(tree.tocsr(), n, directed=False)
    order = order[before[order] != n][1:]
    before = before[order]
    direction = np.argmax(partners[before] == order[:, np.newaxis], axis=1)
    cell_index = np.zeros((n, 2), int)
    for node, parent, step in zip(order, before, _STEPS[direction], strict=True):
        cell_index[node] = cell_index[parent] + step
    return cell_index


def _find_sites(positions, cell, group, cell_index, spacing):
    """Sites of the cell that the connected groups occupy.

    Groups that lie on the same site, apart by a gap, are joined. Each column
    is compared with the nearest one of the largest group.
    """
    main = np.flatnonzero(group == 0)
    distance, near = cKDTree(positions[main]).query(positions)
    near = main[near]
    fraction = (positions - positions[near]) @ np.linalg.inv(cell)
    shift = fraction + cell_index[near] - cell_index
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    members = np.split(order, np.cumsum(sizes)[:-1])
    beside = _BESIDE * np.hypot(*cell.T).max()
    tolerance = _SAME_SITE * spacing
    joined, site = cell_index.copy(), np.full(len(positions), -1)
    site[main] = 0
    offsets = [np.zeros(2)]
    for own in members[1:]:
        few = len(own) <= _SMALL and distance[own].min() > beside
        if few or len(own) < _LEAST_COLUMNS:
            continue
        place = np.median(shift[own], axis=0)
        turns = np.rint(place - offsets)
        apart = np.hypot(*((place - offsets - turns) @ cell).T)
        best = int(np.argmin(apart))
        turn = turns[best]
        if apart[best] > tolerance:
            best, turn = len(offsets), np.floor(place)
            offsets.append(place - turn)
        joined[own] += turn.astype(int)
        site[own] = best
    kept = drop_rare(site)
    offsets = [offsets[site[kept == k][0]] for k in range(kept.max() + 1)]
    return kept, joined, np.array(offsets)


def _join_beside(positions, numbers, offsets, sigma):
    """Number columns without a site too, by the mean of the nearest that have one."""
    on, off = np.flatnonzero(numbers.on), np.flatnonzero(~numbers.on)
    count = min(len(on), _REFERENCES)
    if len(off) == 0 or count < 2:
        return numbers
    distance, near = cKDTree(positions[on]).query(positions[off], k=count)
    off, near = (
        x[distance[:, 0] < _BESIDE * np.hypot(*numbers.cell.T).max()]
        for x in (off, on[near])
    )
    place = (positions[off, np.newaxis] - positions[near]) @ np.linalg.inv(numbers.cell)
    place = np.mean(
        place + numbers.cell_index[near] + offsets[numbers.site[near]], axis=1
    )
    turns = np.rint(place[:, np.newaxis] - offsets)
    apart = (place[:, np.newaxis] - offsets - turns) @ numbers.cell
    apart = np.hypot(*np.moveaxis(apart, -1, 0))
    best = np.argmin(apart, axis=1)
    row = np.arange(len(off))
    fits = apart[row, best] < _OUTLIER * sigma
    site, cell_index = numbers.site.copy(), numbers.cell_index.copy()
    site[off[fits]] = best[fits]
    cell_index[off[fits]] = turns[row, best][fits].astype(int)
    return Numbers(numbers.cell, site, cell_index)


def drop_rare(site):
    """Number the sites by how many columns they have, and drop the rare ones.

    Parameters
    ----------
    site : numpy.ndarray of int, shape (n,)
        -1 for columns of none.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
    """
    counts = np.bincount(site[site >= 0])
    order = np.argsort(-counts, kind="stable")
    least = max(_LEAST_COLUMNS, _LEAST_FULL * counts.max())
    number = np.full(len(counts), -1)
    kept = order[counts[order] >= least]
    number[kept] = np.arange(len(kept))
    return np.append(number, -1)[site]


def find_neighbours(positions, numbers):
    """Columns on the same site of the cells at +a, +b, -a and -b.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, 2)
    numbers : Numbers

    Returns
    -------
    numpy.ndarray of int, shape (n, 4)
        -1 where there is none, or where it is not at the end of the vector.
    """
    neighbours = np.full((len(positions), 4), -1)
    on = np.flatnonzero(numbers.on)
    index = numbers.cell_index[on] - numbers.cell_index[on].min(axis=0) + 1
    span = index.max(axis=0) + 2

    def key(index):
        return (numbers.site[on] * span[0] + index[:, 0]) * span[1] + index[:, 1]

    order = np.argsort(key(index))
    known = key(index)[order]
    for k, step in enumerate(_STEPS):
        wanted = key(index + step)
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        there = known[place] == wanted
        end = on[order[place]]
        off = positions[end] - positions[on] - step @ numbers.cell
        there &= np.hypot(*off.T) < _NEAR * np.hypot(*(step @ numbers.cell))
        neighbours[on[there], k] = end[there]
    return neighbours
