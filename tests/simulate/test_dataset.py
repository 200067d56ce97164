import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.noise.parameters import PUBLISHED_PARAMETERS
from hyperspy_stem_enhance.simulate import FrameNoise, add_noise, make_dataset

NOISE = FrameNoise(electrons_per_unit=0.5, scan_intercept=2, pointwise_intercept=1)


def test_dataset_is_three_signals_of_the_same_images():
    data = make_dataset(3, shape=(48, 64), mode="BF", seed=2)
    assert data.noisy.axes_manager.shape == (3, 64, 48)
    assert data.clean.axes_manager.shape == (3, 64, 48)
    assert data.noisy.data.dtype == np.float32
    assert isinstance(data.positions, hse.AtomPositions)
    assert data.positions.column_names == ("y", "x", "intensity", "sigma")
    assert data.noisy.metadata.STEM_enhance.simulate.seed == 2


def test_images_do_not_depend_on_their_number():
    few, many = (make_dataset(n, shape=(32, 32), seed=5) for n in (1, 3))
    np.testing.assert_array_equal(few.noisy.data[0], many.noisy.data[0])
    np.testing.assert_array_equal(few.positions.data[0], many.positions.data[0])


def test_noise_of_a_calibration_is_drawn_around_its_mean():
    rng = np.random.default_rng(0)
    mean = np.array(PUBLISHED_PARAMETERS["HAADF"].to_tuple())
    rows = mean * rng.normal(1, 0.02, (5, 8))
    images = hs.signals.Signal2D(np.ones((5, 16, 16)))
    calibration = hse.NoiseCalibration.from_array(rows, image=images, mode="HAADF")
    data = make_dataset(4, shape=(96, 96), noise=calibration, seed=1)
    rest = data.noisy.data - data.clean.data
    assert rest.std(axis=(1, 2)) == pytest.approx(25, abs=15)


@pytest.mark.parametrize("navigation", [(), (1,), (4,), (2, 3)])
def test_noise_is_the_same_however_the_data_are_chunked(navigation):
    images = np.random.default_rng(0).random((*navigation, 24, 32)) * 100
    signal = hs.signals.Signal2D(images)
    signal.axes_manager.signal_axes[0].scale = 0.1
    eager = add_noise(signal, NOISE, seed=3)
    assert eager.axes_manager.signal_axes[0].scale == 0.1
    assert not np.array_equal(eager.data, images)
    for chunks in ((1,) * len(navigation) + (24, 32), (*navigation, 10, 7)):
        lazy = hs.signals.Signal2D(images).as_lazy()
        lazy.data = lazy.data.rechunk(chunks)
        noisy = add_noise(lazy, NOISE, seed=3)
        assert noisy._lazy
        np.testing.assert_array_equal(noisy.data.compute(), eager.data)


def test_frames_get_noise_of_their_own():
    noisy = add_noise(hs.signals.Signal2D(np.full((2, 32, 32), 9.0)), NOISE)
    assert not np.array_equal(*noisy.data)


def test_parameters_add_their_noise():
    flat = hs.signals.Signal2D(np.full((256, 256), 100.0))
    noisy = add_noise(flat, PUBLISHED_PARAMETERS["HAADF"])
    expected = np.hypot(0.07 * 100 + 11.35, 4.76)
    assert noisy.data.std() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n=0"),
        ({"n": 1, "shape": (8, 64)}, "shape="),
        ({"n": 1, "mode": "TEM"}, "mode='TEM'"),
        ({"n": 1, "noise": 3}, "noise=3"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(**arguments)


def test_noise_of_another_type_is_refused():
    with pytest.raises(TypeError, match="FrameNoise"):
        add_noise(hs.signals.Signal2D(np.ones((32, 32))), 0.1)
