"""Sub-pixel positions: two-dimensional Gaussians fitted to all columns at once.

Levenberg-Marquardt on one small normal matrix per column, vectorised over the
columns. Columns that overlap are fitted together by rounds: each one to the
image minus the current model of all the others.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

# Columns per block: bounds the memory of the Jacobians to about 100 MB.
_BLOCK = 4096
# Windows of 2 sigma hold the curvature of a column and little of the next one.
_WINDOW_SIGMAS = 2.0
# Steps of the fit of each round, and of the last one.
_STEPS, _LAST_STEPS = 5, 20
# Spread of the widths of columns in an image, relative.
_WIDTH_TOLERANCE = 0.2
# Gaussians are negligible (2e-3) beyond.
_RENDER_SIGMAS = 3.5


@dataclass
class GaussianFit:
    """Circular Gaussians fitted to columns, arrays of shape (n,).

    Attributes
    ----------
    y, x : numpy.ndarray of float64
        Centre in pixels.
    height : numpy.ndarray of float64
        Peak above the local background, in units of the image.
    sigma : numpy.ndarray of float64
        Width in pixels.
    background : numpy.ndarray of float64
        Local constant background, zero where it was not fitted.
    residual : numpy.ndarray of float64
        Root mean square of image minus model in the window of the column.
    """

    y: np.ndarray
    x: np.ndarray
    height: np.ndarray
    sigma: np.ndarray
    background: np.ndarray
    residual: np.ndarray

    def __len__(self):
        return len(self.y)

    def select(self, index):
        """Fit of the columns chosen by an index or a mask."""
        return GaussianFit(**{k: v[index] for k, v in vars(self).items()})

    def append(self, other):
        """Fit of these columns and those of another."""
        joined = {k: np.concatenate([v, vars(other)[k]]) for k, v in vars(self).items()}
        return GaussianFit(**joined)


def fit_gaussians(
    image,
    positions,
    sigma,
    background=True,
    rounds=3,
    noise=0.0,
    every=1,
    only=None,
):
    """Fit a circular Gaussian to each column.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Bright columns; NaN pixels are left out.
    positions : array-like, shape (n, 2)
        Centres (y, x) to start from, within about one sigma.
    sigma : float or array-like of shape (n,)
        Widths to start from, in pixels. The window of a column has a
        radius of two of them (at least 2.5 pixels); the fitted width stays
        between 0.4 and 2.5 times this value, the centre within one.
    background : bool
        Fit a constant background under each column. Without it columns
        that overlap are better separated, on an image whose background is
        zero.
    rounds : int
        How often all columns are fitted, from the second time on with the
        model of their neighbours subtracted.
    noise : float
        Standard deviation of what in the image are not Gaussians, in its
        units. Larger than zero, the width of a column is drawn to its
        start, which it has with a tolerance of 20 %: decisive only for
        columns that are hardly higher than the noise or that overlap.
    every : int
        Fit to every n-th row and column of pixels: enough for wide columns
        on an image without noise, and faster.
    only : array-like of bool, shape (n,), optional
        Which columns are fitted and returned; the others are subtracted
        as they are to begin with.

    Returns
    -------
    GaussianFit

    Raises
    ------
    ValueError
        If the shapes do not fit together or ``sigma`` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:32, :32]
    >>> image = 7 * np.exp(-((y - 12.3) ** 2 + (x - 20.8) ** 2) / (2 * 2.5**2))
    >>> fit = fit_gaussians(image, [[12, 21]], sigma=2)
    >>> fit.y.round(3), fit.x.round(3), fit.height.round(3), fit.sigma.round(3)
    (array([12.3]), array([20.8]), array([7.]), array([2.5]))
    """
    image = np.asarray(image, dtype=np.float64)
    positions = np.asarray(positions, dtype=np.float64).reshape(-1, 2)
    if image.ndim != 2:
        raise ValueError(f"image has the shape {image.shape}, expected (h, w).")
    sigma = np.array(np.broadcast_to(sigma, len(positions)), dtype=np.float64)
    if not np.all(sigma > 0):
        raise ValueError(f"sigma={sigma.min()} must be larger than 0.")
    unit = power_of_two(image)  # squares are far from any limit
    image, noise = image / unit, noise / unit
    fit = initial_fit(image, positions, sigma)
    limits, others = (positions, sigma), 0.0
    if only is not None:
        only = np.asarray(only, bool)
        others = render_gaussians(image.shape, fit.select(~only))
        fit, limits = fit.select(only), [limit[only] for limit in limits]
    if len(fit) == 0:
        return fit
    for number in range(rounds):
        # Before the last round the neighbours move: no use in more steps.
        steps = _LAST_STEPS if number == rounds - 1 else _STEPS
        model = render_gaussians(image.shape, fit) + others
        blocks = [
            _fit_block(
                image,
                model,
                fit.select(slice(start, start + _BLOCK)),
                [limit[start : start + _BLOCK] for limit in limits],
                background,
                (noise / _WIDTH_TOLERANCE) ** 2,
                every,
                steps,
            )
            for start in range(0, len(fit), _BLOCK)
        ]
        fit = GaussianFit(
            **{k: np.concatenate([getattr(b, k) for b in blocks]) for k in vars(fit)}
        )
    for values in (fit.height, fit.background, fit.residual):
        values *= unit
    return fit


def power_of_two(image):
    """Unit of about the largest value, by which a division changes no digit."""
    largest = np.fmax.reduce(np.abs(image), axis=None, initial=0)
    return 2.0 ** np.floor(np.log2(largest)) if 0 < largest < np.inf else 1.0


def render_gaussians(shape, fit):
    """Image of the fitted columns, without their backgrounds.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the image.
    fit : GaussianFit

    Returns
    -------
    numpy.ndarray of float64, shape (h, w)

    Examples
    --------
    >>> import numpy as np
    >>> fit = fit_gaussians(np.eye(9), [[4, 4]], sigma=1)
    >>> int(render_gaussians((9, 9), fit).argmax())
    40
    """
    out = np.zeros(shape[0] * shape[1])
    if len(fit) == 0:
        return out.reshape(shape)
    # Columns of similar width share a window, so that one wide column does
    # not enlarge the windows of all.
    radii = np.ceil(_RENDER_SIGMAS * fit.sigma).astype(int)
    for radius in np.unique(radii):
        chosen = np.flatnonzero(radii == radius)
        for start in range(0, len(chosen), _BLOCK):
            part = fit.select(chosen[start : start + _BLOCK])
            rows, tall = _profiles(part.y, part.sigma, radius, shape[0])
            columns, wide = _profiles(part.x, part.sigma, radius, shape[1])
            tall *= part.height[:, None]
            index = rows[:, :, None] * shape[1] + columns[:, None]
            values = tall[:, :, None] * wide[:, None]
            out += np.bincount(index.ravel(), values.ravel(), minlength=out.size)
    return out.reshape(shape)


def _profiles(centres, sigma, radius, size):
    """Pixels of an axis around each centre, and a Gaussian there: zero outside."""
    pixels = np.rint(centres).astype(int)[:, None] + np.arange(-radius, radius + 1)
    values = np.exp(-0.5 * ((pixels - centres[:, None]) / sigma[:, None]) ** 2)
    values[(pixels < 0) | (pixels >= size)] = 0
    return np.clip(pixels, 0, size - 1), values


def initial_fit(image, positions, sigma):
    """Fit to begin with: heights read from the image at the positions.

    Parameters are those of `fit_gaussians`; ``sigma`` has the shape (n,).
    """
    h, w = image.shape
    row = np.clip(np.rint(positions[:, 0]), 0, h - 1).astype(int)
    column = np.clip(np.rint(positions[:, 1]), 0, w - 1).astype(int)
    zero = np.zeros(len(positions))
    value = image[row, column]
    value = np.where(np.isfinite(value), value, 0.0)
    return GaussianFit(
        y=positions[:, 0].copy(),
        x=positions[:, 1].copy(),
        height=_heights(positions, value, sigma),
        sigma=sigma.copy(),
        background=zero,
        residual=zero.copy(),
    )


def _heights(positions, value, sigma):
    """Heights whose sum of Gaussians has the given values at the centres.

    A weak column in the tail of a strong one has less height than value.
    """
    if len(positions) == 0:
        return value
    tree = cKDTree(positions)
    pairs = tree.query_pairs(_RENDER_SIGMAS * sigma.max(), output_type="ndarray")
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    r2 = np.sum((positions[i] - positions[j]) ** 2, axis=1)
    weight = np.exp(-r2 / (2 * sigma[j] ** 2))
    overlap = csr_array((weight, (i, j)), shape=(len(value), len(value)))
    height = value.copy()
    for _ in range(5):
        # Halved steps: plain Jacobi iteration diverges on dense lattices.
        height = np.maximum(0.5 * (height + value - overlap @ height), 0.0)
    return height


def _fit_block(image, model, fit, limits, background, stiffness, every, steps):
    """One round of fits for up to ``_BLOCK`` columns."""
    centres, sigma = limits
    window = np.maximum(_WINDOW_SIGMAS * sigma, 2.5)
    # Windows have the shape (n, rows, columns)
    reach = every * (int(np.ceil(window.max())) // every)
    offsets = np.arange(-reach, reach + 1, every)
    rows = np.rint(fit.y).astype(int)[:, None, None] + offsets[:, None]
    columns = np.rint(fit.x).astype(int)[:, None, None] + offsets
    h, w = image.shape
    used = ((rows >= 0) & (rows < h)) & ((columns >= 0) & (columns < w))
    y, x, height, width, radius = (
        v[:, None, None] for v in (fit.y, fit.x, fit.height, fit.sigma, window)
    )
    r2 = (rows - y) ** 2 + (columns - x) ** 2
    used &= r2 <= radius**2
    index = np.clip(rows, 0, h - 1), np.clip(columns, 0, w - 1)
    data = image[index] - model[index] + height * np.exp(-r2 / (2 * width**2))
    used &= np.isfinite(data)
    data = np.where(used, data, 0.0)
    parameters = np.stack(
        [fit.y, fit.x, fit.height, np.log(fit.sigma), fit.background], axis=1
    )
    bounds = _bounds(centres, sigma)
    free = 5 if background else 4
    # Columns without enough pixels in the image keep their start.
    fitted = used.sum(axis=(1, 2)) > free
    parameters[fitted], residual = _levenberg_marquardt(
        parameters[fitted],
        data[fitted],
        used[fitted],
        rows[fitted],
        columns[fitted],
        [b[fitted] for b in bounds],
        free,
        (stiffness, np.log(sigma[fitted])),
        steps,
    )
    fit = _as_fit(parameters)
    fit.residual[fitted] = residual
    fit.residual[~fitted] = np.inf
    return fit


def _bounds(centres, sigma):
    reach = sigma[:, None]
    wide = np.full((len(sigma), 1), np.inf)
    low = np.hstack(
        [centres - reach, np.zeros_like(wide), np.log(0.4 * sigma)[:, None], -wide]
    )
    high = np.hstack([centres + reach, wide, np.log(2.5 * sigma)[:, None], wide])
    return low, high


def _as_fit(parameters):
    y, x, height, log_sigma, background = parameters.T
    return GaussianFit(y, x, height, np.exp(log_sigma), background, np.zeros(len(y)))


def _model_and_jacobian(parameters, used, rows, columns, free):
    y, x, height, log_sigma, background = parameters.T[:, :, None, None]
    inverse = np.exp(-log_sigma)
    dy, dx = (rows - y) * inverse, (columns - x) * inverse
    jacobian = np.empty((len(parameters), free, *used.shape[1:]))
    by_y, by_x, shape, by_width, *by_background = jacobian.swapaxes(0, 1)
    np.multiply(np.exp(-0.5 * dy**2), np.exp(-0.5 * dx**2), out=shape)
    shape *= used
    model = height * shape
    np.multiply(model, dy * inverse, out=by_y)
    np.multiply(model, dx * inverse, out=by_x)
    np.multiply(model, dy**2 + dx**2, out=by_width)
    if by_background:
        by_background[0][:] = used
        model += background * used
    n_pixels = model.shape[1] * model.shape[2]
    return (
        model.reshape(len(model), n_pixels),
        jacobian.reshape(len(model), free, n_pixels),
    )


def _levenberg_marquardt(
    parameters, data, used, rows, columns, bounds, free, prior, steps
):
    """Minimise the squared residual of each column by itself.

    To it comes ``prior``: a stiffness times the squared deviation of the
    logarithm of the width from its start.

    Columns that no longer move leave the iteration; a step that does not
    lower the residual is taken back and damped more.
    """
    low, high = bounds
    stiffness, log_width = prior
    parameters = parameters.copy()
    pixels = np.maximum(used.sum(axis=(1, 2)), 1)
    damping = np.full(len(parameters), 1e-3)
    model, jacobian = _model_and_jacobian(parameters, used, rows, columns, free)
    data = data.reshape(model.shape)
    left = data - model
    cost = np.sum(left**2, axis=1)
    cost += stiffness * (parameters[:, 3] - log_width) ** 2
    active = np.arange(len(parameters))
    scale = np.exp(parameters[:, 3])
    for _ in range(steps):
        if active.size == 0:
            break
        gradient = jacobian @ left[:, :, None]
        normal = jacobian @ jacobian.transpose(0, 2, 1)
        pull = log_width[active] - parameters[active, 3]
        gradient[:, 3, 0] += stiffness * pull
        normal[:, 3, 3] += stiffness
        diagonal = np.einsum("nii->ni", normal)
        diagonal *= 1 + damping[active, None]
        diagonal[diagonal < 1e-200] = 1.0  # what does not enter stays
        step = np.linalg.solve(normal, gradient)[:, :, 0]
        trial = parameters[active]
        trial[:, :free] += step
        trial = np.clip(trial, low[active], high[active])
        model, new_jacobian = _model_and_jacobian(trial, used, rows, columns, free)
        new_left = data - model
        new_cost = np.sum(new_left**2, axis=1)
        new_cost += stiffness * (trial[:, 3] - log_width[active]) ** 2
        better = new_cost <= cost[active]
        moved = np.abs(trial - parameters[active])[:, [0, 1]].max(axis=1)
        widened = np.abs(trial - parameters[active])[:, 3]
        done = better & (moved < 1e-4 * scale[active]) & (widened < 1e-4)
        accepted, worse = active[better], ~better
        parameters[accepted] = trial[better]
        cost[accepted] = new_cost[better]
        new_left[worse], new_jacobian[worse] = left[worse], jacobian[worse]
        left, jacobian = new_left, new_jacobian
        damping[active] *= np.where(better, 0.2, 8.0)
        done |= damping[active] > 1e8
        if done.any():
            active, left, jacobian, data, used, rows, columns = (
                values[~done]
                for values in (active, left, jacobian, data, used, rows, columns)
            )
    cost -= stiffness * (parameters[:, 3] - log_width) ** 2
    return parameters, np.sqrt(np.maximum(cost, 0) / pixels)
