"""Gaussians for a tilt series, with all that is not given chosen by left-out views.

Some views are left out. A fit to the others goes down a path of regularisation, from
strong to weak, and stops where the left-out views get worse; that strength is kept and
all views are fitted from there. Two starts go down a path: Gaussians drawn by the
density of a volume of least total variation, and then one at each maximum of what they
became, as atoms are.
"""

from dataclasses import dataclass

import numpy as np

from . import start, voxelwise
from .fit import Fit, Series, Terms, object_box
from .gaussians import Gaussians
from .levels import find_levels, without_levels
from .noise_model import pixel_variance

# Standard deviation of the narrowest Gaussian in voxels
SMALLEST = 0.6
# Of the volume that a fit starts from: β, and rounds of so many iterations
_START_STRENGTH = 0.7
_START_ITERATIONS = 30
_START_ROUNDS = 2
# β where too few views are there to choose it
_DEFAULT_STRENGTH = 0.5
# Below, long fits to simulated series follow the noise, though short ones do not yet
_PATH = (1.0, 0.5, 0.25)
_PATH_OF_ATOMS = (0.0, 0.0, 0.0)
# The first place of a path has twice the steps, to get there
_PATH_STEPS = 150
_STEPS = 1000
# Rates on the path, and of the last fit at its start and its end
_PATH_PACE = 0.6
_PACES = (0.4, 0.04)
# With so many views, one of so many is left out while strengths are chosen
_FEWEST_VIEWS = 5
_ONE_OF = 6


@dataclass(frozen=True)
class DenzaResult:
    """A fit and how it went, in units of the views."""

    gaussians: Gaussians
    gains: np.ndarray
    backgrounds: np.ndarray
    residual_rms: np.ndarray
    history: dict
    settings: dict
    interrupted: bool


def fit_denza(
    views,
    tilts,
    projector,
    *,
    number=None,
    strength=None,
    steps=None,
    terms=None,
    seed=0,
    report=None,
):
    """Fit Gaussians to views (n, u, x), see :func:`.reconstruct.reconstruct`."""
    terms = terms or Terms()
    volume, variance, unit, interrupted = first_volume(views, projector, terms)
    series = Series(views / unit, tilts, variance / unit**2, volume.shape)
    number = number or start.default_number(volume)
    steps = steps or _STEPS
    left_out = views_to_leave_out(tilts)
    fitted = np.setdiff1d(np.arange(len(views)), left_out)
    path, path_of_atoms = _PATH, _PATH_OF_ATOMS
    if strength is not None or not len(left_out):
        path = (_DEFAULT_STRENGTH if strength is None else strength,)
        path_of_atoms = path if len(left_out) else ()
    on_paths = len(path) + len(path_of_atoms) + 2
    history = History(on_paths * _PATH_STEPS + steps, report)
    box = object_box(volume)
    rng = np.random.default_rng(seed)
    model = start.draw_gaussians(volume, number, SMALLEST, rng)
    fit = Fit(series, model, box, fitted, path[0], terms, seed)
    kind, errors = "drawn", {}
    try:
        if interrupted:
            raise KeyboardInterrupt
        errors[kind] = _walk(fit, path, left_out, history)
        finer = fit.model.gaussians(volume.shape).voxelise()
        model = start.gaussians_at_maxima(finer, SMALLEST)
        if path_of_atoms and model is not None and len(model.numbers) <= number:
            atoms = Fit(series, model, box, fitted, 0.0, terms, seed)
            errors["maxima"] = _walk(atoms, path_of_atoms, left_out, history)
            if errors["maxima"] < errors[kind]:
                fit, kind = atoms, "maxima"
        fit.set_views(np.arange(len(views)))
        _finish(fit, steps, history)
        history.end()
    except KeyboardInterrupt:
        interrupted = True
    settings = {
        "start": kind,
        "n_gaussians": len(fit.model.numbers),
        "regularisation": fit.strength,
        "iterations": steps,
        "left_out_views": left_out.tolist(),
        "left_out_errors": errors,
    }
    gains, backgrounds, rms, common = fit.gains_and_residuals()
    return DenzaResult(
        fit.model.gaussians(volume.shape, unit * common),
        gains,
        backgrounds * unit,
        rms * unit,
        history.arrays(),
        settings,
        interrupted,
    )


