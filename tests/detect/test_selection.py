"""Which of the candidates are kept: threshold, separation, region, dots."""

import numpy as np
import pytest

from hyperspy_stem_enhance.detect.columns import detect_columns

SHAPE = (100, 140)


@pytest.fixture
def enhanced(draw, lattice):
    points = lattice((18, 0), (0, 20), SHAPE, basis=((0, 0), (0, 6)), margin=6)
    heights = np.where(np.arange(len(points)) % 2, 1.0, 0.8)
    return draw(points, heights, 1.8, SHAPE)


def test_separation(enhanced):
    everything = detect_columns(enhanced)
    apart = detect_columns(enhanced, separation=10)
    assert 0.5 <= len(apart) / len(everything) < 0.6
    distance = np.linalg.norm(apart[:, None, :2] - apart[:, :2], axis=-1)
    assert distance[distance > 0].min() > 10


def test_region(enhanced):
    region = np.zeros(SHAPE, bool)
    region[:50, 70:] = True
    everything = detect_columns(enhanced)
    inside = (everything[:, 0] < 49.5) & (everything[:, 1] > 69.5)
    found = detect_columns(enhanced, region=region)
    assert 0 < len(found) < len(everything)
    np.testing.assert_array_equal(found, everything[inside])


def test_dots_are_candidates(draw):
    # Two that the enhanced image does not part, and that the dots do
    points = np.array([[50.0, 60], [50, 65]])
    enhanced = draw(points, 1, 2.6, SHAPE)
    dots = 0.9 * draw(points, 1, 1.0, SHAPE)
    assert len(detect_columns(enhanced, threshold=0)) == 1
    found = detect_columns(enhanced, threshold=0, probability=dots)
    found = found[np.argsort(found[:, 1]), :2]  # rows are the same but for rounding
    np.testing.assert_allclose(found, points, atol=0.3)


def test_refuses(enhanced):
    for name, value in (
        ("threshold", 1.5),
        ("separation", -1),
        ("support", "remove"),
        ("region", np.ones((3, 3), bool)),
        ("region", np.ones(SHAPE)),
        ("mode", "TEM"),
    ):
        with pytest.raises(ValueError, match=name):
            detect_columns(enhanced, **{name: value})
    with pytest.raises(ValueError, match="probability has the shape"):
        detect_columns(enhanced, probability=np.ones((3, 3)))
