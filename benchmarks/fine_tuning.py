"""What `train.fine_tune` gains on a microscope noisier than all of training.

    python benchmarks/fine_tuning.py [--steps 600] [--mode HAADF]

A microscope is simulated whose scan noise and pointwise noise are two to three
times what training ever shows.  Eight of its images are calibrated as a user
would, the shipped network is fine-tuned on what comes of that, and both are
compared on images of the same microscope, of another seed and of structures
that no training draws.  The parameters were chosen before the first run.
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
from hyperspy_stem_enhance.noise.parameters import NoiseParameters
from hyperspy_stem_enhance.simulate.kinds import draw_parameters
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
    parser.add_argument("--steps", type=int, default=600)
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
            own, "own", mode=mode, n_steps=arguments.steps, show_progressbar=True
        )
        minutes = (time.perf_counter() - start) / 60
        found = {
            model: np.array(
                [
                    psnr(enhance_frames(t.noisy[None], model, mode)[0], t.clean)
                    for t in tests
                ]
            )
            for model in ("auto", "own")
        }
    gain = found["own"] - found["auto"]
    print(
        f"{arguments.steps} steps, {minutes:.1f} min, {torch.get_num_threads()} "
        f"threads. {mode}, {len(tests)} simulated images, PSNR: shipped "
        f"{found['auto'].mean():.2f} dB, fine-tuned {found['own'].mean():.2f} dB, gain "
        f"{gain.mean():.2f} dB (least {gain.min():.2f}, most {gain.max():.2f})."
    )


if __name__ == "__main__":
    main()