def first_volume(views, projector, terms):
    """A volume (x, z, y) of least total variation, the variance, and the unit.

    The unit is the density of the object: the volume is normalised by it. Last is
    whether the user stopped.
    """
    variance = pixel_variance(views)
    gains, backgrounds, volume = find_levels(views, variance, projector, terms)
    level = without_levels(views, gains, backgrounds)
    noise = variance / gains[:, None, None].astype(np.float32) ** 2
    for _ in range(_START_ROUNDS):
        # A misfit, as that of the alignment, is noise as well, and as that grows
        # bright pixels count no less than others
        excess = _misfit(volume, level, noise, projector)
        volume, interrupted = voxelwise.total_variation(
            level,
            projector,
            _START_STRENGTH / density_of(volume),
            _START_ITERATIONS,
            noise + excess,
            start=volume,
        )
        if interrupted:
            break
    variance += _misfit(volume, level, noise, projector)
    unit = density_of(volume)
    volume = np.ascontiguousarray(volume.transpose(2, 0, 1)) / np.float32(unit)
    return volume, variance, unit, interrupted


def _misfit(volume, views, variance, projector):
    """Mean square residual beyond the noise: what no volume explains."""
    squares = (projector.forward(volume) - views) ** 2
    return np.float32(max(np.mean(squares) - np.mean(variance), 0.0))


def density_of(volume):
    """Density of what a volume shows: its 95th percentile where it is not empty."""
    highest = float(volume.max())
    if not highest > 0:
        raise ValueError(
            "views have no intensity above their background. Give views of an object."
        )
    return float(np.percentile(volume[volume > 0.1 * highest], 95))


def views_to_leave_out(tilts):
    """Views evenly among the inner ones; none if there are fewer than five."""
    n = len(tilts)
    if n < _FEWEST_VIEWS:
        return np.zeros(0, int)
    order = np.argsort(tilts, kind="stable")
    number = max(round(n / _ONE_OF), 1)
    places = (np.arange(number) + 0.5) * n / number
    return np.sort(order[np.clip(places.astype(int), 1, n - 2)])


class History:
    """Losses and left-out errors by step, told to the user as they come."""

    def __init__(self, total, report):
        self.total, self.report = total, report
        self.losses, self.left_out = [], []
        self.known = np.nan

    def add(self, loss, left_out=np.nan):
        self.losses.append(loss)
        self.left_out.append(left_out)
        if np.isfinite(left_out):
            self.known = left_out
        if self.report is not None:
            self.report(min(len(self.losses), self.total), self.total, self.known)

    def end(self):
        """Tell the user that no more comes: paths may end early."""
        if self.report is not None:
            self.report(self.total, self.total, self.known)

    def arrays(self):
        """As arrays of equal length."""
        return {
            "step": np.arange(1, len(self.losses) + 1),
            "loss": np.array(self.losses),
            "left_out": np.array(self.left_out),
        }


def _walk(fit, path, left_out, history):
    """Fit along a path and go back to its best place; the mean error there.

    Of places whose errors cannot be told apart the first is the best, as it has the
    strongest regularisation: the rule of one standard error of Breiman et al.,
    Classification and Regression Trees, 1984.
    """
    places = []
    for strength in path:
        fit.strength = strength
        n_steps = _PATH_STEPS if places else 2 * _PATH_STEPS
        for step in range(n_steps):
            loss = fit.step(_PATH_PACE)
            if step < n_steps - 1:
                history.add(loss)
        if not len(left_out):
            history.add(loss)
            return np.nan
        errors = fit.left_out_errors(left_out)
        history.add(loss, errors.mean())
        places.append((errors, strength, fit.model.numbers.copy()))
        means = [errors.mean() for errors, _, _ in places]
        if len(means) > 2 and min(means[-2:]) > min(means[:-2]):
            break
    lowest = min((errors for errors, _, _ in places), key=np.mean)

    def is_as_good(errors):
        worse = errors - lowest
        return worse.mean() <= worse.std() / np.sqrt(worse.size)

    errors, fit.strength, numbers = next(p for p in places if is_as_good(p[0]))
    fit.model.restart(numbers)
    return float(errors.mean())


def _finish(fit, steps, history):
    first, last = _PACES
    for step in range(steps):
        history.add(fit.step(first * (last / first) ** (step / steps)))
