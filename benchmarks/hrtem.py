"""HRTEM: the shipped weights against a tuned blur, and on a real image.

Simulated images of a seed that training never saw, half of the frames from
structures held out of training.  The blur gets the best width for every single
image, and the background removal and linear fit to the truth that suit it best,
which no user could choose.  The network runs once, as it is; it is told
whether columns are dark.  Its result is also scored after a linear fit to the truth,
the part of the blur's help that a network can be given: where hardly anything shows,
the level between columns is anyone's guess.  Columns are looked for with default
arguments.

With --graphene FILE (an HRTEM image of graphene), the picture --out shows the
image as recorded, enhanced, and with what was found; the lattice that is fitted
to that is compared with graphene's, at the scale that the 213 pm reflection of the
recorded image gives.

--confidence N compares what is stated of columns with what is true, on N frames of
another seed, by kind of noise and dose; --refinement N measures columns refined on N
frames of a third one, with the offsets of columns of pixels left in and taken off.

    python benchmarks/hrtem.py [--images 20] [--graphene FILE --out graphene.png]
        [--confidence 60] [--refinement 12]
"""

import argparse
import warnings
from itertools import count, pairwise

import numpy as np
from confidence import EDGES, every_candidate, real_ones
from paper_tables.classical import (
    FILTERS,
    assisted,
    best_candidate,
)
from paper_tables.spots import bright_image, score_spots

from hyperspy_stem_enhance.detect.columns import detect_columns
from hyperspy_stem_enhance.detect.refinement import refine_positions
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.lattice import fit_lattice
from hyperspy_stem_enhance.metrics import score_columns
from hyperspy_stem_enhance.models import registry
from hyperspy_stem_enhance.simulate.hrtem_noise import HRTEM_NOISE_KINDS
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.simulate.structures import HELD_OUT_STRUCTURES

SEED, CONFIDENCE_SEED, REFINEMENT_SEED = 82002, 82003, 82004
SIDE = 256
REFLECTION = 0.213  # nm, of graphene
LATTICE = 0.246
# Limits of electrons per pixel, and the groups of frames below them
DOSES = {3: "below 3", 20: "3 to 20", np.inf: "20 and more"}
RADIUS = 0.25  # of the usual distance between columns: found where they are


def draw_scenes(noise, n_images):
    """Frames that show columns, with their number."""
    found = 0
    for index in count():
        structures = HELD_OUT_STRUCTURES if index % 2 else None
        scene = draw_scene(
            SEED, index, (SIDE, SIDE), "HRTEM", noise, structures=structures
        )
        if len(scene.positions) > 2:
            yield scene
            found += 1
        if found == n_images:
            return


def measure(scene, model):
    """Scores of each method on a scene: PSNR, SSIM, IoU; and of the columns."""
    truth, image = scene.clean, bright_image(scene)
    blurred = list(FILTERS["Gaussian"](image.astype(float)))
    best = best_candidate(assisted(blurred, truth), truth)
    outputs = ("enhanced", "detection")
    outputs = outputs[: 1 + (outputs[1] in registry.outputs(model))]
    enhanced, *dots = enhance_frames(image[None], model, "HRTEM", output=outputs)
    probability = dots[0][0] if dots else None
    found = detect_columns(enhanced[0], image, "HRTEM", probability=probability)
    columns = score_columns(found, scene.positions, _radius(scene.positions))
    as_blur = next(assisted([enhanced[0].astype(float)], truth))  # nothing taken off
    scores = {
        "Gaussian blur, assisted": score_spots(best, truth),
        model: score_spots(enhanced[0], truth),
        f"{model}, linear fit": score_spots(as_blur, truth),
    }
    return scores, (columns.precision, columns.recall, columns.rms)


def _radius(positions):
    from scipy.spatial import cKDTree

    points = positions[:, :2]
    return RADIUS * np.median(cKDTree(points).query(points, k=2)[0][:, 1])


