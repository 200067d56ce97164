"""A lattice fitted to columns: vectors, sites, displacements, their errors.

Grains and their cells are found from the positions (`.grains`), kinds of columns
from intensity and displacement (`.kinds`), and vectors, origin and sites
follow by linear least squares. Lengths are in the units of the positions, which
have to be the same along both axes.
"""

import warnings
from numbers import Integral

import numpy as np

from .assign import Numbers, drop_rare, find_neighbours
from .evidence import displacements, without_slow
from .grains import find_grains
from .kinds import compare_kinds, kind_means
from .result import Grains, Lattice, cell_lengths
from .translations import LEAST_COLUMNS, reduce_cell, same_cell, survey

# Columns this many robust SDs from the lattice do not count in the fit.
_OUTLIER = 4.0
_ROUNDS = 3
# Parts of the field along each side that are left out in turn, for the errors.
_BLOCKS = 4
# Lengths closer than this are equal: the vector along x comes first.
_EQUAL = 0.1
# Columns around one that tell the slow changes of intensity and displacement.
_AROUND = 80
# The cells of this probability count in the errors; more than one is said.
_PROBABLE = 0.95
# Other grains are said if they have this part of the columns,
_OTHERS = 0.05
# and a turn of the lattice over the field if it is as large, in degrees.
_TURN = 2.0


class NoLatticeError(ValueError):
    """The columns are not those of a lattice."""


def fit_lattice(positions, intensity=None, units="px", grains=1):
    """Fit a lattice to columns, or the lattices of several grains.

    Parameters
    ----------
    positions : array-like, shape (n, 2)
        (y, x), in the same units along both axes.
    intensity : array-like, shape (n,), optional
        With it, columns may be of several kinds: the cell of a perovskite
        along [001] is the cubic one. Without it, it is the centred cell
        that positions alone have. Values that are not finite do not count.
    units : str, default "px"
        Units of the positions, for printing.
    grains : int or "all", default 1
        How many lattices, those with the most columns; fewer where there are
        fewer.

    Returns
    -------
    Lattice or Grains
        A lattice for ``grains=1``; else those found, as a sequence.

    Raises
    ------
    NoLatticeError
        A ``ValueError``: fewer than six columns, or no lattice describes
        the columns better than chance.
    ValueError
        If the shapes do not fit together, a position is not finite or
        ``grains`` is neither a number above 0 nor "all".

    Warns
    -----
    UserWarning
        If the cell has a probability below 95 %, other lattices have more
        than 5 % of the columns, or the lattice turns by more than 2° within the
        field.

    Notes
    -----
    Cells compete by the evidence of the columns for each of them, integrated
    over vectors, sites and the scatter of the columns; several grains by
    windows that mostly lie in one of them. Lattices of the same cell are two
    grains if they differ by more than about 7°, and a bent one below.
    Kinds of columns are those that a Bayes factor prefers.

    Standard errors are from leaving out each of 16 parts of the field in
    turn (jackknife), so that displacements common to neighbours count.
    Where the cell is in doubt they hold the differences between the cells that
    have 95 % of the probability. They say nothing of the calibration of the image.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:10, :12]
    >>> positions = np.stack([20.0 * y + 3 * x, 21.0 * x], -1).reshape(-1, 2)
    >>> lattice = fit_lattice(positions)
    >>> lattice.vectors.round(3)
    array([[ 3., 21.],
           [20.,  0.]])

    Two grains:

    >>> turned = positions @ [[0.8, 0.6], [-0.6, 0.8]] + (0, 400)
    >>> both = fit_lattice(np.concatenate([positions[:80], turned]), grains="all")
    >>> [int(lattice.on_lattice.sum()) for lattice in both]
    [120, 80]
    """
    lattices, doubts = search_lattices(positions, intensity, units, grains)
    for text in doubts:
        warnings.warn(text, UserWarning, stacklevel=2)
    return lattices


def search_lattices(positions, intensity=None, units="px", grains=1):
    """Fit lattices and return what is in doubt about them, without a warning.

    Parameters
    ----------
    positions, intensity, units, grains
        As for :func:`fit_lattice`.

    Returns
    -------
    lattices : Lattice or Grains
    doubts : list of str
    """
    positions = _check_positions(positions)
    intensity = _check_intensity(intensity, positions)
    if not (grains == "all" or (isinstance(grains, Integral) and grains > 0)):
        raise ValueError(f"grains={grains!r} is neither a number above 0 nor 'all'.")
    if survey(positions) is None:
        raise NoLatticeError(
            f"positions has {len(positions)} columns, which is too few for a lattice, "
            f"or they lie on a line. Give at least {LEAST_COLUMNS} in two dimensions."
        )
    descriptions = find_grains(positions)
    if not descriptions:
        raise NoLatticeError(
            "positions are not those of a lattice: no cell describes them better than "
            "chance. Give the columns of a crystalline area, for example by a mask."
        )
    found = descriptions[0][1]
    others = [
        (total - descriptions[0][0], one[0].description.numbers.cell)
        for total, one in descriptions[1:]
    ]
    wanted = found if grains == "all" else found[:grains]
    lattices = [
        _fit_grain(positions, intensity, units, grain, others if k == 0 else [])
        for k, grain in enumerate(wanted)
    ]
    doubts = _doubts(lattices, found[len(wanted) :], len(positions))
    return (lattices[0] if grains == 1 else Grains(tuple(lattices))), doubts


