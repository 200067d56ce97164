"""Atoms that default arguments invent in images of noise alone.

python benchmarks/noise_only.py [--images 25] [--modes HAADF BF HRTEM]

A camera spreads electrons over its pixels, and so do images that are resampled and
averaged: noise is blurred to spots the size of columns.
"""

import argparse
from dataclasses import replace

import numpy as np

from hyperspy_stem_enhance.detect.columns import detect_classically, detect_columns
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.models.registry import outputs
from hyperspy_stem_enhance.noise.parameters import MODES, PUBLISHED_PARAMETERS
from hyperspy_stem_enhance.simulate.background import draw_smooth_background
from hyperspy_stem_enhance.simulate.noise import FrameNoise, frame_noise_from

SEED = 71993
SHAPE = (256, 256)


def noise_fields(mode, n_images):
    """Yield the kind of noise and an image of it, `n_images` of each kind."""
    hrtem = mode == "HRTEM"
    published = PUBLISHED_PARAMETERS[mode]
    if hrtem:
        low, high = published.intensity_min, published.intensity_max
    else:
        low, high = published.background_min, published.background_max
    for index in range(n_images):
        rng = np.random.default_rng([SEED, index])
        flat = np.full(SHAPE, 100.0, np.float32)
        dose = np.exp(rng.uniform(np.log(0.2), np.log(20)))
        background = draw_smooth_background(rng, SHAPE, low, high)
        counted = FrameNoise(electrons_per_unit=dose / 100)
        fields = {
            "Gaussian": (flat, FrameNoise(readout_sd=10)),
            "Poisson, 0.2 to 20 counts": (flat, counted),
        }
        # By a generator of its own: it came later than the noise of scans
        chance = rng if hrtem else np.random.default_rng([SEED, index, 1])
        blurred = replace(counted, correlation=chance.uniform(0.5, 1.2))
        blurred = {"Poisson, blurred by 0.5 to 1.2 pixels": (flat, blurred)}
        recorded = frame_noise_from(published, None if hrtem else 255)
        recorded = {"published, with background": (background, recorded)}
        if hrtem:
            fields |= blurred | recorded
        else:
            scanned = {"scan noise": (flat, FrameNoise(scan_intercept=10))}
            fields |= scanned | recorded | blurred
        for kind, (image, noise) in fields.items():
            yield kind, noise.apply(rng, image)


def found_by(image, mode, model):
    """Numbers of columns found in each way."""
    wanted = ("enhanced", "detection")
    known = [name for name in wanted if name in outputs(model)]
    results = enhance_frames(image[None], model, mode, output=tuple(known))
    enhanced = results[0][0]
    dots = results[1][0] if len(known) > 1 else None
    return (
        len(detect_columns(enhanced, image, mode, probability=dots)),
        len(detect_columns(enhanced, mode=mode, probability=dots)),
        len(detect_classically(image, mode)),
    )


def main():
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=25, help="per kind and mode")
    parser.add_argument("--modes", nargs="+", default=list(MODES))
    parser.add_argument("--model", default="auto")
    arguments = parser.parse_args()
    print("Invented atoms per 256 x 256 image: mean (most in one image)\n")
    print("| noise | mode | with the raw image | enhanced image alone | classical |")
    print("|---|---|---|---|---|")
    for mode in arguments.modes:
        counts = {}
        for kind, image in noise_fields(mode, arguments.images):
            found = found_by(image, mode, arguments.model)
            counts.setdefault(kind, []).append(found)
        for kind, numbers in counts.items():
            cells = [f"{n.mean():.2f} ({n.max()})" for n in np.array(numbers).T]
            print(f"| {kind} | {mode} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
