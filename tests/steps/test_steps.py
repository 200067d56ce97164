"""Steps: checked when they are made, frozen, sent anywhere, called with arrays."""

import pickle
from dataclasses import FrozenInstanceError

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.steps import (
    Calibration,
    Detection,
    EnhancedDetection,
    Enhancement,
    EnhancementAndDetection,
    EnhancementWithUncertainty,
    Refinement,
)

STEPS = [
    Calibration("BF", "paper"),
    Enhancement(scale=1),
    EnhancementWithUncertainty(),
    Detection("HRTEM", "dark", separation=4),
    EnhancedDetection(Detection()),
    EnhancementAndDetection(Enhancement(), Detection()),
    Refinement(method="elliptical"),
]


@pytest.fixture(scope="module")
def frames():
    scenes = [draw_scene(3, i, (64, 80), arrangement="lattice") for i in range(2)]
    return np.stack([scene.noisy for scene in scenes])


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_frozen_and_sent_anywhere(step):
    again = pickle.loads(pickle.dumps(step))
    assert repr(again) == repr(step)
    assert again.outputs == step.outputs
    with pytest.raises(FrozenInstanceError):
        step.mode = "BF"


@pytest.mark.parametrize(
    ("kind", "argument", "match"),
    [
        (Calibration, {"method": "best"}, "method='best' is unknown"),
        (Enhancement, {"mode": "SEM"}, "mode='SEM' is unknown"),
        (Enhancement, {"model": "none"}, "model='none' is unknown"),
        (Enhancement, {"device": "abacus"}, "device='abacus' cannot be used"),
        (Enhancement, {"contrast": "dark"}, "contrast='dark' belongs to"),
        (Enhancement, {"scale": 100}, "scale=100 cannot be used"),
        (Enhancement, {"output": "denoised"}, "output='denoised' is unknown"),
        (EnhancementWithUncertainty, {"output": "detection"}, "has no uncertainty"),
        (Detection, {"threshold": 2}, "threshold=2 is not a confidence"),
        (Detection, {"separation": -1}, "separation=-1 is no distance"),
        (Detection, {"support": "no"}, "support='no' is unknown"),
        (Detection, {"method": "auto"}, "method='auto' is unknown"),
        (Refinement, {"sigma": 0}, "sigma=0 is not a positive"),
    ],
)
def test_refused_when_made(kind, argument, match):
    with pytest.raises(ValueError, match=match):
        kind(**argument)


def test_a_step_does_what_the_array_function_does(frames):
    step = Enhancement(scale=1, keep_background=True)
    assert step.model == "sfin-fast"
    expected = enhance_frames(frames, scale=1, keep_background=True)
    np.testing.assert_array_equal(step(frames), expected)


def test_detection_takes_what_others_have_enhanced(frames):
    step = Enhancement(scale=1)
    enhanced, probability = step.run(frames, ("enhanced", "detection"))
    tables = Detection()(frames, enhanced, probability)
    both = EnhancementAndDetection(step, Detection())(frames)
    assert sum(map(len, tables)) > 10
    for (image, table), own, found in zip(both, enhanced, tables, strict=True):
        np.testing.assert_array_equal(image, own)
        np.testing.assert_array_equal(table, found)


class TestBeforeTheFirstFrameIsRead:
    @pytest.fixture
    def unread(self):
        def refuse(block):
            raise AssertionError("a frame was read")

        data = da.zeros((5, 32, 40), chunks=(1, 32, 40)).map_blocks(
            refuse, meta=np.empty((0, 0, 0))
        )
        return hs.signals.Signal2D(data).as_lazy()

    @pytest.mark.parametrize(
        ("method", "argument"),
        [
            ("calibrate_noise", {"fast_axis": "z"}),
            ("enhance_sfin", {"output": "denoised"}),
            ("enhance_sfin", {"return_uncertainty": True, "output": "detection"}),
            ("enhance_scgn", {"contrast": "grey"}),
            ("enhance_scgn", {"neighbours": -1}),
            ("detect_atoms", {"support": "no"}),
            ("detect_atoms", {"roi": np.ones((3, 3), bool)}),
        ],
    )
    def test_arguments(self, unread, method, argument):
        with pytest.raises(
            ValueError, match=next(iter(argument.keys() - {"return_uncertainty"}))
        ):
            getattr(unread, method)(**argument, lazy_output=False)

    def test_axes_that_positions_cannot_have(self, unread):
        unread.axes_manager.signal_axes[0].convert_to_non_uniform_axis()
        with pytest.raises(ValueError, match="not uniform"):
            unread.detect_atoms(lazy_output=False)
