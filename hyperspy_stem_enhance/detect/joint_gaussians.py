"""Many Gaussians on one image: their sum, and the normal equations of all at once.

Each Gaussian lives in a square window. What least squares needs of it are
moments of the weighted image in its window, up to the fourth order: one matrix
product for all windows together. The derivatives by the parameters are
polynomials of the second order times the Gaussian, so that a small matrix per
column turns moments into normal equations. Columns that overlap are coupled by
the same moments of the product of their Gaussians.
"""

from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

# Farther apart than this many sigmas, columns are not coupled in the equations:
# one Gaussian is 1 % of its height in the cell of the other.
_COUPLED_SIGMAS = 6.0
# Pixels of all windows of a chunk: keeps its arrays in the cache.
_CHUNK_PIXELS = 2**17

# Monomials (powers of y, of x) up to the fourth order; the first six are of the
# second order, the first three linear.
_MONOMIALS = [(i, n - i) for n in range(5) for i in range(n, -1, -1)]
_QUADRATIC = 6
_PRODUCTS = np.array(
    [
        [_MONOMIALS.index((p + r, q + s)) for r, s in _MONOMIALS[:_QUADRATIC]]
        for p, q in _MONOMIALS[:_QUADRATIC]
    ]
)

# Monomials in the products of derivatives with the terms of a background
_CUBIC = {1: 6, 3: 10}

BACKGROUND_TERMS = {"none": 0, "constant": 1, "plane": 3}


