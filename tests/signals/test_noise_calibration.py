import dask.array as da
import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

from hyperspy_stem_enhance import LazyNoiseCalibration, NoiseCalibration
from hyperspy_stem_enhance.noise import (
    PARAMETER_NAMES,
    NoiseParameters,
    calibrate_frames,
)
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
    values = calibrate_frames(data, mode).reshape((*shape, 8))
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
    assert cal.axes_manager.signal_shape == (8,)
    assert cal.axes_manager.signal_axes[0].name == "parameter"
    assert cal.metadata.General.title == "Lattices"
    assert tuple(cal.metadata.STEM_enhance.parameter_names) == PARAMETER_NAMES
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
    np.testing.assert_array_equal(images.calibrate_noise().data, calibrate(images).data)


@pytest.mark.parametrize("lazy", [False, True])
def test_dataframe_has_calibrated_coordinates(make_images, lazy):
    cal = calibrate(make_images((2, 3), lazy))
    table = cal.to_dataframe()
    assert list(table.columns) == list(PARAMETER_NAMES)
    assert table.index.names == ["t1 (s)", "t0 (s)"]
    assert table.index[4] == (2.5, 2.5)
    expected = np.asarray(cal.data)[1, 1]
    np.testing.assert_array_equal(table.loc[(2.5, 2.5)], expected)
    np.testing.assert_array_equal(cal.inav[1, 1].to_dataframe().iloc[0], expected)


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
    np.testing.assert_array_equal(listed[4].to_tuple(), cal.data[1, 1])
    scene = draw_scene(0, 0, (64, 64), noise=listed[0])
    assert np.isfinite(scene.noisy).all()


def test_summary_is_over_all_images(make_images):
    cal = calibrate(make_images((2, 3)))
    summary = cal.summary()
    np.testing.assert_allclose(
        summary.mean.to_tuple(), np.nanmean(cal.data, axis=(0, 1))
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
    cal = NoiseCalibration.from_array(calibrate_frames(s.data[None])[0], image=s)
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
