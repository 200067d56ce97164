import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.detect.columns import detect_columns
from hyperspy_stem_enhance.detect.significance import filter_heights
from hyperspy_stem_enhance.metrics import score_columns
from hyperspy_stem_enhance.simulate.render import render_columns

SHAPE = (160, 192)
WIDTH = 2.6
ROWS, COLUMNS = np.indices(SHAPE)
EDGES = {
    "straight": ROWS < 84,
    "oblique": ROWS + 0.6 * COLUMNS < 140,
    "round": (ROWS - 80) ** 2 + (COLUMNS - 96) ** 2 < 66**2,
}


def level_beside(edge, blur=0.0):
    level = EDGES[edge].astype(float)
    return gaussian_filter(level, blur) if blur else level


@pytest.mark.parametrize("edge", ["straight", "oblique"])
@pytest.mark.parametrize("blur", [0, 1, 4])
def test_heights_above_steps(edge, blur):
    level = 50 * level_beside(edge, blur)
    centres = np.array([[40, 40], [100, 120], [76, 60]])
    columns = render_columns(centres, [10.0] * 3, [WIDTH] * 3, SHAPE)
    heights = filter_heights(level + columns, WIDTH, above_steps=True)
    alone = filter_heights(columns, WIDTH)
    inner = (slice(16, -16), slice(16, -16))
    assert np.abs(heights - alone)[inner].max() < 0.2 * 10
    assert np.abs(filter_heights(level, WIDTH)).max() > 10


def test_noise_of_heights_above_steps(rng):
    noise = rng.normal(0, 1, SHAPE)
    above, plain = (filter_heights(noise, WIDTH, steps) for steps in (True, False))
    assert above.std() == pytest.approx(plain.std(), rel=0.05)


def test_missing_pixels_and_images_smaller_than_the_medians():
    image = np.full((18, 40), 3.0)
    image[4:8, 5:20] = np.nan
    np.testing.assert_allclose(
        filter_heights(image, 6.0, above_steps=True), 0, atol=1e-9
    )


@pytest.mark.parametrize("mode", ["HAADF", "BF", "HRTEM"])
@pytest.mark.parametrize("edge", list(EDGES))
@pytest.mark.parametrize("blur", [1.5, 3])
def test_columns_beside_an_edge_are_found(rng, edge, blur, mode):
    # A network shows columns without what is around; the raw image has the step
    sites = np.stack(np.mgrid[8:160:16, 8:192:16], -1).reshape(-1, 2)
    here = sites[gaussian_filter(EDGES[edge].astype(float), 3)[tuple(sites.T)] > 0.9]
    heights, sigmas = np.full(len(here), 10.0), np.full(len(here), WIDTH)
    columns = render_columns(here, heights, sigmas, SHAPE)
    step = 50 * level_beside(edge, blur)
    seen = 13 + 50 - step - columns if mode == "BF" else 3 + step + columns
    found = detect_columns(columns, rng.poisson(seen).astype(float), mode=mode)
    scores = score_columns(found[:, :2], here, 3.0)
    assert scores.recall > 0.95
    assert scores.precision > 0.98
