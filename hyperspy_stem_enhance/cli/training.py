"""The command ``train``; imports nothing of HyperSpy."""

import math
import sys
import time
from pathlib import Path

from ..models import SFIN_FAST, SFIN_PAPER, install_model, resolve, resolve_device
from ..models.export import check_own_name
from ..models.scgn import SCGN_FAST, SCGN_PAPER
from ..noise.parameters import MODES
from ..train.loop import train

# Architectures, and the modes that they are trained for
_NETWORKS = {
    "sfin-fast": (SFIN_FAST, MODES),
    "sfin": (SFIN_PAPER, MODES),
    "scgn-fast": (SCGN_FAST, ("HRTEM",)),
    "scgn": (SCGN_PAPER, ("HRTEM",)),
}


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
        If a number is not positive, a model is unknown or of another
        architecture, the device cannot be used, or the folder holds a
        training with other settings.
    """
    _check(options)
    architecture, modes = _NETWORKS[options.model]
    mode = modes[0] if len(modes) == 1 else None  # whose model "auto" is
    if options.name is not None:
        check_own_name(options.name)
    checkpoint = train(
        Path(options.out),
        architecture,
        options.steps,
        seed=options.seed,
        peak_rate=options.peak_rate,
        loss=options.loss,
        modes=modes,
        start=options.start and resolve(options.start, mode),
        batch_factor=options.batch_factor,
        n_workers=options.workers,
        device=resolve_device(options.device),
        minutes=math.inf if options.minutes is None else options.minutes,
        report=_Report(),
        show_progressbar=sys.stderr.isatty(),
    )
    print(f"checkpoint: {checkpoint}; the same command goes on from there")
    if options.name is None:
        print("give --name to make its averaged weights a model that is used by name")
    else:
        path = install_model(options.out, options.name, modes)
        print(f"model {options.name!r}: {path}")
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
    if not options.peak_rate > 0:
        raise ValueError(
            f"--peak-rate {options.peak_rate} is not positive; 1e-3 suits a training "
            "from the beginning"
        )
    if options.minutes is not None and not options.minutes > 0:
        raise ValueError(
            f"--minutes {options.minutes} is not positive; leave it out to train "
            "until the last step"
        )
