"""Raw, enhanced and detected side by side, for any image files.

    python benchmarks/contact_sheet.py FILE... --out sheet.png [--crop 300]

Files with ABF or BF in their names are taken as bright field.
"""

import argparse
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import h5py
import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_stem_enhance  # noqa: F401  gives Signal2D its methods


def load_image(path):
    """First two-dimensional image of a file, as a real Signal2D."""
    if path.suffix == ".h5":  # no format of a microscope: take the largest image
        images = []
        with h5py.File(path) as file:
            file.visititems(
                lambda _, item: images.append(item) if _is_image(item) else 0
            )
            return hs.signals.Signal2D(max(images, key=lambda item: item.size)[()])
    reader = "HSPY" if path.suffix == ".hdf5" else None
    loaded = hs.load(path, reader=reader)
    signal = loaded[0] if isinstance(loaded, list) else loaded
    if signal.data.dtype.names:  # a grey picture saved in colour
        channels = [signal.data[name] for name in "RGB"]
        signal = hs.signals.Signal2D(np.mean(channels, axis=0))
    return signal


def _is_image(item):
    return isinstance(item, h5py.Dataset) and item.ndim == 2 and min(item.shape) > 64


def crop_centre(signal, size):
    """Central part of an image, at most `size` pixels a side."""
    starts = [max(0, (n - size) // 2) for n in signal.axes_manager.signal_shape]
    x, y = (slice(start, start + size) for start in starts)
    return signal.isig[x, y]


def main():
    """Draw the sheet, print the number of columns of each image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", default="contact_sheet.png")
    parser.add_argument("--crop", type=int, default=300, help="pixels, 0: whole")
    arguments = parser.parse_args()
    figure, axes = plt.subplots(
        len(arguments.files),
        3,
        figsize=(12, 4 * len(arguments.files)),
        squeeze=False,
        layout="constrained",
    )
    for row, path in zip(axes, arguments.files, strict=True):
        mode = "BF" if re.search(r"(?<![HAD])A?BF", path.name) else "HAADF"
        raw = load_image(path)
        if arguments.crop:
            raw = crop_centre(raw, arguments.crop)
        enhanced = raw.enhance_sfin(mode=mode, show_progressbar=False)
        columns = raw.detect_atoms(mode=mode, show_progressbar=False).data[0]
        print(f"{path.name}: {len(columns)} columns", flush=True)
        titles = (path.name, f"enhanced ({mode})", f"{len(columns)} columns")
        for axis, image, title in zip(row, (raw, enhanced, raw), titles, strict=True):
            low, high = np.nanpercentile(image.data.astype(float), (0.5, 99.7))
            axis.imshow(image.data.astype(float), "gray", vmin=low, vmax=high)
            axis.set_title(title, fontsize=9)
            axis.axis("off")
        row[2].plot(columns[:, 1], columns[:, 0], ".", color="tab:orange", ms=3)
    figure.savefig(arguments.out, dpi=70)


if __name__ == "__main__":
    main()
