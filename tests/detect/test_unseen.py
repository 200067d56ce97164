"""Columns beside the frame, and those next to them."""

import numpy as np
import pytest

from hyperspy_stem_enhance.detect.refinement import refine_positions
from hyperspy_stem_enhance.detect.unseen import find_unseen

SIGMA = 5.0


def frame(rng, columns, shape=(120, 130), dose=200):
    """Counts of columns (y, x, height) on a background."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.full(shape, 0.5)
    for row, column, height in columns:
        r2 = (y - row) ** 2 + (x - column) ** 2
        image += height * np.exp(-r2 / (2 * SIGMA**2))
    return rng.poisson(dose * image).astype(float)


def chains(beside):
    """Chains of weak columns 15 pixels apart, that begin beside the frame."""
    return np.array(
        [(row, x, 0.4) for row in np.arange(beside, 140, 15) for x in (25, 65, 105)]
    )


@pytest.mark.parametrize("quarter_turns", range(4))
def test_columns_beside_the_frame_do_not_pull(quarter_turns):
    columns = chains(-4.0)
    given = columns[(columns[:, 0] > 0) & (columns[:, 0] < 119), :2]
    worst = []
    for seed in range(4):
        image = frame(np.random.default_rng(seed), columns)
        start = given + np.random.default_rng([seed, 1]).normal(0, 0.4, given.shape)
        image, start = np.rot90(image, quarter_turns), turned(start, quarter_turns)
        table = refine_positions(image, start)
        truth = turned(given, quarter_turns)
        assert table[:, -1].all()
        worst.append(np.abs(table[:, :2] - truth).max())
    assert max(worst) < 0.9  # without them it is 6


def turned(points, quarter_turns, shape=(120, 130)):
    for _ in range(quarter_turns):
        points = np.stack([shape[1] - 1 - points[:, 1], points[:, 0]], axis=1)
        shape = shape[::-1]
    return points


def test_nothing_is_unseen_where_all_is_given():
    columns = np.array([(y, x, 1) for y in (9, 30, 60) for x in (20, 60, 110)])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        image = frame(rng, columns).astype(np.float32)
        start = columns[:, :2] + rng.normal(0, 0.5, (len(columns), 2))
        assert len(find_unseen(image, start, SIGMA, "constant")) == 0


def test_nothing_is_unseen_in_noise():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        for mean in (0.02, 0.5, 20):
            image = rng.poisson(mean, (200, 200)).astype(np.float32)
            start = np.array([[100.0, 100.0]])
            assert len(find_unseen(image, start, 3.0, "constant")) <= 1


def test_missing_pixels_at_the_edge():
    image = frame(np.random.default_rng(0), chains(-4.0)).astype(np.float32)
    image[:3] = np.nan
    image[:, :40] = np.nan
    # All that the frame shows of two of the chains
    given = chains(-4.0)[:, :2]
    given = given[np.all((given > [3, 40]) & (given < 119), axis=1)]
    table = refine_positions(image, given)
    assert table[:, -1].all()
    np.testing.assert_allclose(table[:, 1], given[:, 1], atol=0.6)


def test_a_column_that_moves_too_far_stays():
    image = frame(np.random.default_rng(0), [(60, 60, 1)])
    near, far = (
        refine_positions(image, [[61, 60]])[0],
        refine_positions(image, [[67, 60]], sigma=SIGMA)[0],
    )
    assert near[-1] == 1
    assert abs(near[0] - 60) < 0.3
    assert far[-1] == 0
    assert tuple(far[:2]) == (67, 60)
    assert np.isnan(far[2:-1]).all()
