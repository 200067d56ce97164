"""Uncertainty and residual report on signals."""

import dask
import numpy as np
import pytest

from hyperspy_stem_enhance.enhance.residual import ResidualReport
from hyperspy_stem_enhance.enhance.uncertainty import enhance_with_uncertainty


@pytest.mark.parametrize("is_lazy", [False, True])
@pytest.mark.parametrize("nav_shape", [(), (2,)])
def test_two_signals_of_the_same_axes(make_images, nav_shape, is_lazy):
    s = make_images(nav_shape)
    frames = s.data.reshape(-1, *s.data.shape[-2:])
    expected = enhance_with_uncertainty(frames, scale=1)
    s = s.as_lazy() if is_lazy else s
    e, u = s.enhance_sfin(scale=1, return_uncertainty=True)
    assert e._lazy is u._lazy is is_lazy
    for signal, values in zip((e, u), expected, strict=True):
        found = np.asarray(signal.data).reshape(frames.shape)
        np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-3)
        assert signal.axes_manager["x"].units == "nm"
        assert signal.axes_manager["x"].scale == s.axes_manager["x"].scale
        assert signal.axes_manager.navigation_shape == s.axes_manager.navigation_shape
    kept = u.metadata.STEM_enhance
    assert kept.uncertainty.interval == 0.68
    assert kept.uncertainty.model == e.metadata.STEM_enhance.enhance_sfin.model
    assert not u.metadata.has_item("STEM_enhance.enhance_sfin")


def test_lazy_signals_share_one_run(make_images, monkeypatch):
    from hyperspy_stem_enhance.enhance import uncertainty

    runs = []
    original = uncertainty.enhance_with_uncertainty
    monkeypatch.setattr(
        uncertainty,
        "enhance_with_uncertainty",
        lambda frames, *args, **kwargs: (
            runs.append(len(frames)) or original(frames, *args, **kwargs)
        ),
    )
    e, u = make_images((2,)).as_lazy().enhance_sfin(scale=1, return_uncertainty=True)
    assert not runs  # nothing is computed before it is asked for
    dask.compute(e.data, u.data)
    assert sum(runs) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [({"inplace": True}, "inplace=True"), ({"output": "detection"}, "no uncertainty")],
)
def test_uncertainty_is_refused(make_images, three_outputs, options, message):
    with pytest.raises(ValueError, match=message):
        make_images().enhance_sfin(three_outputs, return_uncertainty=True, **options)


@pytest.mark.parametrize("keep_background", [False, True])
@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_report_knows_how_the_image_was_enhanced(make_images, mode, keep_background):
    s = make_images((1,), (96, 96))
    s.data = s.data if mode == "HAADF" else 300 - s.data
    e = s.enhance_sfin(mode=mode, scale=1, keep_background=keep_background)
    report = s.residual_report(e)
    assert isinstance(report, ResidualReport)
    assert report.sd_ratio == pytest.approx(1, abs=0.3)
    lazy = s.as_lazy().residual_report(e.as_lazy())
    assert lazy.sd_ratio == pytest.approx(report.sd_ratio)


def test_report_is_of_one_image(make_images):
    s = make_images((3,))
    with pytest.raises(ValueError, match=r"3 images.*s.inav\[0\]"):
        s.residual_report(s)
    with pytest.raises(ValueError, match="20"):
        s.inav[0].residual_report(s.inav[0].isig[:20, :])
