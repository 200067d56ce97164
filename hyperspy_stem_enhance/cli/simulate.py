"""The command ``simulate``."""

from pathlib import Path

import numpy as np

from ..noise.parameters import parameter_names
from ..simulate.dataset import SIGNALS, make_dataset
from ..simulate.noise import TERMS
from ..simulate.scene import noise_kinds
from .files import progress_bars, refuse_existing, whole_files

# Larger sets are simulated while they are written, once for every signal
_LAZY_BYTES = 2**31


def run_simulate(options):
    """Write the signals of a simulated data set, and the table of its frames.

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
        If an argument cannot be used, or the table of noise lacks a
        parameter.
    OSError
        If a file exists and must not be replaced.
    """
    names = [*SIGNALS, *(f"noise_{term}" for term in TERMS if options.terms)]
    folder = Path(options.out)
    paths = [folder / f"{name}.hspy" for name in names] + [folder / "frames.csv"]
    if not options.overwrite:
        refuse_existing(*paths)
    size = 4 * options.images * int(np.prod(options.shape)) * len(names)
    data = make_dataset(
        options.images,
        tuple(options.shape),
        options.mode,
        _noise(options.noise, options.mode),
        options.seed,
        arrangement=options.arrangement,
        structures=options.structure,
        pixel_size=options.pixel_size,
        probe=options.probe,
        artefact=options.artefact,
        terms=options.terms,
        lazy=size > _LAZY_BYTES,
        show_progressbar=progress_bars(),
    )
    with whole_files(*paths, overwrite=options.overwrite) as parts:
        signals = data.signals()
        for name, part in zip(names, parts, strict=False):
            signals[name].save(part, overwrite=True)
        data.to_dataframe().to_csv(parts[-1], index=False)
    height, width = options.shape
    print(f"{options.images} images of {width} x {height}: {len(paths)} files")
    for path in paths:
        print(f"  {path}")
    return 0


def _noise(noise, mode):
    """A kind of noise, or a calibration out of the table of ``calibrate``."""
    kinds = noise_kinds(mode)
    if noise in kinds:
        return noise
    path = Path(noise)
    if not path.is_file():
        raise ValueError(
            f"--noise {noise} is neither {', '.join(kinds)} nor a table that "
            "`stem-enhance calibrate` wrote"
        )
    import pandas as pd

    from ..signals.noise_calibration import NoiseCalibration

    table = pd.read_csv(path)
    names = parameter_names(mode)
    missing = [name for name in names if name not in table]
    if missing:
        raise ValueError(f"--noise {noise} lacks the columns {', '.join(missing)}")
    rows = table[list(names)].to_numpy(float)
    return NoiseCalibration.from_array(rows, mode=mode)
