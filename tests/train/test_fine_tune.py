import hyperspy.api as hs
import numpy as np
import pytest
import torch

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.models import install_checkpoint, list_models, load_model
from hyperspy_stem_enhance.models.registry import ranges
from hyperspy_stem_enhance.models.scgn import SCGN
from hyperspy_stem_enhance.noise.distribution import NoiseDistribution
from hyperspy_stem_enhance.noise.parameters import PUBLISHED_PARAMETERS
from hyperspy_stem_enhance.train import fine_tune, stream
from hyperspy_stem_enhance.train.stream import SimulatedBatches

PARAMETERS = PUBLISHED_PARAMETERS["BF"]
OWN = NoiseDistribution(np.array([PARAMETERS.to_tuple()]), "BF")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name in ("CROPS", "OWN_CROPS"):
        monkeypatch.setattr(stream, name, ((32, 2), (48, 1)))
    monkeypatch.setenv("HSE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def tune(noise, name="mine", n_steps=2, **options):
    return fine_tune(noise, name, n_steps=n_steps, n_workers=0, report=str, **options)


def test_own_noise_is_that_of_half_the_batches():
    plain = SimulatedBatches(seed=5)
    own = SimulatedBatches(seed=5, own_noise=OWN)
    other = SimulatedBatches(seed=5, noise=PARAMETERS, modes=["BF"])
    for number in range(8):
        expected = (other if number % 4 < 2 else plain).draw_batch(number)[0]
        assert torch.equal(own.draw_batch(number)[0], expected)


def test_own_images_are_seen_in_pieces_of_their_own_size(monkeypatch):
    monkeypatch.setattr(stream, "OWN_CROPS", ((64, 1), (40, 3)))
    batches = SimulatedBatches(seed=5, own_noise=OWN, own_share=0.5)
    shapes = [tuple(batches.draw_batch(number)[0].shape) for number in range(4)]
    assert shapes == [(1, 1, 64, 64), (3, 1, 40, 40), (2, 1, 32, 32), (1, 1, 48, 48)]


def test_share_of_own_noise():
    def is_own(number, share):
        own = SimulatedBatches(seed=5, own_noise=OWN, own_share=share)
        other = SimulatedBatches(seed=5, noise=PARAMETERS, modes=["BF"])
        return torch.equal(own.draw_batch(number)[0], other.draw_batch(number)[0])

    assert [is_own(number, 0.75) for number in range(8)] == [True] * 6 + [False] * 2
    assert all(is_own(number, 1) for number in range(8))
    for share in (0, -0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match="own_share="):
            tune(PARAMETERS, own_share=share)


def test_images_like_ones_own_are_taken_at_their_own_scale():
    tune(PARAMETERS)
    tuned, shipped = (ranges(name) for name in ("mine", "sfin-fast"))
    for own, other in zip(tuned, shipped, strict=True):
        assert own[0] < other[0]
        assert own[1] > other[1]
    assert ranges("mine")[0] == (1 / 60, 1 / 5)


def test_model_is_used_by_name_and_begins_with_the_old_one(folder):
    assert tune(PARAMETERS) == folder / "mine.safetensors"
    assert list_models()["mine"]["modes"] == ["HAADF", "BF"]
    before, after = (
        torch.cat([p.flatten() for p in load_model(name).parameters()])
        for name in ("sfin-fast", "mine")
    )
    assert 0 < (after - before).abs().max() < 0.05
    frame = np.random.default_rng(0).poisson(20, (64, 64))
    e = hs.signals.Signal2D(frame).enhance_sfin(model="mine", scale=1)
    assert e.metadata.STEM_enhance.enhance_sfin.model == "mine"


def test_images_are_calibrated_first():
    data = hse.simulate.make_dataset(3, (128, 128), noise="published", seed=3)
    tune(data.noisy)
    tune(data.noisy.calibrate_noise(), folder=None)  # the same: nothing left to do
    with pytest.raises(ValueError, match="other settings"):
        tune(PARAMETERS)


@pytest.mark.parametrize("name", ["sfin-fast", "a/b"])
def test_names_that_cannot_be_are_refused_before_training(name):
    with pytest.raises(ValueError, match="name="):
        tune(PARAMETERS, name)


def test_other_noise_is_refused():
    with pytest.raises(TypeError, match="noise=3"):
        tune(3)


class TestHRTEM:
    PARAMETERS = PUBLISHED_PARAMETERS["HRTEM"]

    @pytest.fixture
    def frames(self):
        data = hse.simulate.make_dataset(
            3, (128, 128), "HRTEM", "published", seed=3, arrangement="ordered"
        )
        return data.noisy

    def test_own_noise_is_that_of_half_the_batches(self):
        own = NoiseDistribution(np.array([self.PARAMETERS.to_tuple()]), "HRTEM")
        plain, mixed, given = (
            SimulatedBatches(seed=5, modes=["HRTEM"], **options)
            for options in ({}, {"own_noise": own}, {"noise": self.PARAMETERS})
        )
        for number in range(8):
            expected = (given if number % 4 < 2 else plain).draw_batch(number)[0]
            assert torch.equal(mixed.draw_batch(number)[0], expected)

    def test_model_is_used_by_name_and_begins_with_that_of_the_mode(
        self, folder, frames
    ):
        assert tune(frames, mode="HRTEM") == folder / "mine.safetensors"
        assert list_models()["mine"]["modes"] == ["HRTEM"]
        before, after = (
            torch.cat([p.flatten() for p in load_model(name).parameters()])
            for name in ("scgn-fast", "mine")
        )
        assert 0 < (after - before).abs().max() < 0.05
        shipped, own = (
            frames.inav[0].enhance_scgn(model=model, scale=1)
            for model in ("auto", "mine")
        )
        assert own.metadata.STEM_enhance.enhance_scgn.model == "mine"
        assert 0 < np.abs(own.data - shipped.data).max() < 0.5 * np.ptp(shipped.data)

    @pytest.mark.usefixtures("small_scgn")
    def test_calibration_knows_its_mode(self, frames):
        areas = np.zeros((128, 128), int)
        areas[:40, :40], areas[80:, 80:] = 1, 2
        whole, some = (
            frames.calibrate_noise("HRTEM", atom_free=areas) for areas in (None, areas)
        )
        tune(whole)
        tune(frames, mode="HRTEM")  # the same: nothing left to do
        tune(some, "other")
        assert list_models()["other"]["modes"] == ["HRTEM"]
        with pytest.raises(ValueError, match="other settings"):
            tune(some)

    @pytest.mark.usefixtures("small_scgn")
    def test_parameters_tell_the_mode(self):
        tune(self.PARAMETERS)
        assert list_models()["mine"]["modes"] == ["HRTEM"]
        with pytest.raises(ValueError, match="is that of scanned images"):
            tune(PARAMETERS, "other", mode="HRTEM")

    def test_model_of_another_mode_is_refused(self):
        with pytest.raises(ValueError, match="not trained for mode='HRTEM'"):
            tune(self.PARAMETERS, model="sfin-fast")
        with pytest.raises(ValueError, match="not trained for mode='BF'"):
            tune(PARAMETERS, mode="BF", model="scgn-fast")

    def test_published_model_is_refused(self, tmp_path):
        state = {f"module.{k}": v for k, v in SCGN().state_dict().items()}
        torch.save({"model_state_dict": state}, tmp_path / "published.pth")
        install_checkpoint(tmp_path / "published.pth", modes=["HRTEM"])
        with pytest.raises(ValueError, match="takes values from 0 to 255"):
            tune(self.PARAMETERS, model="published")
