"""Frames with pixels that tell nothing: no column is lost beside them, nor made."""

import warnings

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from hyperspy_stem_enhance.simulate.render import render_columns

SIDE = 128
Y, X = np.mgrid[:SIDE, :SIDE]
SITES = np.array([(y, x) for y in range(8, SIDE, 16) for x in range(8, SIDE, 16)])


def counts(mode, seed=0):
    n = len(SITES)
    spots = render_columns(SITES, np.full(n, 12), np.full(n, 2.6), (SIDE, SIDE))
    level = 16 - spots if mode == "BF" else 4 + spots
    return np.random.default_rng(seed).poisson(level).astype(np.float32)


def border(image):
    shown = (np.minimum(Y, X) > 5) & (np.maximum(Y, X) < SIDE - 6)
    return np.where(shown, image + 60, 0), shown


def interrupted(image):
    return np.where(Y < 80, image + 60, 0), Y < 80


def lines(image):
    image[71], image[:, 40] = 0, 300
    return image, np.ones(image.shape, bool)


def hot(image):
    rng = np.random.default_rng(1)
    image.flat[rng.choice(image.size, 20, replace=False)] = 65535
    return image, np.ones(image.shape, bool)


def sparse(image):
    scanned = np.random.default_rng(1).random(image.shape) < 0.5
    return np.where(scanned, image + 4, 0), np.ones(image.shape, bool)


def scale_bar(image):
    shown = np.ones(image.shape, bool)
    shown[90:120, 10:80] = False
    image[~shown] = 0
    image[100:106, 20:70] = image.max()
    return image, shown


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("mode", ["HAADF", "BF", "HRTEM"])
@pytest.mark.parametrize("damage", [border, interrupted, lines, hot, sparse, scale_bar])
def test_columns_beside_them_stay(damage, mode, lazy):
    image, shown = damage(counts(mode))
    s = hs.signals.Signal2D(image.astype(np.float32))
    s = s.as_lazy() if lazy else s
    with pytest.warns(UserWarning, match="left out"):
        found = s.detect_atoms(mode=mode, scale=1).single_array()[:, :2]
    inside = shown[tuple(SITES.T)]
    for step in (3, -3):  # columns at the rim are half hidden
        for axis in (0, 1):
            moved = np.clip(SITES + step * np.eye(2, dtype=int)[axis], 0, SIDE - 1)
            inside &= shown[tuple(moved.T)]
    distance, _ = cKDTree(found).query(SITES[inside])
    assert np.mean(distance < 2) >= 0.97
    at = tuple(np.clip(np.rint(found), 0, SIDE - 1).astype(int).T)
    deep = distance_transform_edt(~shown)[at]  # at the rim, half a column shows
    assert deep.max() <= 3
    assert (cKDTree(SITES).query(found)[0] < 4).mean() > 0.97


def test_clean_images_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "left out")
        hs.signals.Signal2D(counts("HAADF")).detect_atoms(scale=1)


def test_enhanced_images_keep_areas_of_one_value():
    """Between columns an enhanced image is zero: that was recorded."""
    enhanced = hs.signals.Signal2D(counts("HAADF")).enhance_sfin(scale=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "areas of one value")
        assert len(enhanced.detect_atoms().single_array()) == len(SITES)
