"""What else real images have: parts not recorded, dead lines, burnt-in letters.

Applied to the finished frame, after its noise.  Where a part of the field was
not recorded, or is covered, there is nothing to be found, and the truth has no
columns there; single lines and pixels that are missing hide none.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

# How often each is drawn, of frames that have an artefact
ARTEFACTS = {
    "border": 0.1,
    "interrupted": 0.05,
    "rotated": 0.1,
    "lines": 0.15,
    "sparse": 0.15,
    "gaps": 0.1,
    "annotation": 0.15,
    "clipped": 0.1,
    "smoothed": 0.1,
}
_DARK_SHARE = 0.5  # of what was not recorded is zero, the other half NaN
# Letters of five by seven pixels, a row of bits after the other
_LETTERS = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "n": (0, 0, 22, 25, 17, 17, 17),
    "m": (0, 0, 26, 21, 21, 17, 17),
    "k": (16, 16, 18, 20, 24, 20, 18),
    "V": (17, 17, 17, 17, 17, 10, 4),
    "H": (17, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "A": (14, 17, 17, 31, 17, 17, 17),
    "D": (28, 18, 17, 17, 17, 18, 28),
    "F": (31, 16, 16, 30, 16, 16, 16),
    " ": (0, 0, 0, 0, 0, 0, 0),
}
_WORDS = ("2 nm", "5 nm", "1 nm", "10 nm", "HAADF", "ADF 200 kV", "BF", "0 1 2 nm")


@dataclass(frozen=True)
class Damaged:
    """A frame with an artefact.

    Attributes
    ----------
    image : numpy.ndarray of float32, shape (h, w)
        NaN where it tells that nothing was recorded.
    shown : numpy.ndarray of bool, shape (h, w)
        False where nothing of the specimen can be seen, over more than
        single lines or pixels.
    """

    image: np.ndarray
    shown: np.ndarray


def choose_artefact(rng):
    """Draw the name of an artefact."""
    return str(rng.choice(list(ARTEFACTS), p=list(ARTEFACTS.values())))


def add_artefact(rng, image, name):
    """Damage a frame.

    Parameters
    ----------
    rng : numpy.random.Generator
    image : numpy.ndarray of float32, shape (h, w)
        A noisy frame.
    name : str
        One of `ARTEFACTS`: a frame of zeros, an interrupted scan, corners of a
        rotated image, dead or bright lines, a sparse scan, gaps, a scale bar
        with letters, a clipped or coarsely digitised histogram, or pixels that
        were averaged or interpolated.

    Returns
    -------
    Damaged

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> frame = np.ones((64, 64), np.float32)
    >>> damaged = add_artefact(np.random.default_rng(0), frame, "border")
    >>> bool(damaged.shown.all())
    False
    """
    if name not in ARTEFACTS:
        raise ValueError(
            f"artefact={name!r} is unknown; use one of {', '.join(ARTEFACTS)}."
        )
    return _MAKERS[name](rng, np.array(image, np.float32))


def _unrecorded(rng, image, shown):
    """Put zero, NaN or a constant level where nothing was recorded."""
    if rng.random() < _DARK_SHARE:
        value = 0.0 if rng.random() < 0.7 else float(image.max())
    else:
        value = np.nan
    return Damaged(np.where(shown, image, np.float32(value)), shown)


def _border(rng, image):
    shown = np.zeros(image.shape, bool)
    widths = rng.integers(0, max(2, min(image.shape) // 8), 4)
    ends = np.array(image.shape) - widths[2:]
    shown[widths[0] : ends[0], widths[1] : ends[1]] = True
    return _unrecorded(rng, image, shown)


def _interrupted(rng, image):
    shown = np.ones(image.shape, bool)
    shown[int(image.shape[0] * rng.uniform(0.3, 0.95)) :] = False
    return _unrecorded(rng, image, shown if rng.random() < 0.7 else shown[::-1])


def _rotated(rng, image):
    angle = rng.uniform(0, np.pi / 2)
    y, x = (np.arange(n) - n / 2 for n in image.shape)
    along = y[:, None] * np.cos(angle) + x * np.sin(angle)
    across = x * np.cos(angle) - y[:, None] * np.sin(angle)
    half = min(image.shape) * rng.uniform(0.45, 0.6)
    return _unrecorded(rng, image, np.maximum(abs(along), abs(across)) < half)


def _lines(rng, image):
    shown = np.ones(image.shape, bool)
    turned = image.T if rng.random() < 0.5 else image
    for line in rng.integers(0, len(turned), rng.integers(1, 4)):
        kind = rng.integers(3)
        high, low = float(np.nanmax(turned)), float(np.nanmin(turned))
        value = (0.0, np.nan, high + (high - low) * rng.uniform(0, 3))[kind]
        turned[line] = value
    return Damaged(image, shown)


def _sparse(rng, image):
    scanned = rng.random(image.shape) < rng.uniform(0.25, 0.9)
    return Damaged(np.where(scanned, image, np.nan), np.ones(image.shape, bool))


def _gaps(rng, image):
    shown = np.ones(image.shape, bool)
    for _ in range(rng.integers(1, 4)):
        size = rng.integers(4, max(5, min(image.shape) // 4), 2)
        top, left = (
            rng.integers(0, n - s) for n, s in zip(image.shape, size, strict=True)
        )
        shown[top : top + size[0], left : left + size[1]] = False
    return _unrecorded(rng, image, shown)


def _annotation(rng, image):
    """A scale bar with letters, on the image or on a box or banner."""
    shown = np.ones(image.shape, bool)
    letters = _write(str(rng.choice(_WORDS)), int(rng.integers(1, 4)))
    bar = np.ones((int(rng.integers(2, 7)), int(rng.integers(20, 60))), bool)
    height = len(letters) + len(bar) + 8
    width = max(letters.shape[1], bar.shape[1]) + 8
    drawn = np.zeros((height, width), bool)
    drawn[4 : 4 + len(letters), 4 : 4 + letters.shape[1]] = letters
    drawn[-2 - len(bar) : -2, 4 : 4 + bar.shape[1]] = bar
    drawn = drawn[: image.shape[0] // 2, : image.shape[1]]
    top = image.shape[0] - drawn.shape[0] - int(rng.integers(0, 8))
    left = int(rng.integers(0, max(1, image.shape[1] - drawn.shape[1])))
    top = max(top, 0)
    area = np.s_[top : top + drawn.shape[0], left : left + drawn.shape[1]]
    light, dark = float(image.max()), float(image.min())
    if rng.random() < 0.3:
        light, dark = dark, light
    if rng.random() < 0.6:  # a box
        if rng.random() < 0.4:  # or a banner over the whole width
            image[top:], shown[top:] = dark, False
        image[area], shown[area] = dark, False
    image[area][drawn] = light  # without a box, too thin to hide a column
    return Damaged(image, shown)


def _write(word, size):
    rows = [
        np.array(
            [[row >> bit & 1 for bit in (4, 3, 2, 1, 0, 5)] for row in _LETTERS[c]]
        )
        for c in word
    ]
    return np.kron(np.concatenate(rows, axis=1), np.ones((size, size))).astype(bool)


def _clipped(rng, image):
    """Ends of the histogram cut off, and few grey levels."""
    low, high = np.quantile(image, [rng.uniform(0, 0.1), 1 - rng.uniform(0, 0.06)])
    levels = int(rng.choice([31, 63, 255]))
    unit = max(float(high - low), 1e-6) / levels
    digital = np.clip(np.round((image - low) / unit), 0, levels)
    image = (digital * unit + low).astype(np.float32)
    return Damaged(image, np.ones(image.shape, bool))


def _smoothed(rng, image):
    """As after averaging, filtering, or interpolation to more pixels."""
    if rng.random() < 0.5:
        image = gaussian_filter(image, rng.uniform(0.4, 1.0))
    else:
        factor = rng.uniform(0.5, 0.9)
        small = zoom(image, factor, order=1, grid_mode=True, mode="nearest")
        scale = np.array(image.shape) / small.shape
        image = zoom(small, scale, order=1, grid_mode=True, mode="nearest")
    return Damaged(image, np.ones(image.shape, bool))


_MAKERS = {
    "border": _border,
    "interrupted": _interrupted,
    "rotated": _rotated,
    "lines": _lines,
    "sparse": _sparse,
    "gaps": _gaps,
    "annotation": _annotation,
    "clipped": _clipped,
    "smoothed": _smoothed,
}
