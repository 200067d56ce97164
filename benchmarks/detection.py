"""Columns found with default arguments, against methods tuned by the truth.

    python benchmarks/detection.py dummy        Atomap's dummy lattices
    python benchmarks/detection.py simulated    every arrangement, HAADF and BF
    python benchmarks/detection.py crowded      lattices by spacing over width
    python benchmarks/detection.py speed        time and memory by number of columns

Poisson noise of a stated number of counts at the brightest columns, on top of
those of the background.  The opponents get their best parameters, chosen by the
truth, for each row of the dummy lattices and for each simulated image: the
highest F1, and of those within 0.005 of it the least error.  What is found of
columns whose centre lies just outside of the frame counts neither as right nor
as wrong.  `--methods network` repeats what depends on weights alone.
"""

import argparse
import time
import warnings
from itertools import product
from pathlib import Path

import hyperspy.api as hs
import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_laplace
from skimage.feature import peak_local_max

from hyperspy_stem_enhance.detect.columns import detect_classically, detect_columns
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.metrics import match_columns
from hyperspy_stem_enhance.models.registry import outputs
from hyperspy_stem_enhance.simulate.arrangements import ARRANGEMENTS
from hyperspy_stem_enhance.simulate.noise import FrameNoise
from hyperspy_stem_enhance.simulate.render import render_columns
from hyperspy_stem_enhance.simulate.scene import draw_scene

SEED = 31415
DOSES = (0.5, 2, 10, 100)
BLURS = (0.8, 1.2, 1.7, 2.4, 3.4, 4.8)
DISTANCES = (2, 4, 8)
SPACINGS = (2.3, 2.5, 2.7, 3.0, 3.5, 5.0)  # in sigmas, which are so many pixels
CROWDED_WIDTH = 4.0
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.45)  # of the brightest


class Score:
    """Matches, pooled over images."""

    def __init__(self):
        self.matched = self.found = self.true = 0
        self.squares = 0.0

    def add(self, found, columns, shape):
        """Count columns (y, x, _, sigma) found in a frame of a shape."""
        radius = max(2.0, float(np.median(columns[:, 3]))) if len(columns) else 2.0
        inside = np.all(
            (columns[:, :2] >= 0) & (columns[:, :2] <= np.array(shape) - 1), axis=1
        )
        self.true += inside.sum()
        if len(found) == 0:
            return self
        _, j, distance = match_columns(found[:, :2], columns[:, :2], radius)
        own = inside[j]
        self.found += len(found) - np.sum(~own)
        self.matched += own.sum()
        self.squares += np.sum(distance[own] ** 2)
        return self

    def __add__(self, other):
        total = Score()
        for name, value in vars(self).items():
            setattr(total, name, value + getattr(other, name))
        return total

    @property
    def f1(self):
        """Harmonic mean of precision and recall; 1 where nothing is to be found."""
        total = self.found + self.true
        return 2 * self.matched / total if total else 1.0

    @property
    def rms(self):
        """Root of the mean squared error of matched positions, in pixels."""
        return np.sqrt(self.squares / self.matched) if self.matched else np.nan

    def __str__(self):
        if self.true == 0:
            return f"{self.found} invented"
        precision = self.matched / self.found if self.found else 1.0
        recall = self.matched / self.true if self.true else 1.0
        return f"{precision:.3f} / {recall:.3f} / {self.rms:.2f}"


def ours(frame, mode, model, method):
    """Columns with default arguments."""
    if method == "classical":
        return detect_classically(frame, mode)
    if "detection" not in outputs(model):
        return detect_columns(enhance_frames(frame[None], model, mode)[0], frame, mode)
    enhanced, dots = enhance_frames(
        frame[None], model, mode, output=("enhanced", "detection")
    )
    return detect_columns(enhanced[0], frame, mode, probability=dots[0])


def blurred_peaks(frame):
    """Maxima of a blurred image by parameters, moved to the centre of mass."""
    for sigma, distance in product(BLURS, DISTANCES):
        image = gaussian_filter(frame, sigma)
        peaks = peak_local_max(image, min_distance=distance)
        heights = image[tuple(peaks.T)] - np.median(image)
        centres = centre_of_mass(image, peaks)
        for level in LEVELS:
            yield (
                (sigma, distance, level),
                centres[heights > level * heights.max(initial=0)],
            )


