"""Known truth on real structure: clean real averages with noise added.

Two averages of registered or aligned frames, clean enough to be taken for the
truth, get electron counting at 0.5, 2, 10 and 50 counts at the peak, and the
noise that calibration measures in real single frames.  Every method is fitted
linearly to the truth before PSNR and SSIM, and columns are refined on what it
gives from the same starting points.  Heights of columns above their surroundings
are compared as they are.  The width of the blur and the parameters
of non-local means are chosen by the truth, for every image; the network and
tk_r_em run once, as their user runs them.

    python benchmarks/real_structure.py DATA [--tkrem PYTHON] [--model auto]

DATA is the folder with the real files of the tests (see tests/conftest.py);
PYTHON the interpreter of an environment in which tk-r-em and tensorflow-cpu
are installed (pip install tk-r-em==1.0.4 tensorflow-cpu), for comparison only.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import h5py
import hyperspy.api as hs
import numpy as np
from paper_tables.classical import FILTERS
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.detect.columns import detect_columns
from hyperspy_stem_enhance.detect.refinement import refine_positions
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.metrics import psnr, ssim
from hyperspy_stem_enhance.noise.calibration import calibrate_image
from hyperspy_stem_enhance.noise.distribution import distribution_of
from hyperspy_stem_enhance.simulate.noise import FrameNoise, frame_noise_from

SEED = 27182
COUNTS = (0.5, 2, 10, 50)  # at the 99.5 % quantile of a pixel
UNITS_KEPT = ("raw", "enhance_sfin, background kept")
START_ERROR = 0.7  # pixels, of the starting points
KEPT = {
    "enhance_sfin, background kept": {"keep_background": True},
    "the same, echo removed": {"keep_background": True, "remove_echo": True},
    "the same, self-ensemble": {"keep_background": True, "self_ensemble": True},
    "the same, both": {
        "keep_background": True,
        "remove_echo": True,
        "self_ensemble": True,
    },
}
_TKREM = """
import sys, time
import numpy as np
import tensorflow as tf
import tk_r_em
folder = tk_r_em.__path__[0] + "/models/sfr_hrstem"
run = tf.saved_model.load(folder).signatures["serving_default"]
images = np.load(sys.argv[1])
out, even = {}, lambda n: n + n % 2
for name in images.files:
    image = images[name].astype("float32")
    pad = [(0, even(n) - n) for n in image.shape]
    padded = np.pad(image, pad, mode="edge")[None, ..., None]
    found = list(run(input_gen=tf.constant(padded)).values())[0].numpy()
    out[name] = found[0, : image.shape[0], : image.shape[1], 0]
frame = tf.constant(np.random.default_rng(0).poisson(9, (1, 1024, 1024, 1)), "float32")
start = time.process_time()
run(input_gen=frame)
out["seconds"] = np.array(time.process_time() - start)
np.savez(sys.argv[2], **out)
"""


def load_references(folder):
    """Clean images from 0.1 (background) to 1 (peak), and their pixel size.

    The dark level of averages is not known: the lowest intensities are put
    at a tenth of the peak.
    """
    nsmo = hs.load(folder / "haadf" / "NSMO110_registered.tif").data[300:556, 300:556]
    pto = hs.load(folder / "haadf" / "Cropped_PTO-SRO_Aligned.hspy")
    size = 1000 * pto.axes_manager[-1].scale
    for name, image, pixel in (
        ("NSMO [110]", nsmo, None),
        ("PTO-SRO", pto.data[:, 500:756], size),
    ):
        low, high = np.quantile(image, [0.001, 0.995])
        yield name, 0.1 + 0.9 * (image - low) / (high - low), pixel


def load_noises(folder):
    """Noise by its name: counting, and that of real single frames."""
    for counts in COUNTS:
        yield f"{counts:g} counts", FrameNoise(electrons_per_unit=counts)
    with h5py.File(folder / "haadf" / "bshev_HRSTEM.h5") as file:
        found = []
        file.visititems(lambda _, x: found.append(x) if hasattr(x, "ndim") else None)
        bshev = next(x for x in found if x.ndim == 2)[...]
    sto = hs.load(folder / "haadf" / "16_STOimage_1.ser").data
    for name, frame in (("bshev", bshev), ("STO", sto)):
        result = calibrate_image(frame)
        # At the same height of columns over the same dark level as the truth
        own = result.parameters
        factor = 0.9 / own.atom_brightness
        scaled = result.rescaled(factor, 0.1 - factor * own.background_min)
        parameters = distribution_of([scaled]).draw(np.random.default_rng(0))
        yield f"noise of {name}", frame_noise_from(parameters)


def fitted(image, truth):
    """The image with the slope and offset that suit the truth best."""
    slope, offset = np.polyfit(image.ravel(), truth.ravel(), 1)
    return slope * image + offset


def score(image, truth, columns, starts):
    """PSNR, SSIM, median distance of columns in pixels, and how many came out."""
    best = fitted(image.astype(float), truth)
    refined = refine_positions(image, starts)
    good = refined[:, -1] == 1
    distance = np.hypot(*(refined[:, :2] - columns).T)
    near = good & (distance < 2)
    middle = np.median(distance[near]) if near.any() else np.nan
    return psnr(best, truth, peak=1.0), ssim(best, truth, peak=1.0), middle, near.mean()


def heights(image, columns):
    """Heights of columns above what is around them."""
    image = image.astype(float)
    contrast = gaussian_filter(image, 1) - gaussian_filter(image, 8)
    return contrast[tuple(np.round(columns).astype(int).T)]


def score_heights(image, truth, columns):
    """Mean error and SD of the heights of columns, in % of their mean."""
    own = heights(truth, columns)
    error = 100 * (heights(image, columns) - own) / own.mean()
    return f"{error.mean():+.1f} ± {error.std():.1f}"


def true_columns(clean):
    """Columns of a clean image, refined on it; none at its border."""
    enhanced = enhance_frames(clean[None])[0]
    found = detect_columns(enhanced, raw=clean)
    table = refine_positions(clean, found)
    inside = np.all(
        (table[:, :2] > 12) & (table[:, :2] < np.array(clean.shape) - 13), axis=1
    )
    return table[inside & (table[:, -1] == 1), :2]


def run_tkrem(python, noisy):
    """What tk_r_em makes of images by name, and its seconds per 1024² frame."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.npz", Path(folder) / "after.npz"
        np.savez(before, **noisy)
        command = [python, "-c", _TKREM, before, after]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        with np.load(after) as found:
            return {name: found[name] for name in found.files}


