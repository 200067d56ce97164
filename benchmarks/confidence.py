"""Fit the confidence of detected columns to simulated images, and show it holds.

    python benchmarks/confidence.py fit [--model NAME]
    python benchmarks/confidence.py fit --methods classical
    python benchmarks/confidence.py reliability [--methods network] [--model NAME]

`fit` simulates images of every arrangement with random probes (seeds 1 to 20), and
of dense lattices with strong lobes and of fringes, finds candidates, matches them
with the truth, and writes the constants of the logistic regression to the registry
of the model, for each of its modes: that of the package, or of the folder
``HSE_MODELS``. Those of filters alone are written to ``detect/confidence.json`` of
the package.
`reliability` shows, on a seed that chose nothing, the share of real columns
against the confidence that they were given.
"""

import argparse
import json
from itertools import chain, pairwise, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from probes import draw_lattice
from scipy.optimize import minimize
from scipy.special import expit

import hyperspy_stem_enhance.detect
from hyperspy_stem_enhance.detect.columns import (
    detect_classically,
    detect_columns,
)
from hyperspy_stem_enhance.detect.confidence import design_matrix, noise_limit
from hyperspy_stem_enhance.detect.evidence import (
    find_evidence,
    find_evidence_classically,
)
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.metrics import match_columns
from hyperspy_stem_enhance.models.export import store_constants
from hyperspy_stem_enhance.models.registry import (
    constants,
    list_models,
    outputs,
    resolve,
)
from hyperspy_stem_enhance.simulate import Probe
from hyperspy_stem_enhance.simulate.arrangements import ARRANGEMENTS
from hyperspy_stem_enhance.simulate.render import render_columns
from hyperspy_stem_enhance.simulate.scene import draw_scene

