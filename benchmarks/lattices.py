"""Lattices fitted to simulated columns: right cell, right errors, and the time.

    python benchmarks/lattices.py cells|grains|structures|speed
        [--trials 40] [--seed 4711]

`cells`: the five plane lattices, turned at random, of columns that are equal or of
two kinds (intensities 1 and 0.6, each with an SD of 10 %, in one of the three
orders of twice the cell), with 0 to 5 % missing and displaced by 0.1 to 1 pixel
(SD per axis, 16 to 30 pixels between columns).  Atomap's `construct_zone_axes` has the
same columns where they are equal: right where its first two zone axes span the cell.
`grains`: twins of a rectangular cell and two phases, at shares of 50 to 90 %.
`structures`: six kinds of structures, 500 x 600 pixels, each column displaced by
0.5 pixels, with missing and invented ones.
The standard errors are right if the pulls (error over standard error) have RMS 1.
`speed`: processor time beside `construct_zone_axes`, both in one process.
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


PLANE = {
    "square": [[0, 20], [20, 0]],
    "rectangular": [[0, 16], [24, 0]],
    "hexagonal": [[0, 20], [HALF, 10]],
    "oblique": [[0, 18], [22 * np.sin(1.309), 22 * np.cos(1.309)]],
    "centred": [[15, 10], [15, -10]],
}
ORDERS = ([[2, 0], [0, 1]], [[1, 0], [0, 2]], [[1, 1], [1, -1]])


def turned(vectors, angle):
    """Vectors (y, x) turned by an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(vectors, float) @ np.array([[c, -s], [s, c]])


def fill(rng, vectors, shape):
    """All places of a lattice in a frame, and their cells."""
    reach = int(3 * np.hypot(*shape) / np.hypot(*vectors.T).min())
    cells = np.stack(np.mgrid[-reach : reach + 1, -reach : reach + 1], -1)
    cells = cells.reshape(-1, 2)
    places = (cells + rng.random(2)) @ vectors + np.array(shape) / 2
    inside = np.all((places > 0) & (places < shape), axis=1)
    return places[inside], cells[inside]


def draw_cell(rng, vectors, n, kinds):
    """True vectors, columns and intensity of an image of about n columns."""
    vectors = turned(vectors, rng.uniform(0, 2 * np.pi))
    side = np.sqrt(n * abs(np.linalg.det(vectors)))
    columns, cells = fill(rng, vectors, (side / 1.1, side * 1.1))
    keep = rng.random(len(columns)) >= rng.uniform(0, 0.05)
    columns, cells = columns[keep], cells[keep]
    columns = columns + rng.normal(0, rng.uniform(0.1, 1), columns.shape)
    intensity = rng.normal(1, 0.1, len(columns))
    if kinds == 2:
        order = np.array(ORDERS[rng.integers(3)])
        odd = np.abs(cells @ np.linalg.inv(order) % 1 - 0.5).min(axis=1) < 0.25
        intensity[odd] *= 0.6
        vectors = order @ vectors
    return vectors, columns, intensity


def compare(lattice, vectors):
    """Whether the cell is the true one, and the pulls of its vectors."""
    exact = np.rint(lattice.vectors @ np.linalg.inv(vectors))
    off = lattice.vectors - exact @ vectors
    right = round(abs(np.linalg.det(exact))) == 1 and np.abs(off).max() < 1
    return right, off / lattice.vectors_error


def attempt(*arguments, **keywords):
    """Result of `fit_lattice`, None without a lattice, and whether it warned."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = fit_lattice(*arguments, **keywords)
        except NoLatticeError:
            found = None
    return found, any(issubclass(w.category, UserWarning) for w in said)


def rms(values):
    """Root mean square, NaN of nothing."""
    return np.sqrt(np.mean(np.square(values))) if len(values) else np.nan


def by_atomap(columns, vectors):
    """Whether Atomap's first two zone axes span the true cell."""
    import atomap.api as am

    image = np.zeros(np.ceil(columns.max(axis=0)).astype(int) + 1)
    sublattice = am.Sublattice(columns[:, ::-1], image=image)
    try:
        sublattice.construct_zone_axes()
        axes = np.array(sublattice.zones_axis_average_distances[:2])[:, ::-1]
        exact = axes @ np.linalg.inv(vectors)
    except Exception:  # whatever it cannot do is a failure of its own
        return False
    near = np.rint(exact)
    return bool(abs(np.linalg.det(near)) == 1 and np.abs(exact - near).max() < 0.05)


