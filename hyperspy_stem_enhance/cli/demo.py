"""The command ``demo``: a real ADF/ABF pair from raw images to columns.

The images, a perovskite recorded by two detectors at once, are test data
of Atomap (GPL-3.0-or-later), read from the installed package.
"""

import logging
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..noise.parameters import PARAMETER_NAMES
from .files import whole_files

# name, mode, file in atomap/tests/datasets
_PAIR = (
    ("ADF", "HAADF", "test_ADF_cropped.hdf5"),
    ("ABF", "BF", "test_ABF_cropped.hdf5"),
)
_PICOMETRES = 1000  # per nanometre, the unit of the images


@dataclass
class DemoResult:
    """What the demo makes of one image.

    Attributes
    ----------
    name, mode : str
        Detector, and the mode that was worked in.
    raw, enhanced : hyperspy.api.signals.Signal2D
    calibration : NoiseCalibration
    atoms : AtomPositions
        Columns as detected.
    refined : numpy.ndarray of float, shape (n, 2)
        y, x in pixels, refined by Atomap on the raw image.
    seconds : dict of str to float
        Time each step took.
    """

    name: str
    mode: str
    raw: object
    enhanced: object
    calibration: object
    atoms: object
    refined: np.ndarray
    seconds: dict

    @property
    def pixel_size(self):
        """Size of a pixel in nm."""
        return self.raw.axes_manager.signal_axes[0].scale

    def nearest_distances(self):
        """Distance of every refined column to its nearest neighbour, in pm."""
        from scipy.spatial import cKDTree

        distances, _ = cKDTree(self.refined).query(self.refined, k=2)
        return distances[:, 1] * self.pixel_size * _PICOMETRES

    def shifts(self):
        """How far Atomap's refinement moved each column, in pm."""
        moved = self.refined - self.atoms.single_array()[:, :2]
        return np.hypot(*moved.T) * self.pixel_size * _PICOMETRES


def run_demo(options):
    """Work on the pair, write everything into a folder, print a summary.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    int
        Exit status.

    Raises
    ------
    FileNotFoundError
        If the installed Atomap has no test images.
    """
    started = time.monotonic()
    folder = Path(options.out)
    results = []
    for name, mode, path in demo_files():
        print(f"{name} image, mode {mode} ...", flush=True)
        results.append(work_on(load_image(path, name), name, mode))
    written = _write(results, folder)
    print(f"\n{_summary(results)}\n")
    print(f"{time.monotonic() - started:.0f} s; in {folder.resolve()}:")
    for path in written:
        print(f"  {path.name}")
    return 0


def demo_files():
    """Find the images of the demo without importing Atomap.

    Returns
    -------
    list of (str, str, pathlib.Path)
        Name of the detector, mode, and file.
    """
    folder = Path(find_spec("atomap").origin).parent / "tests" / "datasets"
    files = [(name, mode, folder / file) for name, mode, file in _PAIR]
    for _, _, path in files:
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing from the installed Atomap; install it from "
                "PyPI: pip install --force-reinstall --no-deps atomap"
            )
    return files


def load_image(path, name):
    """Load an image of the pair, and write down what its file leaves out."""
    import hyperspy.api as hs

    image = hs.load(path, file_format="HSPY")
    image.metadata.General.title = f"{name} of a perovskite"
    for axis, label in zip(image.axes_manager.signal_axes, "xy", strict=True):
        axis.name, axis.units = label, "nm"
    return image


def work_on(image, name, mode):
    """Calibrate, enhance, detect and refine one image.

    Parameters
    ----------
    image : hyperspy.api.signals.Signal2D
        A single image, calibrated in nm.
    name : str
    mode : {"HAADF", "BF"}

    Returns
    -------
    DemoResult
    """
    seconds, quiet = {}, {"show_progressbar": False}
    # Fits of columns cut by the edge end early, several times per image
    logging.getLogger("hyperspy.model").setLevel(logging.ERROR)

    def timed(step, function, *args, **kwargs):
        started = time.monotonic()
        result = function(*args, **kwargs)
        seconds[step] = time.monotonic() - started
        print(f"  {step:<10}{seconds[step]:6.1f} s", flush=True)
        return result

    calibration = timed("calibrate", image.calibrate_noise, mode=mode, **quiet)
    enhanced = timed("enhance", image.enhance_sfin, mode=mode, **quiet)
    atoms = timed("detect", enhanced.detect_atoms, mode=mode, **quiet)
    lattice = timed(
        "refine",
        atoms.to_atomap,
        image=enhanced,
        original_image=image,
        refine=True,
        **quiet,
    )
    refined = np.column_stack([lattice.y_position, lattice.x_position])
    return DemoResult(name, mode, image, enhanced, calibration, atoms, refined, seconds)


def columns_table(result):
    """Columns of an image as detected and as refined, in pixels and nm."""
    table = result.atoms.to_dataframe().drop(columns="frame")
    for name, pixels in zip("yx", result.refined.T, strict=True):
        axis = result.raw.axes_manager.signal_axes["xy".index(name)]
        table[f"{name}_refined"] = pixels
        table[f"{name}_refined_calibrated"] = axis.offset + axis.scale * pixels
    return table


def _write(results, folder):
    from .figures import draw_details, draw_overview

    paths = [folder / "overview.png", folder / "details.png"]
    with whole_files(*paths, overwrite=True) as [overview, details]:
        draw_overview(results).savefig(overview, dpi=150)
        draw_details(*results).savefig(details, dpi=150)
    for result in results:
        start = result.name.lower()
        own = [
            folder / f"{start}_columns.csv",
            *(
                folder / f"{start}_{kind}.hspy"
                for kind in ("enhanced", "atoms", "noise")
            ),
        ]
        with whole_files(*own, overwrite=True) as [table, *signals]:
            columns_table(result).to_csv(table, index=False)
            kept = (result.enhanced, result.atoms, result.calibration)
            for signal, part in zip(kept, signals, strict=True):
                signal.save(part, overwrite=True)
        paths += own
    return paths


def _summary(results):
    """Table of the results, one column per image."""
    rows = [("", [result.name for result in results])]
    rows.append(("mode", [result.mode for result in results]))
    rows.append(("columns", [str(len(result.refined)) for result in results]))
    rows.append(
        (
            "nearest neighbour, median (pm)",
            [f"{np.median(result.nearest_distances()):.1f}" for result in results],
        )
    )
    rows.append(
        (
            "moved by Atomap, median (pm)",
            [f"{np.median(result.shifts()):.1f}" for result in results],
        )
    )
    values = [result.calibration.to_dataframe().to_numpy()[0] for result in results]
    for index, name in enumerate(PARAMETER_NAMES):
        rows.append((name.replace("_", " "), [f"{row[index]:.4g}" for row in values]))
    rows.append(
        ("seconds", [f"{sum(result.seconds.values()):.1f}" for result in results])
    )
    return "\n".join(
        f"{label:<32}" + "".join(f"{cell:>12}" for cell in cells)
        for label, cells in rows
    )
