"""Train the networks of the SFIN and SCGN papers' tables alike, and measure them.

Classical filters, tuned by the truth for every image, stand beside them, and the
papers' own figures.  Started again, it goes on where it stopped.

    python benchmarks/tables.py --out FOLDER [--mode HRTEM] [--size small] ...
"""

import argparse
import math
import sys

from paper_tables import BenchmarkSettings, run_benchmark, run_hrtem_benchmark
from paper_tables.hrtem import PAPER_STEPS

from hyperspy_stem_enhance.models import resolve_device


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, metavar="FOLDER", help="its folder")
    parser.add_argument(
        "--mode",
        choices=("STEM", "HRTEM"),
        default="STEM",
        help="tables of the SFIN paper, or of the SCGN paper (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=int,
        default=100,
        metavar="N",
        help="test images per mode (default: %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        help="length of every training (default: as many images as in the paper, 62500 "
        "steps, or 12500 for HRTEM)",
    )
    parser.add_argument(
        "--size",
        choices=("paper", "small"),
        default="paper",
        help="networks as published, or small enough for a processor (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--noise",
        choices=("published", "scanning", "low-dose", "mixed"),
        default="published",
        help="in training and test (default: %(default)s)",
    )
    parser.add_argument(
        "--side",
        type=int,
        default=256,
        metavar="PIXELS",
        help="of the test images (default: %(default)s)",
    )
    parser.add_argument(
        "--minutes", type=float, help="stop training before, to be resumed later"
    )
    parser.add_argument(
        "--seed", type=int, default=11, help="of the trainings (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="auto", help="as for enhance (default: %(default)s)"
    )
    parser.add_argument(
        "--batch-factor",
        type=int,
        default=1,
        help="multiplies the batch of 8 frames of 128 x 128 (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that simulate images (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def main(arguments=None):
    """Train and measure the rows of a paper's tables; print what is done."""
    options = parse(arguments)
    if options.minutes is not None and not options.minutes > 0:
        raise ValueError(
            f"--minutes {options.minutes} is not positive; leave it out to go on "
            "until the end"
        )
    hrtem = options.mode == "HRTEM"
    n_steps = PAPER_STEPS if hrtem else BenchmarkSettings.n_steps
    settings = BenchmarkSettings(
        n_images=options.images,
        n_steps=n_steps if options.steps is None else options.steps,
        size=options.size,
        noise=options.noise,
        seed=options.seed,
        batch_factor=options.batch_factor,
        side=options.side,
    )
    run = run_hrtem_benchmark if hrtem else run_benchmark
    run(
        options.out,
        settings,
        device=resolve_device(options.device),
        n_workers=options.workers,
        minutes=math.inf if options.minutes is None else options.minutes,
        report=lambda line: print(line, flush=True),
    )
    print(f"tables: {options.out}/tables.md, tables.csv, tables.json")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(str(error))
