import dask.array as da
import numpy as np
import pytest

from hyperspy_stem_enhance.enhance.neighbours import average_neighbours


def by_hand(frames, n):
    """Means of slices, one frame after the other."""
    means = [
        np.mean(frames[..., max(0, i - n) : i + n + 1, :, :], axis=-3)
        for i in range(frames.shape[-3])
    ]
    return np.stack(means, axis=-3)


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("shape", [(5, 4, 6), (2, 5, 4, 6), (1, 4, 6)])
def test_means_of_any_navigation_shape(rng, shape, n):
    frames = rng.integers(0, 2**16, shape).astype(np.uint16)
    expected = by_hand(frames.astype(float), n)
    found = average_neighbours(frames, n)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    lazy = da.from_array(frames, chunks=(1,) * (len(shape) - 2) + (3, 4))
    lazy = average_neighbours(lazy, n)
    assert (lazy.dtype, lazy.shape) == (np.float32, shape)
    np.testing.assert_array_equal(lazy.compute(), found)


def test_pixels_that_are_not_finite_are_left_out(rng):
    frames = rng.normal(0, 1, (3, 2, 2))
    frames[1, 0, 0] = np.inf
    frames[2] = np.nan
    found = average_neighbours(frames, 1)
    assert found[1, 0, 0] == frames[0, 0, 0]
    assert found[1, 1, 1] == pytest.approx(frames[:2, 1, 1].mean())
    assert np.isnan(found[2]).all()


def test_large_counts_stay_exact():
    frames = np.full((3, 2, 2), 2**24 + 1, np.int32)
    assert (average_neighbours(frames, 1) == 2**24 + 1).all()
