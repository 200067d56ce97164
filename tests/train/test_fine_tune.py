import hyperspy.api as hs
import numpy as np
import pytest
import torch

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.models import list_models, load_model
from hyperspy_stem_enhance.noise.distribution import NoiseDistribution
from hyperspy_stem_enhance.noise.parameters import PUBLISHED_PARAMETERS
from hyperspy_stem_enhance.train import fine_tune, stream
from hyperspy_stem_enhance.train.stream import SimulatedBatches

PARAMETERS = PUBLISHED_PARAMETERS["BF"]
OWN = NoiseDistribution(np.array([PARAMETERS.to_tuple()]), "BF")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "CROPS", ((32, 2), (48, 1)))
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
