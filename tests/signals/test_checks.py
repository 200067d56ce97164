"""What the methods refuse, and what they handle and report."""

import warnings

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.noise.checks import describe_defects

pytestmark = pytest.mark.usefixtures("fake_network")

METHODS = ["calibrate_noise", "enhance_sfin", "detect_atoms"]


def call(signal, method, **kwargs):
    return np.asarray(getattr(signal, method)(**kwargs).data)


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["eager", "lazy"])
def make_signal(request):
    """Function that makes an eager or lazy signal of an array."""

    def make(data):
        if request.param:
            return hs.signals.Signal2D(da.from_array(data, chunks=-1)).as_lazy()
        return hs.signals.Signal2D(data)

    return make


class TestRefused:
    def test_complex(self, method, make_signal):
        s = make_signal(np.ones((32, 32)))
        s.data = s.data * 1j
        with pytest.raises(TypeError, match=r"dtype complex128, .*s\.real"):
            call(s, method)

    def test_colour(self, method):
        dtype = np.dtype({"names": ["R", "G", "B"], "formats": ["u1"] * 3})
        s = hs.signals.Signal2D(np.zeros((32, 32), dtype=dtype))
        s.data["R"] = 1
        with pytest.raises(TypeError, match=r"in colour .*to_grey"):
            call(s, method)

    @pytest.mark.parametrize("dtype", ["object", "bool"])
    def test_no_numbers(self, method, dtype):
        s = hs.signals.Signal2D(np.ones((32, 32)))
        s.data = s.data.astype(dtype)
        with pytest.raises(TypeError, match=f"dtype {dtype}, expected real numbers"):
            call(s, method)

    def test_empty(self, method):  # HyperSpy makes no lazy one
        s = hs.signals.Signal2D(np.ones((0, 32, 32)))
        with pytest.raises(ValueError, match=r"empty \(shape \(0, 32, 32\)\)"):
            call(s, method)

    @pytest.mark.parametrize("shape", [(15, 40), (2, 40, 15)])
    def test_small(self, method, make_signal, shape):
        with pytest.raises(ValueError, match="at least 16 along each side"):
            call(make_signal(np.ones(shape)), method)

    def test_signal_dimension(self, method):
        s = hs.signals.Signal2D(np.ones((2, 32, 32)))
        s.axes_manager._axes[1].navigate = True
        with pytest.raises(ValueError, match="signal dimension is 1"):
            call(s, method)

    def test_signal_axes_not_last(self, method):
        s = hs.signals.Signal2D(np.ones((20, 32, 32)))
        s.axes_manager._axes[0].navigate = False
        s.axes_manager._axes[1].navigate = True
        with pytest.raises(ValueError, match=r"expected the last two; use `s\.trans"):
            call(s, method)

    @pytest.mark.parametrize(
        ("value", "match"),
        [(np.nan, "no finite pixel"), (np.inf, "no finite pixel"), (4, "pixels are 4")],
    )
    def test_single_image_without_content(self, method, make_signal, value, match):
        with pytest.raises(ValueError, match=match):
            call(make_signal(np.full((32, 32), value)), method)

    @pytest.mark.parametrize("mode", ["haadf", "ABF", None, 1])
    def test_mode(self, method, make_images, mode):
        with pytest.raises(ValueError, match=f"mode={mode!r} is unknown; use 'HAADF'"):
            call(make_images(), method, mode=mode)

    @pytest.mark.parametrize("num_workers", [0, -1, 1.5, "two"])
    def test_num_workers(self, method, make_images, num_workers):
        with pytest.raises(ValueError, match=f"num_workers={num_workers!r}"):
            call(make_images(), method, num_workers=num_workers)

    @pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan, "high"])
    def test_threshold(self, make_images, threshold):
        with pytest.raises(ValueError, match=f"threshold={threshold!r}"):
            make_images((2,)).detect_atoms(threshold=threshold)

    @pytest.mark.parametrize("enhance", ["yes", None, 2])
    def test_enhance(self, make_images, enhance):
        with pytest.raises(ValueError, match=f"enhance={enhance!r} is unknown"):
            make_images().detect_atoms(enhance=enhance)


