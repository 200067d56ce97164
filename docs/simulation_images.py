"""Make the pictures of the page on simulation: ``python docs/simulation_images.py``.

The comparison with real images needs these: it is left as it is where the
folder named by ``HSE_TEST_DATA`` does not hold them.
"""

import os
import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import hyperspy.api as hs
import matplotlib.pyplot as plt
from PIL import Image
from scipy.fft import fft2, fftfreq

from hyperspy_stem_enhance.noise.parameters import NoiseParameters
from hyperspy_stem_enhance.simulate import (
    ARRANGEMENTS,
    ARTEFACTS,
    FrameNoise,
    Probe,
    draw_scene,
    make_dataset,
    probe_from_aberrations,
)
from hyperspy_stem_enhance.simulate.render import render_columns

IMAGES = Path(__file__).parent / "images"
DATA = Path(os.environ.get("HSE_TEST_DATA", Path(__file__).parents[2] / "shared/data"))
SIDE = 160
# Seed, structures and ångström per pixel that show an arrangement in a small frame
EXAMPLES = {
    "lattice": (3, ["SrTiO3 [001]"], 0.22),
    "perfect": (1, ["Si [110]"], 0.2),
    "vacancies": (2, ["Pt [001]"], 0.22),
    "substitutions": (0, ["SrTiO3 [110]"], 0.22),
    "embedded": (6, ["Pt [001]"], 0.22),
    "strain": (1, ["Pt [001]"], 0.16),
    "wedge": (2, ["NiO [110]"], 0.22),
    "particle": (8, ["Pt [110]"], 0.22),
    "interface": (9, ["SrTiO3 [001]", "Pt [110]"], 0.22),
    "grain-boundary": (4, ["Pt [110]"], 0.22),
    "amorphous": (8, ["Si [110]"], 0.16),
    "adatoms": (8, ["MoS2 [001]"], 0.15),
    "sparse": (7, None, None),
    "random": (2, None, None),
    "empty": (8, None, None),
    "fringes": (4, ["Pt [001]"], 0.22),
}
# Probes of the guide: each part alone, and together
PROBES = {
    "round": Probe(),
    "tails": Probe(tail=0.4, tail_width=2.5),
    "coma": Probe(lobes=0.35, fold=1, lobe_distance=2, lobe_angle=0.6),
    "two-fold astigmatism": Probe(lobes=0.35, fold=2, lobe_distance=2, lobe_angle=0.6),
    "three-fold astigmatism": Probe(lobes=0.35, fold=3, lobe_distance=2),
    "elongated": Probe(elongation=0.9, elongation_angle=0.8),
    "by aberrations, C21 = 0.5 µm": probe_from_aberrations(200, 24, C21=500),
    "several together": Probe(
        tail=0.3, lobes=0.3, fold=3, elongation=0.5, elongation_angle=2
    ),
}
CALM = NoiseParameters(130, 20, 70, 0.02, 2.0, 0.02, 5.0, 0.27)


def show(axis, image, title="", **limits):
    """Show an image in grey without ticks."""
    axis.imshow(image, cmap="gray", **limits)
    axis.set_title(title, fontsize=8, pad=2)
    axis.set(xticks=[], yticks=[])


def save(figure, name):
    """Save a figure in few greys, which takes a third of the bytes."""
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
    picture.convert("L").quantize(64).save(IMAGES / name, optimize=True)


def make_arrangements():
    """Every arrangement: the noisy frame above, the columns alone below."""
    figure, panels = plt.subplots(
        8, 4, figsize=(6.6, 14), dpi=100, layout="constrained"
    )
    for number, name in enumerate(ARRANGEMENTS):
        seed, structures, pixel = EXAMPLES[name]
        scene = draw_scene(
            seed,
            0,
            (SIDE, SIDE),
            noise="low-dose" if name in ("sparse", "empty") else CALM,
            arrangement=name,
            structures=structures,
            pixel_size=pixel,
        )
        row, column = divmod(number, 4)
        show(panels[2 * row, column], scene.noisy, name)
        show(panels[2 * row + 1, column], scene.clean, vmin=0)
    save(figure, "arrangements.png")


def make_probes():
    """A lattice as several probes show it, and one column of it, enlarged."""
    figure, panels = plt.subplots(4, 4, figsize=(8, 8.6), dpi=100, layout="constrained")
    options = {"noise": CALM, "arrangement": "perfect", "pixel_size": 0.2}
    for number, (name, probe) in enumerate(PROBES.items()):
        row, column = divmod(number, 4)
        scene = draw_scene(
            1, 0, (SIDE, SIDE), structures=["SrTiO3 [001]"], probe=probe, **options
        )
        show(panels[2 * row, column], scene.noisy, name)
        point = render_columns([[32, 32]], [1.0], [6.0], (65, 65))
        show(panels[2 * row + 1, column], probe.apply(point, 6.0).clip(0) ** 0.5)
    save(figure, "probes.png")


