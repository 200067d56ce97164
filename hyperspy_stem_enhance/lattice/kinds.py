"""Kinds of columns: whether neighbouring cells are alike.

Columns at equal places may be of two or more kinds, in an order that repeats
after some cells (a superlattice). Each superlattice of up to so many cells is
compared with the cell by the Bayes factor of the means of its kinds: of intensity,
of displacement, and of how often the place is empty. Means have Zellner's prior of
unit information (Liang et al., J. Am. Stat. Assoc. 103, 410 (2008)), which costs
each kind about half the logarithm of the number of columns; superlattices of as
many cells share their prior. Noise that neighbours share, as of the lines of a scan,
counts by its power beside the wave vectors of the superlattice.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve
from scipy.special import betaln

from .translations import reduce_cell

# Cells of the largest superlattice.
_MOST_CELLS = 12
# Cells that the columns have to extend over, at least, along each of its vectors.
_LEAST_REPEATS = 2.0
# Waves per field, beside the wave vectors of a superlattice, along y and x.
_BESIDE = (-4.5, -3.5, -2.5, -1.5, 1.5, 2.5, 3.5, 4.5)
# Kinds whose displacements have a smaller RMS, in parts of the shortest vector, are
# none: positions that are rounded to pixels repeat after some cells, too.
_LEAST_SHIFT = 0.03
# SD of displacements at least, likewise: exact positions would prove anything.
_LEAST_SIGMA = 1e-3
# Differences of intensity below this part of it are none.
_LEAST_LEVEL = 1e-3
# Superlattices with odds that far below the best do not count.
_NEGLIGIBLE = 7.0
# Noise of a power exceeds ten times that power once in 20000 wave vectors: it lends
# half of this to a superlattice, in natural logarithms, and no more.
_MOST_LENT = 5.0
_CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])


@dataclass(frozen=True)
class Superlattice:
    """A lattice of some of the cells of another one.

    Attributes
    ----------
    matrix : numpy.ndarray of int, shape (2, 2)
        Its vectors, in those of the cell.
    odds : float
        Natural logarithm of its odds against the cell.
    """

    matrix: np.ndarray
    odds: float

    @property
    def size(self):
        """Number of cells."""
        return int(self.matrix[0, 0] * self.matrix[1, 1])

    def wave_vectors(self):
        """Wave vectors that the cell does not have, in turns per cell."""
        inverse = np.linalg.inv(self.matrix).T
        (p, _), (_, r) = self.matrix
        orders = np.stack(np.mgrid[:p, :r], -1).reshape(-1, 2)
        waves = orders @ inverse
        return waves[np.any(np.abs(waves - np.rint(waves)) > 1e-9, axis=1)]

    def same(self, other):
        """Whether the other one is this lattice, whatever its odds."""
        return np.array_equal(self.matrix, other.matrix)

    def split(self, cell_index):
        """Cell of the superlattice, and the number of the cell within it."""
        (p, q), (_, r) = self.matrix
        i, j = cell_index.T
        first = np.floor_divide(i, p)
        second, within = np.divmod(j - q * first, r)
        return np.stack([first, second], axis=1), (i - p * first) * r + within


def superlattices():
    """All superlattices of up to 12 cells, without odds, the cell itself first."""
    found = []
    for size in range(1, _MOST_CELLS + 1):
        for p in range(1, size + 1):
            if size % p == 0:
                r = size // p
                found += [np.array([[p, q], [0, r]]) for q in range(r)]
    return [Superlattice(matrix, 0.0) for matrix in found]


def compare_kinds(positions, numbers, residual, values=None, level=0.0):
    """Odds of every superlattice.

    Parameters
    ----------
    positions : numpy.ndarray, shape (n, 2)
        Columns that are on the lattice.
    numbers : .assign.Numbers
    residual : numpy.ndarray, shape (n, 2)
        Displacements, without slow ones.
    values : numpy.ndarray, shape (n,), optional
        Intensity, without slow changes. NaN where it is not known.
    level : float, default 0
        Of the intensity.

    Returns
    -------
    list of Superlattice
        The best first; the odds of the cell itself are 0.
    """
    every = [s for s in superlattices() if s.size == 1 or _repeats(s, numbers)]
    same_size = np.bincount([s.size for s in superlattices()])
    spacing = np.hypot(*numbers.cell.T).min()
    measured = [(shift, _LEAST_SIGMA * spacing) for shift in residual.T]
    if values is not None:
        measured.insert(0, (values, _LEAST_LEVEL * level))
    evidence = _Evidence(positions, numbers, measured, empty_cells(numbers))

    def judge(lattice, model):
        if lattice.size == 1:
            return Superlattice(lattice.matrix, 0.0)
        odds = -np.log(same_size[lattice.size]) - 2 * np.log(lattice.size)
        odds += evidence.of(lattice, model)
        return Superlattice(lattice.matrix, odds)

    rough = sorted((judge(s, None) for s in every), key=lambda s: -s.odds)
    found, best = [], 0.0
    for lattice in rough:
        # Shared noise only ever takes away
        if lattice.odds < best - _NEGLIGIBLE:
            break
        found.append(judge(lattice, rough[0]))
        best = max(best, found[-1].odds)
    return sorted(found, key=lambda s: -s.odds)


def _repeats(lattice, numbers):
    """Whether the columns show enough of the superlattice along each vector."""
    vectors = reduce_cell(lattice.matrix @ numbers.cell)
    index = numbers.cell_index @ numbers.cell @ np.linalg.inv(vectors)
    return np.ptp(index, axis=0).min() >= _LEAST_REPEATS


class _Evidence:
    """What speaks for superlattices, in one set of columns."""

    def __init__(self, positions, numbers, measured, empty):
        self.numbers = numbers
        self.n_sites = len(empty)
        # Waves along y and x, in turns over the field
        self.turns = (positions - positions.min(axis=0)) / np.ptp(positions, axis=0)
        self.empty_site = np.repeat(np.arange(self.n_sites), [len(e) for e in empty])
        self.empty_cell = np.concatenate(empty)
        self.lent = {}
        self.least_shift = _LEAST_SHIFT * np.hypot(*numbers.cell.T).min()
        self.measured = [self._standard(*values) for values in measured]

    def _standard(self, values, least):
        known = np.isfinite(values)
        site = self.numbers.site[known]
        values = values[known] - kind_means(site, values[known])[site]
        return known, values, least

    def of(self, lattice, model):
        """Logarithm of the Bayes factor against the cell itself.

        With a model, a superlattice that tells noise from signal, less what
        noise that neighbours share lends to it.
        """
        kind = self._kinds(lattice)
        parts = []
        for k in range(len(self.measured)):
            parts.append(self._of_means(kind, *self.measured[k]))
            if model is not None:
                waves = lattice.wave_vectors()
                parts[-1] -= sum(self._lent(k, wave, model) for wave in waves)
        # Displacements along y and x come together
        shift = np.hypot(*(self._spread(kind, k) for k in (-2, -1)))
        moved = sum(parts[-2:]) if shift >= self.least_shift else -np.inf
        parts = [*parts[:-2], moved, self._of_empty(lattice, kind)]
        # Kinds may differ in any of these respects, but do in one at least
        either = np.sum(np.logaddexp(0, parts))
        return either + np.log(-np.expm1(-either) + 1e-300) - np.log(2**3 - 1)

    def _kinds(self, lattice):
        _, within = lattice.split(self.numbers.cell_index)
        return self.numbers.site * lattice.size + within

    def _spread(self, kind, k):
        known, values, _ = self.measured[k]
        kind = kind[known]
        return np.std(kind_means(kind, values)[kind])

    def _of_means(self, kind, known, values, least):
        kind = kind[known]
        total = np.sum(values**2) + len(values) * least**2
        free = len(values) - self.n_sites
        extra = np.count_nonzero(np.bincount(kind)) - self.n_sites
        if free <= extra or total == 0:
            return 0.0
        n, rest = len(values), values - kind_means(kind, values)[kind]
        rest = (np.sum(rest**2) + n * least**2) / total
        return 0.5 * (free - extra) * np.log(1 + n) - 0.5 * free * np.log(1 + n * rest)

    def _lent(self, k, wave, model):
        """Evidence at a wave vector that noise about it explains."""
        key = (k, *np.round(wave % 1, 6) % 1)
        if key not in self.lent:
            known, values, least = self.measured[k]
            kind = self._kinds(model)[known]
            rest = values - kind_means(kind, values)[kind]
            mean = np.mean(rest**2) + least**2
            phase = np.exp(2j * np.pi * (self.numbers.cell_index[known] @ wave))
            n, largest = len(values), 1.0
            power = np.abs(values @ phase) ** 2 / n
            if mean > 0 and power > 2 * mean:
                for turns in self.turns[known].T:
                    beside = np.exp(2j * np.pi * np.outer(_BESIDE, turns)) @ (
                        rest * phase
                    )
                    beside = np.mean(np.abs(beside) ** 2) / n
                    largest = max(largest, beside / mean)
            gain = 0.5 * n * np.log1p(power / n / mean) if mean > 0 else 0.0
            most = _MOST_LENT * (largest - 1)
            self.lent[key] = min(gain * (1 - 1 / largest), most)
        return self.lent[key]

    def _of_empty(self, lattice, kind):
        """Whether some of the cells are empty more often."""
        _, within = lattice.split(self.empty_cell)
        size = self.n_sites * lattice.size
        full = np.bincount(kind, minlength=size)
        empty = np.bincount(self.empty_site * lattice.size + within, minlength=size)
        split = np.sum(betaln(full + 1, empty + 1))
        whole = [k.reshape(self.n_sites, -1).sum(axis=1) + 1 for k in (full, empty)]
        return float(split - np.sum(betaln(*whole)))


def kind_means(number, values):
    """Mean of the values that are known, for each number from 0 on."""
    known = np.isfinite(values)
    number, values, size = number[known], values[known], number.max() + 1
    count = np.bincount(number, minlength=size)
    return np.bincount(number, values, size) / np.maximum(count, 1)


def empty_cells(numbers):
    """Cells in which a site is empty although three neighbours have it.

    Parameters
    ----------
    numbers : .assign.Numbers

    Returns
    -------
    list of numpy.ndarray of int, shape (k, 2)
        For each site.
    """
    empty = []
    for number in range(int(numbers.site.max(initial=-1)) + 1):
        index = numbers.cell_index[numbers.site == number]
        low = index.min(axis=0) - 1
        full = np.zeros(np.ptp(index, axis=0) + 3, int)
        full[tuple((index - low).T)] = 1
        near = convolve(full, _CROSS, mode="constant")
        empty.append(np.argwhere((full == 0) & (near >= 3)) + low)
    return empty
