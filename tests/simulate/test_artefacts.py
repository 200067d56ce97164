"""What real images have beside columns and noise."""

import numpy as np
import pytest

from hyperspy_stem_enhance.simulate import artefacts
from hyperspy_stem_enhance.simulate.artefacts import ARTEFACTS, add_artefact
from hyperspy_stem_enhance.simulate.scene import draw_scene

HIDING = ("border", "interrupted", "rotated", "gaps")


@pytest.fixture(scope="module")
def frame():
    return draw_scene(5, 0, (96, 128), arrangement="perfect").noisy


@pytest.mark.parametrize("name", ARTEFACTS)
def test_every_artefact_can_be_drawn_in_any_frame(frame, name):
    for seed in range(60):
        for image in (frame, frame[:16, :17]):
            before = image.copy()
            damaged = add_artefact(np.random.default_rng(seed), image, name)
            np.testing.assert_array_equal(image, before)
            assert damaged.image.shape == damaged.shown.shape == image.shape
            assert damaged.image.dtype == np.float32
            assert damaged.shown.any()
            assert np.isfinite(damaged.image).any()


@pytest.mark.parametrize("name", HIDING)
def test_what_is_not_shown_is_flat(frame, name):
    for seed in range(20):
        damaged = add_artefact(np.random.default_rng(seed), frame, name)
        hidden = damaged.image[~damaged.shown]
        assert np.isnan(hidden).all() or np.ptp(hidden) == 0
        same = damaged.image[damaged.shown] == frame[damaged.shown]
        assert same.all()


def test_all_letters_are_known():
    for word in artefacts._WORDS:
        assert artefacts._write(word, 2).shape == (14, 12 * len(word))


def test_shares_add_up():
    assert sum(ARTEFACTS.values()) == pytest.approx(1)


def test_hidden_columns_are_not_in_the_truth():
    for index in range(8):
        scene = draw_scene(9, index, (96, 96), arrangement="perfect", artefact="border")
        plain = draw_scene(9, index, (96, 96), arrangement="perfect")
        assert len(scene.columns) == len(plain.columns)
        at = tuple(np.rint(scene.positions[:, :2]).astype(int).T)
        assert scene.shown[at].all()
        assert not scene.clean[~scene.shown].any()
        assert not scene.narrow[~scene.shown].any()
        np.testing.assert_array_equal(
            scene.noisy[scene.shown], plain.noisy[scene.shown]
        )


def test_unknown_artefacts_are_refused(frame):
    with pytest.raises(ValueError, match="artefact='scratch' is unknown"):
        draw_scene(0, 0, (32, 32), artefact="scratch")
    with pytest.raises(ValueError, match="artefact='scratch' is unknown"):
        add_artefact(np.random.default_rng(0), frame, "scratch")
