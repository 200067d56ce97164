import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest

from hyperspy_stem_enhance.noise import PARAMETER_NAMES, PUBLISHED_PARAMETERS
from hyperspy_stem_enhance.noise.distribution import distribution_of
from hyperspy_stem_enhance.noise.gain import NoiseLevels
from hyperspy_stem_enhance.noise.result import empty_result

HAADF = np.array(PUBLISHED_PARAMETERS["HAADF"].to_tuple())
LEVELS = NoiseLevels(mean=100, signal_sd=40, pointwise_sd=18, scan_sd=6)


def make_results(rows, mode="HAADF"):
    names = PARAMETER_NAMES
    return [
        replace(
            empty_result(mode, ""),
            parameters=type(PUBLISHED_PARAMETERS[mode])(*row),
            levels=LEVELS,
            reasons={n: "why" for n, v in zip(names, row, strict=True) if np.isnan(v)},
        )
        for row in np.asarray(rows).tolist()
    ]


def draw(rows, n=400, mode="HAADF"):
    distribution = distribution_of(make_results(rows, mode), mode)
    rng = np.random.default_rng(1)
    return np.array([distribution.draw(rng).to_tuple() for _ in range(n)])


def test_mean_spread_and_correlation_are_those_of_the_images(rng):
    brighter = rng.normal(1, 0.2, (40, 1)) * rng.normal(1, 0.02, (40, 8))
    rows = HAADF * brighter
    drawn = draw(rows, 2000)
    np.testing.assert_allclose(drawn.mean(0), rows.mean(0), rtol=0.03)
    np.testing.assert_allclose(drawn.std(0), rows.std(0), rtol=0.12)
    assert len(np.unique(drawn[:, 0])) > 1000
    # brightness and noise rise together, as they do in the images
    assert np.corrcoef(drawn[:, 0], drawn[:, 6])[0, 1] > 0.95


def test_two_microscopes_stay_apart(rng):
    rows = HAADF * rng.normal(1, 0.05, (12, 8))
    rows[6:, [0, 1, 2, 4, 6]] *= 30
    drawn = draw(rows)
    relative = drawn[:, 6] / drawn[:, 0]
    expected = HAADF[6] / HAADF[0]
    np.testing.assert_allclose(relative, expected, rtol=0.4)
    assert not np.any((drawn[:, 0] > 400) & (drawn[:, 0] < 2000))


def test_a_single_image_gives_its_own():
    np.testing.assert_array_equal(draw([HAADF], 3), [HAADF] * 3)


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_draws_are_possible(rng, mode):
    mean = np.array(PUBLISHED_PARAMETERS[mode].to_tuple())
    rows = mean * rng.normal(1, 0.8, (10, 8))
    rows[:, 0] = np.abs(rows[:, 0])
    drawn = draw(rows, mode=mode)
    values = dict(zip(PARAMETER_NAMES, drawn.T, strict=True))
    assert (values["atom_brightness"] > 0).all()
    assert (values["background_max"] >= values["background_min"]).all()
    assert (values["scan_slope"] >= 0).all()
    assert (values["scan_intercept"] >= 0).all()
    assert values["pointwise_lambda"].min() >= -0.45
    columns = values["atom_brightness"]
    if mode == "BF":
        ends = values["background_min"] - columns, values["background_max"]
    else:
        ends = values["background_min"], values["background_max"] + columns
    for intensity in ends:
        sd = values["pointwise_slope"] * intensity + values["pointwise_intercept"]
        assert (sd > -1e-9).all()


def test_unknown_slopes_take_the_level_of_the_image():
    rows = np.array([HAADF, HAADF, HAADF])
    rows[1, [5, 6]] = np.nan
    found = distribution_of(make_results(rows)).rows
    assert found[1, 5] == HAADF[5]
    assert found[1, 5] * LEVELS.mean + found[1, 6] == pytest.approx(18)


def test_what_no_image_identifies_is_replaced_with_a_warning():
    rows = np.array([HAADF, HAADF])
    rows[:, [3, 5, 6, 7]] = np.nan
    with pytest.warns(UserWarning, match=r"scan_slope \(why\): taken as zero"):
        found = distribution_of(make_results(rows)).rows
    np.testing.assert_array_equal(found[:, [3, 5, 6, 7]], [[0, 0, 18, 0.14]] * 2)


def test_unusable_images_are_left_out():
    rows = np.array([HAADF, np.full(8, np.nan)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(distribution_of(make_results(rows)).rows) == 1


def test_images_without_columns_are_refused():
    rows = np.array([HAADF, HAADF])
    rows[:, 0] = np.nan
    with pytest.raises(ValueError, match=r"no value of atom_brightness .*\(why\)"):
        distribution_of(make_results(rows))


def test_it_can_be_sent_to_workers():
    distribution = distribution_of(make_results([HAADF, 1.1 * HAADF]))
    again = pickle.loads(pickle.dumps(distribution))
    first, second = (d.draw(np.random.default_rng(3)) for d in (distribution, again))
    assert first == second
