"""Reports on what was removed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from hyperspy_stem_enhance.enhance.residual import report_residual
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.simulate.render import render_columns
from hyperspy_stem_enhance.simulate.scene import draw_scene


def draw(index, mode="HAADF", noise="published"):
    """Columns with an SD of two to four pixels."""
    structures, pixel_size = ["SrTiO3 [001]"], 0.18
    return draw_scene(
        5, index, (256, 256), mode, noise, "perfect", structures, pixel_size
    )


def without_some_columns(scene, share=0.05):
    keep = np.random.default_rng(0).random(len(scene.columns)) > share
    y, x, heights, sigmas = scene.columns[keep].T
    return render_columns(np.stack([y, x], 1), heights, sigmas, scene.clean.shape)


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
@pytest.mark.parametrize("index", [0, 1, 2])
class TestTellsApart:
    def test_right(self, index, mode):
        scene = draw(index, mode)
        enhanced = enhance_frames(scene.noisy[None], mode=mode)[0]
        report = report_residual(scene.noisy, enhanced, mode)
        assert report.findings == ()
        assert report.sd_ratio == pytest.approx(1, abs=0.1)
        assert report.column_excess < 1.1
        assert abs(report.structure_slope) < 0.1

    def test_noise_left(self, index, mode):
        scene = draw(index, mode)
        noise = scene.noisy - scene.background
        noise = -noise - scene.clean if mode == "BF" else noise - scene.clean
        report = report_residual(scene.noisy, scene.clean + 0.5 * noise, mode)
        assert report.sd_ratio == pytest.approx(0.5, abs=0.06)
        assert [text.split(":")[0] for text in report.findings] == ["noise is left"]

    def test_atoms_removed(self, index, mode):
        scene = draw(index, mode)
        report = report_residual(scene.noisy, without_some_columns(scene), mode)
        assert any("structure was removed" in text for text in report.findings)
        assert report.n_features > 0
        # Bright ones lack, in both modes; the background beside them rises
        assert np.mean(report.features[:, 2] > 0) > 0.6

    def test_columns_weakened(self, index, mode):
        scene = draw(index, mode)
        report = report_residual(scene.noisy, 0.8 * scene.clean, mode)
        assert report.structure_slope == pytest.approx(0.25, abs=0.06)
        assert any("columns became weaker" in text for text in report.findings)


def test_features_are_where_columns_are_missing():
    scene = draw(0)
    enhanced = without_some_columns(scene)
    report = report_residual(scene.noisy, enhanced)
    missing = scene.clean - enhanced
    y, x, significance = report.features.T
    found = missing[y.astype(int), x.astype(int)] > 0.5 * missing.max()
    assert found[np.argsort(significance)[-5:]].all()
    assert found.mean() > 0.6
    invented = report_residual(scene.noisy, 2 * scene.clean - enhanced)
    assert np.mean(invented.features[:, 2] < 0) > 0.6


def test_background_may_be_kept():
    scene = draw(1)
    kept = report_residual(
        scene.noisy, scene.clean + scene.background, background_kept=True
    )
    assert kept.findings == ()
    assert kept.sd == pytest.approx((scene.noisy - scene.clean).std(), rel=0.5)


def test_units_and_bad_pixels_do_not_matter():
    scene = draw(0)
    frame = 7 * scene.noisy.astype(np.float64) - 100
    frame[40:44, 50] = np.nan
    report = report_residual(frame, 7 * scene.clean)
    expected = report_residual(scene.noisy, scene.clean)
    assert report.findings == ()
    assert report.sd_ratio == pytest.approx(expected.sd_ratio, abs=0.03)
    assert report.noise_sd == pytest.approx(7 * expected.noise_sd, rel=0.05)


def test_summary_and_plot_name_the_findings():
    scene = draw(0)
    report = report_residual(scene.noisy, without_some_columns(scene, 0.1))
    text = report.summary()
    assert f"ratio {report.sd_ratio:.2f} (1)" in text
    assert f"-> {report.findings[0]}" in text
    assert "consistent" in report_residual(scene.noisy, scene.clean).summary()
    figure = report.plot()
    assert "structure was removed" in figure.get_suptitle()
    assert len(figure.axes) == 6  # four panels, two colour bars
    plt.close(figure)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"\(16, 32\)"):
        report_residual(np.ones((32, 32)), np.ones((16, 32)))
    with pytest.raises(ValueError, match="mode='TEM'"):
        report_residual(np.eye(32), np.eye(32), "TEM")
