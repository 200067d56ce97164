"""PSNR and SSIM of the shipped weights against tuned classical filters.

Simulated images that training never saw: another seed, half of the frames
from structures held out of training.  Every classical filter gets its best
parameters for every single image, chosen by the truth; below, it is also
given a background removal and the linear fit to the truth that suit it
best, which no user could choose.  The network runs as it is: once, once more to
remove the echo of the noise, and on the image and its mirror images.

    python benchmarks/enhancement.py [--images 100] [--noise published] [--network]

The filters take most of the time; --network leaves them out.
"""

import argparse
from itertools import count

import numpy as np
from paper_tables.classical import (
    FILTERS,
    assisted,
    best_candidate,
)
from paper_tables.stem import reference

from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.metrics import psnr, ssim
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.simulate.structures import HELD_OUT_STRUCTURES

SEED = 20260

CLASSICAL = {
    "Gaussian blur": FILTERS["Gaussian"],
    "Wiener": FILTERS["Wiener"],
    "bilateral": FILTERS["bilateral"],
    "non-local means": FILTERS["non-local means"],
    "total variation": FILTERS["total variation"],
    "ABSF": FILTERS["ABSF"],
}
NETWORK = {
    "{}": {},
    "{}, echo removed": {"remove_echo": True},
    "{}, self-ensemble": {"self_ensemble": True},
}


def best_of(images, truth):
    """PSNR and SSIM of the image with the best PSNR."""
    best = best_candidate(images, truth)
    return float(psnr(best, truth)), float(ssim(best, truth))


def measure(mode, noise, n_images, classical, model):
    """Scores of all methods: dict of name to array (n_images, 2)."""
    scores = {}
    for index in count():
        structures = HELD_OUT_STRUCTURES if index % 2 else None
        scene = draw_scene(SEED, index, (256, 256), mode, noise, structures=structures)
        if not scene.clean.any():  # nothing to enhance: see noise_only.py
            continue
        truth = reference(scene, mode)
        frame = {"input": best_of([scene.noisy], truth)}
        for name, candidates in classical.items():
            filtered = list(candidates(scene.noisy.astype(float)))
            frame[name] = best_of(filtered, truth)
            frame[f"{name}, assisted"] = best_of(assisted(filtered, truth), truth)
        for label, options in NETWORK.items():
            [enhanced] = enhance_frames(scene.noisy[None], model, mode, **options)
            own = scene.background.max() - enhanced if mode == "BF" else enhanced
            frame[label.format(model)] = best_of([own], truth)
        for name, pair in frame.items():
            scores.setdefault(name, []).append(pair)
        if len(scores["input"]) == n_images:
            break
    return {name: np.array(pairs) for name, pairs in scores.items()}


def main():
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--noise", default="published")
    parser.add_argument("--network", action="store_true", help="without the filters")
    parser.add_argument("--model", default="sfin-fast")
    arguments = parser.parse_args()
    classical = {} if arguments.network else CLASSICAL
    columns = {
        mode: measure(
            mode, arguments.noise, arguments.images, classical, arguments.model
        )
        for mode in ("HAADF", "BF")
    }
    print(f"Simulated, noise {arguments.noise!r}, seed {SEED}, PSNR in dB / SSIM;")
    print("in brackets the worst decile of PSNR.\n")
    print("| method | HAADF | BF |\n|---|---|---|")
    for name in columns["HAADF"]:
        cells = []
        for scores in columns.values():
            mean = scores[name].mean(axis=0)
            worst = np.quantile(scores[name][:, 0], 0.1)
            cells.append(f"{mean[0]:.2f} / {mean[1]:.4f} ({worst:.1f})")
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\n{arguments.images} images per mode")


if __name__ == "__main__":
    main()
