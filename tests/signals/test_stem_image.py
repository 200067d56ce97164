"""The methods: what they keep, record and return, eager and lazy."""

import re
import warnings

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.enhance import parts
from hyperspy_stem_enhance.noise.record import RECORD_NAMES
from hyperspy_stem_enhance.signals.stem_image import LazySTEMImage, STEMImage

from .conftest import smooth, smooth_frames

NAV_SHAPES = [(), (1,), (4,), (2, 3)]
METHODS = ["calibrate_noise", "enhance_sfin", "enhance_scgn", "detect_atoms"]
CHUNKS = [(1, 1, 48, 56), (2, 1, 20, 56), (1, 2, 48, 30), (2, 3, 11, 17)]


def rechunked(signal, chunks):
    lazy = signal.as_lazy()
    lazy.data = lazy.data.rechunk(chunks)
    return lazy


def assert_same(result, expected, rtol=1e-6):
    """Compare data of any of the three kinds, computing lazy ones."""
    result, expected = np.asarray(result.data), np.asarray(expected.data)
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    if result.dtype != object:
        np.testing.assert_allclose(result, expected, rtol=rtol)
        return
    for a, b in zip(result.ravel(), expected.ravel(), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol)


def axes_of(signal, which="signal_axes"):
    return [
        (axis.name, axis.units, axis.scale, axis.offset, axis.size)
        for axis in getattr(signal.axes_manager, which)
    ]


@pytest.mark.usefixtures("fake_network")
class TestLaziness:
    @pytest.mark.parametrize("chunks", CHUNKS)
    @pytest.mark.parametrize("method", METHODS)
    def test_eager_equals_lazy_in_any_chunking(self, make_images, method, chunks):
        s = make_images((2, 3))
        expected = getattr(s, method)()
        result = getattr(rechunked(s, chunks), method)()
        assert not expected._lazy
        assert result._lazy
        assert isinstance(result.data, da.Array)
        assert_same(result, expected)
        result.compute()
        assert type(result) is type(expected)

    @pytest.mark.parametrize("nav_shape", NAV_SHAPES)
    @pytest.mark.parametrize("method", METHODS)
    def test_navigation_shapes(self, make_images, method, nav_shape):
        s = make_images(nav_shape)
        expected = getattr(s, method)()
        result = getattr(s.as_lazy(), method)()
        assert_same(result, expected)
        shape = s.axes_manager.navigation_shape
        if method == "detect_atoms":
            shape = shape or (1,)
        assert expected.axes_manager.navigation_shape == shape
        assert result.axes_manager.navigation_shape == shape

    @pytest.mark.parametrize("is_lazy", [False, True])
    @pytest.mark.parametrize("lazy_output", [False, True])
    @pytest.mark.parametrize("method", METHODS)
    def test_lazy_output(self, make_images, method, is_lazy, lazy_output):
        s = make_images((2,))
        expected = getattr(s, method)()
        result = getattr(s.as_lazy() if is_lazy else s, method)(lazy_output=lazy_output)
        assert result._lazy == lazy_output
        assert isinstance(result.data, da.Array) == lazy_output
        assert_same(result, expected)

    @pytest.mark.parametrize("method", METHODS)
    def test_input_stays_as_it_is(self, make_images, method):
        s = make_images((2,))
        data, metadata = s.data.copy(), s.metadata.as_dictionary()
        getattr(s, method)()
        np.testing.assert_array_equal(s.data, data)
        after = s.metadata.as_dictionary()
        # What calibrate_noise tells HyperSpy
        after["Signal"].pop("Noise_properties", None)
        assert after == metadata
        lazy = s.as_lazy()
        getattr(lazy, method)()
        assert lazy._lazy