FIT_SEEDS = range(1, 21)
REPORT_SEED = 31415
SHAPE = (256, 256)
EDGES = (0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
METHODS = ("network", "classical")
SCANNED = ("HAADF", "BF")
# Two vectors in units of the nearest distance of equal columns, and the places in a
# cell: of three, four and six neighbours
LATTICES = (
    (((1, 0), (0.5, 0.866)), ((0, 0), (1 / 3, 1 / 3))),
    (((1, 0), (0, 1)), ((0, 0), (0.5, 0.5))),
    (((1, 0), (0.5, 0.866)), ((0, 0),)),
)
# Columns count alike by 0, images by 1; cross-validated on the seeds of the fit
ALIKE = {"network": 0.5, "classical": 0.0}
RIDGE = 1e-3  # keeps constants of evidence that says nothing at zero


def scenes(seeds, per_seed, modes=SCANNED):
    """Simulated scenes that go through modes and arrangements in turn."""
    kinds = list(product(modes, ARRANGEMENTS))
    number = 0
    for seed in seeds:
        for index in range(per_seed):
            mode, arrangement = kinds[(7 * number) % len(kinds)]
            number += 1
            yield (
                draw_scene(
                    seed,
                    index,
                    SHAPE,
                    mode=mode,
                    arrangement=arrangement,
                    probe="random",
                ),
                mode,
            )


class Bridges(NamedTuple):
    """An image that is bright where there is no column, and its columns."""

    noisy: np.ndarray
    columns: np.ndarray


def bridges(seeds, modes=SCANNED):
    """Dense lattices with strong lobes, and fringes: what is bright without a column.

    Few of the other scenes have them, where they pass for columns all over a frame.
    """
    rows, columns = np.indices(SHAPE)
    for seed in seeds:
        for index, lattice in enumerate((*LATTICES, None)):
            rng = np.random.default_rng([seed, index, 73])
            mode = modes[(seed + index) % len(modes)]
            sigma, turn = rng.uniform(2.2, 5), rng.uniform(0, np.pi)
            spacing = sigma * rng.uniform(4.2, 8)
            truth = np.zeros((0, 4))
            if lattice is None:
                along = rows * np.cos(turn) + columns * np.sin(turn)
                seen = 0.5 + 0.5 * np.cos(2 * np.pi * along / spacing)
            else:
                vectors, cell = lattice
                heights = (1, rng.uniform(0.2, 1))
                cell = [(u, v, h) for (u, v), h in zip(cell, heights, strict=False)]
                truth = draw_lattice(np.multiply(vectors, spacing), cell, turn)
                truth = np.column_stack([truth, np.full(len(truth), sigma)])
                ideal = render_columns(truth[:, :2], truth[:, 2], truth[:, 3], SHAPE)
                seen = draw_lobes(rng).apply(ideal, sigma)
            contrast, dose = rng.uniform(0.3, 1), np.exp(rng.uniform(*np.log((4, 500))))
            level = 2.2 - contrast * seen if mode == "BF" else 0.25 + contrast * seen
            noisy = rng.poisson(dose * level.clip(0)).astype(np.float32)
            yield Bridges(noisy, truth), mode


def draw_lobes(rng):
    """A probe with strong lobes, in one of four cases a round one."""
    if rng.random() < 0.25:
        return Probe()
    return Probe(
        lobes=rng.uniform(0.15, 0.45),
        fold=int(rng.integers(1, 4)),
        lobe_distance=rng.uniform(1.2, 2.6),
        lobe_angle=rng.uniform(0, 2 * np.pi),
        tail=rng.uniform(0, 0.3),
        tail_width=2.2,
    )


def run_network(frame, mode, model):
    """Enhanced image, and the probability of columns where the model has it."""
    if "detection" in outputs(model):
        both = enhance_frames(
            frame[None], model, mode, output=("enhanced", "detection")
        )
        return both[0][0], both[1][0]
    return enhance_frames(frame[None], model, mode)[0], None


def match_radius(truth):
    """Distance in pixels at which a column is the true one: its width."""
    return max(2.0, float(np.median(truth[:, 3]))) if len(truth) else 2.0


def real_ones(positions, truth):
    """Mask of found columns that are in the truth.

    The truth has those whose centre is just outside of the frame too: what
    of them is in it may be found.
    """
    real = np.zeros(len(positions), bool)
    if len(positions) and len(truth):
        real[match_columns(positions, truth, match_radius(truth))[0]] = True
    return real


def ways(frame, mode, model, methods):
    """Yield method, candidates and evidence for every way to seek columns."""
    if "classical" in methods:
        yield "classical", *find_evidence_classically(frame, mode)
    if "network" not in methods:
        return
    enhanced, dots = run_network(frame, mode, model)
    found, evidence = find_evidence(enhanced, frame, mode, dots)
    raw = ("raw", "peaked")
    for missing in ((), raw, ("probability",), (*raw, "probability")):
        if evidence and ("probability" in evidence or "probability" not in missing):
            yield (
                "network",
                found,
                {name: v for name, v in evidence.items() if name not in missing},
            )


def fit(model, per_seed, methods):
    """Fit and write the constants."""
    designs, answers, signs = {}, {}, {}
    modes = modes_of(model, methods)
    every = scenes(FIT_SEEDS, per_seed, modes)
    if "network" in methods:
        every = chain(every, bridges(FIT_SEEDS, modes))
    for scene, mode in every:
        # Nothing but the raw image beside a network's tells a bridge from a column
        bridged = isinstance(scene, Bridges)
        tried = ("network",) if bridged else methods
        for method, found, evidence in ways(scene.noisy, mode, model, tried):
            if len(found.fit) == 0 or (bridged and "peaked" not in evidence):
                continue
            key = method, " ".join(evidence)
            terms, signs[key] = design_matrix(evidence)
            real = real_ones(found.positions, scene.columns)
            seen = noise_limit(evidence, key[0]) >= 0.5
            if seen.any():
                designs.setdefault(key, []).append(terms[seen])
                answers.setdefault(key, []).append(real[seen])
    fitted = {method: {} for method in methods}
    for key, parts in designs.items():
        power = ALIKE[key[0]]
        weights = np.concatenate([np.full(len(p), len(p) ** -power) for p in parts])
        terms, real = np.concatenate(parts), np.concatenate(answers[key])
        values = fit_logistic(terms, real, weights, signs[key])
        method, names = key
        fitted[method][names] = [round(float(v), 4) for v in values]
        print(method, names, len(real), fitted[method][names])
    if fitted.get("network"):
        print("written to", store_constants("confidence", fitted["network"], model))
    if fitted.get("classical"):
        path = Path(hyperspy_stem_enhance.detect.__file__).parent / "confidence.json"
        path.write_text(json.dumps(fitted["classical"], indent=1) + "\n")
        print("written to", path)


def modes_of(model, methods):
    """Modes whose images are simulated: those that the network serves."""
    modes = list_models()[resolve(model)]["modes"] if "network" in methods else SCANNED
    if "HRTEM" in modes:
        raise SystemExit(
            f"--model {model}: scenes are simulated for {' and '.join(SCANNED)} only"
        )
    return tuple(modes)


def fit_logistic(terms, real, weights, signs):
    """Constants with the highest likelihood whose signs make sense."""
    spread = terms.std(axis=0)
    same = spread < 0.02  # evidence that is the same for nearly all tells nothing
    spread[same] = 1.0
    scaled, weights = terms / spread, weights / weights.sum()

    def cost(constants):
        odds = scaled @ constants
        loss = np.sum(weights * (np.logaddexp(0, odds) - real * odds))
        slope = scaled.T @ (weights * (expit(odds) - real))
        penalty = constants.copy()
        penalty[0] = 0
        return loss + RIDGE / 2 * penalty @ penalty, slope + RIDGE * penalty

    bounds = [{0: (None, None), 1: (0, None), -1: (None, 0)}[s] for s in signs]
    bounds[1:] = [(0, 0) if s else b for s, b in zip(same[1:], bounds[1:], strict=True)]
    start = np.zeros(terms.shape[1])
    fitted = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return fitted.x / spread


def every_candidate(frame, mode, model, method):
    """Columns of a frame, of any confidence."""
    if method == "classical":
        return detect_classically(frame, mode, threshold=0)
    enhanced, dots = run_network(frame, mode, model)
    return detect_columns(
        enhanced,
        frame,
        mode,
        threshold=0,
        probability=dots,
        constants=constants("confidence", model, mode),
    )


def reliability(model, images, methods):
    """Print the share of real columns by stated confidence, in Markdown."""
    found = {method: [] for method in methods}
    for scene, mode in scenes([REPORT_SEED], images):
        for method in methods:
            table = every_candidate(scene.noisy, mode, model, method)
            real = real_ones(table[:, :2], scene.columns)
            found[method].append(np.stack([table[:, 4], real], axis=1))
    print("| stated | " + " | ".join(f"{m}: stated, real, columns" for m in found))
    print("|---" * (1 + len(found)) + "|")
    pooled = {method: np.concatenate(parts) for method, parts in found.items()}
    for low, high in pairwise(EDGES):
        cells = []
        for confidence, real in (pairs.T for pairs in pooled.values()):
            inside = (confidence >= low) & (confidence < high + (high == 1))
            cells.append(
                f"{confidence[inside].mean():.2f}, {real[inside].mean():.2f}, "
                f"{inside.sum()}"
                if inside.any()
                else "-"
            )
        print(f"| {low:g} to {high:g} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fit", "reliability"))
    parser.add_argument("--model", default="auto")
    parser.add_argument("--per-seed", type=int, default=15, help="images of each seed")
    parser.add_argument("--methods", nargs="+", default=["network"], choices=METHODS)
    parser.add_argument("--images", type=int, default=150, help="to report on")
    options = parser.parse_args()
    if options.what == "fit":
        fit(options.model, options.per_seed, options.methods)
    else:
        reliability(options.model, options.images, options.methods)


if __name__ == "__main__":
    main()
