"""Make the pictures of the page on HRTEM: ``python docs/hrtem_images.py``."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from PIL import Image

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.simulate import draw_scene

IMAGES = Path(__file__).parent / "images"
SIDE = 176
PIXEL = 0.14  # ångström
# Seed, arrangement, structure and noise of each frame, chosen for what they show
EXAMPLES = (
    (6, "nuclei", "Pt [001]", "published", "spots"),
    (12, "nuclei", "Pt [001]", "published", "bright"),
    (5, "nuclei", "Pt [110]", "camera", "dark"),
    (11, "disordered", "Pt [001]", "low-dose", "bright"),
    (14, "ordered", "SrTiO3 [001]", "low-dose", "dark"),
)


def find_scene(seed, arrangement, structure, noise, appearance):
    """First frame from a seed on that has an appearance."""
    index = 0
    while True:
        scene = draw_scene(
            seed,
            index,
            (SIDE, SIDE),
            "HRTEM",
            noise,
            arrangement,
            [structure],
            PIXEL,
        )
        if scene.recipe.appearance == appearance and scene.noise.correlation == 0:
            return scene
        index += 1


def make_frames():
    """Frames as recorded, without noise, and their truth."""
    figure, panels = plt.subplots(
        3, len(EXAMPLES), figsize=(8, 5.1), dpi=125, layout="constrained"
    )
    for column, example in zip(panels.T, EXAMPLES, strict=True):
        scene = find_scene(*example)
        sign = -1 if scene.recipe.appearance == "dark" else 1
        ideal = scene.background + sign * scene.clean
        shown = (scene.noisy, ideal, scene.clean)
        for axis, image in zip(column, shown, strict=True):
            low, high = np.quantile(image, [0.002, 0.998])
            axis.imshow(image, cmap="gray", vmin=low, vmax=high)
            axis.set(xticks=[], yticks=[])
        _, arrangement, _, noise, appearance = example
        column[0].set_title(f"{arrangement}\n{appearance}, {noise}", fontsize=8, pad=3)
    for axis, name in zip(
        panels[:, 0], ("image", "without noise", "truth"), strict=True
    ):
        axis.set_ylabel(name, fontsize=8)
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
    picture.convert("L").quantize(64).save(IMAGES / "hrtem_frames.png", optimize=True)


def make_calibration():
    """The plot of the calibration of one simulated image."""
    noise = hse.noise.PUBLISHED_PARAMETERS["HRTEM"]
    data = hse.simulate.make_dataset(
        (), (512, 512), "HRTEM", noise, seed=4, show_progressbar=False
    )
    axes = data.noisy.calibrate_noise(mode="HRTEM", show_progressbar=False).plot()
    figure = axes[0].figure
    figure.suptitle("")
    figure.savefig(IMAGES / "hrtem_calibration.png", dpi=80)
    with Image.open(IMAGES / "hrtem_calibration.png") as picture:
        small = picture.convert("RGB").quantize(128)
    small.save(IMAGES / "hrtem_calibration.png", optimize=True)


if __name__ == "__main__":
    make_frames()
    make_calibration()