def report_simulated(noise, model, n_images):
    """Print the scores for one kind of noise, together and by appearance."""
    groups = {}
    for scene in draw_scenes(noise, n_images):
        for name in ("all", scene.recipe.appearance):
            groups.setdefault(name, []).append(measure(scene, model))
    for name, measured in groups.items():
        scores, columns = zip(*measured, strict=True)
        for method in scores[0]:
            values = np.array([each[method] for each in scores])
            psnr, ssim, iou = values.mean(0)
            worst = np.quantile(values[:, 0], 0.1)
            print(
                f"| {noise} | {name} ({len(scores)}) | {method} | {psnr:.2f} / "
                f"{ssim:.4f} ({worst:.1f}) | {iou:.3f} |"
            )
        precision, recall, rms = np.array(columns).T
        rms = rms[np.isfinite(rms)].mean() if np.isfinite(rms).any() else np.nan
        print(
            f"| {noise} | {name} ({len(scores)}) | columns of {model} | precision "
            f"{precision.mean():.3f}, recall {recall.mean():.3f}, RMS {rms:.2f} px | |",
            flush=True,
        )


def report_confidence(model, n_images):
    """Print the share of real columns by stated confidence, dose and method."""
    found = {"network": {}, "classical": {}}
    for index in range(n_images):
        scene = draw_scene(CONFIDENCE_SEED, index, (SIDE, SIDE), "HRTEM")
        image = bright_image(scene)
        for method, groups in found.items():
            table = every_candidate(image, "HRTEM", model, method)
            real = real_ones(table[:, :2], scene.columns)
            pairs = np.stack([table[:, 4], real], axis=1)
            for group in ("all", _dose(scene)):
                groups.setdefault(group, []).append(pairs)
    print(
        "\n| stated | "
        + " | ".join(f"{m}: stated, real, columns" for m in found)
        + " |"
    )
    print("|---" * (1 + len(found)) + "|")
    for low, high in pairwise(EDGES):
        cells = [_share(found[m]["all"], low, high + (high == 1)) for m in found]
        print(f"| {low:g} to {high:g} | {' | '.join(cells)} |")
    print("\n| noise (frames) | " + " | ".join(f"{m}, above 0.5" for m in found) + " |")
    print("|---" * (1 + len(found)) + "|")
    for group in sorted(found["network"]):
        cells = [_share(found[m][group], 0.5, 2) for m in found]
        print(f"| {group} ({len(found['network'][group])}) | {' | '.join(cells)} |")


def _share(parts, low, high):
    confidence, real = np.concatenate(parts).T
    inside = (confidence >= low) & (confidence < high)
    if not inside.any():
        return "-"
    values = confidence[inside].mean(), real[inside].mean()
    return f"{values[0]:.2f}, {values[1]:.2f}, {inside.sum()}"


def _dose(scene):
    """Kind of the noise, with electrons per pixel where they are counted."""
    recipe = scene.recipe
    if recipe.kind != "low-dose":
        return recipe.kind
    mean = (recipe.parameters.intensity_min + recipe.parameters.intensity_max) / 2
    electrons = recipe.noise.electrons_per_unit * mean
    group = next(name for limit, name in DOSES.items() if electrons < limit)
    return f"low-dose, {group} electrons"


def report_refinement(n_images):
    """Print errors of columns refined from starts that are 0.3 pixels off."""
    errors = {mode: [] for mode in ("HAADF", "HRTEM")}
    rng = np.random.default_rng(REFINEMENT_SEED)
    index = used = 0
    while used < n_images:
        scene = draw_scene(REFINEMENT_SEED, index, (SIDE, SIDE), "HRTEM", "published")
        index += 1
        true = scene.positions[:, :2]
        inside = np.all((true > 8) & (true < SIDE - 9), axis=1)
        if scene.recipe.appearance != "spots" or inside.sum() < 20:
            continue
        used += 1
        start = true + rng.normal(0, 0.3, true.shape)
        for mode, found in errors.items():
            table = refine_positions(scene.noisy, start, mode=mode)
            good = inside & (table[:, -1] == 1)
            found.append(np.hstack([table[:, :2] - true, table[:, -3:-1]])[good])
    print(
        "\n| refined as | columns | RMS of y, x in pixels | true/stated error of y, x |"
    )
    print("|---|---|---|---|")
    for mode, found in errors.items():
        table = np.concatenate(found)
        rms = np.sqrt(np.mean(table[:, :2] ** 2, axis=0))
        ratio = np.sqrt(np.mean((table[:, :2] / table[:, 2:]) ** 2, axis=0))
        print(
            f"| {mode} | {len(table)} | {rms[0]:.3f}, {rms[1]:.3f} | "
            f"{ratio[0]:.2f}, {ratio[1]:.2f} |"
        )


