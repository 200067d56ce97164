"""The outputs of a network that has several."""

import numpy as np
import pytest
from scipy.special import expit

from hyperspy_stem_enhance.enhance import parts
from hyperspy_stem_enhance.enhance.normalise import normalise_frame
from hyperspy_stem_enhance.enhance.run import enhance_frames, enhance_parts
from hyperspy_stem_enhance.simulate.scene import draw_scene

ALL = ("enhanced", "super-resolution", "detection")


@pytest.fixture
def frames():
    scenes = [draw_scene(3, i, (128, 160), arrangement="lattice") for i in range(2)]
    return np.stack([scene.noisy for scene in scenes])


def test_super_resolution_is_in_the_units_of_the_input(three_outputs, frames):
    options = {"model": three_outputs, "scale": 1, "allow_negative": True}
    enhanced = enhance_frames(frames, **options)
    narrow = enhance_frames(frames, **options, output="super-resolution")
    np.testing.assert_allclose(narrow, 2 * enhanced, rtol=0.01, atol=0.05)


def test_detection_is_a_probability(three_outputs, frames):
    options = {"model": three_outputs, "scale": 1}
    logit = enhance_frames(frames, **options, allow_negative=True)
    logit /= [normalise_frame(frame).scale for frame in frames]
    found = enhance_frames(frames, **options, output="detection")
    np.testing.assert_allclose(found, expit(logit), atol=0.005)


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_outputs_stay_in_their_range_when_resampled(three_outputs, frames, scale):
    enhanced, narrow, found = enhance_frames(
        frames, three_outputs, scale=scale, output=ALL
    )
    assert enhanced.shape == narrow.shape == found.shape == frames.shape
    assert enhanced.min() >= 0
    assert narrow.min() >= 0
    assert 0 <= found.min() <= found.max() <= 1


def test_several_outputs_are_those_of_single_runs(three_outputs, frames):
    together = enhance_frames(frames, three_outputs, output=ALL[::-1])
    for name, values in zip(ALL[::-1], together, strict=True):
        alone = enhance_frames(frames, three_outputs, output=name)
        np.testing.assert_array_equal(alone, values)


def test_large_frames_have_all_outputs(three_outputs, monkeypatch):
    frame = draw_scene(5, 0, (300, 500), arrangement="lattice").noisy[None]
    whole = enhance_frames(frame, three_outputs, scale=1, output=ALL)
    monkeypatch.setattr(parts, "SIZE", 448)
    cut = enhance_frames(frame, three_outputs, scale=1, output=ALL)
    for a, b in zip(whole, cut, strict=True):
        assert a.shape == b.shape == frame.shape
        assert np.quantile(np.abs(a - b), 0.99) < 0.03 * np.ptp(a)


def test_parts_take_one_output(three_outputs, frames):
    network = three_outputs, "HAADF", "auto"
    [found] = enhance_parts(frames, *network, ("detection",))
    expected = enhance_frames(frames, three_outputs, output="detection")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_missing_and_unknown_outputs_are_named(three_outputs, frames):
    with pytest.raises(ValueError, match=r"'one' has not .*'detection'.*'three'"):
        enhance_frames(frames, "one", output="detection")
    with pytest.raises(ValueError, match="output='denoised' is unknown; use one of"):
        enhance_frames(frames, output="denoised")
    with pytest.raises(ValueError, match=r"keep_background=True .* 'detection'"):
        enhance_frames(frames, three_outputs, keep_background=True, output="detection")
