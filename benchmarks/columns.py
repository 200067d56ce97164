"""Images drawn from the table of columns against full multislice.

The multislice images (abTEM) have thermal displacements of other seeds than
those that the table was fitted to, a finer scan, and are kept in a file, so
that the comparison can be repeated without abTEM. Both images have the same
source size. What the Z**1.7 approximation reaches is told beside.

    python benchmarks/columns.py
"""

import argparse
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from hyperspy_stem_enhance import simulate
from hyperspy_stem_enhance.simulate.approximation import approximate_appearance
from hyperspy_stem_enhance.simulate.column_fit import sum_gaussians
from hyperspy_stem_enhance.simulate.crystals import tabulated_crystals
from hyperspy_stem_enhance.simulate.multislice import CONDITIONS, simulate_image

CACHE = Path.home() / ".cache" / "hyperspy_stem_enhance" / "multislice.npz"
NAMES = ("SrTiO3 [001]", "Si [110]", "LiCoO2 [100]")
SEED = 1001
STEP = 0.26  # ångström


def multislice_images(names, cache):
    """Images by case; those not in the cache are simulated."""
    known = dict(np.load(cache)) if cache.exists() else {}
    crystals = tabulated_crystals()
    for name, mode in product(names, CONDITIONS):
        key = f"{name} {mode}"
        if key not in known:
            crystal = crystals[name]
            known[key], _ = simulate_image(
                crystal.atoms,
                crystal.zone_axis,
                replace(CONDITIONS[mode], step=STEP),
                crystal.displacements,
                SEED,
            )
            cache.parent.mkdir(parents=True, exist_ok=True)
            np.savez(cache, **known)
            print(f"simulated {key}", flush=True)
        yield name, mode, known[key]


def correlations(entry, mode, image):
    """With the table's Gaussians, and with the approximation's."""
    cell, sites = np.array(entry["cell"]), np.array(entry["sites"])
    sign = -1 if mode == "BF" else 1
    table = entry[mode]
    drawn = sum_gaussians(image.shape, cell, sites, table["heights"], table["widths"])
    heights, widths = approximate_appearance(entry["columns"], entry["displacements"])
    width = np.average(table["widths"], weights=table["heights"])
    guessed = sum_gaussians(
        image.shape, cell, sites, heights[mode], widths[mode] * width
    )
    return [
        np.corrcoef(i.ravel(), sign * image.ravel())[0, 1] for i in (drawn, guessed)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--cache", type=Path, default=CACHE)
    options = parser.parse_args()
    table = Path(simulate.__file__).parent / "structures.json"
    structures = json.loads(table.read_text("utf-8"))["structures"]
    print("| structure | mode | table | approximation |")
    print("|---|---|---|---|")
    for name, mode, image in multislice_images(options.names, options.cache):
        by_table, by_formula = correlations(structures[name], mode, image)
        print(f"| {name} | {mode} | {by_table:.4f} | {by_formula:.4f} |")


if __name__ == "__main__":
    main()
