"""Make the pictures of the page on enhancement: ``python docs/enhancement_images.py``.

Simulated images, so that the truth can be shown beside them. Run it after a
change of the weights.
"""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import hyperspy.api as hs
import matplotlib.pyplot as plt
from PIL import Image

import hyperspy_stem_enhance  # noqa: F401
from hyperspy_stem_enhance.simulate import draw_scene
from hyperspy_stem_enhance.simulate.render import render_columns

IMAGES = Path(__file__).parent / "images"
COLOURS = 256


def draw_lattice(noise, seed, index):
    """A lattice of strontium titanate at 0.2 ångström per pixel."""
    return draw_scene(
        seed, index, (160, 160), "HAADF", noise, "vacancies", ["SrTiO3 [001]"], 0.2
    )


def show_uncertainty():
    """Raw, enhanced, uncertainty and true error of a low-dose image."""
    scene = draw_lattice("low-dose", 8, 3)
    s = hs.signals.Signal2D(scene.noisy)
    e, u = s.enhance_sfin(scale=1, return_uncertainty=True, show_progressbar=False)
    error = np.abs(e.data - scene.clean)
    figure, panels = plt.subplots(1, 4, figsize=(11, 3.1), layout="constrained")
    top, wide = scene.clean.max(), np.quantile(error, 0.995)
    images = (
        ("as recorded", s.data, {"cmap": "gray"}),
        ("enhanced", e.data, {"cmap": "gray", "vmin": 0, "vmax": top}),
        ("uncertainty", u.data, {"cmap": "magma", "vmin": 0, "vmax": wide}),
        ("error, known here", error, {"cmap": "magma", "vmin": 0, "vmax": wide}),
    )
    for panel, (title, image, options) in zip(panels, images, strict=True):
        shown = panel.imshow(image, **options)
        panel.set(xticks=[], yticks=[], title=title)
        figure.colorbar(shown, ax=panel, shrink=0.8)
    inside = np.mean(error <= u.data)
    print(f"inside of the interval: {inside:.0%} of the pixels")
    save(figure, "uncertainty.png")


def show_residual():
    """Report on an image from which a tenth of the columns was left out."""
    scene = draw_lattice("published", 8, 1)
    columns = scene.columns
    keep = np.random.default_rng(3).random(len(columns)) > 0.1
    y, x, heights, sigmas = columns[keep].T
    wrong = render_columns(np.stack([y, x], 1), heights, sigmas, scene.clean.shape)
    s, e = hs.signals.Signal2D(scene.noisy), hs.signals.Signal2D(wrong)
    report = s.residual_report(e)
    print(report.summary())
    save(report.plot(), "residual_report.png")


def save(figure, name):
    """Save a figure with a palette, a third of the bytes."""
    figure.savefig(IMAGES / name, dpi=90)
    plt.close(figure)
    picture = Image.open(IMAGES / name).convert("RGB")
    picture.quantize(COLOURS, dither=0).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    show_uncertainty()
    show_residual()
