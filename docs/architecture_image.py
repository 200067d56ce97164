"""Draw the way of a frame: ``python docs/architecture_image.py``."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

COLOURS = {"signals": "#cfe3f7", "steps": "#fde3c0", "mapping": "#d9efcf"}
COLOURS["arrays"] = "#e7dcf3"


def box(ax, x, y, w, h, title, text, kind):
    style = "round,pad=0,rounding_size=0.12"
    patch = FancyBboxPatch(
        (x, y), w, h, style, facecolor=COLOURS[kind], edgecolor="#444444"
    )
    ax.add_patch(patch)
    ax.text(x + w / 2, y + h - 0.24, title, ha="center", va="center", weight="bold")
    ax.text(x + w / 2, y + (h - 0.38) / 2, text, ha="center", va="center", size=9)


def arrow(ax, start, end, text, at, **options):
    style = {"arrowstyle": "-|>", "color": "#444444", "lw": 1.4, **options}
    ax.annotate("", end, start, arrowprops=style)
    ax.text(*at, text, size=9, style="italic", ha="center", va="center")


def draw():
    fig, ax = plt.subplots(figsize=(10, 5.2))
    box(
        *(ax, 0.1, 3.7, 2.9, 1.3, "signals/"),
        "s.enhance_sfin(...)\ns.detect_atoms(...)\nchecks the signal",
        "signals",
    )
    box(
        *(ax, 3.9, 3.7, 2.9, 1.3, "steps/"),
        "Enhancement(...)\nfrozen, checked when made,\ncan be pickled",
        "steps",
    )
    box(
        *(ax, 7.7, 3.7, 2.9, 1.3, "mapping.py"),
        "map_step(step, signal)\nblocks of whole frames,\nparts of large ones",
        "mapping",
    )
    box(
        *(ax, 7.7, 1.7, 2.9, 1.3, "_blocks.py"),
        "in dask's workers: batches,\nbad frames, warnings",
        "mapping",
    )
    box(
        *(ax, 3.9, 1.7, 2.9, 1.3, "steps/"),
        "step(frames)\nits settings and the frames\ngo to array functions",
        "steps",
    )
    box(
        *(ax, 3.9, 0.1, 6.7, 1.0, "enhance/  detect/  noise/"),
        "arrays in, arrays out; models/ holds the networks, imaging.py the modes",
        "arrays",
    )
    box(
        *(ax, 0.1, 1.7, 2.9, 1.3, "signals/"),
        "axes, units, metadata:\na signal comes back",
        "signals",
    )
    arrow(ax, (3.0, 4.35), (3.9, 4.35), "makes", (3.45, 4.55))
    arrow(ax, (6.8, 4.35), (7.7, 4.35), "goes to", (7.25, 4.55))
    arrow(ax, (9.6, 3.7), (9.6, 3.0), "blocks", (10.05, 3.35))
    arrow(ax, (7.7, 2.5), (6.8, 2.5), "(n, h, w)", (7.25, 2.7))
    arrow(ax, (6.8, 2.1), (7.7, 2.1), "n results", (7.25, 1.9))
    arrow(ax, (5.35, 1.7), (5.35, 1.1), "calls", (5.75, 1.4), arrowstyle="<|-|>")
    arrow(ax, (7.7, 3.75), (3.0, 2.85), "arrays, lazy or in memory", (4.0, 3.42))
    ax.set(xlim=(0, 10.7), ylim=(0, 5.1))
    ax.set_axis_off()
    return fig


if __name__ == "__main__":
    path = Path(__file__).parent / "images" / "architecture.png"
    draw().savefig(path, dpi=110, bbox_inches="tight")
