"""Levenberg-Marquardt for all columns of an image in one system.

The normal equations of `joint_gaussians` are solved together, so that columns
that overlap are separated in as many steps as lone ones. Each column has a
damping of its own, and takes back a step that did not help around it.
"""

import numpy as np
from scipy.sparse import bsr_array

from .gaussians import Gaussians
from .joint_gaussians import _apply

# Largest change in one step: of a position in sigmas, of the logarithm of a width.
_LARGEST_MOVE, _LARGEST_WIDENING = 0.5, 0.3
# A width stays within this factor of its start.
_WIDTH_RANGE = 2.5
_DAMPING, _LEAST_DAMPING = 1e-3, 1e-7
# Standard deviation of the logarithm of widths around their start: decides where
# noise leaves them open.
_WIDTH_ERROR = 0.15
# Widths may be this many times less exact than positions.
_WIDTH_MATTERS = 5
_SOLVER_STEPS, _SOLVER_TOLERANCE = 30, 1e-2
# The matrix only steers the steps: once they are smaller than this part of a sigma,
# it is made anew every third one.
_SETTLED, _RENEWED = 0.1, 3
# A step below this part of the standard error is none.
_OF_ERROR, _TINY = 0.1, 1e-30
# Columns that are inverted together, and memory for these matrices.
_CLUSTER, _CLUSTER_BYTES = 8, 2**25
_RIDGE = 1e-8
# Squared correlations of all parameters below this do not matter for an error.
_UNCOUPLED = 1e-3
# Rises of the cost by less than this part are no reason to take a step back.
_ROUNDING = 1e-4


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
        diagonal = self.diagonal.copy()
        np.einsum("npp->np", diagonal)[...] *= 1 + damping[:, None]
        inverse = np.linalg.inv(diagonal)
        solution = _apply(inverse, right)
        if len(self.pairs) == 0:
            return solution
        sparse = self._off_diagonal()

        def multiply(v):
            return _apply(diagonal, v) + (sparse @ v.ravel()).reshape(v.shape)

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

    Attributes
    ----------
    g : Gaussians
        The columns as they are now.
    residual : numpy.ndarray of float32, padded shape
        Data minus model.
    """

    def __init__(
        self, model, start, width, free, residual=None, least_damping=_LEAST_DAMPING
    ):
        self.model, self.g, self.width, self.free = model, start, width, free
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
        leave the iteration. Without couplings, each column is fitted to
        what the others leave over before the step.
        """
        self._coupled = coupled
        active = np.arange(len(self.g))
        largest, before = np.inf, None
        for number in range(max_steps):
            cost = self._cost.copy()
            renew = largest > _SETTLED or number % _RENEWED == 0
            self._evaluate(active, renew)
            if number == 0:
                self._moved = 0.0
            if before is not None:
                self._take_back(before, cost, active)
            before = self.g
            moves = self._step(active)
            largest = moves.max()
            self._moved = max(self._moved, largest)
            moving = np.zeros(len(self.g), dtype=bool)
            # Steps far below the standard error are as good.
            known = np.einsum("npp->np", self._diagonal)[active, :2].min(axis=1)
            error = 1 / np.sqrt(np.maximum(known, _TINY)) / self.g.sigma()[active]
            moving[active] = moves > np.maximum(tolerance, _OF_ERROR * error)
            active = np.flatnonzero(_beside(moving, self.model.pairs))
            if len(active) == 0:
                break

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
        prior = self._prior(index, matrix)
        self._cost[index] = cost + prior[0]
        gradient[:, 3 : 3 + self.model.n_shape] += prior[1]
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

    def _prior(self, index, matrix):
        """Cost and gradient of widths off their start; its matrix is added."""
        width = self.width[index]
        if not self.model.elliptical:
            excess = np.log(self.g.sigma()[index] / width) / _WIDTH_ERROR
            if matrix is not None:
                matrix[:, 3, 3] += 1 / _WIDTH_ERROR**2
            return excess**2, -excess[:, None] / _WIDTH_ERROR
        # To the first order, the same for widths, and as much for ellipses.
        stiffness = np.array([1, 2, 1]) / (8 * _WIDTH_ERROR**2)
        excess = self.g.precision[index] * width[:, None] ** 2 - [1, 0, 1]
        if matrix is not None:
            for k in range(3):
                matrix[:, 3 + k, 3 + k] += stiffness[k] * width**4
        return excess**2 @ stiffness, -stiffness * excess * width[:, None] ** 2

    def _take_back(self, before, cost, active):
        """Undo steps after which the cost around a column is larger."""
        pairs = self.model.pairs
        change = np.zeros(len(cost))
        change[active] = self._cost[active] - cost[active]
        around = change.copy()
        np.add.at(around, pairs[:, 0], change[pairs[:, 1]])
        np.add.at(around, pairs[:, 1], change[pairs[:, 0]])
        worse = around > _ROUNDING * cost
        self._damping = np.where(
            worse,
            self._damping * 10,
            np.maximum(self._damping / 5, self._least_damping),
        )
        if worse.any():
            trial = self.g
            self.g = trial.replace(worse, before)
            index = np.flatnonzero(worse)
            self.model.subtract(self.residual, self.g, index, trial)
            self._evaluate(np.flatnonzero(_beside(worse, pairs)), False)

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
        """Solve for a step, take it with bounded size, and tell how far."""
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
        return scale * np.maximum(move, change / _WIDTH_MATTERS)


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


def _beside(mask, pairs):
    """Mask of these columns and of those coupled to them."""
    out = mask.copy()
    out[pairs[mask[pairs[:, 0]], 1]] = True
    out[pairs[mask[pairs[:, 1]], 0]] = True
    return out
