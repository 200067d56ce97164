"""The command ``calibrate``."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..noise.summary import summarise
from .files import refuse_existing, whole_files
from .jobs import run_command
from .writers import NoiseSink


def run_calibrate(options):
    """Write the noise of all images, one table of it, and print its summary.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    int
        Exit status.
    """
    return run_command(options, _Calibrate(options))


class _Calibrate:
    """The noise of each image or series, and a table of all of them."""

    endings = ("_noise.hspy",)
    weights = {}

    def __init__(self, options):
        self._options = options
        self._path = Path(options.out) / "noise_calibration.csv"
        ours = self._path.with_name("calibrate-log.jsonl").exists()
        if not (ours or options.overwrite):
            refuse_existing(self._path)

    def begin(self, signal):
        """Sinks of what is to be computed of images."""
        options = self._options
        calibration = signal.calibrate_noise(
            mode=options.mode,
            method=options.method,
            fast_axis=options.fast_axis,
            lazy_output=True,
        )
        return [NoiseSink(calibration)]

    def finish(self, report, entries):
        """Write the table of all images, also those of earlier runs."""
        import hyperspy.api as hs

        if not entries:
            return
        out, dark_level = self._path.parent, self._options.dark_level
        tables, rows, names = [], [], []
        for entry in entries:
            [file] = entry["outputs"]
            calibration = hs.load(out / file)
            label = file.removesuffix("_noise.hspy")
            table = calibration.to_dataframe(dark_level).reset_index(drop=True)
            reasons = calibration.reasons(dark_level)
            table["reasons"] = [_join(row) for row in reasons.to_dict("records")]
            table.insert(0, "file", label)
            table.insert(1, "frame", np.arange(len(table)))
            tables.append(table)
            rows.extend(calibration.data.reshape(len(table), -1))
            names.extend(f"{label}[{number}]" for number in range(len(table)))
        with whole_files(self._path, overwrite=True) as [part]:
            pd.concat(tables, ignore_index=True).to_csv(part, index=False)
        summary = summarise(rows, names, dark_level, self._options.mode)
        report.say(f"\n{summary}\n\ntable: {self._path}")


def _join(reasons):
    """Reasons of one image as one text."""
    return "; ".join(f"{name}: {text}" for name, text in reasons.items() if text)
