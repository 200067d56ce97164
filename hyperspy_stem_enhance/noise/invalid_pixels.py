"""Find the pixels of an image that tell nothing of the specimen.

Borders and corners that were filled, the rest of an interrupted scan, dead or
bright lines, boxes, bars and letters that were burnt in, pixels that a sparse scan
left out, and hot pixels.  Each is found by what noise would hardly ever do: areas
and lines of one exact value are held against how often that value comes beside
them, lines that differ against how much neighbouring lines differ elsewhere, single
pixels against all of their neighbours.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import ndimage

from .usable import fill_from_nearest, neighbours_of

_CHANCE = 1e-4  # of finding such an area or line anywhere in a frame of noise
_RING = 8  # pixels around an area in which its value is counted
_SHARP = 0.5  # of the step to an area's value is made within one pixel of its edge
_MOST_VALUES = 4  # exact values that are looked for
_HOLE = 0.2  # of all areas: smaller ones that they enclose belong to them
_ISOLATED = 4  # pixels of other values at most that are electrons in a dark area
_FEWEST_LINES = 12  # rows, and pixels of a row, that statistics are taken of
_LEAST_SPARSE = 0.05  # share of missing pixels from which a scan is called sparse
_EXCESS = 5.0  # missing pixels against the zeros that counting explains
_COMMON = 0.05  # of the most frequent step, for one to be the unit of counting
_CLUSTERED = 0.25  # correlation of missing neighbours below which they are scattered
_EVEN = 0.6  # missing on the brightest parts against missing anywhere
_BRIGHT = 0.9  # quantile of the local mean from which parts are the brightest
_SMOOTH = 3.0  # pixels, SD of the local mean
_ELECTRONS = 5.0  # counted at once in a dark pixel, and not held to be a hot one
_TAIL_OF_LINES = (0.3, 0.05)  # the same of lines, of which there are fewer
_NEIGHBOUR = 0.5  # of its height at most that a column of one pixel more than its
# median neighbour has: circular, of SD 1.2, its centre at the corner of a pixel
_LEVEL_SIDE = 21  # pixels, of the mean that is the background of a pixel
_SAMPLE = 1 << 14  # pixels from which the unit of counting is read
_LOOKED_AT = 0.06  # share of the pixels of which steps to their neighbours are taken
_TAIL = (0.05, 0.01)  # shares of the pixels beyond which the decay of steps is measured


_DESCRIPTIONS = {
    "areas": "areas of one value ({}): borders, parts that were not recorded, bars or "
    "letters that were burnt in. They are left out",
    "lines": "dead or bright lines ({}), which are left out",
    "unscanned": "{} of one value scattered over all of it, as of a sparse scan: they "
    "are taken for pixels that were not scanned, and left out",
    "hot": "{} far outside the range of all neighbours (hot or dead), left out",
}


@dataclass(frozen=True)
class InvalidPixels:
    """Pixels that tell nothing of the specimen.

    Attributes
    ----------
    mask : numpy.ndarray of bool, shape (h, w)
        True where they are; pixels that are not finite are not among them.
    reasons : dict of str to int
        Number of pixels by what they are: "areas", "lines", "unscanned" and
        "hot". Kinds that the frame has not got are missing.
    """

    mask: np.ndarray
    reasons: dict

    def describe(self):
        """What a user should know: a text for each kind."""
        return {
            f"invalid {kind}": _DESCRIPTIONS[kind].format(_number(n, "pixel"))
            for kind, n in self.reasons.items()
        }


def _number(n, what):
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def find_invalid(image):
    """Find the pixels of an image that tell nothing of the specimen.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        Real, of any dtype; pixels that are not finite are left out.

    Returns
    -------
    InvalidPixels

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> image = rng.poisson(20, (64, 64)).astype(float)
    >>> image[:8] = 0
    >>> found = find_invalid(image)
    >>> found.reasons, bool(found.mask[:8].all()), int(found.mask[8:].sum())
    ({'areas': 512}, True, 0)
    """
    image = np.asarray(image)
    mask = ~np.isfinite(image)
    not_finite, reasons = mask.copy(), {}
    if mask.all():
        return InvalidPixels(np.zeros_like(mask), reasons)
    finders = (
        ("unscanned", _unscanned),
        ("areas", _areas),
        ("lines", partial(_lines, _of_one_value)),
        ("hot", _hot),
        ("lines", partial(_lines, _far_from_both_sides)),
    )
    for kind, find in finders:
        found = find(image, mask) & ~mask
        # what is left must be an image still
        left = image[~(mask | found)]
        if found.any() and left.size and left.min() < left.max():
            reasons[kind] = reasons.get(kind, 0) + int(found.sum())
            mask |= found
    return InvalidPixels(mask & ~not_finite, reasons)


def without_invalid(image, found):
    """An image with NaN in the place of invalid pixels.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
    found : InvalidPixels

    Returns
    -------
    numpy.ndarray, shape (h, w)
        `image` itself where none is invalid; of integers, float32 where that
        holds them, otherwise float64.
    """
    if not found.mask.any():
        return image
    if image.dtype.kind != "f":
        small = np.dtype(image.dtype).itemsize < 4
        image = image.astype(np.float32 if small else np.float64)
    return np.where(found.mask, image.dtype.type(np.nan), image)


def _repeated_values(image, mask):
    """Exact values that stand side by side most often."""
    same = (image[:, 1:] == image[:, :-1]) & ~mask[:, 1:]
    same[1:] &= image[1:, 1:] == image[:-1, 1:]
    values, counts = np.unique(image[:, 1:][same], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_VALUES]
    return values[order][counts[order] > 1]


def _areas(image, mask):
    """Areas of one exact value, larger than noise beside them leaves any."""
    found = np.zeros(image.shape, bool)
    for value in _repeated_values(image, mask):
        same = image == value
        # a frame goes on beyond its edge, or thin borders would not count
        padded = np.pad(same, 1, mode="edge")
        core = ndimage.binary_erosion(padded, np.ones((3, 3)), border_value=1)
        core = core[1:-1, 1:-1]
        labels, _ = ndimage.label(core, np.ones((3, 3)))
        for label, box in enumerate(ndimage.find_objects(labels), 1):
            wider = tuple(
                slice(max(s.start - _RING - 2, 0), s.stop + _RING + 2) for s in box
            )
            here = labels[wider] == label
            area = ndimage.binary_dilation(here, np.ones((3, 3)))
            area &= same[wider]
            if _is_too_flat(area, image[wider], mask[wider], value, image.size):
                found[wider] |= area
    return _with_small_holes(found)


def _with_small_holes(found):
    """Areas with what they enclose, as the soft rims of letters in a box."""
    labels, n = ndimage.label(ndimage.binary_fill_holes(found) & ~found)
    if n == 0:
        return found
    sizes = np.bincount(labels.ravel())
    small = sizes < _HOLE * np.count_nonzero(found)
    small[0] = False
    return found | small[labels]


def _is_too_flat(area, image, mask, value, n_pixels):
    """Whether noise as beside an area would hardly ever leave it so flat."""
    side = 2 * ndimage.distance_transform_cdt(np.pad(area, 1), "chessboard").max() - 1
    beside = ndimage.binary_dilation(area, iterations=_RING) & ~area & ~mask
    if not beside.any():
        return True
    # single electrons that were counted in an area tell how dark it is, too
    others, n = ndimage.label(~area & ~mask, np.ones((3, 3)))
    sizes = ndimage.sum_labels(np.ones(area.shape), others, np.arange(1, n + 1))
    electrons = np.count_nonzero(sizes <= _ISOLATED)
    share = np.mean(image[beside] == value)
    if electrons:
        share = max(share, 1 - electrons / area.sum())
    # a square of this side, anywhere in the frame
    if share > 0 and np.log(n_pixels) + side**2 * np.log(share) > np.log(_CHANCE):
        return False
    # the tops of columns that saturate have shoulders, what was burnt in has none
    edge = ndimage.binary_dilation(area, np.ones((3, 3))) & ~area & ~mask
    if not edge.any():
        return True
    step = abs(np.median(image[beside].astype(float)) - float(value))
    return abs(np.median(image[edge].astype(float)) - float(value)) > _SHARP * step


def _lines(is_odd, image, mask):
    """Rows and columns of pixels for which `is_odd` is true."""
    found = np.zeros(image.shape, bool)
    values = np.where(mask, np.nan, image.astype(float))
    found[is_odd(values)] = True
    found[:, is_odd(values.T)] = True
    return found


def _of_one_value(values):
    """Whether all pixels of a row are alike, where those beside it are not."""
    odd = np.zeros(len(values), bool)
    for i, row in enumerate(values):
        known = row[np.isfinite(row)]
        if len(known) >= _FEWEST_LINES and known.min() == known.max():
            beside = np.concatenate([values[max(i - 2, 0) : i], values[i + 1 : i + 3]])
            share = np.mean(beside == known[0])
            chance = np.log(values.size) + len(known) * np.log(share + 1e-9)
            odd[i] = chance < np.log(_CHANCE)
    return odd


def _far_from_both_sides(values):
    """Whether a row is far from the mean of the rows beside it."""
    if len(values) < _FEWEST_LINES:
        return np.zeros(len(values), bool)
    steps = values.copy()
    steps[1:-1] -= (values[:-2] + values[2:]) / 2
    # of the first and the last, the same second difference, as noisy as the others
    steps[0] = (values[0] - 2 * values[1] + values[2]) / 2
    steps[-1] = (values[-1] - 2 * values[-2] + values[-3]) / 2
    # columns of atoms stand on some of its pixels alone: the interquartile mean
    steps = np.sort(np.nan_to_num(steps), axis=1)
    quarter = steps.shape[1] // 4
    away = np.abs(steps[:, quarter:-quarter].mean(axis=1))
    beside = np.maximum(np.roll(away, 1), np.roll(away, -1))
    # the rows beside an odd one differ half as much because of it
    return (away > _end_of_tail(away, len(away), _TAIL_OF_LINES)) & (
        away > 1.5 * beside
    )


def _unscanned(image, mask):
    """Pixels of one value, scattered alike over bright and dark parts."""
    none = np.zeros(image.shape, bool)
    known = image[~mask]
    low, high = known.min(), known.max()
    for value in (low, high) if low != 0 else (low,):
        missing = (image == value) & ~mask
        share = missing.sum() / known.size
        if share < _LEAST_SPARSE or share > 1 - 1e-3:
            continue
        scanned = ~missing & ~mask
        if not _exceeds_counting(np.abs(image[scanned] - value), missing.sum()):
            continue
        if _neighbour_correlation(missing, mask) > _CLUSTERED:
            continue
        weight = ndimage.gaussian_filter(scanned.astype(np.float32), _SMOOTH)
        level = np.where(scanned, image, 0).astype(np.float32)
        mean = ndimage.gaussian_filter(level, _SMOOTH) / np.maximum(weight, 1e-6)
        away = np.abs(mean - value)
        bright = away >= np.quantile(away, _BRIGHT)
        if missing[bright].mean() > _EVEN * missing.mean():
            return missing
    return none


def _exceeds_counting(steps, n_missing):
    """Whether more pixels are missing than counted electrons leave at zero.

    Of electrons, those at one and at two tell how many there are at zero:
    ``n1**2 / (2 * n2)`` for one intensity.
    """
    if len(steps) == 0:
        return False
    values, counts = np.unique(steps, return_counts=True)
    unit = values[counts >= _COMMON * counts.max()][0]
    one = np.count_nonzero(steps < 1.5 * unit)
    two = np.count_nonzero((steps > 1.5 * unit) & (steps < 2.5 * unit))
    expected = one**2 / (2 * max(two, 1))
    return n_missing > _EXCESS * max(expected, 1)


def _neighbour_correlation(missing, mask):
    pairs = []
    for a, b, va, vb in (
        (missing[1:], missing[:-1], mask[1:], mask[:-1]),
        (missing[:, 1:], missing[:, :-1], mask[:, 1:], mask[:, :-1]),
    ):
        known = ~(va | vb)
        a, b = a[known].astype(float), b[known].astype(float)
        spread = a.std() * b.std()
        pairs.append(np.mean((a - a.mean()) * (b - b.mean())) / spread if spread else 0)
    return max(pairs)


def _hot(image, mask):
    """Pixels far above or below what their neighbours let expect.

    A column that is narrow, and right between pixels, is twice as high as the median
    of the neighbours; what is beyond decays exponentially or faster, whatever the
    noise is, and hot pixels are beyond where that would reach in any frame.
    """
    values = fill_from_nearest(image.astype(np.float64), mask)
    around = (9 * ndimage.uniform_filter(values, 3, mode="mirror") - values) / 8
    level = ndimage.uniform_filter(around, _LEVEL_SIDE, mode="mirror")
    usual = np.median(np.abs(values - around)) + 1e-9 * np.ptp(values)
    unit = _unit_of_counting(values)
    found = np.zeros(values.shape, bool)
    for sign in (1, -1):
        step = sign * (values - around)
        n = max(8, round(_LOOKED_AT * step.size))
        if n >= step.size:
            return found
        where = np.argpartition(step.ravel(), -n)[-n:]
        rows, columns = np.unravel_index(where, step.shape)
        near = neighbours_of(values, rows, columns)
        middle, base = np.median(near, axis=0), level[rows, columns]
        expected = base + (middle - base) / _NEIGHBOUR
        expected = np.maximum(sign * expected, sign * middle)
        # noise rises with intensity; another hot pixel beside it does not count
        spread = np.sort(sign * near, axis=0)[:-2].std(axis=0)
        beyond = sign * values[rows, columns] - expected
        beyond /= np.hypot(spread, usual)
        hot = beyond > _end_of_tail(beyond, step.size)
        hot &= step.ravel()[where] > _ELECTRONS * unit
        found[rows[hot], columns[hot]] = True
    return found


def _unit_of_counting(values):
    """Most frequent step between values that are in use; 0 where all differ."""
    sample = values.ravel()[:: values.size // _SAMPLE + 1]
    used, counts = np.unique(sample, return_counts=True)
    used = used[counts >= _COMMON * counts.max()]
    if len(used) < 2 or counts.max() < _COMMON * sample.size:
        return 0.0
    return float(np.median(np.diff(used)))


def _end_of_tail(beyond, n_pixels, tail=_TAIL):
    """Value that an exponential tail through two quantiles hardly ever reaches."""
    most, least = (
        np.quantile(beyond, max(0.0, 1 - share * n_pixels / len(beyond)))
        for share in tail
    )
    decay = (least - most) / np.log(tail[0] / tail[1])
    reach = np.log(tail[1] * n_pixels) - np.log(_CHANCE)
    return least + max(decay, 1e-12 * abs(least) + 1e-300) * reach
