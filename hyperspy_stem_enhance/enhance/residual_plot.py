"""The figure of a `residual.ResidualReport`."""

import numpy as np

_LAGS = 8  # pixels
_FAR = 4.0  # SDs shown of the distribution


def plot_report(report):
    """Plot what was removed, where it stands out, and how it is distributed.

    Parameters
    ----------
    report : residual.ResidualReport

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(8, 7.2), layout="constrained")
    limit = 3 * report.sd
    _show(figure, axes[0, 0], report.removed, limit, "removed")
    _show(
        figure,
        axes[0, 1],
        report.significance,
        _FAR,
        f"removed, over columns, in SDs of noise: {report.column_excess:.2f} (1)",
    )
    if report.n_features:
        y, x = report.features[:, :2].T
        axes[0, 1].plot(x, y, "o", mfc="none", mec="k", ms=9)
    _plot_distribution(axes[1, 0], report)
    _plot_correlation(axes[1, 1], report.removed)
    findings = report.findings
    figure.suptitle(
        "; ".join(text.split(":")[0] for text in findings)
        or "consistent with the noise, and with nothing else",
        fontsize="medium",
    )
    return figure


def _show(figure, ax, image, limit, title):
    shown = ax.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
    figure.colorbar(shown, ax=ax, shrink=0.8)
    ax.set_title(title, fontsize="small")
    ax.set_xticks([])
    ax.set_yticks([])


def _plot_distribution(ax, report):
    noise = report.noise_sd if report.noise_sd > 0 else report.sd
    edges = np.linspace(-_FAR, _FAR, 61)
    ax.hist(
        (report.removed / noise).ravel(),
        edges,
        density=True,
        color="0.75",
        label="removed",
    )
    x = np.linspace(-_FAR, _FAR, 200)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    ax.plot(x, density, "k", label="normal")
    ax.set_xlabel("removed / SD of the measured noise")
    ax.set_title(f"ratio of the SDs: {report.sd_ratio:.2f} (1)", fontsize="small")
    ax.legend(fontsize="x-small", loc="upper right")


def _plot_correlation(ax, removed):
    lags = np.arange(1, _LAGS + 1)
    square = (removed**2).mean()
    for axis, label in ((0, "between rows"), (1, "along the rows")):
        length = removed.shape[axis]
        values = [
            (
                np.take(removed, range(lag, length), axis)
                * np.take(removed, range(length - lag), axis)
            ).mean()
            / max(square, 1e-30)
            for lag in lags
        ]
        ax.plot(lags, values, "o-", ms=4, label=label)
    ax.axhline(0, color="0.6", lw=0.8)
    ax.set_xlabel("distance in pixels")
    ax.set_title("correlation of what was removed", fontsize="small")
    ax.legend(fontsize="x-small")