def centre_of_mass(image, peaks, rounds=3):
    """Centres of mass within 0.4 of the distance to the next one, as Atomap's."""
    if len(peaks) < 2:
        return peaks.astype(float)
    from scipy.spatial import cKDTree

    centres = peaks.astype(float)
    radius = 0.4 * cKDTree(centres).query(centres, k=2)[0][:, 1]
    reach = int(np.ceil(min(np.quantile(radius, 0.9), 20)))
    steps = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    for _ in range(rounds):
        y, x = (np.rint(c).astype(int)[:, None] for c in centres.T)
        y, x = y + steps[0], x + steps[1]
        inside = np.hypot(y - centres[:, :1], x - centres[:, 1:]) <= radius[:, None]
        inside &= (y >= 0) & (y < image.shape[0]) & (x >= 0) & (x < image.shape[1])
        weight = image[y.clip(0, image.shape[0] - 1), x.clip(0, image.shape[1] - 1)]
        lowest = np.where(inside, weight, np.inf).min(axis=1, keepdims=True)
        weight = np.where(inside, weight - lowest, 0.0)
        total = weight.sum(axis=1)
        good = total > 0
        for axis, grid in enumerate((y, x)):
            moved = np.sum(weight * grid, axis=1)[good] / total[good]
            centres[good, axis] = moved
    return centres


def laplacian_peaks(frame):
    """Maxima of the Laplacian of Gaussian by parameters."""
    for sigma, distance in product(BLURS, DISTANCES):
        image = -gaussian_laplace(frame, sigma)
        peaks = peak_local_max(image, min_distance=distance)
        heights = image[tuple(peaks.T)]
        for level in LEVELS:
            yield (
                (sigma, distance, level),
                peaks[heights > level * heights.max(initial=0)],
            )


def hyperspy_peaks(frame):
    """`find_peaks` of HyperSpy by its method's parameters."""
    s = hs.signals.Signal2D(frame - frame.min())  # levels are parts of the highest
    for distance, level in product((2, 4, 7, 11, 16), (0.1, 0.3, 0.5, 0.7, 0.85)):
        peaks = s.find_peaks(
            method="local_max",
            min_distance=distance,
            threshold_rel=level,
            interactive=False,
            show_progressbar=False,
        )
        found = np.asarray(peaks.data[0], float)
        # A frame without peaks has one row of NaN
        yield (distance, level), found[np.isfinite(found).all(axis=1)]


OPPONENTS = {
    "blur": ("tuned blur, centre of mass", blurred_peaks),
    "laplacian": ("tuned Laplacian of Gaussian", laplacian_peaks),
    "find_peaks": ("find_peaks, tuned", hyperspy_peaks),
}
METHODS = ("network", "classical", *OPPONENTS)


def evaluate(image, columns, mode, model, methods):
    """Scores of methods on one frame, of opponents for all parameters."""
    bright = -image if mode == "BF" else image
    results = {}
    for method in methods:
        if method in OPPONENTS:
            proposals = OPPONENTS[method][1](bright)
        else:
            proposals = [(None, ours(image, mode, model, method))]
        results[method] = {
            parameters: Score().add(found, columns, image.shape)
            for parameters, found in proposals
        }
    return results


def pool(evaluations):
    """Score of each method over several frames, with its best parameters."""
    scores = {}
    for name, first in evaluations[0].items():
        pooled = [
            sum((e[name][parameters] for e in evaluations), Score())
            for parameters in first
        ]
        best = max(score.f1 for score in pooled)
        good = [score for score in pooled if score.f1 >= best - 0.005]
        scores[name] = min(good, key=lambda score: np.nan_to_num(score.rms, nan=1e9))
    return scores


