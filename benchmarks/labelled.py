"""Single atoms on a support, as people labelled them, against default arguments.

    python benchmarks/labelled.py FOLDER

FOLDER holds images (.png, .tif) and for each a table of the same name (.csv)
with the columns X and Y in pixels, such as the data of github.com/Sjeon1/
HAADF_Atom_Detection.  An atom is found where one is within 6 pixels.

Beside it stand a Laplacian of Gaussian tuned on the same files by their labels,
the F1 of as many points thrown at random, and what the labels have to go by: how
far the raw image, filtered to the size of an atom, is above its mean at them.
"""

import argparse
import warnings
from pathlib import Path

import hyperspy.api as hs
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, gaussian_laplace, maximum_filter

import hyperspy_stem_enhance  # noqa: F401, gives the signals their methods
from hyperspy_stem_enhance.metrics import match_columns

RADIUS = 6  # pixels


def load_grey(path):
    """Image as a signal; the mean of its colours where it has some."""
    s = hs.load(path)
    if s.data.dtype.names:
        s = hs.signals.Signal2D(np.mean([s.data[c] for c in "RGB"], axis=0))
    return s


def labelled_images(folder):
    """Yield family, image and labels (y, x) of each pair of files."""
    for table in sorted(folder.glob("*.csv")):
        image = next(
            path for path in map(table.with_suffix, (".png", ".tif")) if path.exists()
        )
        labels = pd.read_csv(table)[["Y", "X"]].to_numpy(float)
        family = image.stem.rstrip("0123456789").removesuffix("_crop")
        yield family, load_grey(image), labels


def count(found, labels):
    """Matched, found and labelled atoms."""
    matched = len(match_columns(found, labels, RADIUS)[0]) if len(found) else 0
    return np.array([matched, len(found), len(labels)])


def f1(counts):
    """Harmonic mean of precision and recall."""
    return 2 * counts[0] / (counts[1] + counts[2])


def laplacian_peaks(image):
    """Maxima of the Laplacian of Gaussian by sigma and height (in its SD)."""
    for sigma in (1.5, 2, 2.5, 3, 4, 5):
        answer = -gaussian_laplace(image, sigma)
        top = answer == maximum_filter(answer, 5)
        heights = answer / answer.std()
        for limit in np.arange(1, 7, 0.25):
            yield (sigma, limit), np.argwhere(top & (heights > limit))


def contrast_at(image, labels):
    """Mean of the image at labels above its own mean, in its SD."""
    filtered = gaussian_filter(image, 2.5) - gaussian_filter(image, 8)
    y, x = np.rint(labels).astype(int).T
    height, width = image.shape
    values = filtered[y.clip(0, height - 1), x.clip(0, width - 1)]
    return values.mean() / filtered.std()


def main():
    """Print precision, recall and F1 by the first part of the files' names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="auto")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    hs.preferences.General.show_progressbar = False
    families = {}
    for family, signal, labels in labelled_images(arguments.folder):
        families.setdefault(family, []).append((signal, labels))
    print(
        "| images | contrast at labels, SD | method | labelled | found | precision "
        "| recall | F1 |\n|---|---|---|---|---|---|---|---|"
    )
    for family, images in families.items():
        contrast = np.mean(
            [contrast_at(s.data.astype(float), where) for s, where in images]
        )
        for method, counts in methods(images, arguments.model).items():
            matched, found, labelled = counts
            print(
                f"| {len(images)} `{family}` | {contrast:.1f} | {method} | {labelled} "
                f"| {found} | {matched / max(found, 1):.2f} "
                f"| {matched / labelled:.2f} | {f1(counts):.2f} |",
                flush=True,
            )


def methods(images, model):
    """Counts of each method, pooled over the images of a family."""
    rng = np.random.default_rng(31415)
    counts = {name: np.zeros(3, int) for name in ("network", "classical", "random")}
    tuned = {}
    for signal, labels in images:
        for method in ("network", "classical"):
            atoms = signal.detect_atoms(method=method, model=model)
            counts[method] += count(atoms.data[0][:, :2], labels)
        thrown = rng.uniform(0, signal.data.shape, (len(labels), 2))
        counts["random"] += count(thrown, labels)
        for parameters, found in laplacian_peaks(signal.data.astype(float)):
            own = count(found, labels)
            tuned[parameters] = tuned.get(parameters, 0) + own
    counts["Laplacian of Gaussian, tuned by the labels"] = max(tuned.values(), key=f1)
    return counts


if __name__ == "__main__":
    main()
