"""Lattices fitted to simulated columns: right cell, right errors, and the time.

    python benchmarks/lattices.py [--trials 200] [--seed 4711]

Columns of six kinds of structures, turned at random, 500 x 600 pixels, each
displaced by 0.5 pixels (SD per axis), with missing and invented ones.  The
standard errors are right if the pulls (error over standard error) have RMS 1.
The time is processor time beside Atomap's `construct_zone_axes` on the same
columns, both in one process.
"""

import argparse
import time
import warnings

import numpy as np

from hyperspy_stem_enhance.lattice import NoLatticeError, fit_lattice

HALF = 20 * np.sqrt(3) / 2
KINDS = {
    # vectors (y, x), sites in parts of them, intensities
    "square": ([[0, 20], [20, 0]], [(0, 0)], [1]),
    "perovskite [001]": ([[0, 20], [20, 0]], [(0, 0), (0.5, 0.5)], [1, 0.5]),
    "perovskite [001], BF": (
        [[0, 24], [24, 0]],
        [(0, 0), (0.5, 0.5), (0.5, 0), (0, 0.5)],
        [1, 0.8, 0.4, 0.4],
    ),
    "dumbbells": ([[0, 38.4], [27.2, 19.2]], [(0, 0), (0.5, -0.25)], [1, 1]),
    "honeycomb": ([[0, 20], [HALF, 10]], [(0, 0), (1 / 3, 1 / 3)], [1, 1]),
    "layers": (
        [[0, 14], [90, 0]],
        [(0, 0), (0.13, 0.5), (0.3, 0.1), (0.52, 0.6), (0.7, 0.2), (0.85, 0.5)],
        [1, 1, 0.6, 1, 1, 0.6],
    ),
}


def draw(rng, kind, recall, invented, shape=(500, 600)):
    """Turned vectors, columns and their intensity."""
    vectors, sites, levels = (np.array(x, float) for x in KINDS[kind])
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    vectors = vectors @ np.array([[c, -s], [s, c]])
    reach = int(3 * np.hypot(*shape) / np.hypot(*vectors.T).min())
    cells = np.stack(np.mgrid[-reach : reach + 1, -reach : reach + 1], -1)
    cells = cells.reshape(-1, 2) + rng.random(2)
    site = np.repeat(np.arange(len(sites)), len(cells))
    columns = (np.tile(cells, (len(sites), 1)) + sites[site]) @ vectors
    columns += np.array(shape) / 2
    keep = np.all((columns > 0) & (columns < shape), axis=1)
    keep &= rng.random(len(columns)) < recall
    columns = columns[keep] + rng.normal(0, 0.5, (keep.sum(), 2))
    intensity = levels[site[keep]] * rng.normal(1, 0.1, keep.sum())
    wrong = rng.uniform(0, 1, (int(invented * len(columns)), 2)) * shape
    columns = np.concatenate([columns, wrong])
    return vectors, columns, np.append(intensity, rng.uniform(0.3, 1, len(wrong)))


def accuracy(trials, seed):
    """Print how often the cell is right, and the pulls of its vectors."""
    print("| structure | missing | invented | right cell | RMS pull | RMS error of a |")
    print("|---|---|---|---|---|---|")
    for kind in KINDS:
        for recall, invented in ((1.0, 0.0), (0.9, 0.1)):
            rng = np.random.default_rng(seed)
            right, pulls, errors = 0, [], []
            for _ in range(trials):
                vectors, columns, intensity = draw(rng, kind, recall, invented)
                try:
                    lattice = fit_lattice(columns, intensity)
                except NoLatticeError:
                    continue
                exact = np.rint(lattice.vectors @ np.linalg.inv(vectors))
                off = lattice.vectors - exact @ vectors
                same = round(abs(np.linalg.det(exact))) == 1
                if not same or np.abs(off).max() > 0.5:
                    continue
                right += 1
                pulls.append(off / lattice.vectors_error)
                errors.append(lattice.a - np.hypot(*(exact @ vectors)[0]))
            pull, error = (np.sqrt(np.mean(np.square(x))) for x in (pulls, errors))
            print(
                f"| {kind} | {1 - recall:.0%} | {invented:.0%} | {right} of {trials} "
                f"| {pull:.2f} | {error:.4f} px |",
                flush=True,
            )


def speed(seed):
    """Print processor times and their ratio."""
    import atomap.api as am

    print("\n| columns | this | Atomap | times as fast |")
    print("|---|---|---|---|")
    rng = np.random.default_rng(seed)
    for side in (400, 1000, 2000):
        _, columns, intensity = draw(rng, "square", 1.0, 0.0, (side, side))
        times = []
        for _ in range(3):
            start = time.process_time()
            fit_lattice(columns, intensity)
            times.append(time.process_time() - start)
        sublattice = am.Sublattice(columns[:, ::-1], image=np.zeros((side, side)))
        start = time.process_time()
        sublattice.construct_zone_axes()
        theirs = time.process_time() - start
        ours = np.median(times)
        print(
            f"| {len(columns)} | {ours:.2f} s | {theirs:.1f} s | {theirs / ours:.0f} |",
            flush=True,
        )


def main():
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=4711)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    accuracy(arguments.trials, arguments.seed)
    speed(arguments.seed)


if __name__ == "__main__":
    main()
