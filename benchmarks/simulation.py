"""Images simulated per second, and how the time grows with pixels and columns.

Processor time of one core, so that other work on the machine counts little;
then rates by the clock, on processes and on threads, which other work does
slow down.

    python benchmarks/simulation.py [--images 200] [--workers 2]
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np

from hyperspy_stem_enhance.simulate import draw_scene, make_dataset
from hyperspy_stem_enhance.simulate.kinds import NOISE_KINDS
from hyperspy_stem_enhance.simulate.render import render_columns
from hyperspy_stem_enhance.simulate.scene import draw_recipe

SEED = 4100
SIDES = (256, 512, 1024, 2048)
COLUMNS = (100, 1000, 10000, 100000)
WARM_UP = 5
ROUNDS = 4


def processor_ms(function, arguments):
    """Mean processor time of a call, in ms."""
    for argument in arguments[:WARM_UP]:
        function(argument)
    started = time.process_time()
    for argument in arguments:
        function(argument)
    return (time.process_time() - started) / len(arguments) * 1e3


def draw(index, noise="mixed", side=256, pixel_size=None):
    """Draw a frame; the modes take turns."""
    mode = ("HAADF", "BF")[index % 2]
    arrangement = None if pixel_size is None else "lattice"
    structures = None if pixel_size is None else ["SrTiO3 [001]"]
    scene = draw_scene(
        SEED, index, (side, side), mode, noise, arrangement, structures, pixel_size
    )
    return len(scene.positions)


def report_kinds(n_images):
    """Print the rate of each kind of noise."""
    print("| noise | processor ms per 256² image | images per second and core |")
    print("|---|---|---|")
    for noise in NOISE_KINDS:
        ms = processor_ms(partial(draw, noise=noise), range(n_images))
        print(f"| {noise} | {ms:.1f} | {1e3 / ms:.0f} |")
    ms = processor_ms(
        partial(make_dataset, num_workers=1, show_progressbar=False), [n_images]
    )
    ms /= n_images
    print(f"| mixed, by make_dataset | {ms:.1f} | {1e3 / ms:.0f} |")
    ms = processor_ms(partial(draw_recipe, SEED), range(n_images))
    print(f"\nOf these, drawing what a frame is to be: {ms:.2f} ms")


def report_pixels(n_images):
    """Print the time against the pixels, at one density of columns."""
    print("\n| side | columns | processor ms | ns per pixel |\n|---|---|---|---|")
    for side in SIDES:
        numbers = range(max(4, n_images * 256**2 // side**2))
        simulate = partial(draw, noise="published", side=side, pixel_size=0.2)
        ms = processor_ms(simulate, numbers)
        columns = np.mean([simulate(index) for index in numbers[:4]])
        print(f"| {side} | {columns:.0f} | {ms:.1f} | {ms * 1e6 / side**2:.0f} |")


def report_columns():
    """Print the time of drawing against the number of columns."""
    print("\n| columns in 1024² | processor ms | µs per column |\n|---|---|---|")
    rng = np.random.default_rng(SEED)
    for n in COLUMNS:
        positions = rng.random((n, 2)) * 1024
        arguments = (positions, np.ones(n), np.full(n, 1.5), (1024, 1024))
        ms = processor_ms(lambda a: render_columns(*a), [arguments] * 8)
        print(f"| {n} | {ms:.1f} | {ms * 1e3 / n:.1f} |")


def report_workers(n_images, workers):
    """Print rates by the clock; each is the best of rounds taken in turns."""
    pools = {
        "1 process": ProcessPoolExecutor(1),
        f"{workers} processes": ProcessPoolExecutor(workers),
        f"{workers} threads": ThreadPoolExecutor(workers),
    }
    rates = {name: [] for name in (*pools, f"make_dataset, {workers} threads")}
    for round_number in range(ROUNDS + 1):
        for name, pool in pools.items():
            started = time.perf_counter()
            list(pool.map(draw, range(n_images), chunksize=8))
            if round_number:  # the first warms up
                rates[name].append(n_images / (time.perf_counter() - started))
        started = time.perf_counter()
        make_dataset(n_images, num_workers=workers, show_progressbar=False)
        if round_number:
            name = f"make_dataset, {workers} threads"
            rates[name].append(n_images / (time.perf_counter() - started))
    for pool in pools.values():
        pool.shutdown()
    print("\n| by the clock | images per second |\n|---|---|")
    for name, values in rates.items():
        print(f"| {name} | {max(values):.0f} |")


def main():
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    report_kinds(options.images)
    report_pixels(options.images)
    report_columns()
    report_workers(options.images, options.workers)


if __name__ == "__main__":
    main()
