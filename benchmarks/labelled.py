"""Single atoms on a support, as people labelled them, against default arguments.

    python benchmarks/labelled.py FOLDER

FOLDER holds images (.png, .tif) and for each a table of the same name (.csv)
with the columns X and Y in pixels, such as the data of github.com/Sjeon1/
HAADF_Atom_Detection.  An atom is found where one is within 6 pixels.
"""

import argparse
import warnings
from collections import defaultdict
from pathlib import Path

import hyperspy.api as hs
import numpy as np
import pandas as pd

import hyperspy_stem_enhance  # noqa: F401, gives the signals their methods
from hyperspy_stem_enhance.metrics import match_columns

RADIUS = 6  # pixels


def load_grey(path):
    """Image as a signal; the mean of its colours where it has some."""
    s = hs.load(path)
    if s.data.dtype.names:
        s = hs.signals.Signal2D(np.mean([s.data[c] for c in "RGB"], axis=0))
    return s


def main():
    """Print precision, recall and F1 by the first part of the files' names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    hs.preferences.General.show_progressbar = False
    counts = defaultdict(lambda: np.zeros(4, int))
    for table in sorted(arguments.folder.glob("*.csv")):
        image = next(
            path for path in map(table.with_suffix, (".png", ".tif")) if path.exists()
        )
        labels = pd.read_csv(table)[["Y", "X"]].to_numpy(float)
        found = load_grey(image).detect_atoms().data[0][:, :2]
        matched = len(match_columns(found, labels, RADIUS)[0])
        family = image.stem.rstrip("0123456789").removesuffix("_crop")
        counts[family] += [1, matched, len(found), len(labels)]
    print("| images | labelled | found | precision | recall | F1 |")
    print("|---|---|---|---|---|---|")
    for family, (n, matched, n_found, n_labels) in counts.items():
        print(
            f"| {n} `{family}` | {n_labels} | {n_found} | {matched / n_found:.2f} "
            f"| {matched / n_labels:.2f} | {2 * matched / (n_found + n_labels):.2f} |"
        )


if __name__ == "__main__":
    main()