class TestBadFrames:
    @pytest.fixture
    def series(self, make_images):
        s = make_images((2, 3))
        s.data[1, 0] = np.nan
        s.data[0, 2] = 7
        s.data[0, 0] = 1e7 * s.data[0, 0]  # more than the stand-in takes
        return s

    @pytest.mark.parametrize("chunks", [None, (1, 1, 48, 56), (2, 2, 30, 17)])
    def test_others_are_as_without_them(self, series, make_images, method, chunks):
        if chunks is not None:
            series = series.as_lazy()
            series.data = series.data.rechunk(chunks)
        with pytest.warns(UserWarning, match="cannot be used") as record:
            result = call(series, method)
        messages = [str(r.message) for r in record if "cannot be" in str(r.message)]
        assert any("inav[0, 1]" in text and "no finite" in text for text in messages)
        assert any("inav[2, 0]" in text and "are 7" in text for text in messages)
        bad = {(1, 0), (0, 2)}
        if method != "calibrate_noise":  # it takes any range
            assert any(
                "inav[0, 0]" in text and "too large" in text for text in messages
            )
            bad.add((0, 0))
        assert len(messages) == len(bad)
        if chunks is not None:
            series.compute()
        for index in np.ndindex(2, 3):
            if index in bad:
                empty = np.zeros((0, 5)) if method == "detect_atoms" else np.nan
                np.testing.assert_array_equal(result[index], empty)
            else:
                alone = call(series.inav[index[::-1]], method)
                alone = alone[0] if method == "detect_atoms" else alone
                np.testing.assert_allclose(result[index], alone, rtol=1e-6)


class TestReported:
    def test_not_finite(self, method, make_images, make_signal):
        data = make_images((3,), shape=(96, 96)).data
        data[1, 10, 10:13] = [np.nan, np.inf, -np.inf]
        s = make_signal(data)
        with pytest.warns(UserWarning, match=r"inav\[1\] has 3 pixels that are not f"):
            result = call(s, method)
        if method == "detect_atoms":
            assert len(result[1]) > 60
        else:
            assert (np.isfinite(result[1]) == np.isfinite(result[0])).all()

    def test_hot(self, method, make_images):
        s = make_images(shape=(64, 64))
        s.data[10, 10] = 1e4
        with pytest.warns(UserWarning, match="has 1 pixel far outside"):
            call(s, method)

    def test_saturated(self, method, make_images):
        s = make_images(shape=(64, 64))
        s.data = s.data.clip(None, 120)
        with pytest.warns(
            UserWarning, match=r"% of (its|the) pixels at the (ends|highest)"
        ):
            call(s, method)

    def test_nothing_to_report(self, method, make_images):
        s = make_images((4,))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call(s, method)

    @pytest.mark.parametrize("dose", [0.01, 0.1, 1, 10])
    def test_few_electrons_are_no_defect(self, rng, dose):
        assert describe_defects(rng.poisson(dose, (128, 128))) == {}

    def test_a_share_that_rounds_to_zero_is_a_number(self, rng):
        image = rng.normal(100, 5, (400, 400))
        image[:5, :5] = 200.0
        clipped = describe_defects(image)["clipped"]
        assert clipped.startswith("25 of its pixels at the ends")

    def test_hot_pixels_are_not_the_end_of_the_range(self, rng):
        image = np.minimum(rng.normal(100, 5, (64, 64)), 103)
        image[30, 30] = 1e4
        share = np.mean(image == 103)
        found = describe_defects(image)
        assert found["clipped"].startswith(f"{share:.1%} of its pixels")
        assert found["hot"].startswith("1 pixel far")

    def test_real_images_have_no_hot_pixels(self, data_dir):
        for name in ("abf/atomap_test_ADF_cropped.hdf5", "haadf/16_STOimage_1.ser"):
            reader = {"file_format": "HSPY"} if name.endswith("hdf5") else {}
            s = hs.load(data_dir / name, **reader)
            assert "hot" not in describe_defects(s.data.astype(np.float32))
