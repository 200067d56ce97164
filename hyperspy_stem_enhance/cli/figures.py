"""The figures of the demo."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredText
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from scipy.spatial import cKDTree

# Okabe and Ito's palette, told apart by the colour blind, on grey images
_ORANGE, _BLUE = "#E69F00", "#56B4E9"
_DETAIL = 1.6  # nm


def draw_overview(results):
    """Draw raw, enhanced, and detected columns over raw, a row per image.

    Parameters
    ----------
    results : sequence of demo.DemoResult

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = _three_panels(results)
    for result, row in zip(results, panels, strict=True):
        _mark(row[2], result, result.refined, _ORANGE, 5)
        _add_label(row[2], f"{len(result.refined)} columns")
        _add_scale_bar(row[0], 1.0)
    return figure


def draw_details(heavy, all_columns):
    """Draw the middle of both images; mark the columns that only one shows.

    Parameters
    ----------
    heavy : demo.DemoResult
        Of the ADF image, which shows heavy columns.
    all_columns : demo.DemoResult
        Of the ABF image of the same area, which shows light ones as well.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = _three_panels([heavy, all_columns])
    light = ~_are_near(all_columns.refined, heavy.refined, heavy.pixel_size)
    _mark(panels[0, 2], heavy, heavy.refined, _ORANGE, 11)
    _mark(panels[1, 2], all_columns, all_columns.refined[~light], _ORANGE, 11)
    _mark(panels[1, 2], all_columns, all_columns.refined[light], _BLUE, 11)
    x, y = heavy.raw.axes_manager.signal_axes
    centre_x, centre_y = ((axis.low_value + axis.high_value) / 2 for axis in (x, y))
    for panel in panels.flat:
        panel.set_xlim(centre_x - _DETAIL / 2, centre_x + _DETAIL / 2)
        panel.set_ylim(centre_y + _DETAIL / 2, centre_y - _DETAIL / 2)
    for panel in panels[:, 0]:
        _add_scale_bar(panel, 0.5)
    _add_label(panels[0, 2], "orange: in both")
    _add_label(panels[1, 2], "blue: in ABF only")
    return figure


def _three_panels(results):
    figure = Figure(figsize=(10, 3.5 * len(results)), layout="constrained")
    panels = figure.subplots(len(results), 3, squeeze=False)
    for result, (raw, enhanced, columns) in zip(results, panels, strict=True):
        _show(raw, result.raw)
        _show(enhanced, result.enhanced, floor=0)
        _show(columns, result.raw)
        raw.set_ylabel(result.name, fontsize=14)
    titles = ("raw", "enhanced", "columns, refined in Atomap")
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(title, fontsize=13)
    return figure, panels


def _are_near(positions, others, pixel_size, reach=0.07):
    """Whether each position has one of the others within a reach in nm."""
    distances, _ = cKDTree(others).query(positions)
    return distances * pixel_size < reach


def _show(panel, signal, floor=None):
    """Show an image in nm, black and white at its extreme percentiles."""
    data = np.asarray(signal.data, np.float32)
    low, high = np.nanpercentile(data, [0.3, 99.7])
    x, y = signal.axes_manager.signal_axes
    extent = [
        x.low_value - x.scale / 2,
        x.high_value + x.scale / 2,
        y.high_value + y.scale / 2,
        y.low_value - y.scale / 2,
    ]
    low = low if floor is None else floor
    panel.imshow(data, cmap="gray", vmin=low, vmax=high, extent=extent)
    panel.set(xticks=[], yticks=[])


def _mark(panel, result, positions, color, size):
    x, y = result.raw.axes_manager.signal_axes
    panel.plot(
        x.offset + x.scale * positions[:, 1],
        y.offset + y.scale * positions[:, 0],
        "o",
        markersize=size,
        markerfacecolor="none",
        markeredgecolor=color,
        markeredgewidth=size / 5,
        scalex=False,
        scaley=False,
    )


def _add_label(panel, text):
    label = AnchoredText(text, "lower left", pad=0.3, borderpad=0.6)
    label.patch.set(alpha=0.85, linewidth=0)
    panel.add_artist(label)


def _add_scale_bar(panel, length):
    bar = AnchoredSizeBar(
        panel.transData,
        length,
        f"{length:g} nm",
        "lower left",
        pad=0.4,
        borderpad=0.6,
        sep=4,
        size_vertical=0.04 * length,
        color="black",
    )
    bar.patch.set(alpha=0.85, linewidth=0)
    panel.add_artist(bar)