class JointModel:
    """Windows of all columns on one image, and sums over their pixels.

    Parameters
    ----------
    data : numpy.ndarray of float32, shape (h, w)
        Image; NaN pixels do not count.
    y, x : numpy.ndarray, shape (n,)
        Centres of the windows; best in an order in which neighbours
        follow each other.
    sigma : numpy.ndarray, shape (n,)
        Widths that decide on the size of the windows.
    reach : numpy.ndarray, shape (n,)
        Pixels count up to this distance from the nearest column, and form
        the cell of that column: its background is there.
    tail : float
        Half a window in sigmas at least, for columns with others near:
        where a Gaussian ends.
    background : {"none", "constant", "plane"}
    elliptical : bool
        Whether the precisions are free, or only the width.
    """

    def __init__(self, data, y, x, sigma, reach, tail, background, elliptical):
        self.terms = BACKGROUND_TERMS[background]
        self.elliptical, self.n_shape = False, 1
        self.n_parameters = 4 + self.terms
        if elliptical:
            self.free_ellipses()
        h, w = data.shape
        self.row = np.clip(np.rint(y), 0, h - 1).astype(np.intp)
        self.column = np.clip(np.rint(x), 0, w - 1).astype(np.intp)
        self.pairs = _find_pairs(y, x, sigma)
        # The tail of a lone column is in no other cell.
        coupled = np.zeros(len(y), dtype=bool)
        coupled[self.pairs] = True
        tail = np.where(coupled, tail * sigma, 0)
        self.half = np.ceil(np.maximum(tail, reach)).astype(int)
        self.margin = int(self.half.max())
        self.data = np.pad(data, self.margin, constant_values=np.nan)
        self._make_cells(y, x, reach)
        self.weight = self.used.astype(np.float32)

    def free_ellipses(self):
        """Take all elements of the precisions as parameters."""
        self.elliptical, self.n_shape = True, 3
        self.n_parameters = 6 + self.terms

    def _make_cells(self, y, x, reach):
        """Which pixel belongs to which column; -1 where none is near."""
        finite = np.isfinite(self.data)
        self.data = np.where(finite, self.data, 0).astype(np.float32)
        nearest = np.full(self.data.size, np.inf, dtype=np.float32)
        owner = np.full(self.data.size, -1, dtype=np.int32)
        chunks = self._chunks(np.arange(len(y)))
        for last in (False, True):
            for index, half in chunks:
                steps = np.arange(-half, half + 1)
                dy = steps + (self.row[index] - y[index])[:, None]
                dx = steps + (self.column[index] - x[index])[:, None]
                distance = _outer(np.add, dy**2, dx**2).reshape(len(index), -1)
                flat = self._flat_indices(index, half)
                near = distance <= reach[index, None] ** 2
                if last:
                    near &= distance <= nearest[flat]
                    owner[flat[near]] = np.broadcast_to(index[:, None], near.shape)[
                        near
                    ]
                else:
                    np.minimum.at(nearest, flat[near], distance[near])
        owner = np.where(finite, owner.reshape(finite.shape), -1)
        self.owner, self.used = owner, owner >= 0
        self.n_pixels = np.zeros(len(y), dtype=int)
        self._place = np.zeros(len(y), dtype=np.intp)
        self._cells = {}
        for half in np.unique(self.half):
            same = np.flatnonzero(self.half == half)
            self._place[same] = np.arange(len(same))
            self._cells[half] = np.empty((len(same), (2 * half + 1) ** 2), dtype=bool)
        for index, half in chunks:
            cells = self._windows(owner, index, half) == index[:, None]
            self._cells[half][self._place[index]] = cells
            self.n_pixels[index] = np.count_nonzero(cells, axis=1)

    def sum_cells(self, values):
        """Sum of an image of the padded shape over the cell of each column."""
        # Pixels of no cell, which have the number -1, are counted last.
        n = len(self.row)
        owner = np.where(self.used, self.owner, n).ravel()
        return np.bincount(owner, weights=values.ravel(), minlength=n + 1)[:n]

    def residual(self, g):
        """Data minus all Gaussians and backgrounds, float32, of the padded shape."""
        out = self.data.copy()
        if g.height.any() or g.background.any():
            self.subtract(out, g, np.arange(len(g)))
        return out

    def subtract(self, image, g, index, previous=None):
        """Subtract columns, or their difference to previous ones, in place."""
        flat = image.reshape(-1)
        for part, half in self._chunks(index):
            values = self._draw(g, part, half)
            if previous is not None:
                values -= self._draw(previous, part, half)
            np.negative(values, out=values)
            np.add.at(flat, self._flat_indices(part, half).ravel(), values.ravel())

    def _draw(self, g, index, half):
        values = self._envelopes(g, index, index, half)
        values *= g.height[index, None].astype(np.float32)
        if self.terms:
            level = self._levels(index, index).transpose(0, 2, 1)
            level = _apply(level, g.background[index]).astype(np.float32)
            level = level @ _powers(half)[:, :3].T if self.terms == 3 else level[:, :1]
            values += level * self._own(index, half)
        return values

    def evaluate(self, g, residual, index, second=True):
        """Normal equations of columns, each by itself.

        Parameters
        ----------
        g : Gaussians
            All columns.
        residual : numpy.ndarray of float32, padded shape
            Data minus model.
        index : numpy.ndarray of int, shape (k,)
            The columns asked for.
        second : bool
            Whether the matrices are needed.

        Returns
        -------
        cost : numpy.ndarray of float64, shape (k,)
            Weighted sum of squared residuals in the cell.
        gradient : numpy.ndarray of float64, shape (k, p)
            Weighted sums of residual times derivative: by y, x, height, the
            logarithm of sigma or the three precisions, and background.
        matrix : numpy.ndarray of float64, shape (k, p, p), or None
        """
        k, p = len(index), self.n_parameters
        m = p - self.terms
        cost, gradient = np.zeros(k), np.zeros((k, p))
        matrix = np.zeros((k, p, p)) if second else None
        place = np.zeros(len(g), dtype=np.intp)
        place[index] = np.arange(k)
        for part, half in self._chunks(index):
            at = place[part]
            powers = _powers(half)
            shape, level = self._derivatives(g, part, part), self._levels(part, part)
            envelope = self._envelopes(g, part, part, half)
            weight = self._windows(self.weight, part, half)
            misfit = self._windows(residual, part, half)
            pull = misfit * weight
            own = self._own(part, half)
            own_pull = pull * own
            cost[at] = np.matmul(own_pull[:, None, :], misfit[:, :, None])[:, 0, 0]
            pull *= envelope
            gradient[at, :m] = _apply(shape, pull @ powers[:, :_QUADRATIC])
            if self.terms:
                gradient[at, m:] = _apply(level, own_pull @ powers[:, : self.terms])
            if second:
                matrix[at] = self._matrix(shape, level, weight, envelope, own, powers)
        return cost, gradient, matrix

    def _matrix(self, shape, level, weight, envelope, own, powers):
        m, p = shape.shape[1], self.n_parameters
        matrix = np.zeros((len(shape), p, p))
        heavy = weight * envelope
        envelope *= heavy
        products = (envelope @ powers)[:, _PRODUCTS]
        matrix[:, :m, :m] = _sandwich(shape, products, shape)
        if self.terms:
            k = self.terms
            cubic = _CUBIC[k]
            heavy *= own
            products = (heavy @ powers[:, :cubic])[:, _PRODUCTS[:k]]
            matrix[:, m:, :m] = _sandwich(level, products, shape)
            matrix[:, :m, m:] = matrix[:, m:, :m].transpose(0, 2, 1)
            weight *= own
            products = (weight @ powers[:, :_QUADRATIC])[:, _PRODUCTS[:k, :k]]
            matrix[:, m:, m:] = _sandwich(level, products, level)
        return matrix

    def couplings(self, g, pairs):
        """Blocks of the normal matrix between the columns of pairs.

        Parameters
        ----------
        g : Gaussians
            All columns.
        pairs : numpy.ndarray of int, shape (k, 2)
            Some of the ``pairs`` of this model.

        Returns
        -------
        numpy.ndarray of float64, shape (k, p, p)
        """
        p, k = self.n_parameters, self.terms
        m = p - k
        blocks = np.zeros((len(pairs), p, p))
        for index, half in _make_chunks(self.half[pairs[:, 0]], np.arange(len(pairs))):
            i, j = pairs[index].T
            powers = _powers(half)
            shape_i, shape_j = (self._derivatives(g, c, i) for c in (i, j))
            weight = self._windows(self.weight, i, half)
            envelope_i, envelope_j = (self._envelopes(g, c, i, half) for c in (i, j))
            heavy = weight * envelope_j
            products = ((heavy * envelope_i) @ powers)[:, _PRODUCTS]
            blocks[index, :m, :m] = _sandwich(shape_i, products, shape_j)
            if k == 0:
                continue
            cubic = _CUBIC[k]
            owner = self._windows(self.owner, i, half)
            level_i, level_j = (self._levels(c, i) for c in (i, j))
            heavy *= owner == i[:, None]
            products = (heavy @ powers[:, :cubic])[:, _PRODUCTS[:k]]
            blocks[index, m:, :m] = _sandwich(level_i, products, shape_j)
            envelope_i *= weight
            envelope_i *= owner == j[:, None]
            products = (envelope_i @ powers[:, :cubic])[:, _PRODUCTS[:, :k]]
            blocks[index, :m, m:] = _sandwich(shape_i, products, level_j)
        return blocks

    def _chunks(self, index):
        return _make_chunks(self.half[index], index)

    def _own(self, index, half):
        """Mask of the pixels in windows that are in the cells of their columns."""
        return self._cells[half][self._place[index]]

    def _windows(self, image, index, half):
        """Pixels of an image of the padded shape in windows, shape (n, pixels)."""
        side = 2 * half + 1
        view = np.lib.stride_tricks.sliding_window_view(image, (side, side))
        shift = self.margin - half
        windows = view[self.row[index] + shift, self.column[index] + shift]
        return windows.reshape(len(index), -1)

    def _flat_indices(self, index, half):
        width = self.data.shape[1]
        steps = np.arange(-half, half + 1)
        offsets = (steps[:, None] * width + steps).ravel()
        centre = (self.row[index] + self.margin) * width
        return (centre + self.column[index] + self.margin)[:, None] + offsets

    def _offsets(self, g, index, frame):
        """Centres in windows of other columns, in units of half a window."""
        half = self.half[frame]
        return (
            (g.y[index] - self.row[frame]) / half,
            (g.x[index] - self.column[frame]) / half,
        )

    def _envelopes(self, g, index, frame, half):
        """Gaussians of height one in the windows of ``frame``, float32."""
        at_y, at_x = (a[:, None] for a in self._offsets(g, index, frame))
        yy, yx, xx = (half**2 * g.precision[index]).T[:, :, None]
        steps = _steps(half)
        dy, dx = steps - at_y, steps - at_x
        along_y, along_x = -0.5 * yy * dy**2, -0.5 * xx * dx**2
        if not self.elliptical:
            along_y, along_x = np.exp(along_y), np.exp(along_x)
            return _outer(np.multiply, along_y, along_x).reshape(len(index), -1)
        form = _outer(np.multiply, -yx * dy, dx)
        form += _outer(np.add, along_y, along_x)
        return np.exp(form, out=form).reshape(len(index), -1)

    def _derivatives(self, g, index, frame):
        """Polynomials that times the Gaussian are its derivatives.

        Coefficients of the monomials up to the second order in the window
        of ``frame``, shape (n, 3 + shape, 6).
        """
        half, height = self.half[frame], g.height[index]
        y, x = self._offsets(g, index, frame)
        yy, yx, xx = half**2 * g.precision[index].T
        out = np.zeros((3 + self.n_shape, _QUADRATIC, len(index)))
        slope = height / half
        out[0, :3] = -slope * (yy * y + yx * x), slope * yy, slope * yx
        out[1, :3] = -slope * (yx * y + xx * x), slope * yx, slope * xx
        out[2, 0] = 1
        if self.elliptical:
            factor = -0.5 * half**2 * height
            out[3, :4] = factor * y**2, -2 * factor * y, 0 * y, factor
            out[4, :3] = 2 * factor * x * y, -2 * factor * x, -2 * factor * y
            out[4, 4] = 2 * factor
            out[5, 0], out[5, 2], out[5, 5] = factor * x**2, -2 * factor * x, factor
        else:
            yy, xx = height * yy, height * xx
            out[3, 0] = yy * y**2 + xx * x**2
            out[3, 1:] = -2 * yy * y, -2 * xx * x, yy, 0 * y, xx
        return np.ascontiguousarray(out.transpose(2, 0, 1))

    def _levels(self, index, frame):
        """Linear polynomials of the backgrounds, shape (n, terms, 3)."""
        out = np.zeros((len(index), self.terms, self.terms))
        if self.terms:
            out[:, 0, 0] = 1
        if self.terms == 3:
            out[:, 1, 0] = self.row[frame] - self.row[index]
            out[:, 2, 0] = self.column[frame] - self.column[index]
            out[:, 1, 1] = out[:, 2, 2] = self.half[frame]
        return out