@pytest.mark.parametrize(
    "dtype",
    ["u1", "u2", "u4", "i4", "f2", "f4", "f8", ">u2", ">i4", ">f4", ">f8"],
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("fake_network")
def test_dtypes(make_images, method, dtype):
    s = make_images((2,))
    expected = getattr(s, method)()
    other = s.deepcopy()
    other.data = s.data.astype(dtype)
    # Counts up to 300 do not fit in 8 bits
    if dtype == "u1":
        other.data = (s.data / 2).astype(dtype)
        s.data = other.data.astype(np.float32)
        expected = getattr(s, method)()
    assert_same(getattr(other, method)(), expected, rtol=1e-4)
    backwards = other.deepcopy()
    backwards.data = np.asfortranarray(other.data)
    assert_same(getattr(backwards, method)(), expected, rtol=1e-4)


@pytest.mark.usefixtures("fake_network")
class TestCalibrateNoise:
    def test_result(self, make_images):
        s = make_images((2, 3))
        cal = s.calibrate_noise()
        assert isinstance(cal, hse.NoiseCalibration)
        assert cal.data.shape == (2, 3, len(RECORD_NAMES))
        assert cal.data.dtype == np.float64
        assert axes_of(cal, "navigation_axes") == axes_of(s, "navigation_axes")
        assert cal.metadata.General.title == "columns"
        assert cal.metadata.Acquisition_instrument.TEM.beam_energy == 200

    def test_mode_reaches_the_array_function(self, make_images):
        s = make_images()
        bright, dark = s.calibrate_noise(), (-s).calibrate_noise(mode="BF")
        assert bright.data[0] == pytest.approx(dark.data[0], rel=1e-3)
        assert dark.mode == "BF"

    def test_hyperspy_can_use_the_noise(self, rng):
        # A ramp with Poisson noise: gain 1, offset 0
        ramp = np.broadcast_to(np.linspace(40, 160, 256), (256, 256))
        s = hs.signals.Signal2D(rng.poisson(ramp).astype(np.float32))
        s.calibrate_noise()
        s.estimate_poissonian_noise_variance()
        variance = s.get_noise_variance().data
        np.testing.assert_allclose(
            variance[:, 64:192:32].mean(0), ramp[0, 64:192:32], rtol=0.1
        )

    def test_noise_above_a_dark_level_has_no_place(self, rng):
        ramp = np.broadcast_to(np.linspace(40, 160, 256), (256, 256))
        s = hs.signals.Signal2D(rng.poisson(ramp).astype(np.float32) + 500)
        s.calibrate_noise()
        assert not s.metadata.has_item("Signal.Noise_properties")

    @pytest.mark.parametrize(
        ("argument", "value"), [("method", "best"), ("fast_axis", "z")]
    )
    def test_unknown_arguments(self, make_images, argument, value):
        with pytest.raises(ValueError, match=f"{argument}='{value}' is unknown"):
            make_images((2,)).calibrate_noise(**{argument: value})

    def test_no_noise_is_written_where_it_is_not_known(self, make_images):
        lazy = make_images((2,)).as_lazy()
        lazy.calibrate_noise()
        assert not lazy.metadata.has_item("Signal.Noise_properties")


@pytest.mark.usefixtures("fake_network")
class TestEnhance:
    @pytest.mark.parametrize("is_lazy", [False, True])
    def test_result(self, make_images, is_lazy):
        s = make_images((2, 3), chunks="auto" if is_lazy else None)
        s.original_metadata.set_item("microscope.gain", 3)
        e = s.enhance_sfin()
        assert type(e) is type(s)
        assert e.data.dtype == np.float32
        assert axes_of(e) == axes_of(s)
        assert axes_of(e, "navigation_axes") == axes_of(s, "navigation_axes")
        assert e.metadata.General.title == "columns"
        assert e.metadata.Acquisition_instrument.TEM.beam_energy == 200
        assert e.original_metadata.microscope.gain == 3
        frames = np.asarray(s.data).reshape(-1, 48, 56)
        expected = smooth(frames, "HAADF").reshape(e.data.shape)
        np.testing.assert_allclose(np.asarray(e.data), expected, rtol=1e-6)

    def test_record(self, make_images):
        e = make_images().enhance_sfin(mode="BF", keep_background=True)
        assert e.metadata.STEM_enhance.enhance_sfin.as_dictionary() == {
            "model": "fake",
            "weights_sha256": "0" * 64,
            "version": hse.__version__,
            "mode": "BF",
            "output": "enhanced",
            "keep_background": True,
            "allow_negative": False,
            "scale": "auto",
            "self_ensemble": False,
            "remove_echo": False,
        }

    @pytest.mark.parametrize(
        "option", ["keep_background", "allow_negative", "self_ensemble", "remove_echo"]
    )
    def test_options_reach_the_array_function(self, make_images, option):
        s = make_images()
        expected = smooth(s.data[None], "HAADF", **{option: True})[0]
        result = s.enhance_sfin(**{option: True})
        np.testing.assert_array_equal(result.data, expected)
        assert np.any(result.data != s.enhance_sfin().data)

    @pytest.mark.parametrize("lazy_output", [None, True])
    def test_inplace(self, make_images, lazy_output):
        s = make_images((2,))
        expected = s.enhance_sfin()
        changes = []
        s.events.data_changed.connect(lambda obj: changes.append(obj))
        assert s.enhance_sfin(inplace=True, lazy_output=lazy_output) is None
        assert s._lazy == bool(lazy_output)
        assert_same(s, expected)
        assert changes == [s]
        assert s.metadata.STEM_enhance.enhance_sfin.model == "fake"
        assert axes_of(s) == axes_of(expected)

    def test_noise_of_the_input_is_not_that_of_the_result(self, make_images):
        s = make_images()
        s.set_noise_variance(4.0)
        assert not s.enhance_sfin().metadata.has_item("Signal.Noise_properties")
        assert s.get_noise_variance() == 4.0
        s.enhance_sfin(inplace=True)
        assert not s.metadata.has_item("Signal.Noise_properties")

    def test_signal_type_is_kept(self, make_images):
        s = make_images((2,))
        s.set_signal_type("STEM_image")
        assert type(s.enhance_sfin()) is STEMImage
        assert type(s.as_lazy().enhance_sfin()) is LazySTEMImage
        assert type(s.enhance_sfin(lazy_output=True)) is LazySTEMImage


@pytest.mark.usefixtures("fake_network")
class TestDetectAtoms:
    def test_result(self, make_images):
        s = make_images((2, 3))
        atoms = s.detect_atoms()
        assert isinstance(atoms, hse.AtomPositions)
        assert atoms.data.shape == (2, 3)
        assert atoms.n_atoms.min() > 15
        y, x = atoms.image_axes
        assert (y.scale, x.scale, x.units) == (0.03, 0.02, "nm")
        assert axes_of(atoms, "navigation_axes") == axes_of(s, "navigation_axes")

    def test_enhanced_images_are_not_enhanced_again(self, make_images, monkeypatch):
        from hyperspy_stem_enhance.enhance import run

        calls = []

        def count(frames, *args, **kwargs):
            calls.append(len(frames))
            return smooth_frames(frames, *args, **kwargs)

        monkeypatch.setattr(run, "enhance_checked", count)
        s = make_images()
        s.detect_atoms()
        assert sum(calls) == 1
        s.detect_atoms(enhance=False)
        assert sum(calls) == 1
        e = s.enhance_sfin()
        assert sum(calls) == 2
        assert e.detect_atoms().n_atoms[0] > 15
        assert sum(calls) == 2
        e.detect_atoms(enhance=True)
        assert sum(calls) == 3

    def test_arguments_reach_the_array_function(self, make_images, monkeypatch):
        from hyperspy_stem_enhance.detect import columns

        seen = []

        def detect(enhanced, raw=None, **kwargs):
            seen.append((raw is not None, kwargs))
            return np.zeros((0, 5), np.float32)

        monkeypatch.setattr(columns, "detect_columns", detect)
        s = make_images()
        assert s.detect_atoms(mode="BF", threshold=0.25).n_atoms.tolist() == [0]
        s.detect_atoms(enhance=False, separation=4, support="keep")
        (with_raw, first), (without, second) = seen
        assert (with_raw, without) == (True, False)
        assert first["probability"] is None
        assert (first["mode"], first["threshold"]) == ("BF", 0.25)
        assert (second["separation"], second["support"]) == (4, "keep")

    def test_enhanced_image_without_columns(self, make_images):
        e = make_images().enhance_sfin()
        e.data[:] = 0
        assert e.detect_atoms().data[0].shape == (0, 5)


@pytest.mark.parametrize("is_lazy", [False, True])
@pytest.mark.parametrize("nav_shape", NAV_SHAPES)
@pytest.mark.parametrize("lazy_load", [False, True])
def test_save_and_load(make_images, tmp_path, nav_shape, is_lazy, lazy_load):
    s = make_images(nav_shape)
    s.set_signal_type("STEM_image")
    path = tmp_path / "images.hspy"
    (s.as_lazy() if is_lazy else s).save(path)
    loaded = hs.load(path, lazy=lazy_load)
    assert type(loaded) is (LazySTEMImage if lazy_load else STEMImage)
    np.testing.assert_array_equal(np.asarray(loaded.data), s.data)
    assert axes_of(loaded) == axes_of(s)
    assert loaded.metadata.Signal.signal_type == "STEM_image"
    if lazy_load:
        loaded.close_file()


@pytest.mark.usefixtures("fake_network")
def test_enhanced_images_are_recognised_after_loading(make_images, tmp_path):
    path = tmp_path / "enhanced.hspy"
    e = make_images((2,)).enhance_sfin()
    e.save(path)
    loaded = hs.load(path)
    record = loaded.metadata.STEM_enhance.enhance_sfin.as_dictionary()
    assert record == e.metadata.STEM_enhance.enhance_sfin.as_dictionary()


@pytest.mark.parametrize("alias", ["STEM_image", "STEM image"])
def test_set_signal_type(make_images, alias):
    s = make_images((2,))
    s.set_signal_type(alias)
    assert type(s) is STEMImage
    assert s.metadata.Signal.signal_type == "STEM_image"
    lazy = s.as_lazy()
    assert type(lazy) is LazySTEMImage
    assert type(s.inav[0]) is STEMImage
    assert type(s + 1) is STEMImage
    lazy.compute()
    assert type(lazy) is STEMImage
    s.set_signal_type("")
    assert type(s) is hs.signals.Signal2D


class TestScale:
    def test_wide_columns_are_enhanced_and_the_user_is_told(self, rng):
        y, x = np.mgrid[:400, :400]
        u, v = (0.9 * y + 0.4 * x) / 60, (0.9 * x - 0.4 * y) / 60
        lattice = np.exp(np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v))
        s = hs.signals.Signal2D(rng.poisson(50 + 10 * lattice))
        with pytest.warns(UserWarning, match="resampled by") as warned:
            resampled = s.enhance_sfin()
        told = float(re.search(r"resampled by ([\d.]+)", str(warned[0].message))[1])
        assert 0.2 < told < 0.5
        by_hand = s.enhance_sfin(scale=2 ** (round(4 * np.log2(told)) / 4))
        np.testing.assert_array_equal(resampled.data, by_hand.data)
        assert np.corrcoef(resampled.data.ravel(), lattice.ravel())[0, 1] > 0.98

    def test_unknown_scale_is_told_once(self, rng):
        s = hs.signals.Signal2D(rng.poisson(20, (3, 64, 64)))
        with pytest.warns(UserWarning, match="neither a lattice") as warned:
            s.enhance_sfin()
        assert len(warned) == 1
        for axis in s.axes_manager.signal_axes:
            axis.scale, axis.units = 20, "pm"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            s.enhance_sfin()

    @pytest.mark.parametrize("method", ["enhance_sfin", "detect_atoms"])
    def test_unknown_scales_are_refused(self, make_images, method):
        with pytest.raises(ValueError, match="scale='own'"):
            getattr(make_images(), method)(scale="own")


