import warnings

import dask.array as da
import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

from hyperspy_stem_enhance import LazyNoiseCalibration, NoiseCalibration
from hyperspy_stem_enhance.noise import (
    PARAMETER_NAMES,
    NoiseParameters,
    calibrate_records,
)
from hyperspy_stem_enhance.noise.readings import READING_NAMES
from hyperspy_stem_enhance.noise.record import RECORD_NAMES
from hyperspy_stem_enhance.simulate import FrameNoise
from hyperspy_stem_enhance.simulate.scene import draw_scene

SHAPES = [(), (1,), (4,), (2, 3)]


@pytest.fixture(scope="module")
def frames():
    scenes = [
        draw_scene(3, i, (96, 96), noise="published", arrangement="lattice")
        for i in range(6)
    ]
    return np.stack([scene.noisy for scene in scenes])


@pytest.fixture
def make_images(frames):
    def make(shape, lazy=False):
        data = frames[: int(np.prod(shape))].reshape((*shape, 96, 96))
        s = hs.signals.Signal2D(data)
        s.metadata.General.title = "Lattices"
        for i, axis in enumerate(s.axes_manager.navigation_axes):
            axis.name, axis.scale, axis.offset, axis.units = f"t{i}", 0.5, 2.0, "s"
        return s.as_lazy() if lazy else s

    return make


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def calibrate(images, mode="HAADF"):
    """What Signal2D.calibrate_noise does, without dask."""
    shape = images.axes_manager._navigation_shape_in_array
    data = np.asarray(images.data).reshape((-1, 96, 96))
    values = calibrate_records(data, mode).reshape((*shape, len(RECORD_NAMES)))
    if images._lazy:
        values = da.from_array(values)
    return NoiseCalibration.from_array(values, image=images, mode=mode)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_axes_and_metadata(make_images, shape, lazy):
    images = make_images(shape, lazy)
    images.metadata.Signal.quantity = "counts"
    cal = calibrate(images)
    assert type(cal) is (LazyNoiseCalibration if lazy else NoiseCalibration)
    assert cal.axes_manager.navigation_shape == images.axes_manager.navigation_shape
    for axis, expected in zip(
        cal.axes_manager.navigation_axes,
        images.axes_manager.navigation_axes,
        strict=True,
    ):
        for key in ("name", "scale", "offset", "units"):
            assert getattr(axis, key) == getattr(expected, key)
    assert cal.axes_manager.signal_shape == (len(RECORD_NAMES),)
    assert cal.axes_manager.signal_axes[0].name == "parameter"
    assert cal.metadata.General.title == "Lattices"
    assert tuple(cal.metadata.STEM_enhance.parameter_names) == RECORD_NAMES
    assert cal.metadata.Signal.signal_type == "NoiseCalibration"
    assert not cal.metadata.has_item("Signal.quantity")


