"""Columns invented and missed where probes are not round, and along fringes.

Simulated images of seeds that nothing was trained or chosen on; everything with default
arguments. Three sets:

- ``lattices``: square lattices and honeycombs of two kinds of columns (heights 1 and
  0.5), and triangular lattices, as seven probes show them, at 8, 40 and 400 electrons
  per pixel at the top of a column; HAADF and BF.
- ``mixed``: all arrangements and noises with random probes: PSNR and SSIM of the
  enhanced images, precision and recall of the columns that are at least 0.1 of the
  highest.
- ``fringes``: lattice fringes of one direction, where there is no column.

    python benchmarks/probes.py [lattices] [mixed] [fringes] [--model sfin-fast]
        [--images 60] [--json FILE]
"""

import argparse
import json
import warnings
from pathlib import Path

import hyperspy.api as hs
import numpy as np
from scipy.spatial import cKDTree

import hyperspy_stem_enhance  # noqa: F401
from hyperspy_stem_enhance.metrics import psnr, ssim
from hyperspy_stem_enhance.models.registry import weights_sha256
from hyperspy_stem_enhance.simulate import Probe, draw_scene
from hyperspy_stem_enhance.simulate.render import render_columns

SEED = 20271
SIDE = 256
SIGMA = 3.6  # pixels
REACH = 5.0  # pixels from which a mark is at no column
PROBES = {
    "round": Probe(),
    "tails": Probe(tail=0.4, tail_width=2.2),
    "coma": Probe(lobes=0.25, fold=1, lobe_distance=2.2, lobe_angle=0.3),
    "two-fold": Probe(lobes=0.3, fold=2, lobe_distance=2.0, lobe_angle=1.0),
    "three-fold": Probe(lobes=0.35, fold=3, lobe_distance=2.2, lobe_angle=0.3),
    "three-fold and tails": Probe(
        lobes=0.35, fold=3, lobe_distance=2.2, lobe_angle=0.3, tail=0.1, tail_width=2.2
    ),
    "elongated": Probe(elongation=0.8, elongation_angle=0.7),
}
# Two lattice vectors, and where the columns of a cell are, of each height
LATTICES = {
    "4 neighbours": (((20, 0), (0, 20)), ((0, 0, 1.0), (0.5, 0.5, 0.5))),
    "3 neighbours": (((30, 0), (15, 26)), ((0, 0, 1.0), (1 / 3, 1 / 3, 0.5))),
    "6 neighbours": (((19, 0), (9.5, 16.5)), ((0, 0, 1.0),)),
}
DOSES = (8, 40, 400)


def draw_lattice(vectors, cell, turn):
    """Positions and heights of a lattice that fills the frame, (n, 3).

    `vectors` in pixels, in `cell` the places (in parts of them) and the heights.
    """
    rotation = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    vectors = np.array(vectors, float) @ rotation
    i, j = (k.ravel() for k in np.mgrid[-60:60, -60:60])
    parts = [
        np.column_stack(
            [np.stack([i + u, j + v], 1) @ vectors, np.full(len(i), height)]
        )
        for u, v, height in cell
    ]
    columns = np.concatenate(parts) + np.array([SIDE / 2, SIDE / 2, 0])
    near = (columns[:, :2] > -20).all(1) & (columns[:, :2] < SIDE + 20).all(1)
    return columns[near]