def pixel_size(image):
    """Pixel size in nanometres from the six reflections of graphene."""
    side = 4 * max(image.shape)
    window = np.outer(*(np.hanning(n) for n in image.shape))
    power = np.abs(np.fft.rfft2((image - image.mean()) * window, (side, side))) ** 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    ring = (frequency > 0.07) & (frequency < 0.15)  # pixels of 15 to 32 pm
    strong = ring & (power > 0.3 * power[ring].max())
    return REFLECTION * np.average(frequency[strong], weights=power[strong])


def report_graphene(path, model, contrast, out):
    """Print the lattice that is found in graphene, and draw it."""
    import hyperspy.api as hs
    import matplotlib

    import hyperspy_stem_enhance  # noqa: F401

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    s = hs.load(path)
    size = pixel_size(s.data.astype(float))
    for axis in s.axes_manager.signal_axes:
        axis.scale, axis.units, axis.offset = size, "nm", 0
    options = {"model": model, "contrast": contrast, "show_progressbar": False}
    e = s.enhance_scgn(**options)
    found = s.detect_atoms("HRTEM", **options).single_array()
    print(f"graphene, contrast {contrast!r}: {1000 * size:.2f} pm per pixel")
    print(f"  {len(found)} columns; {s.residual_report(e).summary()}")
    fit = fit_lattice(found[:, :2])
    lengths = size * np.hypot(*fit.vectors.T)
    angle = np.degrees(np.arccos(np.prod(lengths) ** -1 * size**2 * _dot(fit.vectors)))
    for length in lengths:
        print(f"  vector {1000 * length:.1f} pm, {length / LATTICE - 1:+.1%}")
    print(f"  angle between them {min(angle, 180 - angle):.2f} degrees (60)")
    figure, panels = plt.subplots(1, 3, figsize=(15, 5.2), layout="constrained")
    low, high = np.percentile(s.data, [0.5, 99.5])
    panels[0].imshow(s.data, "gray", vmin=low, vmax=high)
    panels[1].imshow(e.data, "gray", vmax=np.percentile(e.data, 99.5))
    panels[2].imshow(s.data, "gray", vmin=low, vmax=high)
    panels[2].plot(found[:, 1], found[:, 0], "o", c="tab:orange", mfc="none", ms=5)
    titles = ("as recorded", f"enhanced ({contrast})", f"{len(found)} found")
    for panel, title in zip(panels, titles, strict=True):
        panel.set(xticks=[], yticks=[], title=title)
    figure.savefig(out, dpi=80)


def _dot(vectors):
    return float(vectors[0] @ vectors[1])


def main():
    """Print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20, help="0: none")
    parser.add_argument("--noise", nargs="+", default=["published", "mixed"])
    parser.add_argument("--model", default="auto")
    parser.add_argument("--confidence", type=int, default=0, metavar="N")
    parser.add_argument("--refinement", type=int, default=0, metavar="N")
    parser.add_argument("--graphene", help="file of an image")
    parser.add_argument("--contrast", default="bright", choices=("bright", "dark"))
    parser.add_argument("--out", default="graphene.png")
    arguments = parser.parse_args()
    unknown = set(arguments.noise) - set(HRTEM_NOISE_KINDS)
    if unknown:
        parser.error(f"--noise: choose from {', '.join(HRTEM_NOISE_KINDS)}")
    warnings.simplefilter("ignore", UserWarning)
    model = registry.resolve(arguments.model, "HRTEM")
    if arguments.images:
        print(f"Simulated, {SIDE}² pixels, seed {SEED}; PSNR in dB / SSIM, in")
        print("brackets the worst decile of PSNR; IoU of the spots.\n")
        print("| noise | appearance (images) | method | | IoU |\n|---|---|---|---|---|")
        for noise in arguments.noise:
            report_simulated(noise, model, arguments.images)
    if arguments.confidence:
        report_confidence(model, arguments.confidence)
    if arguments.refinement:
        report_refinement(arguments.refinement)
    if arguments.graphene:
        report_graphene(arguments.graphene, model, arguments.contrast, arguments.out)


if __name__ == "__main__":
    main()
