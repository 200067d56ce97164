"""Plot calibrated noise: the panels of figure 3 of the paper.

Li et al., CVPR 2025: SD of the scan noise against the image gradient, SD
of the pointwise noise against intensity, and the distribution of the
pointwise noise with the fitted Tukey lambda.  Of HRTEM images, the offsets
of the columns are in the first panel, a Gaussian in the last.
"""

import textwrap

import numpy as np

from .checks import combine_checks
from .readings import level_names, read_errors, read_values
from .tukey import tukey_lambda_sd

_POINTS = "#1f77b4"
_LINE = "#d62728"


def plot_calibration(results, title=""):
    """Plot the noise of one or several images.

    Parameters
    ----------
    results : sequence of CalibrationResult
        One per image; their curves may be empty, then the fitted lines
        are drawn alone. Lines of several images are drawn thin, their
        mean bold.
    title : str, optional
        Written above the panels.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (3,)

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.noise import calibrate_image
    >>> x = np.arange(128)
    >>> clean = 100 + 50 * np.outer(np.sin(x / 9), np.sin(x / 9))
    >>> noise = np.random.default_rng(0).normal(0, 0.1 * clean)
    >>> axes = plot_calibration([calibrate_image(clean + noise)])
    >>> axes[1].get_xlabel()
    'intensity'
    """
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    if title:
        figure.suptitle(title)
    mode = results[0].mode
    if mode == "HRTEM":
        _plot_columns(axes[0], results)
        axes[0].set(xlabel="column of the image", ylabel="column noise")
    else:
        _plot_line(axes[0], results, "scan")
        axes[0].set(xlabel="gradient magnitude", ylabel="SD of scan noise")
    _plot_line(axes[1], results, "pointwise")
    _plot_distribution(axes[2], results)
    axes[1].set(xlabel="intensity", ylabel="SD of pointwise noise")
    axes[2].set(xlabel="pointwise noise / SD", ylabel="density")
    lines = [_levels_line(results)]
    checks = combine_checks([result.checks for result in results])
    lines += checks.notes(len(results) > 1, mode).values()
    text = "\n".join(textwrap.fill(line, 150) for line in lines if line)
    if text:
        figure.supxlabel(text, fontsize=8)
    return axes


def _levels_line(results):
    """SD of the noise, signal-to-noise ratio, gain and electrons, in words."""
    names = level_names(results[0].mode)
    values = np.array([read_values(result)[-len(names) :] for result in results])
    errors = np.array([read_errors(result)[-len(names) :] for result in results])
    parts = []
    for name, column, error in zip(names, values.T, errors.T, strict=True):
        known = column[np.isfinite(column)]
        if known.size == 0:
            continue
        spread = known.std(ddof=1) if known.size > 1 else error[np.isfinite(column)][0]
        tolerance = f" ± {spread:.2g}" if np.isfinite(spread) else ""
        parts.append(f"{_LEVELS[name]} {known.mean():.3g}{tolerance}")
    return ", ".join(parts)


_LEVELS = {
    "noise_sd": "noise SD",
    "snr": "SNR",
    "column_snr": "atom brightness / noise SD",
    "gain": "gain",
    "electrons_per_pixel": "electrons per pixel",
}


def _plot_columns(ax, results):
    """Offsets of the columns, and their SD."""
    several = len(results) > 1
    known = []
    for result in results:
        style = {"lw": 0.4, "alpha": 0.3} if several else {"lw": 0.8}
        ax.plot(result.columns, color=_POINTS, **style)
        if np.isfinite(result.parameters.column_sd):
            known.append(result.parameters.column_sd)
    if known:
        sd = np.mean(known)
        ax.axhspan(-sd, sd, color=_LINE, alpha=0.15)
        ax.set_title(f"SD = {sd:.3g}")
        if not any(result.columns.size for result in results):
            ax.set_ylim(-3 * max(sd, 1e-30), 3 * max(sd, 1e-30))
    _write_reasons(ax, results, "column_sd")


