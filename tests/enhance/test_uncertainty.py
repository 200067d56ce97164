"""Intervals around enhanced images."""

from functools import partial

import numpy as np
import pytest

from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.enhance.uncertainty import (
    FEATURES,
    enhance_with_uncertainty,
    join_spreads,
    measure_spreads,
)
from hyperspy_stem_enhance.simulate.scene import draw_scene


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(97, i, (96, 128), noise="scanning") for i in range(4)]


def blur_rows(frames):
    """Stand-in for a network whose result depends on how a frame is turned."""
    frames = np.asarray(frames, np.float32)
    return (frames + np.roll(frames, 1, axis=-1)) / 2


def test_intervals_hold_about_two_thirds_of_the_truth(scenes):
    covered = []
    for scene in scenes:
        enhanced, uncertainty = enhance_with_uncertainty(scene.noisy[None])
        covered.append(np.abs(enhanced[0] - scene.clean) <= uncertainty[0])
    assert 0.5 < np.mean(covered) < 0.9


def test_enhanced_is_that_of_enhancement_alone(scenes):
    frames = np.stack([scene.noisy for scene in scenes[:2]])
    names = ("keep_background", "allow_negative", "self_ensemble", "remove_echo")
    for options in ({}, *({name: True} for name in names)):
        enhanced, uncertainty = enhance_with_uncertainty(frames, **options)
        np.testing.assert_allclose(
            enhanced, enhance_frames(frames, **options), atol=1e-3
        )
        assert uncertainty.shape == frames.shape
        assert (uncertainty > 0).all()


def test_units_are_those_of_the_input(scenes):
    frame = scenes[0].noisy[None]
    _, once = enhance_with_uncertainty(frame)
    _, scaled = enhance_with_uncertainty(40 * frame + 1000)
    np.testing.assert_allclose(scaled, 40 * once, rtol=0.05, atol=0.05 * once.max())


def test_more_noise_is_less_certain():
    structures, widths = ["SrTiO3 [001]"], []
    for electrons in (100.0, 2.0):
        scene = draw_scene(5, 1, (96, 96), "HAADF", "published", "perfect", structures)
        counts = np.random.default_rng(0).poisson(
            electrons * (scene.clean / scene.clean.max() + 0.2)
        )
        enhanced, uncertainty = enhance_with_uncertainty(counts[None])
        widths.append(uncertainty.mean() / enhanced.max())
    assert widths[1] > 1.5 * widths[0]


def test_spread_over_symmetries_is_zero_for_what_knows_no_direction(rng):
    frame = rng.normal(0, 1, (32, 48)).astype(np.float32)
    zero = np.zeros_like(frame)
    measure = partial(measure_spreads, frame, mode="HAADF")
    assert measure(zero, enhance=np.zeros_like)["symmetry"].max() == 0
    found = measure(blur_rows(frame), enhance=blur_rows)
    assert found["symmetry"].mean() > 0.3
    # Every row twice the noise it has: half of it passes, with either sign
    assert found["resampling"].mean() > 0.3


def test_resampled_noise_keeps_its_strength_at_every_pixel(rng):
    seen = []

    def keep(frames):
        seen.append(np.array(frames))
        return np.zeros_like(frames)

    frame = rng.normal(0, 1, (32, 32)).astype(np.float32)
    measure_spreads(frame, np.zeros_like(frame), "HAADF", keep)
    resampled = seen[0]
    assert resampled.shape == (4, 32, 32)
    # Each row is as it was, or mirrored at the background
    background = (resampled[0] + frame) / 2
    same = np.isclose(resampled, frame, atol=1e-5).all(-1)
    assert 0.2 < same.mean() < 0.8
    assert np.abs(background[~same[0]]).max() < 1


def test_spreads_are_joined_as_powers():
    spreads = {**dict.fromkeys(FEATURES, np.full(3, 2.0)), "noise": np.full(3, 1.0)}
    np.testing.assert_allclose(
        join_spreads(spreads, np.log(3), (0.5, 0.3, 0.2)), 6, rtol=1e-6
    )
    none = {**dict.fromkeys(FEATURES, np.zeros(3)), "noise": np.full(3, 5.0)}
    assert (join_spreads(none, -10, (1, 0, 0)) == np.float32(0.05)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "detection"}, "output='detection' has no uncertainty"),
        ({"scale": 99}, "scale=99"),
        ({"mode": "TEM"}, "mode='TEM'"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        enhance_with_uncertainty(np.eye(32)[None], **options)
