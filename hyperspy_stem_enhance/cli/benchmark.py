"""The command ``benchmark``; imports nothing of HyperSpy."""

import math

from ..benchmark import BenchmarkSettings, run_benchmark, run_hrtem_benchmark
from ..benchmark.hrtem import PAPER_STEPS
from ..models import resolve_device


def run_benchmark_command(options):
    """Train and measure the rows of the paper's tables; print what is done.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    int
        Exit status.

    Raises
    ------
    ValueError
        If a number is not positive, the device cannot be used, or the
        folder holds a benchmark with other settings.
    """
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
    return 0
