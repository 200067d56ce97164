"""How near simulated images are to real ones, by their calibrated parameters.

python benchmarks/realism.py [--data FOLDER] [--sets 5]

Tables 2 and 3 of Li et al. (CVPR 2025) for the real HAADF images of a folder.
Each image is mapped linearly so that its 0.1 and 99.9 percentiles are 0 and
255, without rounding or clipping, and cut into patches of 256 x 256. The
calibration that is drawn from is of the patches of its upper half alone; those
of its lower half are what simulated sets of as many patches are compared with.
All are calibrated by the default estimator. For each parameter:

- Kullback-Leibler divergence of real from simulated, in nats: histograms over
  eight bins with an equal share of the real patches each, the outer ones open,
  half a count added to each; 0 is alike.
- R2 of the sorted values: one less the squared differences of the quantiles from
  5 to 95 %, so that no single patch decides, relative to the variance of the real
  ones; 1 is alike.

Both are means over several simulated sets.
"""

import argparse
import warnings
from pathlib import Path

import hyperspy.api as hs
import numpy as np

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.noise import PARAMETER_NAMES, calibrate_records
from hyperspy_stem_enhance.noise.parameters import NoiseParameters
from hyperspy_stem_enhance.simulate import FrameNoise, draw_scene, make_dataset

SEED = 48611
SIDE = 256
BINS = 8
QUANTILES = np.linspace(0.05, 0.95, 37)


def load(path):
    """Image of a file, as float."""
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path) as file:
            found = []
            file.visititems(lambda _, item: found.append(item))
            return np.asarray(next(f for f in found if getattr(f, "ndim", 0) == 2))
    return np.asarray(hs.load(path).data, float)


def cut(half):
    """Patches side by side."""
    return [
        half[y : y + SIDE, x : x + SIDE]
        for y in range(0, half.shape[0] - SIDE + 1, SIDE)
        for x in range(0, half.shape[1] - SIDE + 1, SIDE)
    ]


def real_patches(folder):
    """Patches of the upper and of the lower half of all images."""
    upper, lower = [], []
    for path in sorted(folder.glob("*")):
        if path.suffix not in (".ser", ".h5", ".tif", ".png", ".dm4", ".hspy"):
            continue
        image = load(path)
        middle = image.shape[0] // 2
        if image.ndim != 2 or middle < SIDE or image.shape[1] < SIDE:
            print(f"- {path.name}: {image.shape}, too small for two patches")
            continue
        low, high = np.percentile(image, [0.1, 99.9])
        image = 255 * (image - low) / (high - low)
        halves = cut(image[:middle]), cut(image[middle:])
        upper += halves[0]
        lower += halves[1]
        print(f"- {path.name}: {len(halves[0])} + {len(halves[1])} patches")
    return np.stack(upper), np.stack(lower)


def uncalibrated(n, seed):
    """Images with Poisson and Gaussian noise of any level, as is usual."""
    images = []
    for index in range(n):
        rng = np.random.default_rng([seed, index, 2])
        lowest = rng.uniform(0, 80)
        parameters = NoiseParameters(
            atom_brightness=rng.uniform(40, 230),
            background_min=lowest,
            background_max=lowest + rng.uniform(0, 80),
            scan_slope=0.0,
            scan_intercept=0.0,
            pointwise_slope=0.0,
            pointwise_intercept=0.0,
            pointwise_lambda=0.14,
        )
        scene = draw_scene(seed, index, (SIDE, SIDE), noise=parameters)
        noise = FrameNoise(
            electrons_per_unit=np.exp(rng.uniform(np.log(0.02), np.log(2))),
            readout_sd=rng.uniform(0, 50),
        )
        images.append(noise.apply(rng, scene.clean + scene.background))
    return np.stack(images)


def simulated(kind, calibration, n, seed):
    """Simulated patches of one kind."""
    if kind == "uncalibrated":
        return uncalibrated(n, seed)
    noise = calibration if kind == "own calibration" else "published"
    data = make_dataset(n, (SIDE, SIDE), noise=noise, seed=seed, show_progressbar=False)
    return data.noisy.data


def divergence(real, other):
    """Kullback-Leibler divergence of the histograms."""
    edges = np.quantile(real, np.linspace(0, 1, BINS + 1)[1:-1])
    counts = [
        np.bincount(np.searchsorted(edges, values), minlength=BINS) + 0.5
        for values in (real, other)
    ]
    p, q = (c / c.sum() for c in counts)
    return float(np.sum(p * np.log(p / q)))


def agreement(real, other):
    """R2 of the sorted values."""
    expected, found = np.quantile(real, QUANTILES), np.quantile(other, QUANTILES)
    spread = np.sum((expected - expected.mean()) ** 2)
    return float(1 - np.sum((expected - found) ** 2) / spread)


def row(label, values, digits=2):
    cells = (f"{v:.{digits}f}" if np.isfinite(v) else "-" for v in values)
    print(f"| {label} | " + " | ".join(cells) + " |")


def header(first):
    print(f"\n| {first} | " + " | ".join(PARAMETER_NAMES) + " |")
    print("|---" * (len(PARAMETER_NAMES) + 1) + "|")


def compare(real, sets, measure):
    """Mean of a measure over sets, for each parameter."""
    known = [column[np.isfinite(column)] for column in real.T]
    return np.mean(
        [
            [
                measure(k, column[np.isfinite(column)])
                for k, column in zip(known, found.T, strict=True)
            ]
            for found in sets
        ],
        axis=0,
    )


def main():
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(__file__).parents[1] / ".." / "shared" / "data" / "haadf",
        help="folder of real images",
    )
    parser.add_argument("--sets", type=int, default=5, help="simulated sets per kind")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    upper, lower = real_patches(options.data)
    n = len(lower)
    n_parameters = len(PARAMETER_NAMES)
    records = calibrate_records(upper)
    calibration = hse.NoiseCalibration.from_array(records)
    real = calibrate_records(lower)[:, :n_parameters]
    tables = {"real, upper halves": [records[:, :n_parameters]]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for kind in ("own calibration", "published", "uncalibrated"):
            tables[kind] = [
                calibrate_records(simulated(kind, calibration, n, options.seed + s))[
                    :, :n_parameters
                ]
                for s in range(options.sets)
            ]
    print(f"\n{n} patches each, {options.sets} simulated sets, seed {options.seed}.")
    header("mean ± SD")
    for label, sets in {"real, lower halves": [real], **tables}.items():
        values = np.concatenate(sets)
        cells = zip(np.nanmean(values, 0), np.nanstd(values, 0), strict=True)
        print(f"| {label} | " + " | ".join(f"{m:.3g} ± {s:.2g}" for m, s in cells), "|")
    row("not identified, real", np.isnan(real).mean(0))
    for kind, sets in tables.items():
        row(f"not identified, {kind}", np.isnan(np.concatenate(sets)).mean(0))
    for name, measure, best in (
        ("KL divergence", divergence, np.argmin),
        ("R2", agreement, np.argmax),
    ):
        header(name)
        results = {k: compare(real, sets, measure) for k, sets in tables.items()}
        for kind, values in results.items():
            row(kind, values)
        kinds = list(results)[1:]
        nearest = best([results[kind] for kind in kinds], axis=0)
        counts = {kind: int(np.sum(nearest == i)) for i, kind in enumerate(kinds)}
        print(f"\nNearest by {name}: {counts}")


if __name__ == "__main__":
    main()
