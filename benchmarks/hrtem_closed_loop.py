"""Closed loop of HRTEM noise: do the parameters that went in come out again?

Images are simulated in HRTEM mode with each noise parameter drawn over 0.5 to
1.5 times its published value and a range of intensity of 0.5 to 1.5 times the
published one, every arrangement and every structure in turn, as spots and by
phase contrast, and calibrated with the structure removed.  A second set has no
columns, and is calibrated in three areas of 64 x 64 pixels, as a user marks
them.

Slope and intercept of the pointwise noise are scored by the SD that they give at
the 5, 50 and 95 percentiles of the image without noise, of the areas in the
second set.  Scores are the median of the absolute error and, after the sign, the
median error, over the images that identify the parameter; how many do not is
listed beside them.  A second table compares the stated standard errors with the
true errors.

    python benchmarks/hrtem_closed_loop.py [--n 200] [--seed 82001]
"""

import argparse
from dataclasses import dataclass, replace

import numpy as np

from hyperspy_stem_enhance.noise import (
    PUBLISHED_PARAMETERS,
    HRTEMNoiseParameters,
    calibrate_image,
)
from hyperspy_stem_enhance.noise.result import CalibrationResult
from hyperspy_stem_enhance.simulate import draw_scene
from hyperspy_stem_enhance.simulate.background import draw_smooth_background
from hyperspy_stem_enhance.simulate.nuclei import HRTEM_ARRANGEMENTS
from hyperspy_stem_enhance.simulate.structures import STRUCTURES

SEED = 82001  # for reporting alone: nothing was chosen on it
SHAPE = (256, 256)
AREA = 64  # pixels
TARGETS = {
    "pointwise SD at 5th percentile (%)": 5,
    "pointwise SD at median intensity (%)": 5,
    "pointwise SD at 95th percentile (%)": 5,
    "column SD (%)": 10,
    "lowest intensity (% of range)": None,
    "highest intensity (% of range)": None,
}


@dataclass(frozen=True)
class Case:
    """One simulated image: what went in, and what came out."""

    truth: HRTEMNoiseParameters
    found: CalibrationResult
    intensities: np.ndarray  # 5, 50 and 95 percentiles
    arrangement: str
    appearance: str


def draw_truth(rng):
    """Parameters over 0.5 to 1.5 times the published ones."""
    mean = PUBLISHED_PARAMETERS["HRTEM"]
    column, slope, intercept, low, span = rng.uniform(0.5, 1.5, 5)
    low *= mean.intensity_min
    return HRTEMNoiseParameters(
        low,
        low + span * (mean.intensity_max - mean.intensity_min),
        column * mean.column_sd,
        slope * mean.pointwise_slope,
        intercept * mean.pointwise_intercept,
    )


