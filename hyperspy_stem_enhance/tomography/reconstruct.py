"""A volume from a tilt series, by any of the methods.

``denza`` is our reading of the abstract of Zhang et al., arXiv 2604.04693; the others
are there to compare with and for objects that suit them.
"""

from dataclasses import dataclass, field

import numpy as np

from . import qggmrf, voxelwise
from .align import is_whole
from .denza import density_of, fit_denza
from .fit import Terms
from .gaussians import Gaussians
from .geometry import SliceProjector
from .levels import find_levels, without_levels
from .noise_model import pixel_variance
from .prepare import background_levels

METHODS = ("denza", "wbp", "sirt", "tv", "svmbir")

_SIRT_ITERATIONS = 30
_TV_ITERATIONS = 150
_TV_STRENGTH = 0.7  # β, see denza


@dataclass(frozen=True)
class Reconstruction:
    """A volume and how it was found.

    Attributes
    ----------
    volume : numpy.ndarray of float32, shape (n_x, n_z, n_y)
        In units of the views per voxel.
    gaussians : Gaussians or None
        Of the method ``"denza"``.
    gains, backgrounds : numpy.ndarray of float64, shape (n,)
        Of each view: view = gain · projection + background. The gains have
        the geometric mean 1.
    residual_rms : numpy.ndarray of float64, shape (n,)
        Root mean square of projection − view, in units of the views.
    history : dict of numpy.ndarray
        ``step``, ``loss`` and ``left_out`` (root mean square error of views
        that were left out, in units of the views; NaN where not measured).
    settings : dict
        What was given and what was chosen.
    interrupted : bool
        Whether the user stopped before the end.
    """

    volume: np.ndarray
    gaussians: Gaussians | None
    gains: np.ndarray
    backgrounds: np.ndarray
    residual_rms: np.ndarray
    history: dict = field(repr=False)
    settings: dict
    interrupted: bool = False


