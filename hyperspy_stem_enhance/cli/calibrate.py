"""The command ``calibrate``."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..noise.summary import summarise
from .files import Inputs, progress_bars, refuse_existing, whole_files
from .images import describe


def run_calibrate(options):
    """Write one table of the noise of all images, and print its summary.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    int
        Exit status.
    """
    path = Path(options.out) / "noise_calibration.csv"
    if not options.overwrite:
        refuse_existing(path)
    tables, rows, names = [], [], []

    def calibrate(signal, label):
        calibration = signal.calibrate_noise(
            mode=options.mode,
            method=options.method,
            fast_axis=options.fast_axis,
            lazy_output=False,
            show_progressbar=progress_bars(),
        )
        table = calibration.to_dataframe(options.dark_level).reset_index(drop=True)
        reasons = calibration.reasons(options.dark_level)
        table["reasons"] = [_join(row) for row in reasons.to_dict("records")]
        table.insert(0, "file", label)
        table.insert(1, "frame", np.arange(len(table)))
        tables.append(table)
        rows.extend(calibration.data.reshape(len(table), -1))
        names.extend(f"{label}[{number}]" for number in range(len(table)))
        return describe(signal)

    inputs = Inputs(options.files, options.file_format)
    inputs.for_each_image(calibrate)
    if tables:
        table = pd.concat(tables, ignore_index=True)
        with whole_files(path, overwrite=options.overwrite) as [part]:
            table.to_csv(part, index=False)
        summary = summarise(rows, names, options.dark_level)
        print(f"\n{summary}\n\ntable: {path}")
    return inputs.status()


def _join(reasons):
    """Reasons of one image as one text."""
    return "; ".join(f"{name}: {text}" for name, text in reasons.items() if text)