def draw_case(seed, index, in_areas):
    """Simulate one image and calibrate it."""
    rng = np.random.default_rng([seed, index, 1])
    truth = draw_truth(rng)
    names, structures = tuple(HRTEM_ARRANGEMENTS), tuple(STRUCTURES)
    arrangement = "empty" if in_areas else names[index % len(names)]
    structure = structures[index // len(names) % len(structures)]
    scene = draw_scene(seed, index, SHAPE, "HRTEM", truth, arrangement, (structure,))
    sign = -1 if scene.recipe.appearance == "dark" else 1
    ideal = scene.background + sign * scene.clean
    image, areas = scene.noisy, None
    if in_areas:
        # nothing but slow changes: speckle and edges are structure
        low, high = truth.intensity_min, truth.intensity_max
        ideal = draw_smooth_background(rng, SHAPE, low, high)
        image, areas = scene.noise.apply(rng, ideal), draw_areas(rng)
    low, high = np.quantile(ideal, [0.01, 0.99])
    truth = replace(truth, intensity_min=low, intensity_max=high)
    found = calibrate_image(image, "HRTEM", atom_free=areas)
    return Case(
        truth,
        found,
        np.quantile(ideal[areas > 0] if in_areas else ideal, [0.05, 0.5, 0.95]),
        scene.arrangement,
        scene.recipe.appearance,
    )


def draw_areas(rng):
    """Three squares, in three quarters of the image."""
    areas = np.zeros(SHAPE, int)
    half = SHAPE[0] // 2
    for number, corner in enumerate([(0, 0), (0, half), (half, 0)], 1):
        top, left = rng.integers(0, half - AREA, 2) + corner
        areas[top : top + AREA, left : left + AREA] = number
    return areas


def errors_of(case):
    """Error of each score, in per cent; NaN where it is not identified."""
    true, found = case.truth, case.found.parameters
    sd = true.pointwise_slope * case.intensities + true.pointwise_intercept
    sd_found = found.pointwise_slope * case.intensities + found.pointwise_intercept
    span = true.intensity_max - true.intensity_min
    values = [
        *(100 * (sd_found / sd - 1)),
        100 * (found.column_sd / true.column_sd - 1),
        100 * (found.intensity_min - true.intensity_min) / span,
        100 * (found.intensity_max - true.intensity_max) / span,
    ]
    return dict(zip(TARGETS, values, strict=True))


def cell(errors):
    """Median absolute error, bias, and the share that is not identified."""
    known = errors[np.isfinite(errors)]
    text = f"{np.median(np.abs(known)):.1f} ({np.median(known):+.1f})"
    missing = 1 - known.size / errors.size
    return f"{text}, {missing:.0%} NaN" if missing else text


def coverage(cases, name):
    """Share of true errors below the stated one, and their 68.3rd percentile."""
    errors = np.array(
        [
            (getattr(c.found.parameters, name) - getattr(c.truth, name))
            / getattr(c.found.standard_errors, name)
            for c in cases
        ]
    )
    known = np.abs(errors[np.isfinite(errors)])
    return f"{np.mean(known <= 1):.0%}, {np.quantile(known, 0.683):.2f}"


def print_table(header, rows):
    """Print a table in Markdown."""
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def main():
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200, help="images of each set")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    sets = {
        "structure removed": False,
        "areas without atoms": True,
    }
    cases = {
        name: [draw_case(arguments.seed, i, in_areas) for i in range(arguments.n)]
        for name, in_areas in sets.items()
    }
    print(f"Simulated, {arguments.n} images of each set, seed {arguments.seed}.")
    print("Median absolute error (median error), images that do not identify it\n")
    rows = []
    for score, target in TARGETS.items():
        found = [np.array([errors_of(c)[score] for c in cases[name]]) for name in sets]
        rows.append([score, "" if target is None else str(target), *map(cell, found)])
    print_table(["", "target", *sets], rows)
    print("\nShare of true errors below the stated standard error (68 % expected),")
    print("and 68.3rd percentile of true over stated error (1 expected)\n")
    names = vars(PUBLISHED_PARAMETERS["HRTEM"])
    print_table(
        ["", *sets],
        [[name, *(coverage(cases[s], name) for s in sets)] for name in names],
    )
    print("\nStructure removed, by arrangement and appearance: column SD and")
    print("pointwise SD at the median intensity (%)\n")
    rows = []
    for field in ("arrangement", "appearance"):
        chosen = cases["structure removed"]
        for kind in sorted({getattr(c, field) for c in chosen}):
            errors = [errors_of(c) for c in chosen if getattr(c, field) == kind]
            scores = ("column SD (%)", "pointwise SD at median intensity (%)")
            cells = [cell(np.array([e[score] for e in errors])) for score in scores]
            rows.append([kind, str(len(errors)), *cells])
    print_table(["", "images", "column SD", "pointwise SD"], rows)
    noted = [note for c in cases["structure removed"] for note in c.found.notes]
    print(f"\nNotes on images of the first set: {len(noted)}, all unfounded")


if __name__ == "__main__":
    main()
