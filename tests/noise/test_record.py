from dataclasses import astuple

import numpy as np
import pytest

from hyperspy_stem_enhance.noise import (
    PARAMETER_NAMES,
    calibrate_image,
    calibrate_records,
)
from hyperspy_stem_enhance.noise.record import RECORD_NAMES, from_record, to_record


def images(rng):
    y, x = np.mgrid[:128, :128]
    lattice = 50 + 100 * (np.cos(x / 2) * np.cos(y / 2)) ** 4
    hidden = rng.poisson(lattice).astype(float)
    hidden[:, 6:] = np.nan
    return {
        "lattice": rng.poisson(lattice),
        "empty": rng.normal(100, 10, (128, 128)),
        "constant": np.full((64, 64), 7),
        "hidden": hidden,
        "clipped": np.minimum(rng.poisson(lattice), 90),
    }


@pytest.mark.parametrize("method", ["unbiased", "paper"])
@pytest.mark.parametrize("name", ["lattice", "empty", "constant", "hidden", "clipped"])
def test_all_but_the_curves_comes_back(rng, name, method):
    result = calibrate_image(images(rng)[name], method=method)
    found = from_record(to_record(result))
    np.testing.assert_array_equal(astuple(found.levels), astuple(result.levels))
    for kept in ("parameters", "standard_errors"):
        np.testing.assert_array_equal(
            getattr(found, kept).to_tuple(), getattr(result, kept).to_tuple()
        )
    assert found.checks == result.checks
    assert found.notes == result.notes
    assert found.gain().reasons == result.gain().reasons
    assert set(found.reasons) == set(result.reasons)
    # every reason that the estimators give has its words
    assert not any("not identified" in text for text in found.reasons.values())


def test_parameters_alone(rng):
    found = from_record(np.arange(8.0))
    assert found.parameters.to_tuple() == tuple(range(8))
    assert found.reasons == {}
    assert "not measured" in found.gain().reasons["gain"]


def test_frame_that_could_not_be_used():
    rows = calibrate_records(np.full((1, 32, 32), np.nan))
    assert rows.shape == (1, len(RECORD_NAMES))
    found = from_record(rows[0])
    assert set(found.reasons) == set(PARAMETER_NAMES)
    assert "could not be used" in found.reasons["scan_slope"]


def test_mean_of_rows_is_no_error(rng):
    rows = calibrate_records(
        np.stack([images(rng)["lattice"], images(rng)["clipped"], images(rng)["empty"]])
    )
    found = from_record(rows.mean(0))
    for name, text in found.reasons.items():
        assert np.isnan(getattr(found.parameters, name))
        assert text