def dummy_lattices():
    """Yield name, image (peak 1) and columns of Atomap's dummy data."""
    import atomap.api as am

    data = am.dummy_data
    for name in ("simple_cubic", "simple_cubic_with_vacancies", "distorted_cubic"):
        yield name, *_prepared([getattr(data, f"get_{name}_sublattice")()])
    for name in (
        "simple_atom_lattice_two_sublattices",
        "perovskite_001_atom_lattice",
        "polarization_film_atom_lattice",
        "fantasite_atom_lattice",
    ):
        lattice = getattr(data, f"get_{name}")()
        yield name.removesuffix("_atom_lattice"), *_prepared(lattice.sublattice_list)


def _prepared(sublattices):
    image = np.maximum(np.asarray(sublattices[0].image, float), 0)
    xy = np.concatenate([s.atom_positions for s in sublattices])
    sigma = 1.0 if image.shape == (240, 240) else 3.0
    columns = np.column_stack(
        [xy[:, 1], xy[:, 0], np.ones(len(xy)), np.full(len(xy), sigma)]
    )
    return image / image.max(), columns


def print_head(what, methods):
    """First two lines of a table."""
    names = [OPPONENTS[m][0] if m in OPPONENTS else m for m in methods]
    print(f"\n| {what} |", " | ".join(names), "|")
    print("|---" * (2 + len(names)) + "|")


def show_dummy(model, repeats, methods, seed):
    """Table for Atomap's dummy lattices."""
    print_head("lattice | counts", methods)
    for number, (name, image, columns) in enumerate(dummy_lattices()):
        for dose in DOSES:
            evaluations = []
            for k in range(repeats):
                rng = np.random.default_rng([seed, number, int(10 * dose), k])
                frame = rng.poisson(dose * image).astype(np.float32)
                evaluations.append(evaluate(frame, columns, "HAADF", model, methods))
            scores = pool(evaluations)
            cells = " | ".join(str(score) for score in scores.values())
            print(f"| {name} | {dose:g} | {cells} |", flush=True)


def crowded_images(spacing, images, seed):
    """Yield square and hexagonal lattices of HAADF columns, and these.

    Heights vary by 15 %, a twentieth is missing; the background is a third of
    the height of a column, 100 electrons are counted at it.
    """
    for kind, number in product((90, 60), range(images)):
        rng = np.random.default_rng([seed, int(10 * spacing), kind, number])
        turn, angle = rng.uniform(0, np.pi), np.deg2rad(kind)
        a, b = (np.array([np.cos(t), np.sin(t)]) for t in (turn, turn + angle))
        steps = np.arange(-60, 61)[:, None, None]
        points = (steps * a + steps.swapaxes(0, 1) * b).reshape(-1, 2)
        points = 128 + spacing * CROWDED_WIDTH * points
        near = np.all((points > -12) & (points < 267), axis=1)
        points = points[near & (rng.random(len(points)) > 0.05)]
        heights = 100 * (1 + 0.15 * rng.standard_normal(len(points)))
        widths = np.full(len(points), CROWDED_WIDTH)
        ideal = 33 + render_columns(points, heights, widths, (256, 256))
        frame = rng.poisson(np.maximum(ideal, 0)).astype(np.float32)
        yield frame, np.column_stack([points, heights, widths])


def show_crowded(model, images, methods, seed):
    """Table by the spacing of columns, in parts of their width."""
    print_head("spacing, sigmas", methods)
    for spacing in SPACINGS:
        evaluations = [
            evaluate(frame, columns, "HAADF", model, methods)
            for frame, columns in crowded_images(spacing, images, seed)
        ]
        cells = " | ".join(str(score) for score in pool(evaluations).values())
        print(f"| {spacing:g} | {cells} |", flush=True)


def simulated_images(images, seed):
    """Yield what a simulated image is, itself and its columns."""
    for (m, mode), (k, arrangement) in product(
        enumerate(("HAADF", "BF")), enumerate(ARRANGEMENTS)
    ):
        for n in range(images):
            index = 1000 * m + 50 * k + n
            scene = draw_scene(seed, index, mode=mode, arrangement=arrangement)
            dose = DOSES[(k + n) % len(DOSES)]
            sign = -1 if mode == "BF" else 1
            noise = FrameNoise(electrons_per_unit=dose / scene.recipe.contrast)
            ideal = np.maximum(scene.background + sign * scene.clean, 0)
            image = noise.apply(np.random.default_rng([seed, m, k, n]), ideal)
            yield (mode, arrangement, dose), image, scene.columns