def reconstruct(
    views,
    tilts,
    *,
    method="denza",
    thickness=None,
    n_gaussians=None,
    regularisation=None,
    iterations=None,
    fit_gain=True,
    fit_background=True,
    seed=0,
    device="cpu",
    report=None,
):
    """Reconstruct a volume from the views of a tilt series.

    Parameters
    ----------
    views : array-like of float, shape (n, n_y, n_x)
        Aligned views with the tilt axis along x, through the middle of y.
    tilts : array-like of float, shape (n,)
        Angles in degrees.
    method : str
        ``"denza"`` (a sum of Gaussians), ``"wbp"`` (weighted
        back-projection), ``"sirt"``, ``"tv"`` (total variation) or
        ``"svmbir"`` (the package of that name).
    thickness : int, optional
        Voxels along the beam at 0°, ``n_y`` by default.
    n_gaussians : int, optional
        By default by the number of voxels that the object fills.
    regularisation : float, optional
        Strength of the total variation, in nats per voxel whose density
        rises by that of the object; ``sharpness`` of svmbir. By default
        ``"denza"`` chooses it by left-out views, the others have a fixed
        one.
    iterations : int, optional
        Steps of the last fit of Gaussians, or iterations of SIRT or total
        variation.
    fit_gain, fit_background : bool
        Whether each view has a gain and a background of its own. Only if the
        object is wholly in view across the tilt axis, see ``settings``: of a
        film they cannot be told from what more of it a tilted view shows.
    seed : int
        Of all that is drawn at random.
    device : str
        ``"cpu"``.
    report : callable, optional
        Called as ``report(step, total, left_out_error)``. A
        ``KeyboardInterrupt`` ends the fit and returns what there is.

    Returns
    -------
    Reconstruction

    Raises
    ------
    ValueError
        If the input has the wrong shape or no view can be used.
    """
    views = np.ascontiguousarray(views, np.float32)
    tilts = np.asarray(tilts, np.float64)
    check_choices(method, n_gaussians, regularisation, iterations, device)
    _check(views, tilts, thickness)
    thickness = int(thickness or views.shape[1])
    projector = SliceProjector(tilts, views.shape[1], thickness)
    settings = {"method": method, "thickness": thickness, "seed": seed}
    # The views of a film show more of it the more it is tilted: that is no gain, and
    # what they have in common no background
    level = float(background_levels(views).min()) if fit_background else 0.0
    whole = is_whole(views, level)
    terms = Terms(fit_gain and whole, fit_background and whole)
    settings |= {"fit_gain": terms.gain, "fit_background": terms.background}
    if method == "denza":
        result = fit_denza(
            views,
            tilts,
            projector,
            number=n_gaussians,
            strength=regularisation,
            steps=iterations,
            terms=terms,
            seed=seed,
            report=report,
        )
        volume = result.gaussians.voxelise()
        return Reconstruction(
            volume,
            result.gaussians,
            result.gains,
            result.backgrounds,
            result.residual_rms,
            result.history,
            settings | result.settings,
            result.interrupted,
        )
    variance = pixel_variance(views)
    gains, backgrounds, first = find_levels(views, variance, projector, terms)
    level = without_levels(views, gains, backgrounds)
    interrupted = False
    if method == "wbp":
        volume = voxelwise.weighted_back_projection(level, tilts, projector)
    elif method == "sirt":
        settings["iterations"] = iterations or _SIRT_ITERATIONS
        volume, interrupted = voxelwise.sirt(
            level, projector, settings["iterations"], report=report
        )
    elif method == "tv":
        settings["iterations"] = iterations or _TV_ITERATIONS
        strength = _TV_STRENGTH if regularisation is None else regularisation
        settings["regularisation"] = strength
        volume, interrupted = voxelwise.total_variation(
            level,
            projector,
            strength / density_of(first),
            settings["iterations"],
            variance,
            start=first,
            report=report,
        )
    else:
        volume, more = qggmrf.reconstruct(
            level, tilts, variance, thickness, regularisation
        )
        settings |= more
    images = projector.forward(volume) * gains[:, None, None]
    residual = images + backgrounds[:, None, None] - views
    return Reconstruction(
        np.ascontiguousarray(volume.transpose(2, 0, 1)),
        None,
        gains,
        backgrounds,
        np.sqrt(np.mean(residual**2, axis=(1, 2))),
        {"step": np.zeros(0, int), "loss": np.zeros(0), "left_out": np.zeros(0)},
        settings,
        interrupted,
    )


def _check(views, tilts, thickness):
    if views.ndim != 3:
        raise ValueError(
            f"views has the shape {views.shape}. Give views of the shape (n, y, x)."
        )
    if tilts.shape != views.shape[:1]:
        raise ValueError(
            f"tilts has {tilts.size} angles for {len(views)} views. Give one angle "
            "in degrees for each view."
        )
    if len(np.unique(tilts)) < 2:
        raise ValueError("tilts has fewer than 2 different angles. Give more views.")
    if not np.isfinite(views).all() or not np.isfinite(tilts).all():
        raise ValueError(
            "views or tilts has values that are not finite. Leave such views out."
        )
    if thickness is not None and not thickness >= 1:
        raise ValueError(
            f"thickness is {thickness}. Give at least 1 voxel, or None for the "
            "height of the views."
        )


def check_choices(method, n_gaussians, regularisation, iterations, device):
    """Raise ValueError if a choice cannot be used, before there are views.

    Parameters
    ----------
    method, n_gaussians, regularisation, iterations, device
        As of `reconstruct`.
    """
    if method not in METHODS:
        known = ", ".join(map(repr, METHODS))
        raise ValueError(f"method={method!r} is unknown; use one of {known}.")
    if device != "cpu":
        raise ValueError(f"device={device!r} is not available here; use 'cpu'.")
    for name, value in (("n_gaussians", n_gaussians), ("iterations", iterations)):
        if value is not None and not value >= 1:
            raise ValueError(f"{name} is {value}. Give at least 1, or None.")
    if regularisation is None or method == "svmbir":
        return
    if not regularisation >= 0:
        raise ValueError(
            f"regularisation is {regularisation}. Give 0 or more, or None to have it "
            "chosen."
        )
