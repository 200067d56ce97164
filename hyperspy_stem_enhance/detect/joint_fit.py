"""Levenberg-Marquardt for all columns of an image in one system.

The normal equations of `joint_gaussians` are solved together, so that columns
that overlap are separated in as many steps as lone ones. Of columns that are
coupled with each other the cost never rises: their step is refused where it would,
and damped by what the last one gained against what was expected of it (Nielsen,
Damping parameter in Marquardt's method, IMM-REP-1999-05, 1999).
"""

from functools import cached_property

import numpy as np
from scipy.sparse import bsr_array, coo_array
from scipy.sparse.csgraph import connected_components

from .gaussians import Gaussians
from .joint_gaussians import _apply

# Largest change in one step: of a position in sigmas, of the logarithm of a width.
_LARGEST_MOVE, _LARGEST_WIDENING = 0.5, 0.3
# A width stays within this factor of its start.
_WIDTH_RANGE = 2.5
_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-3, 1e-7, 1e9
# By such factors damping changes at the most, and by this one after a refused step.
_EASE, _RAISE, _REFUSED = 0.2, 10.0, 2.0
# Standard deviation of the logarithm of widths around their start: decides where
# noise leaves them open.
_WIDTH_ERROR = 0.15
# Widths may be this many times less exact than positions.
_WIDTH_MATTERS = 5
_SOLVER_STEPS, _SOLVER_TOLERANCE = 30, 1e-2
# The matrix only steers the steps: once no more than this share of them is larger
# than this part of a sigma, it is made anew every third one.
_SETTLED, _MANY, _RENEWED = 0.1, 0.1, 3
# A step below this part of the standard error is none, and a change of the cost
# below that of a step of such a part.
_OF_ERROR, _OF_CHANGE, _TINY = 0.03, 0.1, 1e-30
# Columns that are inverted together, and memory for these matrices.
_CLUSTER, _CLUSTER_BYTES = 8, 2**25
_RIDGE = 1e-8
# Squared correlations of all parameters below this do not matter for an error.
_UNCOUPLED = 1e-3
# Smaller changes of the cost around a column do not count: this part of it, as what
# its Gaussian does in the cells of others is not in it, and what a step does that is
# small against the standard error.
_LITTLE = 1e-4


