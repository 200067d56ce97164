from itertools import pairwise

import dask.array as da
import numpy as np
import pytest

from hyperspy_stem_enhance.enhance import parts
from hyperspy_stem_enhance.enhance.parts import OVERLAP, SIZE, blend, map_parts, split


@pytest.mark.parametrize("size", [16, 2048, 2049, 3000, 4096, 8192, 10_001])
def test_parts_cover_the_axis_and_overlap(size):
    intervals = split(size)
    assert intervals[0][0] == 0
    assert intervals[-1][1] == size
    for (start, stop), (following, _) in pairwise(intervals):
        assert stop - following >= OVERLAP - 1
        assert stop - start <= SIZE
    assert len(intervals) == 1 or size > SIZE


@pytest.mark.parametrize("shape", [(100, 100), (2500, 40), (40, 5000), (2, 2100, 2100)])
def test_frames_come_back_whole(shape, rng):
    frames = rng.random(shape, dtype=np.float32)
    np.testing.assert_allclose(map_parts(np.copy, frames), frames, atol=1e-6)
    lazy = da.from_array(frames, chunks=(*(1,) * (len(shape) - 2), 700, 900))
    mapped = map_parts(lambda part: part + 0, lazy, da.concatenate)
    np.testing.assert_allclose(mapped.compute(), frames, atol=1e-6)


def test_parts_that_disagree_are_faded_without_a_step():
    intervals = split(5000)
    levels = [
        np.full((3, stop - start), i, np.float32)
        for i, (start, stop) in enumerate(intervals)
    ]
    blended = blend(levels, intervals, -1)
    assert blended.shape == (3, 5000)
    assert np.ptp(blended) == len(intervals) - 1
    assert np.abs(np.diff(blended, axis=1)).max() < 0.05


def test_nothing_beyond_the_middle_of_the_overlap_counts():
    """What depends on the border of a part is not seen in the frame."""

    def spoil_border(part):
        part = part.copy()
        reach = OVERLAP // 2 - parts._FADE // 2 - 1
        part[:, :reach] = part[:, -reach:] = 1e6
        return part

    frame = np.ones((20, 5000), np.float32)
    result = map_parts(spoil_border, frame)
    assert (result[:, 200:-200] == 1).all()
