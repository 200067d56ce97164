"""Make the pictures of the page on tomography, from simulated tilt series.

``python docs/tomography_images.py``
"""

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import hyperspy_stem_enhance as hse

IMAGES = Path(__file__).parent / "images"


def make_images():
    data = hse.simulate.make_tilt_series(
        "core-shell", 56, n_views=21, counts=100, misalignment=1, pixel_size=10, seed=2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that views were aligned
        tomogram = data.series.reconstruct_tomogram(show_progressbar=False)
    figures = {
        "orthoslices": tomogram.plot_orthoslices(),
        "maximum": tomogram.plot_orthoslices(kind="maximum"),
        "views": tomogram.plot_views(),
    }
    for name, panels in figures.items():
        panels.flat[0].figure.savefig(IMAGES / f"tomogram_{name}.png", dpi=80)


if __name__ == "__main__":
    make_images()
