import numpy as np
import pytest

from hyperspy_stem_enhance.detect.columns import COLUMN_NAMES, detect_columns
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.metrics import score_columns
from hyperspy_stem_enhance.noise.parameters import NoiseParameters
from hyperspy_stem_enhance.simulate.render import render_columns
from hyperspy_stem_enhance.simulate.scene import draw_scene

SHAPE = (120, 160)


def lattice(spacing, angle=0.3, margin=0):
    """(y, x) of a square lattice inside the frame."""
    steps = np.arange(-60, 61) * spacing
    y, x = np.meshgrid(steps, steps, indexing="ij")
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    positions = np.stack([y.ravel(), x.ravel()], 1) @ turn + [61.3, 80.7]
    inside = (positions >= margin) & (positions <= np.array(SHAPE) - 1 - margin)
    return positions[inside.all(1)]


def score(found, true, radius=2.0):
    return score_columns(found[:, :2], true, radius)


@pytest.mark.parametrize(
    ("spacing", "sigma"), [(5, 1.3), (9, 2), (14, 4), (20, 3), (45, 7)]
)
def test_every_column_of_a_lattice_is_found_once(spacing, sigma):
    true = lattice(spacing)
    image = render_columns(true, np.ones(len(true)), np.full(len(true), sigma), SHAPE)
    found = detect_columns(image)
    inner = lattice(spacing, margin=3)
    assert len(found) <= len(true)
    assert score(found, inner).recall == 1
    assert score(found, inner).rms < 0.1


def test_rows_are_position_height_width_and_confidence():
    image = render_columns([[40.3, 90.8]], [7.0], [2.5], SHAPE)
    found = detect_columns(image)
    assert found.dtype == np.float32
    assert COLUMN_NAMES == ("y", "x", "intensity", "sigma", "confidence")
    np.testing.assert_allclose(found[:, :4], [[40.3, 90.8, 7, 2.5]], rtol=2e-3)
    assert 0.95 < found[0, 4] <= 1


def test_dumbbells_are_parted():
    centres = lattice(24, margin=6)
    half = np.array([0, 2.75])
    true = np.concatenate([centres - half, centres + half])
    image = render_columns(true, np.ones(len(true)), np.full(len(true), 2.0), SHAPE)
    found = detect_columns(image)
    assert len(found) == len(true)
    assert score(found, true).rms < 0.2


def test_weak_columns_beside_strong_ones():
    strong = lattice(24, angle=0, margin=8)
    weak = strong + 12
    weak = weak[(weak < np.array(SHAPE) - 8).all(1)]
    positions = np.concatenate([strong, weak])
    heights = np.repeat([1.0, 0.05], [len(strong), len(weak)])
    image = render_columns(positions, heights, np.full(len(positions), 3.0), SHAPE)
    found = detect_columns(image)
    assert score(found, positions).recall == 1
    assert len(found) == len(positions)


def test_bright_atoms_do_not_hide_the_lattice():
    true = lattice(12)
    heights = np.ones(len(true))
    heights[[20, 60]] = 12
    image = render_columns(true, heights, np.full(len(true), 2.2), SHAPE)
    assert score(detect_columns(image), lattice(12, margin=3)).recall > 0.97


def test_ripple_is_not_a_column(rng):
    true = lattice(16, margin=4)
    image = render_columns(true, np.ones(len(true)), np.full(len(true), 3.0), SHAPE)
    image += np.clip(rng.normal(0, 0.01, SHAPE), 0, None)
    found = detect_columns(image)
    assert len(found) == len(true)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_flat_images_have_no_columns(value):
    assert detect_columns(np.full(SHAPE, value)).shape == (0, 5)


