import numpy as np
import pytest

from hyperspy_stem_enhance.noise import calibrate_image, calibrate_records
from hyperspy_stem_enhance.noise.summary import summarise


def test_mean_and_sd_skip_what_is_unknown(rng):
    values = rng.normal(10, 2, (5, 8))
    values[:2, 3] = np.nan
    values[:, 4] = np.nan
    values[1:, 5] = np.nan
    summary = summarise(values)
    assert summary.mean.atom_brightness == pytest.approx(values[:, 0].mean())
    assert summary.sd.atom_brightness == pytest.approx(values[:, 0].std(ddof=1))
    assert summary.mean.scan_slope == pytest.approx(values[2:, 3].mean())
    assert summary.sd.scan_slope == pytest.approx(values[2:, 3].std(ddof=1))
    assert np.isnan(summary.mean.scan_intercept)
    assert summary.mean.pointwise_slope == values[0, 5]
    assert np.isnan(summary.sd.pointwise_slope)
    assert summary.counts["scan_slope"] == 3
    assert summary.n_images == 5


def test_it_prints_as_a_table():
    summary = summarise(np.arange(16.0).reshape(2, 8))
    lines = str(summary).splitlines()
    assert len(lines) == 10
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[-1].split() == ["pointwise", "noise,", "lambda", "11", "5.66", "2"]
    assert summary._repr_html_().count("<tr>") == 9


def test_single_image_has_its_standard_errors(simulate):
    image = simulate()[0]
    result = calibrate_image(image)
    lines = str(summarise(calibrate_records(image[None]))).splitlines()
    assert lines[1].split() == ["value", "error", "images"]
    [line] = [line for line in lines if line.startswith("pointwise noise, slope")]
    error = result.standard_errors.pointwise_slope
    assert line.split()[-2:] == [f"{error:.3g}", "1"]


def test_notes_and_reasons_are_below_the_table(simulate, rng):
    image = simulate()[0]
    frames = np.stack([image, np.minimum(image, 190), rng.normal(9, 1, image.shape)])
    summary = summarise(calibrate_records(frames), ["first", "second", "third"])
    assert summary.counts["gain"] == 2
    text = " ".join(str(summary).split())
    assert "frame second has" in text
    assert "NaN for atom brightness; atom brightness / noise SD: no column" in text
    assert "(1 of 3 images)" in text
    assert "<li>frame second has" in summary._repr_html_()