def _find_pairs(y, x, sigma):
    """Pairs of coupled columns, the narrower one first, shape (m, 2)."""
    tree = cKDTree(np.stack([y, x], axis=1))
    pairs = tree.query_pairs(_COUPLED_SIGMAS * sigma.max(), output_type="ndarray")
    i, j = pairs.T
    near = np.hypot(y[i] - y[j], x[i] - x[j])
    pairs = pairs[near < _COUPLED_SIGMAS * (sigma[i] + sigma[j]) / 2]
    # The product of two Gaussians is in the window of the narrower one.
    swap = sigma[pairs[:, 0]] > sigma[pairs[:, 1]]
    pairs[swap] = pairs[swap, ::-1]
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _outer(operation, along_y, along_x):
    along_y, along_x = along_y.astype(np.float32), along_x.astype(np.float32)
    return operation(along_y[:, :, None], along_x[:, None, :])


def _apply(matrices, vectors):
    return np.matmul(matrices, vectors[:, :, None])[:, :, 0]


def _sandwich(left, middle, right):
    return left @ middle @ right.transpose(0, 2, 1)


def _steps(half):
    """Pixels along a window, in units of half of it."""
    return np.arange(-half, half + 1) / half


@lru_cache(maxsize=64)
def _powers(half):
    """Monomials of the pixels of a window, shape (pixels, 15), float32."""
    steps = _steps(half)
    y, x = (d.ravel() for d in np.meshgrid(steps, steps, indexing="ij"))
    return np.stack([y**p * x**q for p, q in _MONOMIALS], axis=1).astype(np.float32)


def _make_chunks(halves, index):
    """Indices with windows of the same size, few enough for the cache."""
    chunks = []
    for half in np.flatnonzero(np.bincount(halves)):
        same = index[halves == half]
        size = max(1, _CHUNK_PIXELS // (2 * half + 1) ** 2)
        chunks += [(same[k : k + size], int(half)) for k in range(0, len(same), size)]
    return chunks