def _check_positions(positions):
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise ValueError(
            f"positions has the shape {positions.shape}, expected (n, 2): y and x."
        )
    if not np.isfinite(positions).all():
        raise ValueError("positions has values that are not finite. Leave them out.")
    return positions


def _check_intensity(intensity, positions):
    if intensity is None:
        return None
    intensity = np.asarray(intensity, np.float64)
    if intensity.shape != positions.shape[:1]:
        raise ValueError(
            f"intensity has the shape {intensity.shape}, expected one value per "
            f"position: ({len(positions)},)."
        )
    return intensity


def _doubts(lattices, others, n):
    """What the lattices do not tell by themselves."""
    others = [len(grain.members) for grain in others]
    texts = []
    if sum(others) > _OTHERS * n:
        texts.append(
            f"{sum(others)} of {n} columns are on other lattices, {others[0]} on the "
            f"largest of them and {lattices[0].on_lattice.sum()} on this one: "
            "fit_lattice(grains='all') gives all"
        )
    for number, lattice in enumerate(lattices):
        name = f"lattice {number}" if len(lattices) > 1 else "the lattice"
        if lattice.probability < _PROBABLE:
            texts.append(
                f"the cell of {name} is in doubt: {lattice!r} has a probability of "
                f"{lattice.probability:.2f} only; more columns, or less scatter, decide"
            )
        turn = _turn(lattice)
        if turn > _TURN:
            texts.append(
                f"{name} turns by {turn:.1f}° within the field: the crystal is bent, "
                "or has grains that hardly differ, and the vectors are a mean"
            )
    return texts


def _fit_grain(positions, intensity, units, grain, others):
    """The lattice of one grain, with its kinds of columns."""
    numbers, own = grain.description.numbers, positions[grain.members]
    displacement = without_slow(own, displacements(own, numbers), _AROUND)
    level = None if intensity is None else intensity[grain.members]
    kinds = _compare_kinds(own, numbers, displacement, level)
    cells = [_standard_cell(kind.matrix @ numbers.cell) for kind in kinds]
    odds = [kind.odds for kind in kinds]
    for other_odds, cell in others:
        if not same_cell(cell, numbers.cell):
            cells.append(_standard_cell(cell))
            odds.append(other_odds + odds[0])
    weights = np.exp(np.array(odds) - max(odds))
    weights /= weights.sum()
    numbers = _regroup(numbers, kinds[0], cells[0])
    every = Numbers(
        numbers.cell,
        np.full(len(positions), -1),
        np.zeros((len(positions), 2), int),
    )
    every.site[grain.members] = numbers.site
    every.cell_index[grain.members] = numbers.cell_index
    return _fit(positions, units, every, cells, weights)


def _compare_kinds(positions, numbers, displacement, intensity):
    """Superlattices, with kinds and slow changes of intensity told apart."""
    if intensity is None or not np.isfinite(intensity).any():
        return compare_kinds(positions, numbers, displacement)
    intensity = _clip(intensity)[:, np.newaxis]
    scale = np.nanmedian(np.abs(intensity))
    alike = before = None
    for _ in range(_ROUNDS):
        level = without_slow(positions, intensity, _AROUND, alike)
        level = _clip(level[:, 0])
        kinds = compare_kinds(positions, numbers, displacement, level, scale)
        _, within = kinds[0].split(numbers.cell_index)
        kind = numbers.site * kinds[0].size + within
        if kinds[0].size == 1 or (before and kinds[0].same(before)):
            break
        before = kinds[0]
        alike = intensity - kind_means(kind, intensity[:, 0])[kind, np.newaxis]
    return kinds


def _clip(values):
    """Values within so many robust SDs of their median, as nearly all are."""
    middle = np.nanmedian(values)
    off = np.abs(values - middle)
    limit = max(_OUTLIER * 1.4826 * np.nanmedian(off), 1.5 * np.nanquantile(off, 0.95))
    return np.clip(values, middle - limit, middle + limit)


