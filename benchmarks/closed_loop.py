"""Closed loop: do the noise parameters that went in come out again?

Images are simulated with each parameter drawn over 0.5 to 1.5 times its mean
in the published table, every arrangement and every structure in turn, and
calibrated by both estimators.  Scores are the median of the absolute error
and, after the sign, the median error (bias), over the images that identify
the parameter; how many do not is listed beside them.  A second table compares
the standard errors that the unbiased estimator states with its true errors.

Images are not digitised.  Where the drawn background levels come in the wrong
order they are swapped.  Brightness and background are scored against what is in
the frame: the simulator scales them on a frame with a margin, and makes no dark
column darker than black.  Fields without columns inside the frame have no atom
brightness and are left out of its row alone; an estimator that finds columns
there is counted in the last row.

    python benchmarks/closed_loop.py [--n 200] [--seed 20611]
"""

import argparse
from dataclasses import dataclass, replace

import numpy as np

from hyperspy_stem_enhance.noise import (
    MODES,
    PARAMETER_NAMES,
    PUBLISHED_PARAMETERS,
    NoiseParameters,
    calibrate_image,
)
from hyperspy_stem_enhance.simulate.arrangements import ARRANGEMENTS
from hyperspy_stem_enhance.simulate.noise import gradient_magnitude
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.simulate.structures import STRUCTURES

SEED = 20611  # for reporting alone: nothing was chosen on it
SHAPE = (256, 256)
METHODS = ("unbiased", "paper")
# score: title, target of the median absolute error, unit
SCORES = {
    "pointwise_median": ("pointwise SD at median intensity", 4, "%"),
    "pointwise_low": ("pointwise SD at 5th percentile", 10, "%"),
    "pointwise_high": ("pointwise SD at 95th percentile", 10, "%"),
    "lambda": ("pointwise lambda", 0.05, ""),
    "scan_zero": ("scan SD at zero gradient", 12, "%"),
    "scan_steep": ("scan SD at 90th percentile of gradient", 12, "%"),
    "brightness": ("atom brightness", 6, "%"),
    "background_min": ("background, lowest", 6, "levels"),
    "background_max": ("background, highest", 6, "levels"),
}


@dataclass(frozen=True)
class Case:
    """One simulated image and what is known about it."""

    mode: str
    image: np.ndarray
    truth: NoiseParameters
    intensities: np.ndarray  # 5, 50 and 95 percentiles without noise
    gradient: float  # 90th percentile without noise
    has_columns: bool
    arrangement: str
    structure: str


def draw_case(seed, index, mode):
    """Simulate one image, its arrangement and structure chosen by `index`."""
    factors = np.random.default_rng([seed, index, 1]).uniform(0.5, 1.5, 8)
    mean = PUBLISHED_PARAMETERS[mode].to_tuple()
    truth = NoiseParameters(*(factors * mean).tolist())
    low, high = sorted((truth.background_min, truth.background_max))
    truth = replace(truth, background_min=low, background_max=high)
    arrangements = tuple(name for name, share in ARRANGEMENTS.items() if share)
    structures = tuple(STRUCTURES)
    turn, which = divmod(index, len(arrangements))
    arrangement = arrangements[which]
    structure = structures[turn % len(structures)]
    scene = draw_scene(seed, index, SHAPE, mode, truth, arrangement, (structure,))
    truth = replace(truth, **levels_in_frame(scene))
    sign = -1 if mode == "BF" else 1
    ideal = scene.background + sign * scene.clean
    return Case(
        mode,
        scene.noisy,
        truth,
        np.quantile(ideal, [0.05, 0.5, 0.95]),
        float(np.quantile(gradient_magnitude(ideal), 0.9)),
        len(scene.positions) > 0,
        arrangement,
        structure,
    )


def levels_in_frame(scene):
    """Background and brightness as the frame shows them.

    The simulator scales columns and background on a frame with a margin, and
    makes no column darker than black.
    """
    heights = scene.positions[:, 2]
    brightness = np.nan
    if len(heights):
        brightness = float(
            max(np.quantile(heights, 0.98), np.quantile(scene.clean, 0.995))
        )
    return {
        "atom_brightness": brightness,
        "background_min": float(scene.background.min()),
        "background_max": float(scene.background.max()),
    }


