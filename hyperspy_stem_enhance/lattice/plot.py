"""Picture of lattices: which column is on which, and their cells."""

import numpy as np

# As many colours as there are before they repeat
_COLOURS = "tab10"
# Cells are drawn this many times as large, so that they are seen beside columns.
_CELL = 3


def plot_lattices(lattices, image=None):
    """Draw columns in the colour of their lattice, and the cell of each.

    Parameters
    ----------
    lattices : sequence of Lattice
        Of the same columns.
    image : array-like, shape (h, w), optional
        Shown below the columns, for positions in pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import matplotlib.pyplot as plt

    figure, panel = plt.subplots(figsize=(6, 6), layout="constrained")
    if image is not None:
        panel.imshow(image, cmap="gray")
    colours = plt.get_cmap(_COLOURS).colors
    positions, units = lattices[0].positions, lattices[0].units
    rest = ~np.any([lattice.on_lattice for lattice in lattices], axis=0)
    size = np.clip(1200 / np.sqrt(len(positions)), 4, 60)
    faint = 1.0 if image is None else 0.6
    if rest.any():
        y, x = positions[rest].T
        panel.scatter(x, y, s=size, c="0.6", marker="x", label="on no lattice")
    for number, lattice in enumerate(lattices):
        colour = colours[number % len(colours)]
        y, x = positions[lattice.on_lattice].T
        label = f"{lattice.on_lattice.sum()} columns, a = {lattice.a:.4g} {units}"
        label += f", b = {lattice.b:.4g} {units}, γ = {lattice.gamma:.1f}°"
        panel.scatter(x, y, s=size, color=colour, alpha=faint, lw=0, label=label)
        _draw_cell(panel, lattice)
    panel.set(xlabel=f"x ({units})", ylabel=f"y ({units})", aspect="equal")
    if image is None:
        panel.invert_yaxis()
    legend = figure.legend(loc="outside lower center", fontsize="small")
    for handle in legend.legend_handles:
        handle.set_sizes([40])
    return figure


def _draw_cell(panel, lattice):
    """Vectors and cell, enlarged, from the column nearest to the middle."""
    own = lattice.positions[lattice.on_lattice]
    middle = own[np.argmin(np.hypot(*(own - np.median(own, axis=0)).T))]
    a, b = _CELL * lattice.vectors
    corners = np.array([middle, middle + a, middle + a + b, middle + b, middle])
    panel.plot(*corners.T[::-1], "-", color="white", lw=4, zorder=3)
    panel.plot(*corners.T[::-1], "k-", lw=1.5, zorder=4)
    for vector, name in ((a, "a"), (b, "b")):
        y, x = middle + vector
        panel.annotate(
            name,
            (x, y),
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"},
        )
