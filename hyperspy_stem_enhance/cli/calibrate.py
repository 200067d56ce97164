"""The command ``calibrate``."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..noise.parameters import PARAMETER_NAMES
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
    tables = []

    def calibrate(signal, label):
        calibration = signal.calibrate_noise(
            mode=options.mode, show_progressbar=progress_bars()
        )
        values = calibration.to_dataframe().to_numpy()
        table = pd.DataFrame(values, columns=list(PARAMETER_NAMES))
        table.insert(0, "file", label)
        table.insert(1, "frame", np.arange(len(table)))
        tables.append(table)
        return describe(signal)

    inputs = Inputs(options.files, options.file_format)
    inputs.for_each_image(calibrate)
    if tables:
        table = pd.concat(tables, ignore_index=True)
        with whole_files(path, overwrite=options.overwrite) as [part]:
            table.to_csv(part, index=False)
        print(f"\n{summarise(table[list(PARAMETER_NAMES)])}\n\ntable: {path}")
    return inputs.status()