def make_artefacts():
    """Every artefact: the frame above, the columns that can be found below."""
    figure, panels = plt.subplots(
        2, len(ARTEFACTS), figsize=(14, 3.4), dpi=80, layout="constrained"
    )
    for column, name in enumerate(ARTEFACTS):
        scene = draw_scene(
            5,
            7,
            (128, 128),
            noise=CALM,
            arrangement="perfect",
            structures=["SrTiO3 [001]"],
            pixel_size=0.22,
            artefact=name,
        )
        seen = scene.noisy[np.isfinite(scene.noisy)]
        low, high = np.percentile(seen, (0.2, 99.5))
        show(panels[0, column], scene.noisy, name, vmin=low, vmax=high)
        show(panels[1, column], scene.clean, vmin=0)
    save(figure, "artefacts.png")


def make_noise_terms():
    """Each term of the noise alone, strong enough to be seen."""
    quiet = NoiseParameters(100, 10, 30, 0, 0, 0, 0, 0.14)
    scene = draw_scene(
        1, 0, (128, 128), "HAADF", quiet, "perfect", ["SrTiO3 [001]"], 0.2
    )
    ideal = scene.background + scene.clean
    noise = FrameNoise(
        scan_slope=0.1,
        scan_intercept=5,
        pointwise_slope=0.07,
        pointwise_intercept=8,
        pointwise_lambda=0.27,
        electrons_per_unit=0.15,
        readout_sd=6,
        row_jitter=0.5,
        row_offset_sd=6,
        flyback=4,
        flyback_decay=12,
        hot_pixels=2e-3,
        hot_level=150,
        offset=20,
        levels=255,
    )
    terms = noise.terms(np.random.default_rng(2), ideal)
    figure, panels = plt.subplots(3, 4, figsize=(8, 6.5), dpi=100, layout="constrained")
    panels = iter(panels.flat)
    show(next(panels), ideal, "without noise")
    for name, term in terms.items():
        limit = max(np.percentile(abs(term), 99.7), 1) * (2 if name == "offset" else 1)
        title = name.replace("_", " ")
        show(next(panels), term, title, vmin=-limit, vmax=limit)
    show(next(panels), ideal + sum(terms.values()), "all together", vmin=0, vmax=255)
    save(figure, "noise_terms.png")


def pixel_size(image, spacing, most):
    """Ångström per pixel, from the strongest reflection of a known spacing.

    The reflection is looked for at 20 to ``most`` pixels.
    """
    window = np.outer(*(np.hanning(size) for size in image.shape))
    spectrum = abs(fft2((image - image.mean()) * window, (2048, 2048)))
    frequency = np.hypot(fftfreq(2048)[:, None], fftfreq(2048))
    inside = (frequency > 1 / most) & (frequency < 1 / 20)
    return spacing * frequency.flat[np.argmax(spectrum * inside)]


def power_profile(image):
    """Logarithm of the power spectrum, averaged over all directions."""
    window = np.outer(*(np.hanning(size) for size in image.shape))
    power = abs(fft2((image - image.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(*(fftfreq(size) for size in image.shape)))
    ring = (frequency * 256).astype(int)
    total = np.bincount(ring.ravel(), power.ravel())
    return np.log(total / np.bincount(ring.ravel()))[4:64]


def make_comparison():
    """Real images beside simulated ones with their calibrated noise.

    The width of the columns is no part of the calibration: of 60 frames
    the one is shown whose power spectrum is nearest.
    """
    cases = (
        ("haadf/16_STOimage_1.ser", "SrTiO3 [001]", 2.761),  # d(110)
        ("haadf/AtomSegNet_Si110_5nmX25us_03_none_none.png", "Si [110]", 3.135),
    )
    if not all((DATA / name).exists() for name, *_ in cases):
        print(f"no real images in {DATA}: real_and_simulated.png is left as it is")
        return
    figure, panels = plt.subplots(2, 2, figsize=(7, 7.3), dpi=100, layout="constrained")
    for row, (name, structure, spacing) in zip(panels, cases, strict=True):
        real = hs.load(DATA / name)
        real.change_dtype("float32")
        pixel = pixel_size(real.data, spacing, 45)
        calibration = real.calibrate_noise(show_progressbar=False)
        simulated = make_dataset(
            60,
            (256, 256),
            noise=calibration,
            seed=1,
            arrangement="perfect",
            structures=[structure],
            pixel_size=pixel,
            show_progressbar=False,
        )
        crop = real.data[:256, -256:]
        wanted = power_profile(crop)
        nearest = min(
            simulated.noisy.data,
            key=lambda frame: np.sum((power_profile(frame) - wanted) ** 2),
        )
        print(f"{name}: {pixel:.4f} Å per pixel")
        limits = dict(
            zip(("vmin", "vmax"), np.percentile(crop, (0.2, 99.8)), strict=True)
        )
        show(row[0], crop, f"{structure}, recorded", **limits)
        show(row[1], nearest, f"{structure}, simulated", **limits)
    save(figure, "real_and_simulated.png")


def main():
    """Make all pictures, or those named on the command line."""
    parts = {
        "arrangements": make_arrangements,
        "probes": make_probes,
        "artefacts": make_artefacts,
        "noise_terms": make_noise_terms,
        "real_and_simulated": make_comparison,
    }
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