def time_enhancement(model, **options):
    """Seconds of processor time per 1024² frame."""
    frame = np.random.default_rng(0).poisson(9, (1, 1024, 1024))
    enhance_frames(frame[:, :256, :256], model, scale=1)  # loads the network
    start = time.process_time()
    enhance_frames(frame, model, scale=1, **options)
    return time.process_time() - start


def methods(noisy, truth, model):
    """Images by the name of the method."""
    values = noisy.astype(float)
    yield "raw", noisy
    for label, name in (("tuned blur", "Gaussian"), ("tuned NLM", "non-local means")):
        candidates = list(FILTERS[name](values))
        best = min(
            range(len(candidates)),
            key=lambda i: np.mean((fitted(candidates[i], truth) - truth) ** 2),
        )
        yield label, candidates[best]
    yield "enhance_sfin", enhance_frames(noisy[None], model)[0]
    for label, options in KEPT.items():
        yield label, enhance_frames(noisy[None], model, **options)[0]


def main():
    """Print a table in Markdown for each image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--tkrem", metavar="PYTHON")
    parser.add_argument("--model", default="auto")
    arguments = parser.parse_args()
    noises = dict(load_noises(arguments.data))
    references = list(load_references(arguments.data))
    noisy = {
        f"{name}, {label}": noise.apply(np.random.default_rng([SEED, i]), clean)
        for name, clean, _ in references
        for i, (label, noise) in enumerate(noises.items())
    }
    peer = run_tkrem(arguments.tkrem, noisy) if arguments.tkrem else {}
    for name, clean, pixel in references:
        columns = true_columns(clean)
        rng = np.random.default_rng(SEED)
        starts = columns + rng.normal(0, START_ERROR, columns.shape)
        unit = "px" if pixel is None else "pm"
        print(f"\n{name}, {len(columns)} columns: PSNR in dB / SSIM / median {unit}\n")
        print(f"| method | {' | '.join(noises)} |\n|---{'|---' * len(noises)}|")
        rows, high = {}, {}
        for label in noises:
            image = noisy[f"{name}, {label}"]
            found = dict(methods(image, clean, arguments.model))
            if peer:
                found["tk_r_em"] = peer[f"{name}, {label}"]
            for method, result in found.items():
                values = score(result, clean, columns, starts)
                distance = values[2] * (pixel or 1)
                cell = f"{values[0]:.2f} / {values[1]:.3f} / {distance:.3g}"
                lost = f" ({values[3]:.0%})" if values[3] < 0.98 else ""
                rows.setdefault(method, []).append(cell + lost)
                if method in UNITS_KEPT:
                    high.setdefault(f"{method}, heights", []).append(
                        score_heights(result, clean, columns)
                    )
        for method, cells in (*rows.items(), *high.items()):
            print(f"| {method} | {' | '.join(cells)} |", flush=True)
    if peer:
        print("\n1024² frame, processor time: tk_r_em takes")
        for label, options in {"enhance_sfin": {}, **KEPT}.items():
            ratio = float(peer["seconds"]) / time_enhancement(
                arguments.model, **options
            )
            print(f"{ratio:.1f} times as long as {label}")


if __name__ == "__main__":
    main()