class TestLargeFrames:
    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch):
        monkeypatch.setattr(parts, "SIZE", 352)

    @pytest.mark.parametrize("nav_shape", [(), (2,)])
    @pytest.mark.parametrize(
        ("method", "options"),
        [("enhance_sfin", {}), ("enhance_scgn", {"contrast": "dark"})],
    )
    def test_lazy_parts_equal_the_eager_frame(
        self, make_images, nav_shape, method, options
    ):
        s = make_images(nav_shape, shape=(64, 400))
        expected = getattr(s, method)(scale=1, **options).data
        for chunks in ((*nav_shape, 64, 400), (*(1,) * len(nav_shape), 20, 37)):
            lazy = s.as_lazy()
            lazy.data = lazy.data.rechunk(chunks)
            result = getattr(lazy, method)(scale=1, **options)
            assert max(result.data.chunks[-1]) < 400
            np.testing.assert_allclose(result.data.compute(), expected, atol=1e-4)

    def test_part_without_pixels_is_named_and_the_rest_enhanced(self, make_images):
        s = make_images(shape=(64, 400)).as_lazy()
        data = s.data.compute()
        data[:, 70:] = np.nan
        s.data = da.from_array(data, chunks=(64, 100))
        with pytest.warns(UserWarning, match="a part of the image cannot be used"):
            result = s.enhance_sfin(scale=1).data.compute()
        assert np.isnan(result[:, 300:]).all()
        assert np.isfinite(result[:, :70]).all()
