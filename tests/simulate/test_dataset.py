import dask
import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.noise.parameters import PUBLISHED_PARAMETERS
from hyperspy_stem_enhance.simulate import (
    STRUCTURES,
    FrameNoise,
    add_noise,
    frame_table,
    make_dataset,
)
from hyperspy_stem_enhance.simulate import dataset as dataset_module
from hyperspy_stem_enhance.simulate.noise import TERMS
from hyperspy_stem_enhance.simulate.scene import draw_scene

NOISE = FrameNoise(electrons_per_unit=0.5, scan_intercept=2, pointwise_intercept=1)


def test_dataset_is_signals_of_the_same_images():
    data = make_dataset(3, shape=(48, 64), mode="BF", seed=2)
    for name, signal in data.signals().items():
        assert signal.metadata.STEM_enhance.simulate.seed == 2
        if name != "positions":
            assert signal.axes_manager.shape == (3, 64, 48)
            assert signal.data.dtype == np.float32
            assert [axis.units for axis in signal.axes_manager.signal_axes] == [
                "px"
            ] * 2
    assert isinstance(data.positions, hse.AtomPositions)
    assert data.positions.column_names == ("y", "x", "intensity", "sigma")
    scene = draw_scene(2, 1, (48, 64), "BF")
    np.testing.assert_array_equal(data.noisy.data[1], scene.noisy)
    np.testing.assert_array_equal(data.clean.data[1], scene.clean)
    np.testing.assert_array_equal(data.background.data[1], scene.background)
    np.testing.assert_array_equal(data.label.data[1], scene.label)
    np.testing.assert_array_equal(data.positions.data[1], scene.positions)


@pytest.mark.parametrize("n", [(), 1, (5,), (2, 3), (2, 1, 2)])
def test_lazy_frames_are_those_of_eager_ones(n, monkeypatch):
    monkeypatch.setattr(dataset_module, "_CHUNK_BYTES", 4 * 4 * 32**2 * 2)
    navigation = (n,) if isinstance(n, int) else n
    settings = {"shape": (32, 32), "noise": "scanning", "seed": 3, "terms": True}
    eager, lazy = (make_dataset(n, **settings, lazy=lazy) for lazy in (False, True))
    assert lazy.signals().keys() == eager.signals().keys()
    for name, signal in lazy.signals().items():
        assert signal._lazy
        expected = eager.signals()[name]
        assert not expected._lazy
        assert signal.axes_manager.shape == expected.axes_manager.shape
        computed = signal.data.compute()
        if name != "positions":
            assert computed.shape == (*navigation, 32, 32)
            np.testing.assert_array_equal(computed, expected.data)
            continue
        assert computed.shape == (navigation or (1,))
        for found, true in zip(computed.ravel(), expected.data.ravel(), strict=True):
            np.testing.assert_array_equal(found, true)


def test_signals_computed_together_are_simulated_once(monkeypatch):
    drawn = []

    def count(seed, index, **options):
        drawn.append(index)
        return draw_scene(seed, index, **options)

    monkeypatch.setattr(dataset_module, "draw_scene", count)
    data = make_dataset(4, (32, 32), lazy=True)
    assert drawn == []
    dask.compute(data.noisy.data, data.label.data, data.positions.data)
    assert sorted(drawn) == [0, 1, 2, 3]


def test_terms_add_up_to_the_noisy_images():
    data = make_dataset(4, (32, 32), noise="low-dose", terms=True)
    assert tuple(data.terms) == TERMS
    total = data.background.data + data.clean.data
    total = total + sum(term.data for term in data.terms.values())
    np.testing.assert_allclose(data.noisy.data, total, rtol=1e-5, atol=1e-2)
    assert make_dataset(1, (32, 32)).terms == {}


def test_pixel_size_calibrates_the_axes():
    data = make_dataset((), (64, 64), structures=["Si [110]"], pixel_size=0.2)
    for axis in data.noisy.axes_manager.signal_axes:
        assert (axis.scale, axis.units) == (pytest.approx(0.02), "nm")
    first = data.positions.to_dataframe().iloc[0]
    assert first["x_calibrated"] == pytest.approx(0.02 * first["x"])


def test_table_says_what_each_frame_is(tmp_path):
    data = make_dataset(
        (2, 3), (32, 32), noise="mixed", seed=4, structures=["Si [110]", "Pt [001]"]
    )
    table = data.to_dataframe()
    assert list(table["index"]) == list(range(6))
    for index, row in table.iterrows():
        scene = draw_scene(4, index, (32, 32), structures=["Si [110]", "Pt [001]"])
        assert row["arrangement"] == scene.arrangement
        assert row["structure"] == scene.recipe.structure
        assert row["kind"] == scene.kind
        assert row["scan_intercept"] == scene.noise.scan_intercept
        assert row["electrons_per_unit"] == scene.noise.electrons_per_unit
    for name, signal in data.signals().items():
        signal.save(tmp_path / f"{name}.hspy")
        loaded = hs.load(tmp_path / f"{name}.hspy")
        assert frame_table(loaded).equals(table)
        assert type(loaded) is type(signal)
        assert loaded.metadata.STEM_enhance.simulate.mode == "HAADF"


def test_table_follows_a_range_of_frames():
    data = make_dataset((4, 5), (16, 16), noise="published", seed=4)
    table = data.to_dataframe()
    part = frame_table(data.noisy.inav[1:3, 2:])
    assert list(part["index"]) == [11, 12, 16, 17]
    assert part.equals(table.iloc[part["index"]].reset_index(drop=True))
    with pytest.raises(ValueError, match="take a range"):
        frame_table(data.noisy.inav[1, 2])
    with pytest.raises(ValueError, match="no table"):
        frame_table(hs.signals.Signal2D(np.ones((3, 16, 16))))


def test_zone_axis_and_arrangement_are_recorded():
    data = make_dataset(
        2, (32, 32), arrangement="perfect", structures=[STRUCTURES["Si [110]"]]
    )
    record = data.clean.metadata.STEM_enhance.simulate
    assert record.arrangement == "perfect"
    assert record.structures == ["Si [110]"]
    assert list(data.to_dataframe()["zone_axis"]) == ["[1 1 0]"] * 2


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
        ({"n": (2, 0)}, "n=\\(2, 0\\)"),
        ({"n": 1, "shape": (8, 64)}, "shape="),
        ({"n": 1, "pixel_size": 0.0}, "pixel_size=0.0"),
        ({"n": 1, "arrangement": "flat"}, "arrangement='flat'"),
        ({"n": 1, "structures": ["ice"]}, "'ice'"),
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