def show_simulated(model, images, methods, seed):
    """Tables for simulated scenes: by dose, by arrangement, and by both."""
    rows = {}
    for (mode, arrangement, dose), image, columns in simulated_images(images, seed):
        best = pool([evaluate(image, columns, mode, model, methods)])
        for what in (f"{dose:g} counts", arrangement, (arrangement, dose)):
            total = rows.setdefault((mode, what), dict.fromkeys(methods, Score()))
            for method, score in best.items():
                total[method] = total[method] + score
    print_head("mode | images", methods)
    pooled = {key: scores for key, scores in rows.items() if isinstance(key[1], str)}
    for (mode, what), scores in sorted(pooled.items(), key=_doses_first):
        cells = " | ".join(str(score) for score in scores.values())
        print(f"| {mode} | {what} | {cells} |", flush=True)
    doses = DOSES if images >= len(DOSES) else ()
    print(f"\nF1 at {', '.join(f'{dose:g}' for dose in doses)} counts")
    print_head("mode | arrangement", methods)
    for mode, arrangement in product(("HAADF", "BF"), ARRANGEMENTS):
        by_dose = [rows[mode, (arrangement, dose)] for dose in doses]
        cells = [
            " ".join(f"{scores[method].f1:.2f}" for scores in by_dose)
            for method in methods
        ]
        print(f"| {mode} | {arrangement} | {' | '.join(cells)} |")


def _doses_first(row):
    (mode, what), _ = row
    return mode == "BF", what in ARRANGEMENTS


def show_speed(model, methods):
    """Processor time and memory against the number of columns."""
    print("| columns | side | step | found | processor time, s | memory, MiB |")
    print("|---" * 6 + "|")
    for side, spacing in ((256, 9.0), (1024, None), (1024, 9.0), (2048, 9.0)):
        raw, n_columns = _large_lattice(side, spacing)
        steps = {"classical": lambda raw=raw: detect_classically(raw)}
        if "network" in methods:
            enhanced, cost = _measured(lambda raw=raw: enhance_frames(raw[None], model))
            print(f"| {n_columns} | {side} | enhance |  | {cost} |", flush=True)
            steps["detect"] = lambda raw=raw, e=enhanced[0]: detect_columns(e, raw)
        for step, run in steps.items():
            found, cost = _measured(run)
            print(f"| {n_columns} | {side} | {step} | {len(found)} | {cost} |")


SHOWN = {"dummy": show_dummy, "simulated": show_simulated, "crowded": show_crowded}


def _large_lattice(side, spacing):
    """Counts of a square lattice on a background of 5, and how many columns."""
    image = np.full((side, side), 5.0)
    points = np.empty((0, 2))
    if spacing:
        grid = np.arange(5, side - 4, spacing)
        points = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
        heights, sigmas = np.full(len(points), 50.0), np.full(len(points), 2.2)
        image += render_columns(points, heights, sigmas, (side, side))
    raw = np.random.default_rng(SEED).poisson(image).astype(np.float32)
    return raw, len(points)


def _measured(run):
    """What a function returns, its processor time and the memory it took."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, start = _memory("VmRSS"), time.process_time()
    result = run()
    seconds = time.process_time() - start
    return result, f"{seconds:.1f} | {_memory('VmHWM') - before:.0f}"


def _memory(name):
    """MiB that Linux states for this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(v.split()[1]) / 1024 for v in lines if v.startswith(f"{name}:"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=(*SHOWN, "speed"))
    parser.add_argument("--model", default="auto")
    parser.add_argument("--images", type=int, default=4, help="of each kind")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.what == "speed":
        show_speed(options.model, options.methods)
    else:
        SHOWN[options.what](
            options.model, options.images, options.methods, options.seed
        )


if __name__ == "__main__":
    main()
