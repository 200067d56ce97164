"""Gain and electrons per pixel of simulated images whose gain is known.

python benchmarks/gain.py [--images 40]

Images of 256 x 256 of every arrangement, without noise but for what is named in
the row, with the published background and atom brightness. Bias is the median of
the relative error, scatter the median of its magnitude, and the last of each the
share of the images whose error is within two of its standard errors.
"""

import argparse

import numpy as np

from hyperspy_stem_enhance.noise import calibrate_image
from hyperspy_stem_enhance.noise.parameters import PUBLISHED_PARAMETERS
from hyperspy_stem_enhance.simulate import FrameNoise, draw_scene
from hyperspy_stem_enhance.simulate.kinds import draw_parameters

SEED = 90281
SHAPE = (256, 256)
DOSES = (0.3, 1, 3, 10, 30, 100)  # electrons per pixel at the mean intensity


def ideal_image(index):
    """Image without noise, and the random generator of its noise."""
    rng = np.random.default_rng([SEED, index])
    parameters = draw_parameters(rng, PUBLISHED_PARAMETERS["HAADF"])
    scene = draw_scene(SEED, index, SHAPE, noise=parameters)
    return np.clip(scene.clean + scene.background, 0, None), rng


def noise_of(kind, per_unit):
    """Noise of a row of the table."""
    terms = {
        "counting alone": {},
        "with scan noise": {"scan_slope": 0.11, "scan_intercept": 4.76},
        "with displaced rows": {"row_jitter": 0.4},
        "with readout noise of half an electron": {"readout_sd": 0.5 / per_unit},
    }[kind]
    return FrameNoise(electrons_per_unit=per_unit, **terms)


def measure(kind, dose, n_images):
    """Relative errors, errors in standard errors, and shares that are NaN."""
    rows = []
    warned = 0
    for index in range(n_images):
        ideal, rng = ideal_image(index)
        per_unit = dose / ideal.mean()
        image = noise_of(kind, per_unit).apply(rng, ideal)
        result = calibrate_image(image)
        warned += bool({"correlated", "fast_axis"} & set(result.checks.notes()))
        found = result.gain()
        known = result.gain(dark_level=0)
        rows.append(
            [
                found.gain * per_unit - 1,
                (found.gain * per_unit - 1) / (found.gain_error * per_unit),
                found.electrons / dose - 1,
                (found.electrons - dose) / found.electrons_error,
                known.electrons / dose - 1,
                (known.electrons - dose) / known.electrons_error,
            ]
        )
    return np.array(rows), warned


def main():
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=40, help="per row")
    arguments = parser.parse_args()
    columns = ("gain", "electrons", "electrons, dark level given")
    print("| noise | electrons per pixel | " + " | ".join(columns), "| warned of |")
    print("|---" * 6 + "|")
    for kind in (
        "counting alone",
        "with scan noise",
        "with displaced rows",
        "with readout noise of half an electron",
    ):
        for dose in DOSES if kind == "counting alone" else (1, 10):
            rows, warned = measure(kind, dose, arguments.images)
            cells = []
            for error, pull in rows.T.reshape(3, 2, -1):
                known = np.isfinite(error)
                if not known.any():
                    cells.append("not known")
                    continue
                error, pull = error[known], pull[known]
                cells.append(
                    f"{np.median(error):+.1%}, {np.median(np.abs(error)):.1%}, "
                    f"{np.mean(np.abs(pull) < 2):.0%} ({known.mean():.0%} known)"
                )
            print(f"| {kind} | {dose:g} |", " | ".join(cells), f"| {warned} |")


if __name__ == "__main__":
    main()
