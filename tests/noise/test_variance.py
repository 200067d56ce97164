from dataclasses import replace

import numpy as np
import pytest

from hyperspy_stem_enhance.noise import PUBLISHED_PARAMETERS, variance_linear_model

HAADF = PUBLISHED_PARAMETERS["HAADF"]


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_line_is_close_to_the_parabola(mode):
    parameters = PUBLISHED_PARAMETERS[mode]
    intensity = np.linspace(20, 230, 50)
    sd = parameters.pointwise_slope * intensity + parameters.pointwise_intercept
    model = variance_linear_model(parameters, (20, 230))
    variance = model["gain_factor"] * intensity + model["gain_offset"]
    np.testing.assert_allclose(variance * model["correlation_factor"], sd**2, rtol=0.15)


def test_constant_noise_has_no_gain():
    flat = replace(HAADF, pointwise_slope=0.0, pointwise_intercept=3.0)
    model = variance_linear_model(flat, (0, 100))
    assert model["gain_factor"] == pytest.approx(0, abs=1e-9)
    assert model["gain_offset"] == pytest.approx(9)


@pytest.mark.parametrize(
    ("changes", "limits", "match"),
    [
        ({"pointwise_slope": np.nan}, (0, 1), "pointwise_slope=nan"),
        ({}, (5, 5), "does not increase"),
        ({"pointwise_intercept": -5.0}, (0, 100), "falls to -5"),
    ],
)
def test_what_no_line_describes_is_refused(changes, limits, match):
    with pytest.raises(ValueError, match=match):
        variance_linear_model(replace(HAADF, **changes), limits)