def _regroup(numbers, kind, cell):
    """Sites and cells by another cell of the same superlattice."""
    index, within = kind.split(numbers.cell_index)
    whole = np.rint(cell @ np.linalg.inv(kind.matrix @ numbers.cell))
    index = np.rint(index @ np.linalg.inv(whole)).astype(int)
    site = np.where(numbers.on, numbers.site * kind.size + within, -1)
    return Numbers(cell, drop_rare(site), index)


def _standard_cell(cell):
    """Shortest vectors, their order and signs."""
    a, b = reduce_cell(cell)
    if np.hypot(*b) < (1 + _EQUAL) * np.hypot(*a) and abs(b[1]) > abs(a[1]) + 1e-9:
        a, b = b, a
    a = a if a[np.argmax(np.abs(a))] > 0 else -a
    b = b if a[1] * b[0] - a[0] * b[1] > 0 else -b
    return np.stack([a, b])


def _fit(positions, units, numbers, cells, weights):
    """Least squares for vectors, origin and sites."""
    site, cell_index = numbers.site, numbers.cell_index
    sites = np.eye(site.max() + 1)[site] * (site >= 0)[:, np.newaxis]
    design = np.hstack([cell_index, sites])
    used = site >= 0
    for _ in range(_ROUNDS):
        solution = np.linalg.lstsq(design[used], positions[used], rcond=None)[0]
        displacement = positions - design @ solution
        distance = np.hypot(*displacement.T)
        scale = np.median(distance[site >= 0]) / 1.1774
        limit = max(_OUTLIER * scale, 1e-9 * np.hypot(*numbers.cell[0]))
        used = (site >= 0) & (distance <= limit)
    vectors = solution[:2]
    displacement[site < 0] = np.nan
    numbers = Numbers(vectors, site, cell_index)
    errors, lengths_error = _errors(design[used], positions[used], cells, weights)
    return Lattice(
        positions=positions,
        units=units,
        vectors=vectors,
        vectors_error=errors,
        origin=solution[2],
        sites=(solution[2:] - solution[2]) @ np.linalg.inv(vectors),
        site=site,
        cell_index=cell_index,
        displacement=displacement,
        neighbours=find_neighbours(positions, numbers),
        spacing=survey(positions).spacing,
        lengths_error=lengths_error,
        probability=float(weights[0]),
    )


def _blocks(positions, count):
    """Number of the part of the field of each column, count² parts."""
    block = np.zeros(len(positions), int)
    for axis in range(2):
        edges = np.quantile(positions[:, axis], np.linspace(0, 1, count + 1)[1:-1])
        block = block * count + np.searchsorted(edges, positions[:, axis])
    return block


def _errors(design, positions, cells, weights):
    """Standard errors of the vectors and of a, b and gamma."""
    block = _blocks(positions, _BLOCKS)
    replicates = []
    for number in np.unique(block):
        kept = block != number
        part = np.linalg.lstsq(design[kept], positions[kept], rcond=None)
        if part[2] == design.shape[1]:
            replicates.append(part[0][:2])
    replicates = np.array(replicates)
    n = len(replicates)
    if n < 2:
        return np.full((2, 2), np.nan), (np.nan,) * 3
    # The cells that have most of the probability, the chosen one first
    order = np.argsort(-weights[1:], kind="stable") + 1
    before = np.cumsum(weights[np.append(0, order)])[:-1]
    others = order[before < _PROBABLE]

    def error(values, of_cells):
        spread = (n - 1) * np.var(values, axis=0)
        for other in others:
            spread = spread + weights[other] * (of_cells[other] - of_cells[0]) ** 2
        return np.sqrt(spread)

    lengths, of_cells = (
        np.array([cell_lengths(vectors) for vectors in every])
        for every in (replicates, cells)
    )
    return error(replicates, cells), tuple(error(lengths, of_cells).tolist())


def _turn(lattice):
    """Degrees between the most different parts of the field, 0 if unsure."""
    on = lattice.on_lattice
    positions, displacement = lattice.positions[on], lattice.displacement[on]
    block, turns, errors = _blocks(positions, 3), [], []
    for number in np.unique(block):
        place, shift = (x[block == number] for x in (positions, displacement))
        place = np.column_stack([place - place.mean(axis=0), np.ones(len(place))])
        if len(place) < LEAST_COLUMNS:
            continue
        slope, rest, rank, _ = np.linalg.lstsq(place, shift, rcond=None)
        if rank < 3:
            continue
        turns.append((slope[0, 1] - slope[1, 0]) / 2)
        spread = np.linalg.inv(place.T @ place).diagonal()[:2]
        errors.append(np.sqrt(rest @ spread[::-1] / (len(place) - 3)) / 2)
    if len(turns) < 2 or np.ptp(turns) < 5 * np.max(errors):
        return 0.0
    return float(np.degrees(np.ptp(turns)))