class NormalMatrix:
    """Symmetric matrix of blocks: one per column and one per coupled pair.

    Parameters
    ----------
    diagonal : numpy.ndarray, shape (n, p, p)
    pairs : numpy.ndarray of int, shape (m, 2)
    blocks : numpy.ndarray, shape (m, p, p)
        Rows belong to the first of the pair, columns to the second.
    """

    def __init__(self, diagonal, pairs, blocks):
        self.diagonal, self.pairs, self.blocks = diagonal, pairs, blocks

    def solve(self, right, damping):
        """Solve with the diagonal raised by a part of itself.

        Conjugate gradients, preconditioned by the inverse diagonal blocks.

        Parameters
        ----------
        right : numpy.ndarray, shape (n, p)
        damping : numpy.ndarray, shape (n,)

        Returns
        -------
        numpy.ndarray, shape (n, p)
        """
        added = damping[:, None] * np.einsum("npp->np", self.diagonal)
        diagonal = self.diagonal.copy()
        np.einsum("npp->np", diagonal)[...] += added
        inverse = np.linalg.inv(diagonal)
        solution = _apply(inverse, right)
        if len(self.pairs) == 0:
            return solution

        def multiply(v):
            return self.multiply(v) + added * v

        limit = _SOLVER_TOLERANCE**2 * np.vdot(right, solution)
        residual = right - multiply(solution)
        direction = z = _apply(inverse, residual)
        rho = np.vdot(residual, z)
        for _ in range(_SOLVER_STEPS):
            image = multiply(direction)
            curvature = np.vdot(direction, image)
            if not (rho > limit and curvature > 0):
                break
            length = rho / curvature
            solution = solution + length * direction
            residual = residual - length * image
            z = _apply(inverse, residual)
            rho, previous = np.vdot(residual, z), rho
            direction = z + rho / previous * direction
        return solution

    def multiply(self, v):
        """Product with a vector, shape (n, p)."""
        product = _apply(self.diagonal, v)
        if len(self.pairs):
            product += (self._off_diagonal @ v.ravel()).reshape(v.shape)
        return product

    @cached_property
    def _off_diagonal(self):
        n, p, _ = self.diagonal.shape
        rows = np.concatenate([self.pairs[:, 0], self.pairs[:, 1]])
        columns = np.concatenate([self.pairs[:, 1], self.pairs[:, 0]])
        blocks = np.concatenate([self.blocks, self.blocks.transpose(0, 2, 1)])
        order = np.argsort(rows, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
        return bsr_array((blocks[order], columns[order], starts), shape=(n * p, n * p))

    def inverse_diagonal(self):
        """Diagonal blocks of the inverse, shape (n, p, p).

        Of the part of the matrix that belongs to a column and its nearest
        eight coupled ones: exact for small groups; in a lattice, columns
        farther away are taken as known.
        """
        n, p, _ = self.diagonal.shape
        out = np.empty((n, p, p))
        neighbours = self._strongest_neighbours()
        counts = (neighbours >= 0).sum(axis=1)
        size = max(1, _CLUSTER_BYTES // (8 * ((_CLUSTER + 1) * p) ** 2))
        for count in np.unique(counts):
            same = np.flatnonzero(counts == count)
            for part in np.array_split(same, -(-len(same) // size)):
                members = np.column_stack([part, neighbours[part, :count]])
                out[part] = self._invert_first(members)
        return out

    def _strongest_neighbours(self):
        """Of each column, those coupled most by their distance in the matrix."""
        n = len(self.diagonal)
        neighbours = np.full((n, _CLUSTER), -1)
        if len(self.pairs) == 0:
            return neighbours
        inverse = np.linalg.inv(self.diagonal)
        i, j = self.pairs.T
        # Squared correlation between the parameters of both
        left = inverse[i] @ self.blocks
        right = self.blocks @ inverse[j]
        strength = np.sum(left * right, axis=(1, 2))
        coupled = strength > _UNCOUPLED
        i, j, strength = i[coupled], j[coupled], strength[coupled]
        rows, columns = np.concatenate([i, j]), np.concatenate([j, i])
        order = np.lexsort((-np.tile(strength, 2), rows))
        rows, columns = rows[order], columns[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        near = rank < _CLUSTER
        neighbours[rows[near], rank[near]] = columns[near]
        return neighbours

    def _invert_first(self, members):
        """First diagonal block of the inverse of the matrix of each group."""
        n, p, _ = self.diagonal.shape
        m, k = members.shape
        keys = self.pairs[:, 0] * n + self.pairs[:, 1]
        order = np.argsort(keys)
        keys = keys[order]
        matrix = np.zeros((m, k, p, k, p))
        for a in range(k):
            matrix[:, a, :, a, :] = self.diagonal[members[:, a]]
            for b in range(k):
                wanted = members[:, a] * n + members[:, b]
                at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
                if len(keys) == 0 or a == b:
                    continue
                found = np.flatnonzero(keys[at] == wanted)
                blocks = self.blocks[order[at[found]]]
                matrix[found, a, :, b, :] = blocks
                matrix[found, b, :, a, :] = blocks.transpose(0, 2, 1)
        matrix = matrix.reshape(m, k * p, k * p)
        # Columns at the same place are not told apart; their errors are huge.
        np.einsum("npp->np", matrix)[...] *= 1 + _RIDGE
        right = np.zeros((m, k * p, p))
        right[:, :p] = np.eye(p)
        return np.linalg.solve(matrix, right)[:, :p]


class JointFit:
    """A fit of all columns under way.

    Parameters
    ----------
    model : JointModel
        With its ``weight`` set: one over the variance of each pixel.
    start : Gaussians
    width : numpy.ndarray, shape (n,)
        Sigma that the widths are drawn to; they stay within a factor of
        2.5 of it.
    free : numpy.ndarray of bool, shape (n, p)
        Parameters to fit.
    residual : numpy.ndarray of float32, padded shape, optional
        Data minus model at ``start``, where it is known; changed in place.
    least_damping : float, default 1e-7
        Steps are damped by at least this part of the diagonal.
    place_error : float, optional
        Standard deviation of positions around their start, in sigmas: decides
        where noise leaves them open. By default, nothing holds them there.

    Attributes
    ----------
    g : Gaussians
        The columns as they are now.
    residual : numpy.ndarray of float32, padded shape
        Data minus model.
    last_move : numpy.ndarray, shape (n,)
        In the last step of each column, had it not been damped, in sigmas.
    at_rest : numpy.ndarray of bool, shape (n,)
        Columns for which that is within the tolerance, or small against
        their standard error.
    """

    def __init__(
        self,
        model,
        start,
        width,
        free,
        residual=None,
        *,
        least_damping=_LEAST_DAMPING,
        place_error=np.inf,
    ):
        self.model, self.g, self.width, self.free = model, start, width, free
        self._start = np.stack([start.y, start.x], axis=1)
        self._place_error = place_error
        self.last_move = np.full(len(start), np.inf)
        self.at_rest = np.zeros(len(start), dtype=bool)
        self.residual = model.residual(start) if residual is None else residual
        n, p = free.shape
        self._least_damping = least_damping
        self._damping = np.full(n, max(_DAMPING, least_damping))
        self._cost, self._gradient = np.zeros(n), np.zeros((n, p))
        self._diagonal = np.zeros((n, p, p))
        self._blocks = np.zeros((len(model.pairs), p, p))
        # Since the matrix of all columns was made
        self._moved = np.inf

    def run(self, tolerance, max_steps, coupled=True):
        """Step until no column moves more than a part of its sigma.

        Columns that have come to rest, with all that are coupled to them,
        leave the iteration. Without couplings, each column takes one step, to
        what the others leave over: a start for a fit.
        """
        self._coupled = coupled
        active = np.arange(len(self.g))
        self._evaluate(active, True)
        self._moved = 0.0
        for number in range(1, max_steps + 1):
            before = self.g
            moves, expected = self._step(active)
            self._moved = max(self._moved, moves.max())
            moving = np.zeros(len(self.g), dtype=bool)
            moving[active] = moves > np.maximum(tolerance, self._small_step(active))
            self.at_rest, self.last_move[active] = ~moving, moves
            if not (coupled and moving.any()):
                break
            known = self._known()
            unsettled = np.mean(moves > _SETTLED) > _MANY
            self._evaluate(active, unsettled or number % _RENEWED == 0)
            moving |= self._refuse(active, before, known, expected)
            active = np.flatnonzero(_beside(moving, self.model.pairs))

    def _small_step(self, index):
        """Part of a sigma that is small against the standard error."""
        information = np.einsum("npp->np", self._diagonal)[index, :2].min(axis=1)
        error = 1 / np.sqrt(np.maximum(information, _TINY))
        return _OF_ERROR * error / self.g.sigma()[index]

    def _known(self):
        sums = self._cost, self._diagonal, self._blocks
        return tuple(values.copy() for values in sums)

    def _refuse(self, active, before, known, expected):
        """Take back the steps of groups of columns whose cost rose; their mask.

        The damping of a column follows the gain around it: the fall of the cost
        over what was expected.
        """
        n, pairs = len(self.g), self.model.pairs
        inside = np.zeros(n, dtype=bool)
        inside[active] = True
        links = pairs[inside[pairs].all(axis=1)]
        graph = coo_array((np.ones(len(links)), links.T), shape=(n, n))
        group = connected_components(graph, directed=False)[1]
        fall, hope, little = sums = np.zeros((3, n))
        fall[active] = known[0][active] - self._cost[active]
        hope[active] = expected
        little[active] = np.maximum(_LITTLE * known[0][active], _OF_CHANGE**2)
        rose = np.bincount(group, fall + little) < 0
        fall, hope, little = sums + np.stack([_sum_beside(v, links) for v in sums])
        gain = np.where(
            hope > little,
            fall / np.maximum(hope, _TINY),
            np.where(fall < -little, -1.0, 1.0),
        )
        factor = np.clip(1 - (2 * gain - 1) ** 3, _EASE, _RAISE)
        factor[rose[group]] = np.maximum(factor[rose[group]], _REFUSED)
        damping = np.clip(self._damping * factor, self._least_damping, _MOST_DAMPING)
        self._damping = np.where(inside, damping, self._damping)
        back = inside & rose[group]
        if back.any():
            trial, self.g = self.g, self.g.replace(back, before)
            self.model.subtract(self.residual, self.g, np.flatnonzero(back), trial)
            self._diagonal[back] = known[1][back]
            coupled = back[pairs].all(axis=1)
            self._blocks[coupled] = known[2][coupled]
            # Others around have moved, maybe
            self._evaluate(np.flatnonzero(back), False)
        return back

    def matrix(self):
        """Normal matrix at the present columns, or as good as that."""
        everyone = np.arange(len(self.g))
        if self._moved > _SETTLED:
            self._evaluate(everyone, True)
        return self._normal_matrix(everyone)

    def _evaluate(self, index, second):
        cost, gradient, matrix = self.model.evaluate(
            self.g, self.residual, index, second
        )
        self._cost[index] = cost + self._add_priors(index, gradient, matrix)
        self._gradient[index] = gradient
        if second:
            self._diagonal[index] = matrix
            if not self._coupled:
                return
            inside = np.zeros(len(self.g), dtype=bool)
            inside[index] = True
            inside = inside[self.model.pairs].all(axis=1)
            self._blocks[inside] = self.model.couplings(
                self.g, self.model.pairs[inside]
            )

    def _add_priors(self, index, gradient, matrix):
        """Cost of columns off their start; gradient and matrix are added to."""
        width = self.width[index]
        place = (self._place_error * width) ** -2
        off = np.stack([self.g.y, self.g.x], axis=1)[index] - self._start[index]
        gradient[:, :2] -= place[:, None] * off
        cost = place * np.sum(off**2, axis=1)
        if not self.model.elliptical:
            stiffness, factor = np.array([_WIDTH_ERROR**-2]), np.ones(len(index))
            excess = np.log(self.g.sigma()[index] / width)[:, None]
        else:
            # To the first order, the same for widths, and as much for ellipses.
            stiffness = np.array([1, 2, 1]) / (8 * _WIDTH_ERROR**2)
            factor = width**2
            excess = self.g.precision[index] * factor[:, None] - [1, 0, 1]
        shape = slice(3, 3 + self.model.n_shape)
        gradient[:, shape] -= stiffness * excess * factor[:, None]
        if matrix is not None:
            diagonal = np.einsum("npp->np", matrix)
            diagonal[:, :2] += place[:, None]
            diagonal[:, shape] += stiffness * factor[:, None] ** 2
        return cost + excess**2 @ stiffness

    def _normal_matrix(self, index):
        """Of some columns, without what is not free or no pixel knows of."""
        diagonal = self._diagonal[index].copy()
        free = self.free[index] & (np.einsum("npp->np", diagonal) > 0)
        diagonal *= free[:, :, None] & free[:, None, :]
        np.einsum("npp->np", diagonal)[...] += ~free
        place = np.full(len(self.g), -1)
        place[index] = np.arange(len(index))
        pairs = place[self.model.pairs]
        inside = (pairs >= 0).all(axis=1)
        i, j = pairs[inside].T
        blocks = self._blocks[inside] * (free[i, :, None] & free[j, None, :])
        return NormalMatrix(diagonal, pairs[inside], blocks)

    def _step(self, active):
        """Take a step of bounded size.

        Returns how far it goes, in sigmas, were it not damped, and the fall of the
        cost that is expected of it.
        """
        matrix = self._normal_matrix(active)
        gradient = self._gradient[active] * self.free[active]
        step = matrix.solve(gradient, self._damping[active])
        g = self.g.select(active)
        sigma = g.sigma()
        n_shape = self.model.n_shape
        change = np.abs(step[:, 3])
        if self.model.elliptical:
            change = np.linalg.norm(step[:, 3:6], axis=1) * sigma**2 / 2
        move = np.hypot(step[:, 0], step[:, 1]) / sigma
        scale = np.minimum(
            _LARGEST_MOVE / np.maximum(move, _LARGEST_MOVE),
            _LARGEST_WIDENING / np.maximum(change, _LARGEST_WIDENING),
        )
        step *= scale[:, None]
        if self.model.elliptical:
            precision = g.precision + step[:, 3:6]
        else:
            precision = g.precision * np.exp(-2 * step[:, 3:4])
        trial = Gaussians(
            y=g.y + step[:, 0],
            x=g.x + step[:, 1],
            height=np.maximum(g.height + step[:, 2], 0.0),
            precision=_bounded(precision, self.width[active]),
            background=g.background + step[:, 3 + n_shape :],
        )
        before, self.g = self.g, self.g.update(active, trial)
        self.model.subtract(self.residual, self.g, active, before)
        step[:, 2] = trial.height - g.height
        expected = np.sum(step * (2 * gradient - matrix.multiply(step)), axis=1)
        # Damping alone does not bring a column to rest
        undamped = 1 + self._damping[active]
        return undamped * scale * np.maximum(move, change / _WIDTH_MATTERS), expected


def _bounded(precision, width):
    """Precisions whose sigmas along both axes are in the range around a width."""
    yy, yx, xx = precision.T
    mean, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    low, high = (width * _WIDTH_RANGE) ** -2, (width / _WIDTH_RANGE) ** -2
    large, small = (np.clip(mean + s * half, low, high) for s in (1, -1))
    shrink = (large - small) / 2 / np.maximum(half, 1e-300)
    mean_now = (large + small) / 2
    difference = (yy - xx) / 2 * shrink
    return np.stack([mean_now + difference, yx * shrink, mean_now - difference], axis=1)


def _sum_beside(values, pairs):
    """Sum of the values of those that each column is coupled to."""
    i, j = pairs.T
    n = len(values)
    return np.bincount(i, values[j], n) + np.bincount(j, values[i], n)


def _beside(mask, pairs):
    """Mask of these columns and of those coupled to them."""
    out = mask.copy()
    out[pairs[mask[pairs[:, 0]], 1]] = True
    out[pairs[mask[pairs[:, 1]], 0]] = True
    return out