def _plot_line(ax, results, term):
    """SD of one noise term in bins, and the fitted lines."""
    several = len(results) > 1
    lines = []
    for result in results:
        curve = getattr(result, term)
        slope = getattr(result.parameters, f"{term}_slope")
        intercept = getattr(result.parameters, f"{term}_intercept")
        if len(curve.centres):
            size = 4 + 36 * np.sqrt(curve.counts / curve.counts.max())
            alpha = 0.15 if several else 0.5
            ax.scatter(
                curve.centres, curve.sd, size, color=_POINTS, alpha=alpha, linewidth=0
            )
        extent = _extent(result, term)
        if not np.isfinite([*extent, intercept]).all():
            continue
        # without gradients the level alone is known
        lines.append((*extent, slope if np.isfinite(slope) else 0.0, intercept))
    for low, high, slope, intercept in lines:
        x = np.array([low, high])
        style = {"lw": 0.8, "alpha": 0.5} if several else {"lw": 2}
        ax.plot(x, slope * x + intercept, color=_LINE, **style)
    if lines:
        low, _, slope, intercept = np.mean(lines, axis=0)
        x = np.array([low, np.max(lines, axis=0)[1]])
        if several:
            ax.plot(x, slope * x + intercept, color=_LINE, lw=2.5)
        ax.set_title(f"SD = {slope:.3g} · {_SYMBOLS[term]} {intercept:+.3g}")
        ax.set_ylim(bottom=0)
    _write_reasons(ax, results, f"{term}_slope")


_SYMBOLS = {"scan": "gradient", "pointwise": "intensity"}


def _extent(result, term):
    """Range over which a line is drawn: of its points, or a likely one."""
    curve, parameters = getattr(result, term), result.parameters
    if len(curve.centres):
        return (0.0 if term == "scan" else curve.centres.min()), curve.centres.max()
    if term == "scan":
        return 0.0, parameters.atom_brightness
    if result.mode == "HRTEM":
        return parameters.intensity_min, parameters.intensity_max
    if result.mode == "BF":
        low = parameters.background_max - parameters.atom_brightness
        return min(low, parameters.background_min), parameters.background_max
    high = parameters.background_min + parameters.atom_brightness
    return parameters.background_min, max(high, parameters.background_max)


def _plot_distribution(ax, results):
    """Histogram of the normalised pointwise noise, and what it is to be."""
    several = len(results) > 1
    x = np.linspace(-5, 5, 401)
    shapes = []
    for result in results:
        edges, density = result.histogram_edges, result.histogram_density
        if density.max() > 0:
            style = {"alpha": 0.08} if several else {"alpha": 0.5}
            ax.stairs(density, edges, fill=True, color=_POINTS, **style)
        shape = getattr(result.parameters, "pointwise_lambda", np.nan)
        if np.isfinite(shape):
            shapes.append(shape)
            style = {"lw": 0.8, "alpha": 0.5} if several else {"lw": 2}
            ax.plot(x, tukey_lambda_density(x, shape), color=_LINE, **style)
    if shapes:
        ax.set_title(f"Tukey's λ = {np.mean(shapes):.3g}")
    if results[0].mode == "HRTEM":
        ax.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=_LINE, lw=2)
        ax.set_title("Gaussian")
    ax.set_xlim(-5, 5)
    _write_reasons(ax, results, "pointwise_lambda")


def tukey_lambda_density(x, shape):
    """Density of Tukey's lambda distribution scaled to unit SD.

    Parameters
    ----------
    x : numpy.ndarray
    shape : float
        Shape parameter, larger than -0.5.

    Returns
    -------
    numpy.ndarray

    Examples
    --------
    >>> round(float(tukey_lambda_density(0.0, 1.0)), 3)  # uniform
    0.289
    """
    from scipy.stats import tukeylambda

    sd = float(tukey_lambda_sd(shape))
    with np.errstate(divide="ignore"):  # far out in the tails
        return tukeylambda.pdf(np.asarray(x, float) * sd, shape) * sd


def _write_reasons(ax, results, name):
    reasons = {r.reasons[name] for r in results if name in r.reasons}
    if len(results) == 1 and reasons:
        text = textwrap.fill(f"{name} is NaN: {reasons.pop()}", 38)
        place = {"transform": ax.transAxes, "ha": "center", "va": "bottom"}
        box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none"}
        ax.text(0.5, 0.05, text, fontsize=8, bbox=box, **place)
