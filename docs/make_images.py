"""Make the pictures of the README and of these pages, by ``stem-enhance demo``.

Run it after a change of the weights: ``python docs/make_images.py``
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from hyperspy_stem_enhance.cli import main

IMAGES = Path(__file__).parent / "images"
WIDTH = 1000  # pixels
COLOURS = 256  # a palette takes a third of the bytes


def make_images():
    with tempfile.TemporaryDirectory() as folder:
        if main(["demo", "--out", folder]) != 0:
            return 1
        for name in ("overview.png", "details.png"):
            picture = Image.open(Path(folder) / name).convert("RGB")
            height = round(picture.height * WIDTH / picture.width)
            picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
            # Unlike the default, it spares colours for the few pixels of markers
            picture = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=0)
            picture.save(IMAGES / name, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(make_images())
