"""Columns numbered by cells and sites, from neighbour to neighbour.

Numbers are carried along chains of columns that are one translation apart, not
read off a rigid grid: slow distortions, as of a scan that drifts, shift the far
end of a frame by more than half a cell.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree

# Ends of a translation, in parts of the nearest spacing.
_TOLERANCE = 0.3
# Groups as small as this belong to the lattice only beside it, within so many
# lengths of the longer vector: further off they fit by chance.
_SMALL, _BESIDE = 5, 1.5
_SAME_SITE = 0.2
# Sites with fewer columns than this part of the fullest are none.
_LEAST_FULL = 0.15
_LEAST_COLUMNS = 3


def find_partners(positions, tree, cell, spacing):
    """Index of the columns at both ends of both translations.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, 2)
    tree : scipy.spatial.cKDTree
        Of the positions.
    cell : numpy.ndarray, shape (2, 2)
        Vectors a and b, one per row.
    spacing : float
        Distance of nearest columns.

    Returns
    -------
    numpy.ndarray of int, shape (n, 4)
        At +a, +b, -a, -b; -1 where there is no column.
    """
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


def number_cells(partners):
    """Connected columns, and the cell of each within them.

    Parameters
    ----------
    partners : numpy.ndarray of int, shape (n, 4)
        See :func:`find_partners`.

    Returns
    -------
    group : numpy.ndarray of int, shape (n,)
        Number of the connected group, the largest first.
    cell_index : numpy.ndarray of int, shape (n, 2)
        Cells along a and b, from the first column of each group.
    """
    n = len(partners)
    start, k = np.nonzero(partners[:, :2] >= 0)
    end = partners[start, k]
    graph = coo_array((np.ones(len(start)), (start, end)), shape=(n, n)).tocsr()
    _, group = connected_components(graph, directed=False)
    sizes = np.bincount(group)
    rank = np.empty(len(sizes), int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    group = rank[group]
    steps = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
    cell_index = np.zeros((n, 2), int)
    first = np.unique(group, return_index=True)[1]
    # Groups of one column come last, and are where their index says
    for root in first[: np.count_nonzero(np.bincount(group) > 1)]:
        order, before = breadth_first_order(graph, root, directed=False)
        order = order[1:]
        direction = np.argmax(partners[before[order]] == order[:, np.newaxis], axis=1)
        for node, step in zip(order, steps[direction], strict=True):
            cell_index[node] = cell_index[before[node]] + step
    return group, cell_index


def find_sites(positions, cell, group, cell_index, spacing):
    """Sites of the cell that the connected columns occupy.

    Groups that lie on the same site, apart by a gap, are joined. Each is
    compared with the columns of the largest group that are near.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, 2)
    cell : numpy.ndarray, shape (2, 2)
    group, cell_index
        See :func:`number_cells`.
    spacing : float

    Returns
    -------
    site : numpy.ndarray of int, shape (n,)
        Number of the site, the fullest first; -1 for columns of none.
    cell_index : numpy.ndarray of int, shape (n, 2)
        In the frame of the largest group.
    """
    main = np.flatnonzero(group == 0)
    tree = cKDTree(positions[main])
    inverse = np.linalg.inv(cell)
    tolerance = _SAME_SITE * spacing
    beside = _BESIDE * np.hypot(*cell.T).max()
    joined, site = cell_index.copy(), np.full(len(positions), -1)
    site[main] = 0
    offsets = [np.zeros(2)]
    for number in range(1, group.max() + 1):
        members = np.flatnonzero(group == number)
        distance, near = tree.query(positions[members])
        if len(members) <= _SMALL and distance.min() > beside:
            continue
        near = main[near]
        fraction = (positions[members] - positions[near]) @ inverse
        shift = fraction + cell_index[near] - cell_index[members]
        shift = np.median(shift, axis=0)
        turns = np.rint(shift - offsets)
        distance = np.hypot(*((shift - offsets - turns) @ cell).T)
        best = int(np.argmin(distance))
        turn = turns[best]
        if distance[best] > tolerance:
            best, turn = len(offsets), np.floor(shift)
            offsets.append(shift - turn)
        joined[members] += turn.astype(int)
        site[members] = best
    return _drop_rare(site), joined


def _drop_rare(site):
    """Number the sites by how many columns they have, and drop the rare ones."""
    counts = np.bincount(site[site >= 0])
    order = np.argsort(-counts, kind="stable")
    least = max(_LEAST_COLUMNS, _LEAST_FULL * counts.max())
    number = np.full(len(counts), -1)
    kept = order[counts[order] >= least]
    number[kept] = np.arange(len(kept))
    return np.append(number, -1)[site]