def test_pixels_that_are_not_finite_are_background():
    true = lattice(16, margin=4)
    image = render_columns(true, np.ones(len(true)), np.full(len(true), 3.0), SHAPE)
    image[:, 100:] = np.nan
    found = detect_columns(image)
    inside = true[true[:, 1] < 94]
    assert score(found[found[:, 1] < 94], inside).f1 == 1
    assert (found[:, 1] < 104).all()


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
@pytest.mark.parametrize(
    "noise",
    [
        NoiseParameters(100, 20, 20, 0, 0, 0, 10, 0.14),
        NoiseParameters(100, 20, 20, 0, 10, 0, 0.1, 0.14),
        NoiseParameters(100, 20, 80, 0, 5, 0.05, 12, 0.27),
    ],
    ids=["pointwise", "scan", "published"],
)
def test_noise_alone_has_no_atoms(mode, noise):
    for index in range(2):
        scene = draw_scene(9, index, (256, 256), mode, noise, "empty")
        enhanced = enhance_frames(scene.noisy[None], mode=mode)[0]
        assert len(detect_columns(enhanced, raw=scene.noisy, mode=mode)) <= 2


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_columns_of_noisy_frames_are_found(mode):
    true = lattice(14)
    clean = 100 * render_columns(
        true, np.ones(len(true)), np.full(len(true), 2.8), SHAPE
    )
    raw = np.random.default_rng(3).normal(0, 50, SHAPE)
    raw = raw + (clean if mode == "HAADF" else 300 - clean)
    enhanced = enhance_frames(raw[None], mode=mode)[0]
    found = detect_columns(enhanced, raw=raw, mode=mode)
    inner = lattice(14, margin=3)
    assert score(found, inner).recall > 0.97
    assert score(found, true).precision > 0.97
    assert score(found, inner).rms < 0.8


def test_threshold_keeps_the_sure_ones():
    scene = draw_scene(2, 3, (128, 128), "HAADF", "low-dose", "lattice")
    enhanced = enhance_frames(scene.noisy[None])[0]
    everything = detect_columns(enhanced, raw=scene.noisy, threshold=0)
    sure = detect_columns(enhanced, raw=scene.noisy, threshold=0.9)
    assert len(sure) <= len(everything)
    assert (sure[:, 4] >= 0.9).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"enhanced": np.ones(5)}, "enhanced has the shape"),
        ({"enhanced": np.ones((20, 20), complex)}, "complex128"),
        ({"enhanced": np.full((20, 20), np.nan)}, "no finite pixel"),
        ({"enhanced": np.eye(20), "raw": np.eye(21)}, "raw has the shape"),
        ({"enhanced": np.eye(20), "mode": "DF"}, "mode='DF'"),
        ({"enhanced": np.eye(20), "threshold": 2}, "threshold=2"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        detect_columns(**arguments)


def test_columns_of_three_electrons_are_found():
    # Columns of one pixel's width, far apart, on no background
    y, x = np.mgrid[20:230:23, 20:230:23]
    true = np.stack([y.ravel(), x.ravel()], axis=1) + 0.3
    image = render_columns(true, np.ones(len(true)), np.ones(len(true)), (250, 250))
    frame = np.random.default_rng(0).poisson(0.5 * image).astype(np.float32)
    enhanced, dots = enhance_frames(frame[None], output=("enhanced", "detection"))
    found = detect_columns(enhanced[0], frame, probability=dots[0])
    # 0.18 of the columns have one electron or none
    assert score(found, true).recall > 0.65
    assert score(found, true).precision > 0.97


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1])
def test_no_column_in_single_electrons_that_fall_anywhere(rate):
    found = 0
    for seed in range(2):
        frame = np.random.default_rng(seed).poisson(rate, (250, 250)).astype(np.float32)
        enhanced, dots = enhance_frames(frame[None], output=("enhanced", "detection"))
        found += len(detect_columns(enhanced[0], frame, probability=dots[0]))
    assert found <= 1


def test_empty_margins_hide_no_column():
    scene = draw_scene(90909, 6, (192, 192), "HAADF", "low-dose", "lattice")
    recorded = scene.noisy - scene.noisy.min() + 1
    recalls = []
    for margin in (0, 128):
        frame = np.pad(recorded, ((0, margin), (0, margin)))
        enhanced, dots = enhance_frames(
            frame[None], scale=1, output=("enhanced", "detection")
        )
        found = detect_columns(enhanced[0], frame, probability=dots[0])
        recalls.append(score(found, scene.positions, 3.0).recall)
    assert recalls[1] > 0.75 * recalls[0]