def find(image, mode, model):
    """Table of the columns that default arguments give."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signal = hs.signals.Signal2D(image.astype(np.float32))
        return signal.detect_atoms(mode=mode, model=model).single_array()


def measure_lattices(model, _):
    """Marks at no column and missed columns, by lattice, mode, probe and dose."""
    rows = []
    for mode in ("HAADF", "BF"):
        for lattice in LATTICES:
            for probe_name, probe in PROBES.items():
                for number, dose in enumerate(DOSES):
                    rng = np.random.default_rng([SEED, number])
                    columns = draw_lattice(*LATTICES[lattice], rng.uniform(0, np.pi))
                    sigmas = np.full(len(columns), SIGMA)
                    ideal = render_columns(
                        columns[:, :2], columns[:, 2], sigmas, (SIDE, SIDE)
                    )
                    seen = probe.apply(ideal, SIGMA)
                    level = 0.25 + seen if mode == "HAADF" else 2.2 - seen
                    table = find(rng.poisson(dose * level.clip(0)), mode, model)
                    inner = ((columns[:, :2] > 6) & (columns[:, :2] < SIDE - 7)).all(1)
                    there = columns[inner, :2]
                    invented, missed = 0, 1.0
                    if len(table):
                        away = cKDTree(columns[:, :2]).query(table[:, :2])[0]
                        invented = int((away > REACH).sum())
                        near = cKDTree(table[:, :2]).query(there)[0]
                        missed = float((near > 3).mean())
                    rows.append(
                        {
                            "mode": mode,
                            "lattice": lattice,
                            "probe": probe_name,
                            "electrons": dose,
                            "columns": len(there),
                            "marks": len(table),
                            "invented": invented,
                            "missed": missed,
                        }
                    )
                    print(rows[-1], flush=True)
    return rows


def measure_mixed(model, n_images):
    """PSNR, SSIM, precision and recall on all arrangements."""
    rows = []
    for mode in ("HAADF", "BF"):
        scores, found, marks, right, columns = [], 0, 0, 0, 0
        for index in range(n_images):
            scene = draw_scene(SEED, index, (SIDE, SIDE), mode, probe="random")
            if not scene.clean.any():
                continue
            signal = hs.signals.Signal2D(scene.noisy)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                enhanced = signal.enhance_sfin(mode=mode, model=model).data
            unit = 255 / max(scene.recipe.contrast, 1e-6)
            pair = np.clip(enhanced * unit, 0, 255), np.clip(scene.clean * unit, 0, 255)
            scores.append((float(psnr(*pair)), float(ssim(*pair))))
            table = find(scene.noisy, mode, model)
            truth = scene.positions
            visible = truth[truth[:, 2] > 0.1 * truth[:, 2].max(initial=0)]
            columns += len(visible)
            marks += len(table)
            if len(table) and len(truth):
                reach = np.maximum(2.0, truth[:, 3])
                distance, nearest = cKDTree(truth[:, :2]).query(table[:, :2])
                right += int((distance < reach[nearest]).sum())
                near = cKDTree(table[:, :2]).query(visible[:, :2])[0]
                found += int((near < np.maximum(2.0, visible[:, 3])).sum())
        decibels = np.array(scores)[:, 0]
        rows.append(
            {
                "mode": mode,
                "images": len(scores),
                "psnr": float(decibels.mean()),
                "worst decile": float(np.quantile(decibels, 0.1)),
                "ssim": float(np.array(scores)[:, 1].mean()),
                "precision": right / max(marks, 1),
                "recall": found / max(columns, 1),
            }
        )
        print(rows[-1], flush=True)
    return rows


def measure_fringes(model, _):
    """Marks along fringes of one direction, where there is no column."""
    rows = []
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    disc = np.clip((90 - np.hypot(y - 128, x - 128)) / 6, 0, 1)
    for period in (7, 10, 14, 20):
        for dose in (5, 30, 200):
            rng = np.random.default_rng([SEED, period, dose])
            turn = rng.uniform(0, np.pi)
            phase = 2 * np.pi * (x * np.sin(turn) + y * np.cos(turn)) / period
            wave = 0.5 + 0.5 * np.cos(phase)
            image = rng.poisson(dose * (0.4 + disc * (0.3 + wave)))
            table = find(image, "HAADF", model)
            confident = int((table[:, 4] > 0.9).sum()) if len(table) else 0
            rows.append(
                {
                    "period": period,
                    "electrons": dose,
                    "marks": len(table),
                    "above 0.9": confident,
                }
            )
            print(rows[-1], flush=True)
    return rows


SETS = {
    "lattices": measure_lattices,
    "mixed": measure_mixed,
    "fringes": measure_fringes,
}


def main():
    """Measure the sets that are named, and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    parser.add_argument("--model", default="sfin-fast")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    hs.preferences.General.show_progressbar = False
    result = {
        "seed": SEED,
        "model": arguments.model,
        "sha256": weights_sha256(arguments.model),
    }
    for name in arguments.sets:
        result[name] = SETS[name](arguments.model, arguments.images)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    lattices = result.get("lattices", [])
    for mode in {row["mode"] for row in lattices}:
        for name in PROBES:
            rows = [r for r in lattices if (r["mode"], r["probe"]) == (mode, name)]
            invented = sum(r["invented"] for r in rows) / sum(
                r["columns"] for r in rows
            )
            missed = np.mean([r["missed"] for r in rows])
            print(f"{mode} {name}: {invented:.1%} invented, {missed:.1%} missed")


if __name__ == "__main__":
    main()
