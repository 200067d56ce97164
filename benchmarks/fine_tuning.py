"""What `train.fine_tune` gains on a microscope noisier than all of training.

    python benchmarks/fine_tuning.py [--steps 1000] [--own-share 0.75] [--mode HAADF]

A microscope is simulated whose scan noise and pointwise noise are two to three
times what training ever shows.  Eight of its images are calibrated as a user
would, the shipped network is fine-tuned on what comes of that, and both are
compared on images of the same microscope, of another seed and of structures
that no training draws.  The parameters were chosen before the first run.  What
is unlearnt shows on images of the kinds of noise of the training.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace

import numpy as np
import torch

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.metrics import psnr
from hyperspy_stem_enhance.noise.parameters import MODES, NoiseParameters
from hyperspy_stem_enhance.simulate.kinds import NOISE_KINDS, draw_parameters
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.simulate.structures import HELD_OUT_STRUCTURES

OWN_SEED, TEST_SEED = 40_117, 40_118
SPREAD = 0.1  # of the parameters between images
# In training the intercepts are at most 0.16 and 0.19 of the columns' height
MICROSCOPE = NoiseParameters(
    atom_brightness=120,
    background_min=20,
    background_max=90,
    scan_slope=0.2,
    scan_intercept=45,
    pointwise_slope=0.15,
    pointwise_intercept=60,
    pointwise_lambda=0.1,
)


LATTICES = {"arrangement": "lattice", "structures": HELD_OUT_STRUCTURES}


def record(seed, index, mode, structures=None):
    """One simulated image of the microscope, with its truth."""
    rng = np.random.default_rng([seed, index, 1])
    mean = MICROSCOPE
    if mode == "BF":
        mean = replace(mean, background_min=150, background_max=220)
    noise = draw_parameters(rng, mean, SPREAD)
    return draw_scene(
        seed,
        index,
        mode=mode,
        noise=noise,
        arrangement="lattice",
        structures=structures,
    )


def main():
    """Calibrate, fine-tune, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--own-share", type=float, default=0.75)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--mode", choices=("HAADF", "BF"), default="HAADF")
    arguments = parser.parse_args()
    mode = arguments.mode
    import hyperspy.api as hs

    own = hs.signals.Signal2D(
        np.stack([record(OWN_SEED, i, mode).noisy for i in range(8)])
    )
    tests = [
        record(TEST_SEED, i, mode, HELD_OUT_STRUCTURES) for i in range(arguments.images)
    ]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSE_MODELS"] = folder
        start = time.perf_counter()
        hse.train.fine_tune(
            own,
            "own",
            mode=mode,
            n_steps=arguments.steps,
            own_share=arguments.own_share,
        )
        minutes = (time.perf_counter() - start) / 60
        print(
            f"{arguments.steps} steps, own share {arguments.own_share:g}, "
            f"{minutes:.1f} min, {torch.get_num_threads()} threads; simulated images, "
            "PSNR in dB\n\n"
            "| noise | mode | images | shipped | fine-tuned | gain (least, most) |\n"
            "|---|---|---|---|---|---|"
        )
        print_gain("own", mode, tests)
        for noise in NOISE_KINDS:
            for trained in MODES:
                others = [
                    draw_scene(
                        TEST_SEED, 1000 + i, mode=trained, noise=noise, **LATTICES
                    )
                    for i in range(arguments.images // 4)
                ]
                print_gain(noise, trained, [t for t in others if t.clean.any()])


def print_gain(noise, mode, tests):
    """One row of the table."""

    def quality(model, scene):
        return psnr(enhance_frames(scene.noisy[None], model, mode)[0], scene.clean)

    shipped, own = (
        np.array([quality(model, scene) for scene in tests])
        for model in ("auto", "own")
    )
    gain = own - shipped
    print(
        f"| {noise} | {mode} | {len(tests)} | {shipped.mean():.2f} | {own.mean():.2f} "
        f"| {gain.mean():+.2f} ({gain.min():+.2f}, {gain.max():+.2f}) |",
        flush=True,
    )


if __name__ == "__main__":
    main()
