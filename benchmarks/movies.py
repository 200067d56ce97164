"""Columns followed through simulated movies, and their drift.

    python benchmarks/movies.py [--seed 905]

A square lattice of 400 columns, 20 pixels apart, 100 frames. Each frame moves by
a random step, each column vibrates, and one in ten is missing in each frame.
A frame has two wrong columns as well. Tracks are right as long as they stay with one
column. Beside it, trackpy alone with the same search range and memory, and the
drift as a sum of steps: the mean of what linked columns move between frames.
"""

import argparse
import time

import numpy as np
from trackpy import link_iter, quiet

from hyperspy_stem_enhance.tracking import fit_motion, link_frames

SPACING, SIDE, FRAMES = 20.0, 20, 100


def draw(rng, step, vibration):
    """Frames, the column that each position is (-1: wrong), and the drift."""
    places = SPACING * np.stack(np.mgrid[:SIDE, :SIDE], -1).reshape(-1, 2)
    steps = rng.normal(0, step, (FRAMES, 2))
    drift = np.cumsum(steps, axis=0) - steps[0]
    frames, numbers = [], []
    for shift in drift:
        kept = np.flatnonzero(rng.random(len(places)) < 0.9)
        seen = places[kept] + rng.normal(0, vibration, (len(kept), 2))
        wrong = rng.uniform(0, SPACING * SIDE, (2, 2))
        order = rng.permutation(len(kept) + 2)
        frames.append(np.concatenate([seen, wrong])[order] + shift)
        numbers.append(np.append(kept, [-1, -1])[order])
    return frames, numbers, drift


def rightly_linked(tracks, numbers):
    """Share of steps of true columns, from sighting to sighting, in one track."""
    right = total = 0
    for column in range(SIDE**2):
        seen = [
            track[number == column]
            for track, number in zip(tracks, numbers, strict=True)
        ]
        seen = np.concatenate(seen)
        right += np.sum(seen[1:] == seen[:-1])
        total += len(seen) - 1
    return right / total


def sum_of_steps(frames, tracks):
    """Drift as trackpy's `compute_drift` takes it."""
    drift = np.zeros((len(frames), 2))
    for k in range(1, len(frames)):
        _, a, b = np.intersect1d(tracks[k - 1], tracks[k], return_indices=True)
        step = np.mean(frames[k][b] - frames[k - 1][a], axis=0) if len(a) else 0
        drift[k] = drift[k - 1] + step
    return drift


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=905)
    arguments = parser.parse_args()
    quiet()
    print(
        "| step of a frame | vibration | linked rightly | trackpy alone | RMS error of "
        "the drift | as a sum of steps | s |"
    )
    print("|---|---|---|---|---|---|---|")
    for step, vibration in ((0.5, 0.5), (3, 0.5), (3, 1.5), (5, 0.5), (3, 2.5)):
        rng = np.random.default_rng(arguments.seed)
        frames, numbers, drift = draw(rng, step, vibration)
        start = time.process_time()
        tracks = link_frames(frames)
        motion = fit_motion(frames, tracks)
        seconds = time.process_time() - start
        alone = [
            np.array(found) for _, found in link_iter(frames, 0.4 * SPACING, memory=3)
        ]
        errors = [
            np.sqrt(np.mean((found - drift) ** 2))
            for found in (motion.drift, sum_of_steps(frames, alone))
        ]
        print(
            f"| {step} px | {vibration} px | {rightly_linked(tracks, numbers):.3f} "
            f"| {rightly_linked(alone, numbers):.3f} | {errors[0]:.3f} px "
            f"| {errors[1]:.3f} px | {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
