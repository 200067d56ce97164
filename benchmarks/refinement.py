"""Sub-pixel refinement against Atomap's, and against the Cramér-Rao bound.

Lattices of Gaussians with Poisson noise as Atomap's dummy data have them (400
in 300 x 300 pixels, sigma 3 pixels, no background), larger ones of the same
spacing, and merged pairs on a background.
Both refine the same images from the same starting points, the true positions
plus Gaussian errors of half a pixel. Times are of one thread's processor, in
one run. At 10,000 atoms, Atomap refines 200 of them. The bound is that of
Poisson noise for all parameters of all columns together: position, height,
width and background of each.

    python benchmarks/refinement.py
"""

import argparse
import time
from functools import partial

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from hyperspy_stem_enhance.detect.refinement import REFINED_NAMES, refine_positions

SEED = 60127
SIGMA, START_ERROR = 3.0, 0.5
SPACING, PAIR_SPACING, MARGIN = 280 / 19, 24, 10
ATOMAP_ATOMS = 200
REACH = 6  # sigmas that are drawn, and that count for the bound


def make_lattice(side, rng, pair=0.0):
    """Positions of a square lattice of atoms, or of pairs so far apart."""
    spacing = PAIR_SPACING if pair else SPACING
    steps = MARGIN + spacing * np.arange(side)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    positions = grid + rng.uniform(-0.5, 0.5, grid.shape)
    if pair:
        angle = rng.uniform(0, 2 * np.pi)
        half = pair / 2 * np.array([np.sin(angle), np.cos(angle)])
        positions = np.concatenate([positions - half, positions + half])
    return positions, (int(2 * MARGIN + spacing * (side - 1)),) * 2


def windows(positions, shape):
    """Per atom, slices of the pixels around it and distances along y and x."""
    reach = int(REACH * SIGMA)
    for y, x in positions:
        rows = np.arange(max(int(y) - reach, 0), min(int(y) + reach, shape[0]))
        columns = np.arange(max(int(x) - reach, 0), min(int(x) + reach, shape[1]))
        yield rows, columns, rows[:, None] - y, columns[None] - x


def draw(positions, heights, shape, background):
    image = np.full(shape, float(background))
    for height, (rows, columns, dy, dx) in zip(
        heights, windows(positions, shape), strict=True
    ):
        gaussian = np.exp(-(dy**2 + dx**2) / (2 * SIGMA**2))
        image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += height * gaussian
    return image


def position_bounds(positions, heights, image):
    """Cramér-Rao bounds of y and x, shape (n, 2), for Poisson noise."""
    shape, tree = image.shape, cKDTree(positions)
    entries = []
    for number, (rows, columns, dy, dx) in enumerate(windows(positions, shape)):
        pixels = rows[:, None] * shape[1] + columns
        gaussian = np.exp(-(dy**2 + dx**2) / (2 * SIGMA**2))
        r2 = (dy**2 + dx**2) / SIGMA**2
        slope = heights[number] / SIGMA**2
        points = np.stack(np.broadcast_arrays(rows[:, None], columns), axis=-1)
        _, nearest = tree.query(points)
        derivatives = (
            slope * dy * gaussian,
            slope * dx * gaussian,
            gaussian,
            heights[number] * r2 * gaussian,
            (nearest == number).astype(float),
        )
        for k, values in enumerate(derivatives):
            place = np.full(pixels.size, 5 * number + k)
            entries.append((pixels.ravel(), place, values.ravel()))
    pixels, place, values = (np.concatenate(e) for e in zip(*entries, strict=True))
    size = (image.size, 5 * len(positions))
    jacobian = csr_array((values, (pixels, place)), shape=size)
    # Expected counts below this are no counts.
    weight = 1 / np.maximum(image.ravel(), 1e-6)
    information = (jacobian.T @ (jacobian * weight[:, None])).toarray()
    variance = np.diag(np.linalg.inv(information)).reshape(-1, 5)
    return np.sqrt(variance[:, :2])


