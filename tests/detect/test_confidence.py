import numpy as np
import pytest

from hyperspy_stem_enhance.detect.confidence import (
    calibrated_confidence,
    describe_evidence,
    design_matrix,
    filter_constants,
)
from hyperspy_stem_enhance.detect.evidence import _rate_in_lattices
from hyperspy_stem_enhance.detect.refine import GaussianFit, fit_gaussians
from hyperspy_stem_enhance.models import registry

SHAPE = (80, 100)
POINTS = np.array([[20.0, 20], [20, 60], [60, 20], [60, 60], [62, 63]])


@pytest.fixture
def fit(draw):
    image = draw(POINTS, [1, 1, 1, 1, 0.3], 2.0, SHAPE)
    return fit_gaussians(image, POINTS, 2.0, background=False, rounds=8)


def test_evidence_in_its_units(fit):
    rates = np.array([1e-9, 1e-2, 1.0, 1e3, 1e-3])
    evidence = describe_evidence(fit, 2.0, 1.0, raw_rate=rates, enhanced_rate=rates)
    assert list(evidence) == [
        "raw",
        "enhanced",
        "misfit",
        "height",
        "apart",
        "spacing",
    ]
    np.testing.assert_allclose(evidence["raw"][1:3], [np.log(100), 0], atol=1e-9)
    assert evidence["raw"][0] == 12  # limited
    assert evidence["height"][4] == pytest.approx(np.log(0.3), abs=0.05)
    assert evidence["apart"][4] == pytest.approx(np.hypot(2, 3) / 2, abs=0.1)
    assert evidence["apart"][0] == 5
    assert evidence["spacing"][4] < -1.4 < evidence["spacing"][0]


@pytest.mark.parametrize("method", ["network", "classical"])
def test_more_evidence_is_more_confidence(fit, method):
    network = registry.constants("confidence")
    constants = network if method == "network" else filter_constants()
    confidence = []
    for rate in (10.0, 0.8, 0.01, 1e-5):
        rates = np.full(5, rate)
        enhanced = rates if method == "network" else None
        peaked = np.zeros(5) if method == "network" else None
        evidence = describe_evidence(fit, 2.0, 1.0, rates, enhanced, peaked=peaked)
        confidence.append(calibrated_confidence(evidence, method, constants)[0])
    assert confidence == sorted(confidence)
    assert confidence[0] == 0
    # What noise explains is not believed, whatever it looks like
    assert confidence[1] <= 0.2 + 1e-9
    assert confidence[-1] > 0.9


def test_networks_with_and_without_dots(fit):
    rates = np.full(5, 1e-4)
    for raw in (None, rates):
        for dots in (None, np.full(5, 0.8)):
            peaked = None if raw is None else np.zeros(5)
            evidence = describe_evidence(fit, 2.0, 1.0, raw, rates, dots, peaked)
            confidence = calibrated_confidence(
                evidence, "network", registry.constants("confidence")
            )
            assert np.all((confidence > 0) & (confidence < 1))


def test_what_is_no_maximum_is_believed_less(fit):
    rates, dots = np.full(5, 1e-4), np.full(5, 0.8)
    constants = registry.constants("confidence")
    confidence = []
    for peaked in (3.0, 0.0, -2.0, -6.0, -50.0):
        evidence = describe_evidence(
            fit, 2.0, 1.0, rates, rates, dots, np.full(5, peaked)
        )
        confidence.append(calibrated_confidence(evidence, "network", constants)[0])
    assert confidence == sorted(confidence, reverse=True)
    odds = np.array(confidence) / (1 - np.array(confidence))
    assert odds[0] == odds[1] > 10 * odds[3]
    assert odds[3] == odds[4]


def test_constants_of_less_evidence_are_used_without_the_rest(fit):
    rates, dots = np.full(5, 1e-4), np.full(5, 0.8)
    full = describe_evidence(fit, 2.0, 1.0, rates, rates, dots, np.full(5, -3.0))
    for missing in (("peaked",), ("probability",), ("peaked", "probability")):
        less = {name: v for name, v in full.items() if name not in missing}
        constants = {" ".join(less): np.ones(design_matrix(less)[0].shape[1])}
        np.testing.assert_array_equal(
            calibrated_confidence(full, "network", constants),
            calibrated_confidence(less, "network", constants),
        )


def test_design(fit):
    evidence = describe_evidence(fit, 2.0, 1.0, enhanced_rate=np.full(5, 1e-3))
    terms, signs = design_matrix(evidence)
    assert terms.shape == (5, 1 + 3 + 4)
    assert signs.tolist() == [0, 1, 1, 1, -1, 1, 1, 1]
    np.testing.assert_allclose(terms[:, 1:4].sum(axis=1), np.log(1e3))


def test_one_candidate_has_no_neighbour(fit):
    evidence = describe_evidence(
        fit.select([0]), 2.0, 1.0, enhanced_rate=np.array([1e-5])
    )
    assert evidence["apart"] == 5
    assert np.isfinite(evidence["spacing"]).all()


def test_noise_has_less_room_among_sure_columns():
    grid = np.stack(np.meshgrid(*2 * [np.arange(10.0, 100, 12)], indexing="ij"), -1)
    points = np.concatenate([grid.reshape(-1, 2), [[23.0, 22.0]]])
    n = len(points)
    height = np.linspace(1.1, 1, n)
    height[-1] = 0.3  # beside a higher one
    fit = GaussianFit(*points.T, height, *(np.full(n, v) for v in (2.0, 0.0, 0.01)))
    rate = np.full(n, 1e-4)
    rate[[40, n - 1]] = 1.0
    placed = _rate_in_lattices(rate, fit, 2.0)
    assert placed[40] == pytest.approx(0.3)
    assert placed[-1] == 1.0
    # Where most may be noise, nothing speaks for a place
    np.testing.assert_array_equal(_rate_in_lattices(np.ones(n), fit, 2.0), 1.0)
