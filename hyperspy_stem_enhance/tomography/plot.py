"""Figures of a tomogram: slices, views beside the recorded ones, residuals."""

import numpy as np

_LABELS = ("x", "z", "y")


def plot_orthoslices(
    images, spacings, units="px", title="", positions=None, offsets=(0.0, 0.0, 0.0)
):
    """Plot three images of a volume, each along one of its axes.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        Along x (z, y), along z (x, y) and along y (x, z): slices, or maximum
        projections.
    spacings : sequence of float
        Of the voxels along x, z and y.
    units : str
    title : str
    positions : sequence of float, optional
        Where the slices lie along x, z and y; drawn as lines.
    offsets : sequence of float
        Of the middle of the first voxel along x, z and y.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (3,)

    Examples
    --------
    >>> import numpy as np
    >>> volume = np.random.default_rng(0).random((16, 24, 32))
    >>> images = [volume.max(axis) for axis in range(3)]
    >>> axes = plot_orthoslices(images, (1, 1, 1))
    """
    import matplotlib.pyplot as plt

    # Rows and columns of what is shown, in x, z, y: y or z runs downwards
    shown_axes = [(2, 1), (2, 0), (1, 0)]
    along_x, along_z, _ = images
    counts = (along_z.shape[0], *along_x.shape)
    sizes = [n * step for n, step in zip(counts, spacings, strict=True)]
    widths = [sizes[columns] for _, columns in shown_axes]
    heights = [sizes[rows] for rows, _ in shown_axes]
    figure, panels = plt.subplots(
        1,
        3,
        figsize=(11, 1.2 + 9.2 * max(heights) / sum(widths)),
        layout="constrained",
        width_ratios=widths,
    )
    high = max(np.nanpercentile(image, 99.9) for image in images)
    low = min(0.0, min(np.nanpercentile(image, 0.1) for image in images))
    for number, (panel, image) in enumerate(zip(panels, images, strict=True)):
        rows, columns = shown_axes[number]
        left, top = (offsets[n] - spacings[n] / 2 for n in (columns, rows))
        extent = [left, left + sizes[columns], top + sizes[rows], top]
        shown = panel.imshow(
            image.T,
            cmap="gray",
            vmin=low,
            vmax=high if high > low else None,
            extent=extent,
        )
        panel.set(xlabel=f"{_LABELS[columns]} ({units})")
        panel.set(ylabel=f"{_LABELS[rows]} ({units})")
        if positions is None:
            panel.set_title(f"maximum along {_LABELS[number]}")
        else:
            panel.set_title(f"{_LABELS[number]} = {positions[number]:.4g} {units}")
            panel.axhline(positions[rows], color="tab:orange", lw=0.6)
            panel.axvline(positions[columns], color="tab:orange", lw=0.6)
    figure.colorbar(shown, ax=panels, shrink=0.8, pad=0.01)
    figure.suptitle(title)
    return panels


def plot_views(recorded, projected, tilts, title=""):
    """Plot recorded views, projections at their tilts, and the differences.

    Parameters
    ----------
    recorded, projected : numpy.ndarray, shape (n, y, x)
    tilts : numpy.ndarray of float, shape (n,)
        In degrees.
    title : str

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (3, n)

    Examples
    --------
    >>> import numpy as np
    >>> views = np.random.default_rng(0).random((2, 16, 16))
    >>> axes = plot_views(views, views, [0, 10])
    """
    import matplotlib.pyplot as plt

    n, height, width = recorded.shape
    figure, panels = plt.subplots(
        3,
        n,
        figsize=(1.2 + 2.6 * n, 1.0 + 7.8 * height / width),
        layout="constrained",
        squeeze=False,
    )
    high = np.percentile(recorded, 99.9)
    low = min(0.0, np.percentile(recorded, 0.1))
    difference = recorded - projected
    spread = np.percentile(np.abs(difference), 99.5) or 1.0
    for column, tilt in enumerate(tilts):
        for row, image in enumerate((recorded, projected)):
            shown = panels[row, column].imshow(
                image[column], cmap="gray", vmin=low, vmax=high
            )
        other = panels[2, column].imshow(
            difference[column], cmap="RdBu_r", vmin=-spread, vmax=spread
        )
        panels[0, column].set_title(f"{tilt:.4g}°")
    for panel in panels.flat:
        panel.set(xticks=[], yticks=[])
    names = ("recorded", "projected", "difference")
    for panel, name in zip(panels[:, 0], names, strict=True):
        panel.set_ylabel(name, fontsize=12)
    figure.colorbar(shown, ax=panels[:2], shrink=0.7, pad=0.01)
    figure.colorbar(other, ax=panels[2:], shrink=0.7, pad=0.01)
    figure.suptitle(title)
    return panels


def plot_residuals(tilts, residual_rms, gains, backgrounds, history=None, title=""):
    """Plot residual, gain and background of each view against its tilt.

    Parameters
    ----------
    tilts, residual_rms, gains, backgrounds : numpy.ndarray of float, shape (n,)
    history : dict of numpy.ndarray, optional
        ``step`` and ``left_out``, the error of the views left out of the fit; drawn
        where it was measured.
    title : str

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (3,) or (4,)

    Examples
    --------
    >>> import numpy as np
    >>> axes = plot_residuals([-9, 9], np.ones(2), np.ones(2), np.zeros(2))
    """
    import matplotlib.pyplot as plt

    known = history is not None and np.isfinite(history["left_out"]).any()
    figure, panels = plt.subplots(
        1, 4 if known else 3, figsize=(13 if known else 10, 3.2), layout="constrained"
    )
    order = np.argsort(tilts)
    tilts = np.asarray(tilts)[order]
    for panel, values, name in zip(
        panels,
        (residual_rms, gains, backgrounds),
        ("residual of a pixel (RMS)", "gain", "background left"),
        strict=False,
    ):
        panel.plot(tilts, np.asarray(values)[order], "o-", ms=3, lw=0.8)
        panel.set(xlabel="tilt (°)", title=name)
        panel.ticklabel_format(useOffset=False)
    panels[0].set_ylim(bottom=0)
    if known:
        measured = np.isfinite(history["left_out"])
        steps, errors = (np.asarray(history[n])[measured] for n in ("step", "left_out"))
        panels[3].plot(steps, errors, "o-", ms=3, lw=0.8)
        panels[3].set(xlabel="step", title="error of left-out views (RMS)")
    figure.suptitle(title)
    return panels
