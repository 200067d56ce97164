import pickle
from dataclasses import astuple

import numpy as np
import pytest

from hyperspy_stem_enhance.noise import (
    PARAMETER_NAMES,
    calibrate_image,
    calibrate_records,
)
from hyperspy_stem_enhance.noise.reasons import NaNReason
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


def test_reasons_of_files_from_before_they_were_an_enum():
    """What older versions wrote: four bits of each parameter, and their words."""
    row = np.full(len(RECORD_NAMES), np.nan)
    row[RECORD_NAMES.index("background_min")] = 1.0  # the frame was used
    row[RECORD_NAMES.index("scan_slope_error")] = 0.5
    row[-1] = 0xF6432105 & ~0xF0
    reasons = from_record(row).reasons
    assert reasons["atom_brightness"] == "no column stands out of background and noise"
    assert reasons["background_max"] == "the image is constant"
    assert reasons["scan_slope"] == "too few pixels for statistics"
    assert reasons["scan_intercept"].startswith("the gradient varies too little")
    assert reasons["pointwise_slope"].startswith("pointwise noise is too small a part")
    assert reasons["pointwise_intercept"] == (
        "too few values of the intensity hold enough pixels"
    )
    assert reasons["pointwise_lambda"].startswith("not identified")
    kinds = [reasons[name].kind for name in PARAMETER_NAMES if name in reasons]
    assert kinds == [5, 1, 2, 3, 4, 6, 15]


@pytest.mark.parametrize("method", ["unbiased", "paper"])
def test_reasons_know_their_kind_after_copies(rng, method):
    for image in images(rng).values():
        result = calibrate_image(image, method=method)
        copied = pickle.loads(pickle.dumps(result))
        found = from_record(to_record(copied))
        for name, reason in result.reasons.items():
            assert reason.kind is copied.reasons[name].kind is found.reasons[name].kind
            assert reason.kind is not NaNReason.OTHER
