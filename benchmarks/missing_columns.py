"""What an enhanced image shows where a lattice lacks a column.

A network that knows lattices may complete them.  Simulated lattices of two sorts of
columns, one half as high as the other, lack a twentieth of both; electrons are
counted at 0.5 to 50 per pixel of the higher sort.  Shown is the mean intensity over
the background at sites without a column, as a part of that at sites with one: 0 is
right, 1 a lattice completed.

    python benchmarks/missing_columns.py [--tkrem PYTHON] [--model auto] [--images 8]

PYTHON as for real_structure.py.
"""

import argparse

import numpy as np
from real_structure import fitted, run_tkrem
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.enhance.run import enhance_frames

SEED = 66_001
COUNTS = (0.5, 2, 10, 50)
SIDE, SPACING, SIGMA = 256, 16.0, 2.6  # pixels
BACKGROUND = 0.15
SORTS = {"strong": 1.0, "weak": 0.5}  # heights
LACKING = 0.05
DISPLACEMENT = 0.15  # SD in pixels
BLUR = 3.0  # pixels: about the best for PSNR at 2 counts
KEPT = {"keep_background": True}


def draw_lattice(index):
    """Image without noise, and all sites: positions, heights, who lacks a column."""
    rng = np.random.default_rng([SEED, index])
    corner = np.mgrid[0:18, 0:18].reshape(2, -1).T * SPACING + rng.uniform(0, SPACING)
    sites = np.concatenate([corner, corner + SPACING / 2]) - SPACING
    sites += rng.normal(0, DISPLACEMENT, sites.shape)
    heights = np.repeat(list(SORTS.values()), len(corner))
    inside = ((sites > 8) & (sites < SIDE - 9)).all(axis=1)
    lacking = inside & (rng.random(len(sites)) < LACKING)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.full((SIDE, SIDE), BACKGROUND)
    for (row, column), height in zip(sites[~lacking], heights[~lacking], strict=True):
        squared = (y - row) ** 2 + (x - column) ** 2
        image += height * np.exp(-squared / (2 * SIGMA**2))
    return image, sites[inside], heights[inside], lacking[inside]


def enhanced_images(noisy, model):
    """Images over the background by the name of the method."""
    frames = noisy[None]
    yield "Gaussian blur", gaussian_filter(noisy, BLUR) - BACKGROUND
    yield "enhance_sfin", enhance_frames(frames, model)[0]
    for name, options in (
        ("background kept", {}),
        ("the same, echo removed", {"remove_echo": True}),
        ("the same, self-ensemble", {"self_ensemble": True}),
    ):
        yield name, enhance_frames(frames, model, **KEPT, **options)[0] - BACKGROUND


def main():
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tkrem", metavar="PYTHON")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--images", type=int, default=8)
    arguments = parser.parse_args()
    lattices = [draw_lattice(index) for index in range(arguments.images)]
    noisy = {}
    for counts in COUNTS:
        for index, (clean, *_) in enumerate(lattices):
            rng = np.random.default_rng([SEED, index, round(10 * counts)])
            noisy[f"{counts} {index}"] = rng.poisson(counts * clean) / counts
    peer = run_tkrem(arguments.tkrem, noisy) if arguments.tkrem else {}
    rows = {}
    for counts in COUNTS:
        for index, (clean, sites, heights, lacking) in enumerate(lattices):
            key = f"{counts} {index}"
            found = dict(enhanced_images(noisy[key], arguments.model))
            if peer:
                image = fitted(peer[key].astype(float), clean)
                found["tk_r_em, linear fit"] = image - BACKGROUND
            pixels = tuple(np.round(sites).astype(int).T)
            for name, image in found.items():
                for sort, height in SORTS.items():
                    own = heights == height
                    cells = rows.setdefault(name, {}).setdefault((counts, sort), [])
                    cells.append(
                        [image[pixels][own & gap].mean() for gap in (lacking, ~lacking)]
                    )
    heads = [f"{c} counts, {sort}" for c in COUNTS for sort in SORTS]
    print(f"| method | {' | '.join(heads)} |\n|---{'|---' * len(heads)}|")
    for name, columns in rows.items():
        means = [np.mean(values, axis=0) for values in columns.values()]
        cells = [f"{gap / column:.2f}" for gap, column in means]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
