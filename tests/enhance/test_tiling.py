import numpy as np
import pytest

from hyperspy_stem_enhance.enhance.tiling import (
    OVERLAP,
    PADDED,
    SMALLEST,
    TILE,
    cut,
    join,
    tile_starts,
)


@pytest.mark.parametrize("size", [16, 128, 256, 257, 300, 448, 449, 1000, 4096])
def test_tiles_cover_the_axis_and_overlap(size):
    starts = tile_starts(size)
    assert starts[0] == 0
    if size > TILE:
        assert starts[-1] + TILE == size
        assert max(np.diff(starts)) <= TILE - OVERLAP
    else:
        assert starts == [0]


@pytest.mark.parametrize("shape", [(16, 16), (100, 301), (257, 256), (511, 640)])
def test_cut_frames_come_back_whole(shape, rng):
    frame = rng.random((2, *shape), dtype=np.float32)
    tiles, corners = cut(frame)
    assert tiles.shape[2] % 2 == tiles.shape[3] % 2 == 0
    assert SMALLEST <= min(tiles.shape[2:]) <= max(tiles.shape[2:]) <= TILE
    for image, own in zip(frame, tiles.swapaxes(0, 1), strict=True):
        np.testing.assert_allclose(join(own, corners, shape), image, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "side"), [(16, PADDED), (127, PADDED), (128, 128), (201, 202), (300, TILE)]
)
def test_small_frames_are_reflected_to_a_size_of_training(size, side, rng):
    frame = rng.random((1, size, size), dtype=np.float32)
    tiles, _ = cut(frame)
    assert tiles.shape[1:] == (1, side, side)
    assert np.isin(tiles, frame).all()


def test_tiles_that_disagree_are_blended_without_a_step():
    frame = np.zeros((256, 448), np.float32)
    tiles, corners = cut(frame[None])
    tiles = tiles[:, 0] + np.arange(len(tiles), dtype=np.float32)[:, None, None]
    joined = join(tiles, corners, frame.shape)
    assert np.ptp(joined) == pytest.approx(len(tiles) - 1, abs=1e-3)
    assert np.abs(np.diff(joined, axis=1)).max() < 0.05
