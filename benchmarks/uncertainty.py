"""Fit and test the intervals of ``enhance_sfin(return_uncertainty=True)``.

The constants that join the spreads to an interval of 68 % are fitted by
quantile regression on simulated images of seeds 1 to 20, every noise kind and
mode alike, and written to the registry of the model: that of the package, or of
the folder ``HSE_MODELS``.  The coverage is measured on images of seed 27182,
which took no part, by noise kind, by intensity, and image by image.

    python benchmarks/uncertainty.py [--images 60] [--fit] [--model NAME]
"""

import argparse
from functools import partial

import numpy as np
from scipy.optimize import minimize

from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.enhance.scale import choose_factor
from hyperspy_stem_enhance.enhance.uncertainty import (
    FEATURES,
    join_spreads,
    measure_spreads,
)
from hyperspy_stem_enhance.models import registry
from hyperspy_stem_enhance.models.export import store_constants
from hyperspy_stem_enhance.simulate.scene import draw_scene

FIT_SEEDS = range(1, 21)
TEST_SEED = 27182
KINDS = ("published", "scanning", "low-dose")
SHARE = 0.6827  # of a normal distribution within one SD
# Enhanced intensity, as a part of the height of the brightest columns
CLASSES = ((0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, np.inf))
PIXELS = 3000  # of every image


def measure(seed, indices, model):
    """Spreads, errors and classes of pixels of simulated images."""
    modes = registry.list_models()[registry.resolve(model)]["modes"]
    for index in indices:
        kind, mode = KINDS[index % 3], modes[index // 3 % len(modes)]
        scene = draw_scene(seed, index, (128, 128), mode, kind, probe="random")
        if not scene.clean.any():
            continue
        factor = choose_factor(scene.noisy, *registry.ranges(model))
        enhance = partial(enhance_frames, model=model, mode=mode, scale=factor)
        columns = enhance(scene.noisy[None])[0]
        spreads = measure_spreads(scene.noisy, columns, mode, enhance)
        rng = np.random.default_rng([seed, index])
        some = rng.choice(columns.size, PIXELS, replace=False)
        height = np.quantile(scene.clean, 0.995)
        yield {
            "kind": kind,
            "mode": mode,
            "spreads": {name: spreads[name].ravel()[some] for name in spreads},
            "error": np.abs(columns - scene.clean).ravel()[some],
            "class": np.digitize(
                columns.ravel()[some] / height, [high for _, high in CLASSES[:-1]]
            ),
        }


def pool(images, name):
    """Values of all images in one array, or a dict of arrays."""
    if name == "spreads":
        names = (*FEATURES, "noise")
        return {n: np.concatenate([i["spreads"][n] for i in images]) for n in names}
    return np.concatenate([image[name] for image in images])


def fit(images):
    """Constants with the least loss of quantile regression."""
    spreads, error = pool(images, "spreads"), pool(images, "error")
    number = pool(images, "class")
    # Every class counts the same: most pixels lie between the columns
    weight = 1 / np.bincount(number, minlength=len(CLASSES))[number]
    target = np.log(np.maximum(error, 0.005 * spreads["noise"]))

    def constants(values):
        return values[0], (*values[1:], 1 - sum(values[1:]))

    def loss(values):
        left = target - np.log(join_spreads(spreads, *constants(values)))
        return float(np.sum(weight * np.maximum(SHARE * left, (SHARE - 1) * left)))

    best = minimize(
        loss,
        [0.5, *[1 / len(FEATURES)] * (len(FEATURES) - 1)],
        method="Nelder-Mead",
        options={"maxiter": 2000, "xatol": 1e-3, "fatol": 1e-6},
    )
    log_factor, exponents = constants(best.x)
    # The weights are not those of an image: the share is, after this
    log_factor += np.quantile(
        target - np.log(join_spreads(spreads, log_factor, exponents)), SHARE
    )
    return float(log_factor), tuple(float(e) for e in exponents)


def report(images, constants):
    """Print the coverage in Markdown."""

    def covered(chosen, within=None):
        spreads, error = pool(chosen, "spreads"), pool(chosen, "error")
        inside = error <= join_spreads(spreads, *constants)
        if within is not None:
            inside = inside[pool(chosen, "class") == within]
        return f"{inside.mean():.1%}" if inside.size else ""

    heads = [f"{low:g} to {high:g}" for low, high in CLASSES]
    print(f"| images | all | {' | '.join(heads)} |")
    print("|---" * (2 + len(heads)) + "|")
    for label, chosen in {
        "all": images,
        **{kind: [i for i in images if i["kind"] == kind] for kind in KINDS},
        **{mode: [i for i in images if i["mode"] == mode] for mode in ("HAADF", "BF")},
    }.items():
        cells = [covered(chosen), *(covered(chosen, c) for c in range(len(CLASSES)))]
        print(f"| {label} ({len(chosen)}) | {' | '.join(cells)} |")
    single = [
        np.mean(i["error"] <= join_spreads(i["spreads"], *constants)) for i in images
    ]
    low, middle, high = np.quantile(single, [0.1, 0.5, 0.9])
    print(f"\nper image: {low:.0%} (10 %), {middle:.0%} (median), {high:.0%} (90 %)")


def main():
    """Print coverage, and the constants where they are fitted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--model", default="auto")
    arguments = parser.parse_args()
    if arguments.fit:
        images = [
            image
            for seed in FIT_SEEDS
            for image in measure(seed, range(6), arguments.model)
        ]
        constants = fit(images)
        values = {
            "log_factor": round(constants[0], 3),
            "exponents": [round(e, 3) for e in constants[1]],
        }
        print(
            values, "written to", store_constants("interval", values, arguments.model)
        )
        print(f"\nseeds 1 to 20, {len(images)} images:\n")
        report(images, constants)
    # The same for all of its modes
    mode = registry.list_models()[registry.resolve(arguments.model)]["modes"][0]
    known = registry.constants("interval", arguments.model, mode)
    constants = known["log_factor"], known["exponents"]
    tested = list(measure(TEST_SEED, range(arguments.images), arguments.model))
    print(f"\nseed {TEST_SEED}, {len(tested)} images:\n")
    report(tested, constants)


if __name__ == "__main__":
    main()