@pytest.mark.parametrize("lazy_load", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_save_and_load(make_images, tmp_path, shape, lazy, lazy_load):
    cal = calibrate(make_images(shape, lazy), mode="BF")
    cal.save(tmp_path / "cal.hspy")
    loaded = hs.load(tmp_path / "cal.hspy", lazy=lazy_load)
    assert type(loaded) is (LazyNoiseCalibration if lazy_load else NoiseCalibration)
    np.testing.assert_array_equal(np.asarray(loaded.data), np.asarray(cal.data))
    assert loaded.mode == "BF"
    assert loaded.axes_manager.navigation_shape == cal.axes_manager.navigation_shape
    assert loaded.axes_manager.signal_axes[0].name == "parameter"
    assert len(loaded.plot()) == 3


def test_calibrate_noise_gives_it(make_images):
    images = make_images((4,))
    with pytest.warns(UserWarning, match="all 4 frames have up to"):
        found = images.calibrate_noise()
    np.testing.assert_array_equal(found.data, calibrate(images).data)


@pytest.mark.parametrize("lazy", [False, True])
def test_dataframe_has_calibrated_coordinates(make_images, lazy):
    cal = calibrate(make_images((2, 3), lazy))
    table = cal.to_dataframe()
    assert list(table.columns[:8]) == list(PARAMETER_NAMES)
    assert table.index.names == ["t1 (s)", "t0 (s)"]
    assert table.index[4] == (2.5, 2.5)
    expected = np.asarray(cal.data)[1, 1, :8]
    np.testing.assert_array_equal(table.loc[(2.5, 2.5)].iloc[:8], expected)
    alone = cal.inav[1, 1].to_dataframe().iloc[0]
    assert alone.equals(table.loc[(2.5, 2.5)])


@pytest.mark.parametrize(("shape", "n"), [((), 1), ((4,), 4)])
def test_dataframe_has_one_row_per_image(make_images, shape, n):
    table = calibrate(make_images(shape)).to_dataframe()
    assert len(table) == n
    if n > 1:
        assert table.index.name == "t0 (s)"
        assert table.index.tolist() == [2.0, 2.5, 3.0, 3.5]


def test_parameters_for_the_simulator(make_images):
    cal = calibrate(make_images((2, 3)))
    listed = cal.to_noise_parameters()
    assert all(isinstance(item, NoiseParameters) for item in listed)
    np.testing.assert_array_equal(listed[4].to_tuple(), cal.data[1, 1, :8])
    scene = draw_scene(0, 0, (64, 64), noise=listed[0])
    assert np.isfinite(scene.noisy).all()


def test_summary_is_over_all_images(make_images):
    cal = calibrate(make_images((2, 3)))
    summary = cal.summary()
    np.testing.assert_allclose(
        summary.mean.to_tuple(), np.nanmean(cal.data[..., :8], axis=(0, 1))
    )
    assert summary.n_images == 6
    assert "Noise of 6 image(s)" in str(summary)


def count_points(axes):
    return sum(len(ax.collections) for ax in axes[:2])


@pytest.mark.parametrize("shape", [(), (1,)])
def test_single_image_keeps_its_curves(make_images, tmp_path, shape):
    cal = calibrate(make_images(shape))
    assert count_points(cal.plot()) == 2
    cal.save(tmp_path / "cal.hspy")
    loaded = hs.load(tmp_path / "cal.hspy")
    before, after = cal.plot(), loaded.plot()
    for i in range(2):
        np.testing.assert_allclose(
            after[i].collections[0].get_offsets(),
            before[i].collections[0].get_offsets(),
        )
    if shape:
        assert count_points(loaded.inav[0].plot()) == 2


def test_curves_of_another_image_are_not_shown(make_images):
    cal = calibrate(make_images(()))
    cal.data = cal.data * 1.01
    assert count_points(cal.plot()) == 0


@pytest.mark.parametrize("lazy", [False, True])
def test_plot_with_the_images_has_points(make_images, lazy):
    images = make_images((4,), lazy)
    cal = calibrate(images)
    assert count_points(cal.plot()) == 0
    assert count_points(cal.plot(image=images)) == 8
    single = cal.inav[2].plot(image=images.inav[2])
    assert count_points(single) == 2
    assert single[0].figure.get_suptitle() == "Lattices"


def test_reasons_are_plotted_after_loading(rng, tmp_path):
    s = hs.signals.Signal2D(rng.normal(100, 10, (96, 96)))
    cal = NoiseCalibration.from_array(calibrate_records(s.data[None])[0], image=s)
    cal.save(tmp_path / "cal.hspy")
    axes = hs.load(tmp_path / "cal.hspy").plot()
    assert "pointwise_slope is NaN" in axes[1].texts[0].get_text()


def test_plot_refuses_other_images(make_images):
    with pytest.raises(ValueError, match=r"navigation shape \(4,\)"):
        calibrate(make_images((2, 3))).plot(image=make_images((4,)))


def test_wrong_data_are_refused(make_images):
    with pytest.raises(ValueError, match=r"shape \(3, 7\)"):
        NoiseCalibration.from_array(np.zeros((3, 7)))
    with pytest.raises(ValueError, match="navigation shape"):
        NoiseCalibration.from_array(np.zeros((3, 8)), image=make_images((4,)))


def test_part_of_the_parameters_is_refused(make_images):
    cal = calibrate(make_images((4,))).isig[:3]
    with pytest.raises(ValueError, match="holds 3 values"):
        cal.summary()


@pytest.fixture
def counts(frames):
    """Counted electrons, the second frame scanned along the columns."""
    noise = FrameNoise(electrons_per_unit=0.2, scan_intercept=30)
    ideal = draw_scene(
        3, 0, (96, 96), "HAADF", "published", "perfect", ["Pt [001]"], pixel_size=0.25
    )
    ideal = ideal.clean + ideal.background
    rng = np.random.default_rng(1)
    data = np.stack([noise.apply(rng, ideal), noise.apply(rng, ideal.T).T, ideal])
    data[2] = np.nan
    return hs.signals.Signal2D(data)


def test_notes_and_reasons_of_each_frame(counts, tmp_path):
    with pytest.warns(UserWarning, match="frame inav") as record:
        cal = counts.calibrate_noise()
    [found] = [r for r in record if "fast_axis" in str(r.message)]
    assert "frame inav[1] has noise correlated along" in str(found.message)
    assert found.filename.endswith("test_noise_calibration.py")
    cal.save(tmp_path / "cal.hspy")
    for found in (cal, hs.load(tmp_path / "cal.hspy")):
        table = found.to_dataframe()
        assert table.notes[0] == ""
        assert "fast_axis" in table.notes[1]
        assert found.inav[1].to_dataframe().notes[0] == table.notes[1]
        reasons = found.reasons()
        assert list(reasons.columns) == list(READING_NAMES)
        assert (reasons.loc[2] != "").all()
        assert reasons.gain[0] == ""
        assert ((reasons == "") == table[list(READING_NAMES)].notna()).all(axis=None)


def test_gain_and_electrons(counts):
    cal = counts.inav[:1].calibrate_noise()
    row = cal.to_dataframe().iloc[0]
    assert row.gain == pytest.approx(5, abs=4 * row.gain_error)
    assert row.gain_error < 1.5
    assert cal.standard_errors().gain[0] == row.gain_error
    given = cal.to_dataframe(dark_level=0).iloc[0]
    electrons = cal.to_results()[0].levels.mean / row.gain
    assert given.electrons_per_pixel == pytest.approx(electrons)
    text = str(cal.summary(dark_level=0))
    assert f"{electrons:.4g}" in text
    assert "electrons per pixel" in cal._repr_html_()


def test_lazy_result_warns_when_it_is_computed(counts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cal = counts.inav[:2].as_lazy().calibrate_noise()
    with pytest.warns(UserWarning, match=r"frame inav\[1\] has noise correlated"):
        cal.compute()
    assert type(cal) is NoiseCalibration


def test_fast_axis_and_method_are_kept(counts):
    turned = counts.inav[1].calibrate_noise(fast_axis="y")
    straight = hs.signals.Signal2D(counts.data[1].T).calibrate_noise()
    np.testing.assert_array_equal(turned.data, straight.data)
    record = turned.metadata.STEM_enhance.calibrate_noise
    assert (record.fast_axis, record.method) == ("y", "unbiased")
    paper = counts.inav[0].calibrate_noise(method="paper")
    assert "not by this method" in paper.reasons().gain[0]
    points = [
        cal.plot(image=image)[1].collections[0].get_offsets()
        for cal, image in ((paper, counts.inav[0]), (turned, counts.inav[1]))
    ]
    assert not np.allclose(points[0][:4], points[1][:4], rtol=0.01)


def test_columns_of_another_version_are_read_by_name(counts):
    cal = counts.inav[:1].calibrate_noise()
    expected = cal.to_dataframe()
    order = np.random.default_rng(0).permutation(cal.data.shape[-1])
    cal.data = cal.data[:, order]
    names = np.array(cal.metadata.STEM_enhance.parameter_names)
    cal.metadata.STEM_enhance.parameter_names = names[order].tolist()
    assert cal.to_dataframe().equals(expected)


def test_a_series_of_one_frame_that_cannot_be_used(make_images):
    s = make_images((1,))
    s.data = np.full_like(s.data, np.nan)
    with pytest.warns(UserWarning, match=r"inav\[0\] cannot be used"):
        calibration = s.calibrate_noise()
    assert np.isnan(calibration.data).all()