def run_atomap(image, start, method, chosen):
    """Positions of the chosen atoms after Atomap's refinement, and seconds."""
    import atomap.api as am

    lattice = am.Sublattice(start[:, ::-1], image=image)
    lattice.find_nearest_neighbors()
    for number, atom in enumerate(lattice.atom_list):
        atom.refine_position = number in chosen
    refine = {
        "gaussian": lattice.refine_atom_positions_using_2d_gaussian,
        "center_of_mass": lattice.refine_atom_positions_using_center_of_mass,
    }[method]
    began = time.process_time()
    refine(show_progressbar=False)
    seconds = time.process_time() - began
    return np.array(lattice.atom_positions)[sorted(chosen), ::-1], seconds


def compare(name, positions, heights, shape, background, rng, settings):
    image = draw(positions, heights, shape, background)
    bound = None
    if len(positions) <= 800:
        bound = np.sqrt(np.mean(position_bounds(positions, heights, image) ** 2))
    counts = rng.poisson(image).astype(float)
    start = positions + rng.normal(0, START_ERROR, positions.shape)
    n = len(positions)
    chosen = set(range(n))
    if n > 2000:
        chosen = set(rng.choice(n, ATOMAP_ATOMS, replace=False).tolist())
    times = {method: [] for method in REFINED_NAMES}
    for method in REFINED_NAMES:
        times[method].append(measure(counts, start, method)[1])
    slow = {}
    for method in ("gaussian", "center_of_mass") if settings.atomap else ():
        found, seconds = run_atomap(counts, start, method, chosen)
        error = rms(found - positions[sorted(chosen)])
        slow[method] = seconds / len(chosen)
        report(name, f"Atomap, {method}", slow[method], error, bound)
    for method, measured in times.items():
        for _ in range(settings.repeat):
            table, seconds = measure(counts, start, method)
            measured.append(seconds)
        names = REFINED_NAMES[method]
        errors = table[:, [names.index("y_error"), names.index("x_error")]]
        deviation = table[:, :2] - positions
        good = table[:, -1] > 0
        each = np.median(measured) / n
        opponent = slow.get("center_of_mass" if "mass" in method else "gaussian")
        report(
            name,
            method,
            each,
            rms(deviation),
            bound,
            rms(deviation[good] / errors[good]),
            np.mean(~good),
            opponent and opponent / each,
        )


def measure(image, start, method):
    began = time.process_time()
    table = refine_positions(image, start, method)
    return table, time.process_time() - began


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


def report(name, method, seconds, error, bound, ratio=None, failed=None, faster=None):
    def show(value, form):
        return "" if value is None else format(value, form)

    over = None if bound is None else error / bound
    cells = [
        name,
        method,
        f"{1e6 * seconds:.0f}",
        show(faster, ".0f"),
        f"{error:.4f}",
        show(over, ".2f"),
        show(ratio, ".2f"),
        show(failed, ".3f"),
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--side", type=int, default=20, help="atoms along the lattice")
    parser.add_argument("--large", type=int, default=100, help="of the large one")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--no-atomap", dest="atomap", action="store_false")
    settings = parser.parse_args()
    print(f"seed {settings.seed}; RMS of a coordinate in pixels, failed fits included")
    print(
        "| images | method | µs per atom | times faster | RMS | RMS/bound | "
        "true/stated error | failed |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for number, (name, make) in enumerate(cases(settings)):
        if settings.only in name:
            rng = np.random.default_rng([settings.seed, number])
            compare(name, *make(rng), rng, settings)


def cases(settings):
    """Names, and functions of a generator that give what to draw."""

    def lattice(side, counts, rng):
        positions, shape = make_lattice(side, rng)
        return positions, np.full(len(positions), float(counts)), shape, 0

    def pairs(apart, rng):
        positions, shape = make_lattice(settings.side // 2, rng, apart * SIGMA)
        return positions, np.repeat([100.0, 60.0], len(positions) // 2), shape, 10

    for side, counts in (
        *((settings.side, counts) for counts in (100, 10, 2, 0.5)),
        (settings.large, 100),
    ):
        yield f"{side**2} atoms, {counts:g} counts", partial(lattice, side, counts)
    for apart in (3.0, 2.5, 2.0):
        name = f"pairs {apart:g} sigma apart, background 10"
        yield name, partial(pairs, apart)


if __name__ == "__main__":
    main()
