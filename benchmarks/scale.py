"""Quality of enhancement against the scale at which a scene is recorded.

    python benchmarks/scale.py [--scenes 4]

The same simulated lattice (heavy and light columns, 16 pixels apart at scale 1,
turned by 17 degrees), the same field of view and the same electrons per area,
recorded with a quarter to four times as many pixels along a side.
"""

import argparse

import numpy as np

from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.metrics import psnr
from hyperspy_stem_enhance.simulate.render import render_columns

SEED = 73_310
SPACING, SIGMA, FIELD = 16, 4, 224  # pixels at scale 1
SCALES = (0.25, 0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0)


def draw_scene(scale, index, dose):
    """Image with counting noise, and the truth; `dose` at scale 1."""
    rng = np.random.default_rng([SEED, index])
    angle = np.deg2rad(17)
    turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    grid = np.mgrid[-20:20, -20:20].reshape(2, -1).T
    heights = np.where(grid.sum(1) % 2, 0.45, 1.0)
    positions = (grid + rng.normal(0, 0.02, grid.shape) + rng.random(2)) @ turn
    positions = (positions * SPACING + FIELD / 2 + 0.5) * scale - 0.5
    side = round(FIELD * scale)
    margin = 40 * scale
    near = ((positions > -margin) & (positions < side + margin)).all(1)
    sigmas = np.full(near.sum(), SIGMA * scale)
    clean = 100 * render_columns(positions[near], heights[near], sigmas, (side, side))
    counts = dose / 100 / scale**2
    return rng.poisson((clean + 30) * counts) / counts, clean


def main():
    """Print a table of PSNR by scale, with and without resampling."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--dose", type=float, default=40, help="electrons at the peak")
    arguments = parser.parse_args()
    print("| scale | spacing, px | as it is, dB | with `scale='auto'`, dB |")
    print("|---|---|---|---|")
    for scale in SCALES:
        found = []
        for index in range(arguments.scenes):
            noisy, clean = draw_scene(scale, index, arguments.dose)
            found.append(
                [
                    psnr(enhance_frames(noisy[None], scale=choice)[0], clean)
                    for choice in (1, "auto")
                ]
            )
        own, auto = np.mean(found, axis=0)
        print(
            f"| {scale} | {SPACING * scale:.0f} | {own:.1f} | {auto:.1f} |", flush=True
        )


if __name__ == "__main__":
    main()
