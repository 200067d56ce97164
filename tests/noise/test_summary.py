import numpy as np
import pytest

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
