"""A volume from a tilt series, by any of the methods.

``denza`` is our reading of the abstract of Zhang et al., arXiv 2604.04693; the others
are there to compare with and for objects that suit them.
"""

from dataclasses import dataclass, field

import numpy as np

from . import voxelwise
from .fit import Fit, Series, gain_and_background
from .gaussians import Gaussians
from .geometry import SliceProjector

METHODS = ("denza", "wbp", "sirt", "tv", "svmbir")

_SIRT_ITERATIONS = 30
_TV_ITERATIONS = 150
_STEPS = 1000


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
    n_gaussians, regularisation, iterations : optional
        Chosen by left-out views or by the data where not given.
    fit_gain, fit_background : bool
        Whether each view has a gain and a background of its own.
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
    _check(views, tilts, method, thickness, device)
    thickness = int(thickness or views.shape[1])
    projector = SliceProjector(tilts, views.shape[1], thickness)
    settings = {"method": method, "thickness": thickness, "seed": seed}
    if method == "denza":
        return _fit_gaussians(
            views,
            tilts,
            projector,
            n_gaussians,
            regularisation,
            iterations,
            fit_gain,
            fit_background,
            seed,
            report,
            settings,
        )
    interrupted = False
    if method == "wbp":
        volume = voxelwise.weighted_back_projection(views, tilts, projector)
    elif method == "sirt":
        settings["iterations"] = iterations or _SIRT_ITERATIONS
        volume, interrupted = voxelwise.sirt(
            views, projector, settings["iterations"], report=report
        )
    elif method == "tv":
        settings["iterations"] = iterations or _TV_ITERATIONS
        settings["regularisation"] = 0.3 if regularisation is None else regularisation
        strength = settings["regularisation"] * noise_variance(views)
        volume, interrupted = voxelwise.total_variation(
            views, projector, strength, settings["iterations"], report=report
        )
    else:
        raise NotImplementedError(method)
    rms = np.sqrt(np.mean((projector.forward(volume) - views) ** 2, axis=(1, 2)))
    n = len(views)
    return Reconstruction(
        np.ascontiguousarray(volume.transpose(2, 0, 1)),
        None,
        np.ones(n),
        np.zeros(n),
        rms,
        {"step": np.zeros(0, int), "loss": np.zeros(0), "left_out": np.zeros(0)},
        settings,
        interrupted,
    )


def _fit_gaussians(
    views,
    tilts,
    projector,
    number,
    strength,
    steps,
    fit_gain,
    fit_background,
    seed,
    report,
    settings,
):
    volume, interrupted = voxelwise.sirt(views, projector, _SIRT_ITERATIONS)
    volume = volume.transpose(2, 0, 1)
    unit = float(np.percentile(volume[volume > 0.1 * volume.max()], 99))
    number = number or min(3000, np.count_nonzero(volume > 0.1 * unit))
    strength = 0.3 if strength is None else strength
    steps = steps or _STEPS
    variance = noise_variance(views) / unit**2
    series = Series(views / unit, tilts, variance, volume.shape)
    fitted = np.arange(len(views))
    fit = Fit(
        series,
        volume / unit,
        number,
        strength,
        1.0,
        fitted,
        fit_gain,
        fit_background,
        seed,
    )
    loss = []
    try:
        for step in range(steps):
            loss.append(fit.step(step / steps))
            if report is not None:
                report(step + 1, steps, np.nan)
    except KeyboardInterrupt:
        interrupted = True
    gaussians = fit.model.gaussians(volume.shape, unit)
    images = series.project(fit.model, fitted)
    found = np.array(
        [
            gain_and_background(image, view, fit_gain, fit_background)
            for image, view in zip(images, series.views, strict=True)
        ]
    )
    mean = np.exp(np.log(found[:, 0]).mean())
    settings |= {
        "n_gaussians": number,
        "regularisation": strength,
        "iterations": steps,
    }
    return Reconstruction(
        gaussians.voxelise(),
        gaussians,
        found[:, 0] / mean,
        found[:, 1] * unit,
        fit.residuals(fitted) * unit,
        {
            "step": np.arange(len(loss)),
            "loss": np.array(loss),
            "left_out": np.full(len(loss), np.nan),
        },
        settings,
        interrupted,
    )


def noise_variance(views):
    """Variance of the noise of a pixel, the mean over the views.

    By the mask of Immerkær, Comput. Vis. Image Underst. 64 (1996) 300, to which
    planes and smooth edges are nothing.
    """
    views = np.asarray(views, np.float64)
    second = views[:, :, 2:] - 2 * views[:, :, 1:-1] + views[:, :, :-2]
    mask = second[:, 2:] - 2 * second[:, 1:-1] + second[:, :-2]
    return max(float(np.mean(mask**2)) / 36, 1e-12 * float(np.mean(views**2)))


def _check(views, tilts, method, thickness, device):
    if method not in METHODS:
        raise ValueError(f"method is {method!r}. Use one of {', '.join(METHODS)}.")
    if device != "cpu":
        raise ValueError(f"device is {device!r}. Only 'cpu' is available.")
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