def errors_of(case, found):
    """Error of each score: relative in per cent, or absolute; NaN if unknown."""
    true = case.truth

    def sd(parameters, term, x):
        slope = getattr(parameters, f"{term}_slope")
        return slope * x + getattr(parameters, f"{term}_intercept")

    def relative(term, x):
        return 100 * (sd(found, term, x) / sd(true, term, x) - 1)

    low, middle, high = (relative("pointwise", x) for x in case.intensities)
    return {
        "pointwise_median": middle,
        "pointwise_low": low,
        "pointwise_high": high,
        "lambda": found.pointwise_lambda - true.pointwise_lambda,
        # a level is known where the slope is not
        "scan_zero": 100 * (found.scan_intercept / true.scan_intercept - 1),
        "scan_steep": relative("scan", case.gradient),
        "brightness": 100 * (found.atom_brightness / true.atom_brightness - 1),
        "background_min": found.background_min - true.background_min,
        "background_max": found.background_max - true.background_max,
    }


def measure(mode, n, seed):
    """Calibrate `n` images by both estimators; cases and results."""
    cases, results = [], {method: [] for method in METHODS}
    for index in range(n):
        case = draw_case(seed, index, mode)
        for method in METHODS:
            results[method].append(calibrate_image(case.image, mode, method))
        cases.append(replace(case, image=None))
    return cases, results


def score_table(measured):
    """Rows of the table of errors: title, target, one cell per estimator."""
    rows = []
    for score, (title, target, unit) in SCORES.items():
        cells = []
        for cases, results in measured.values():
            for method in METHODS:
                errors = np.array(
                    [
                        errors_of(case, result.parameters)[score]
                        for case, result in zip(cases, results[method], strict=True)
                    ]
                )
                asked = np.array(
                    [case.has_columns or score != "brightness" for case in cases]
                )
                cells.append(_cell(errors[asked], unit))
        rows.append([f"{title} ({unit})" if unit else title, f"{target:g}", *cells])
    cells = []
    for cases, results in measured.values():
        for method in METHODS:
            invented = [
                np.isfinite(result.parameters.atom_brightness)
                for case, result in zip(cases, results[method], strict=True)
                if not case.has_columns
            ]
            cells.append(f"{sum(invented)} of {len(invented)}")
    rows.append(["a brightness where there are no columns", "0", *cells])
    return rows


def _cell(errors, unit):
    known = errors[np.isfinite(errors)]
    digits = 1 if unit else 3
    text = f"{np.median(np.abs(known)):.{digits}f} ({np.median(known):+.{digits}f})"
    missing = 1 - known.size / errors.size
    return f"{text}, {missing:.0%} NaN" if missing else text


def coverage_table(measured):
    """Rows that compare stated standard errors with true errors."""
    rows = []
    for name in PARAMETER_NAMES:
        cells = []
        for cases, results in measured.values():
            errors, stated = np.array(
                [
                    (
                        getattr(r.parameters, name) - getattr(c.truth, name),
                        getattr(r.standard_errors, name),
                    )
                    for c, r in zip(cases, results["unbiased"], strict=True)
                ]
            ).T
            known = np.isfinite(errors) & (stated > 0)
            known = np.abs(errors[known] / stated[known])
            if known.size == 0:
                cells.append("none stated")
                continue
            # of a normal distribution, 68.3 % of |errors| lie below one SD
            ratio = np.quantile(known, 0.683)
            cells.append(f"{np.mean(known <= 1):.0%}, {ratio:.2f}")
        rows.append([name, *cells])
    return rows


def print_table(header, rows):
    """Print a table in Markdown."""
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def main():
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200, help="images per mode")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    measured = {mode: measure(mode, arguments.n, arguments.seed) for mode in MODES}
    print(f"Simulated, {arguments.n} images per mode, seed {arguments.seed}.")
    print("Median absolute error (bias), images that do not identify it\n")
    columns = [f"{mode}, {method}" for mode in MODES for method in METHODS]
    print_table(["", "target", *columns], score_table(measured))
    print("\nShare of true errors below the stated standard error (68 % expected),")
    print("and 68.3rd percentile of true over stated error (1 expected)\n")
    print_table(["", *MODES], coverage_table(measured))


if __name__ == "__main__":
    main()
