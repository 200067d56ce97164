"""Steps take the constants of their model, or say that it has none."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from hyperspy_stem_enhance.models import list_models, registry
from hyperspy_stem_enhance.models.export import export_weights, store_constants
from hyperspy_stem_enhance.steps import (
    Detection,
    Enhancement,
    EnhancementAndDetection,
    EnhancementWithUncertainty,
)


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Name of a model with the weights of the default one, but no constants."""
    network = registry.load_model("sfin-fast")
    card = {key: list_models()["sfin-fast"][key] for key in ("architecture", "modes")}
    monkeypatch.setenv("HSE_MODELS", str(tmp_path))
    export_weights(network, "foreign", tmp_path, half=False, **card)
    return "foreign"


def test_detection_warns_once_of_a_foreign_model(foreign):
    with pytest.warns(UserWarning, match=r"confidence of columns.*'foreign'") as told:
        step = EnhancementAndDetection(
            Enhancement(foreign, scale=1), Detection(model=foreign)
        )
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step.settle(np.zeros((1, 64, 64)))
        Detection(model=foreign, method="classical")


def test_intervals_of_a_foreign_model(foreign):
    with pytest.warns(UserWarning, match=r"interval.*'foreign'.*uncertainty.py --fit"):
        EnhancementWithUncertainty(foreign)
    values = {"log_factor": 9.0, "exponents": [0.2, 0.3, 0.5]}
    store_constants("interval", values, foreign)
    step = EnhancementWithUncertainty(foreign, scale=1)
    assert replace(step, device="cpu").constants == values
    rng = np.random.default_rng(0)
    frames = rng.poisson(20, (1, 32, 32)).astype(np.float32)
    [(_, wide)] = step(frames)
    [(_, usual)] = EnhancementWithUncertainty(scale=1)(frames)
    assert (wide > usual).all()


def test_confidence_follows_the_model(foreign):
    names = registry.constants("confidence")
    none = {name: [-50.0] + [0.0] * (len(v) - 1) for name, v in names.items()}
    store_constants("confidence", none, foreign)
    y, x = np.mgrid[:48, :64]
    image = np.exp(-((y - 20.5) ** 2 + (x - 40) ** 2) / (2 * 3**2))[None]
    assert len(Detection()(None, image)[0]) == 1
    assert len(Detection(model=foreign)(None, image)[0]) == 0
