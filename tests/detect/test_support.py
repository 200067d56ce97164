import numpy as np
import pytest

from hyperspy_stem_enhance.detect.columns import detect_columns
from hyperspy_stem_enhance.detect.support import support_mask

SHAPE = (200, 200)


@pytest.fixture
def fields(lattice, rng):
    return lattice((11, 0), (0, 11), SHAPE, margin=4), rng.uniform(5, 195, (25, 2))


def test_a_support_is_told_by_its_weakness_and_disorder(fields, rng):
    support, atoms = fields
    both = np.concatenate([support, atoms])
    heights = np.repeat([1.0, 4.0], [len(support), len(atoms)])
    heights = heights * rng.uniform(0.8, 1.2, len(both))
    weak = support_mask(heights, 3 * heights, both)
    assert np.array_equal(weak, np.arange(len(both)) < len(support))
    # Seen one by one, it is a crystal with something on it
    assert not support_mask(heights, 8 * heights, both).any()
    # No gap between the classes
    assert not support_mask(heights**0.4, 3 * heights, both).any()


def test_two_kinds_of_columns_of_a_lattice_are_no_support(lattice, rng):
    strong = lattice((20, 0), (0, 20), SHAPE, margin=4)
    weak = lattice((20, 0), (0, 20), SHAPE, margin=4) + 10
    beside = [np.add(weak, step) for step in ((0, 10), (10, 0))]
    both = np.concatenate([strong, weak, *beside])
    heights = np.where(np.arange(len(both)) < len(strong), 5.0, 1.0)
    assert not support_mask(heights, 3 * heights, both).any()


def test_few_columns_are_no_classes():
    positions = np.array([[5.0, 5], [30, 40], [60, 10]])
    assert not support_mask(np.array([1, 1, 9.0]), np.ones(3), positions).any()
    assert support_mask(np.empty(0), np.empty(0), np.empty((0, 2))).shape == (0,)


def test_what_stands_on_a_support_is_reported_alone(draw, fields, rng):
    support, atoms = fields
    sigma = 2.2
    weak = 3.2 / (np.sqrt(np.pi) * sigma) * 1.3
    enhanced = draw(support, weak, sigma, SHAPE) + draw(atoms, 6 * weak, sigma, SHAPE)
    raw = enhanced + rng.normal(0, 1, SHAPE)
    alone = detect_columns(enhanced, raw)
    kept = detect_columns(enhanced, raw, support="keep")
    assert len(alone) <= 30
    assert len(kept) > 150
    # Without the raw image nobody knows whether it shows them
    assert len(detect_columns(enhanced)) >= len(kept)
