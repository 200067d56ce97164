import numpy as np
import pytest

from hyperspy_stem_enhance.noise import calibrate_image, tiles
from hyperspy_stem_enhance.noise.background import Background, combine_backgrounds


@pytest.mark.parametrize(
    "shape", [(4096, 4096), (512, 9000), (2000, 3000), (300, 9000)]
)
def test_tiles_lie_in_the_image_and_reach_its_corners(shape):
    chosen = tiles.choose_tiles(shape)
    assert 1 < len(chosen) <= tiles.MOST_TILES
    assert (chosen[0][0].start, chosen[0][1].start) == (0, 0)
    assert (chosen[-1][0].stop, chosen[-1][1].stop) == shape
    sizes = {(rows.stop - rows.start, c.stop - c.start) for rows, c in chosen}
    assert sizes == {(min(shape[0], tiles.TILE), min(shape[1], tiles.TILE))}


def test_image_of_usual_size_is_one_tile():
    assert tiles.choose_tiles((1024, 1024)) == [(slice(0, 1024), slice(0, 1024))]


def test_tiles_give_what_the_whole_gives(simulate, monkeypatch):
    image, true, _ = simulate(shape=(512, 512))
    whole = calibrate_image(image).parameters
    monkeypatch.setattr(tiles, "TILE", 256)
    monkeypatch.setattr(tiles, "LARGEST_WHOLE", 256**2)
    result = calibrate_image(image)
    found = result.parameters
    for at in (50, 200):
        expected = true.pointwise_slope * at + true.pointwise_intercept
        sd = found.pointwise_slope * at + found.pointwise_intercept
        assert sd == pytest.approx(expected, rel=0.02)
    assert found.scan_intercept == pytest.approx(whole.scan_intercept, rel=0.15)
    assert found.pointwise_lambda == pytest.approx(true.pointwise_lambda, abs=0.03)
    assert found.atom_brightness == pytest.approx(whole.atom_brightness, rel=0.05)
    assert found.background_max == pytest.approx(whole.background_max, abs=10)
    assert found != whole
    assert result.reasons == {}


def test_backgrounds_of_tiles_are_combined():
    parts = [
        Background(5, 20, np.nan, 0, 1, 2, np.nan),
        Background(8, 30, 100, 10, 3, 4, 5),
        Background(9, 25, 160, 2, 6, 7, 8),
    ]
    found = combine_backgrounds(parts)
    assert found == Background(5, 30, 100, 12, 1, 4, 5)
    assert np.isnan(combine_backgrounds(parts[:1]).brightness)