def cells(trials, seed):
    """Print how often the primitive cell is right."""
    print(
        "| cell | kinds | columns | right | wrong, not said | in doubt | no lattice "
        "| RMS pull | Atomap right |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, vectors in PLANE.items():
        for kinds in (1, 2):
            for n in (25, 60, 200, 800):
                rng = np.random.default_rng([seed, n, kinds])
                right, silent, doubt, none, pulls, theirs = 0, 0, 0, 0, [], 0
                for _ in range(trials):
                    true, columns, intensity = draw_cell(rng, vectors, n, kinds)
                    lattice, said = attempt(columns, intensity)
                    doubt += said
                    if kinds == 1 and n <= 200:
                        theirs += by_atomap(columns, true)
                    if lattice is None:
                        none += 1
                        continue
                    good, pull = compare(lattice, true)
                    right += good
                    silent += not good and not said
                    if good:
                        pulls.append(pull)
                other = f"{theirs} of {trials}" if kinds == 1 and n <= 200 else ""
                print(
                    f"| {name} | {kinds} | {n} | {right} of {trials} | {silent} "
                    f"| {doubt} | {none} | {rms(pulls):.2f} | {other} |",
                    flush=True,
                )


TWIN = np.array([[0, 20.0], [24.4, 0]])
PHASES = (np.array([[0, 20.0], [24.4, 0]]), np.array([[0, 18.0], [18.0, 0]]))


def draw_grains(rng, first, second, share):
    """Columns of two grains with a straight boundary, and where each is."""
    shape = np.array([500, 500])
    angle = rng.uniform(0, 2 * np.pi)
    limit = share * shape[1]
    parts = []
    for k, vectors in enumerate((first, second)):
        columns, _ = fill(rng, vectors, shape)
        left = columns[:, 1] < limit - 5
        right = columns[:, 1] > limit + 5
        parts.append(columns[left if k == 0 else right])
    label = np.repeat([0, 1], [len(part) for part in parts])
    columns = np.concatenate(parts)
    columns = columns + rng.normal(0, rng.uniform(0.1, 1), columns.shape)
    keep = rng.random(len(columns)) >= rng.uniform(0, 0.05)
    columns = turned(columns, angle)
    return angle, columns[keep], label[keep]


def grains(trials, seed):
    """Print how often the lattices of two grains are right."""
    print(
        "| grains | share | larger right | wrong, not said | warned | both right "
        "| columns of the right grain |"
    )
    print("|---|---|---|---|---|---|---|")
    rows = [(f"twin, {twist}°", twist) for twist in (4, 10, 24, 36.87, 45)]
    for name, twist in [*rows, ("two phases", None)]:
        for share in (0.5, 0.6, 0.7, 0.8, 0.9):
            rng = np.random.default_rng([seed, round(100 * share)])
            right, silent, warned, both, same = 0, 0, 0, 0, []
            for _ in range(trials):
                if twist is None:
                    pair = [turned(PHASES[0], 0), turned(PHASES[1], rng.random())]
                else:
                    pair = [turned(TWIN, s * np.radians(twist) / 2) for s in (1, -1)]
                angle, columns, label = draw_grains(rng, *pair, share)
                pair = [turned(vectors, angle) for vectors in pair]
                lattice, said = attempt(columns)
                warned += said
                good = lattice is not None and any(
                    compare(lattice, vectors)[0] and len(lattice.sites) == 1
                    for vectors in pair
                )
                right += good
                silent += not good and not said
                found, _ = attempt(columns, grains=2)
                if found is None or len(found) < 2:
                    continue
                order = [
                    [compare(one, vectors)[0] for vectors in pair] for one in found
                ]
                if order[0][0] and order[1][1]:
                    both, labels = both + 1, found.label
                elif order[0][1] and order[1][0]:
                    both, labels = both + 1, 1 - found.label
                else:
                    continue
                same.append(np.mean(labels == label))
            print(
                f"| {name} | {share:.0%} | {right} of {trials} | {silent} | {warned} "
                f"| {both} of {trials} | {np.mean(same) if same else np.nan:.3f} |",
                flush=True,
            )


def structures(trials, seed):
    """Print how often the cell is right, and the pulls of its vectors."""
    print("| structure | missing | invented | right cell | RMS pull | RMS error of a |")
    print("|---|---|---|---|---|---|")
    for kind in KINDS:
        for recall, invented in ((1.0, 0.0), (0.9, 0.1)):
            rng = np.random.default_rng(seed)
            right, pulls, errors = 0, [], []
            for _ in range(trials):
                vectors, columns, intensity = draw(rng, kind, recall, invented)
                lattice, _ = attempt(columns, intensity)
                good, pull = compare(lattice, vectors) if lattice else (False, None)
                if good:
                    right += 1
                    exact = np.rint(lattice.vectors @ np.linalg.inv(vectors)) @ vectors
                    pulls.append(pull)
                    errors.append(lattice.a - np.hypot(*exact[0]))
            print(
                f"| {kind} | {1 - recall:.0%} | {invented:.0%} | {right} of {trials} "
                f"| {rms(pulls):.2f} | {rms(errors):.4f} px |",
                flush=True,
            )


def speed(seed):
    """Print processor times and their ratio."""
    import atomap.api as am

    print("\n| columns | this | Atomap | times as fast |")
    print("|---|---|---|---|")
    rng = np.random.default_rng(seed)
    for side in (400, 1000, 2000, 4472):
        _, columns, intensity = draw(rng, "square", 1.0, 0.0, (side, side))
        times = []
        for _ in range(3 if side < 3000 else 1):
            start = time.process_time()
            fit_lattice(columns, intensity)
            times.append(time.process_time() - start)
        if len(columns) > 20000:
            print(f"| {len(columns)} | {np.median(times):.2f} s | not run | |")
            continue
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
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = {"cells": cells, "grains": grains, "structures": structures}
    parser.add_argument("part", choices=[*parts, "speed"])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seed", type=int, default=4711)
    arguments = parser.parse_args()
    if arguments.part == "speed":
        speed(arguments.seed)
    else:
        parts[arguments.part](arguments.trials, arguments.seed)


if __name__ == "__main__":
    main()
