import subprocess
import sys

import numpy as np
import pytest

from hyperspy_stem_enhance.detect.classical import show_columns
from hyperspy_stem_enhance.detect.columns import detect_classically
from hyperspy_stem_enhance.metrics import score_columns

SHAPE = (128, 150)


@pytest.mark.parametrize("sigma", [1.3, 2.2, 4.0])
@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_every_column_of_a_noisy_lattice(draw, lattice, rng, sigma, mode):
    points = lattice((5 * sigma, 0), (0, 6 * sigma), SHAPE, margin=5)
    clean = 20 + 100 * draw(points, 1, sigma, SHAPE)
    raw = rng.poisson(clean if mode == "HAADF" else 140 - clean)
    found = detect_classically(raw, mode)
    score = score_columns(found, points, radius=sigma)
    assert score.recall == 1
    assert score.precision > 0.96
    assert score.rms < 0.25
    assert np.median(found[:, 3]) == pytest.approx(sigma, rel=0.15)
    assert np.median(found[:, 2]) == pytest.approx(100, rel=0.25)


def test_dumbbells_are_two(draw, lattice, rng):
    points = lattice((20, 0), (0, 22), SHAPE, basis=((0, 0), (0, 5)), margin=5)
    raw = rng.poisson(10 + 200 * draw(points, 1, 1.5, SHAPE))
    score = score_columns(detect_classically(raw), points, radius=1.5)
    assert (score.precision, score.recall) == (1, 1)


def test_edges_and_a_ramp(draw, lattice, rng):
    points = lattice((12, 0), (0, 12), SHAPE)
    ramp = np.linspace(0, 900, SHAPE[1])
    raw = rng.poisson(50 + ramp + 200 * draw(points, 1, 2.5, SHAPE))
    inside = np.all((points >= 0) & (points <= np.array(SHAPE) - 1), axis=1)
    score = score_columns(detect_classically(raw), points[inside], radius=2)
    assert score.recall > 0.98


@pytest.mark.parametrize("kind", ["white", "counts", "lines"])
def test_noise_has_no_columns(rng, kind):
    raw = {
        "white": lambda: rng.normal(100, 10, (256, 256)),
        "counts": lambda: rng.poisson(8, (256, 256)),
        "lines": lambda: rng.normal(0, 1, (256, 256)) + 3 * rng.normal(0, 1, (256, 1)),
    }[kind]()
    assert len(detect_classically(raw)) <= 3


def test_hot_and_missing_pixels_are_no_columns(draw, rng):
    points = np.array([[40.0, 50], [90, 100], [60, 20]])
    raw = rng.poisson(20 + 200 * draw(points, 1, 3, SHAPE)).astype(float)
    raw[10, 10] = raw[100, 60] = 9e4
    raw[20:24, 70:80] = np.nan
    found = detect_classically(raw)
    score = score_columns(found, points, radius=0.5)
    assert (score.n_matched, score.recall) == (3, 1)
    for y, x in ((10, 10), (100, 60), (22, 75)):
        assert np.hypot(found[:, 0] - y, found[:, 1] - x).min() > 5


def test_images_without_contrast():
    assert detect_classically(np.full((32, 32), 7)).shape == (0, 5)
    with pytest.raises(ValueError, match="finite"):
        detect_classically(np.full((32, 32), np.nan))


def test_width_of_the_filter_follows_the_columns(draw, lattice, rng):
    for sigma in (1.5, 3.0, 6.0):
        points = lattice((6 * sigma, 0), (0, 6 * sigma), SHAPE, margin=5)
        raw = rng.normal(0, 0.3, SHAPE) + draw(points, 1, sigma, SHAPE)
        assert show_columns(raw)[1] == pytest.approx(sigma, rel=0.35)


def test_no_torch_is_needed():
    code = (
        "import sys, numpy as np\n"
        "from hyperspy_stem_enhance.detect.columns import detect_classically\n"
        "detect_classically(np.random.default_rng(0).poisson(9, (64, 64)))\n"
        "assert 'torch' not in sys.modules and 'hyperspy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
