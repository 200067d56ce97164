"""The command ``train``; imports nothing of HyperSpy."""

import math
import sys
import time
from pathlib import Path

from ..models import SFIN_FAST, SFIN_PAPER, resolve_device
from ..train.loop import train

_ARCHITECTURES = {"sfin-fast": SFIN_FAST, "sfin": SFIN_PAPER}

_HOW_TO_EXPORT = """
To use the averaged weights in Python:

    from hyperspy_stem_enhance.models.export import export_weights
    from hyperspy_stem_enhance.train.loop import averaged_network

    network = averaged_network({checkpoint!r})
    export_weights(
        network, "my-model", {folder!r},
        architecture={architecture}, modes=["HAADF", "BF"],
    )
"""


def run_train(options):
    """Train until the steps or minutes are over; print what to do next.

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
        folder holds a training with other settings.
    """
    _check(options)
    architecture = _ARCHITECTURES[options.model]
    checkpoint = train(
        Path(options.out),
        architecture,
        options.steps,
        seed=options.seed,
        batch_factor=options.batch_factor,
        n_workers=options.workers,
        device=resolve_device(options.device),
        minutes=math.inf if options.minutes is None else options.minutes,
        report=_Report(),
        show_progressbar=sys.stderr.isatty(),
    )
    print(f"checkpoint: {checkpoint}; the same command goes on from there")
    print(
        _HOW_TO_EXPORT.format(
            checkpoint=str(checkpoint), folder=options.out, architecture=architecture
        )
    )
    return 0


class _Report:
    """Print the lines of a training with the time that has passed."""

    def __init__(self):
        self._started = time.monotonic()

    def __call__(self, line):
        minutes = (time.monotonic() - self._started) / 60
        print(f"{minutes:8.1f} min  {line}", flush=True)


def _check(options):
    lowest = {"steps": 1, "batch_factor": 1, "workers": 0}
    for name, low in lowest.items():
        value = getattr(options, name)
        if value < low:
            argument = "--" + name.replace("_", "-")
            raise ValueError(f"{argument} {value} is too small; give at least {low}")
    if options.minutes is not None and not options.minutes > 0:
        raise ValueError(
            f"--minutes {options.minutes} is not positive; leave it out to train "
            "until the last step"
        )
