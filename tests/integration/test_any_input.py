"""Whatever images come in: a result of the right kind, or an error that says why.

The default run is short; ``pytest -m slow`` draws 2000 cases and more.
"""

import string
import warnings

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from hyperspy_stem_enhance.cli.stream import cut  # noqa: E402
from hyperspy_stem_enhance.signals.enhancement import enhance_and_detect  # noqa: E402
from hyperspy_stem_enhance.steps import Detection, Enhancement  # noqa: E402

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
CONTENTS = ("noise", "counts", "columns", "constant", "ramp", "hot", "binary")
MISSING = ("none", "few", "rows", "block", "infinite", "frame", "all")
STEPS = ("calibrate", "enhance", "detect", "both")


@st.composite
def frames(draw):
    """An array of images of any kind that a detector or a program might make."""
    side = st.integers(14, 40)
    navigation = draw(st.sampled_from([(), (1,), (3,), (2, 2), (1, 2, 1)]))
    shape = (*navigation, draw(side), draw(side))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    data = _content(draw(st.sampled_from(CONTENTS)), shape, rng)
    exponent = draw(st.sampled_from([-30, -20, -6, 0, 0, 0, 2, 6, 16, 20, 30]))
    data = data * 10.0**exponent + draw(st.sampled_from([0, 0, -100, 1e6]))
    dtype = np.dtype(draw(st.sampled_from(DTYPES))).newbyteorder(
        draw(st.sampled_from("<>"))
    )
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        # The highest that floating point has below the limit
        data = np.clip(data, limits.min, np.nextafter(float(limits.max), 0.0))
    else:
        _lose(data, draw(st.sampled_from(MISSING)), rng)
    with np.errstate(over="ignore"):
        data = data.astype(dtype)
    layout = draw(st.sampled_from(["plain", "strided", "fortran"]))
    if layout == "strided":
        data = np.repeat(data, 2, axis=-1)[..., ::2]
    elif layout == "fortran":
        data = np.asfortranarray(data)
    return data


def _content(kind, shape, rng):
    y, x = np.indices(shape[-2:])
    if kind == "noise":
        return rng.normal(100, 10, shape)
    if kind == "counts":
        return rng.poisson(0.3, shape).astype(float)
    if kind == "columns":
        lattice = (1 + np.cos(2 * np.pi * x / 9)) * (1 + np.cos(2 * np.pi * y / 9))
        return rng.poisson(10 + 20 * np.broadcast_to(lattice, shape)).astype(float)
    if kind == "constant":
        return np.full(shape, 7.0)
    if kind == "ramp":
        return np.broadcast_to(x + 3.0 * y, shape).copy()
    data = rng.integers(0, 2, shape).astype(float)
    if kind == "hot":
        data[..., 3, 4] = 1e5
    return data


def _lose(data, kind, rng):
    """Put in what is not a number."""
    if kind == "few":
        data[rng.random(data.shape) < 0.02] = np.nan
    elif kind == "rows":
        data[..., ::3, :] = np.nan
    elif kind == "block":
        data[..., 4:, 4:] = np.nan
    elif kind == "infinite":
        data[..., 2, :5] = np.inf
        data[..., 3, :5] = -np.inf
    elif kind == "frame" and data.ndim > 2:
        data[0] = np.nan
    elif kind == "all":
        data[:] = np.nan


@st.composite
def signals(draw):
    """The array as a signal, in memory or lazy in any chunks."""
    data = draw(frames())
    if draw(st.booleans()):
        return data, hs.signals.Signal2D(data)
    chunks = tuple(draw(st.integers(1, n)) for n in data.shape)
    if np.prod([-(-n // c) for n, c in zip(data.shape, chunks, strict=True)]) > 40:
        chunks = data.shape
    return data, hs.signals.Signal2D(da.from_array(data, chunks=chunks)).as_lazy()


def run(signal, step, mode, scale):
    """Arrays in memory: noise, images and tables, None where not asked for."""
    network = {"model": "auto", "mode": mode, "device": "cpu", "scale": scale}
    quiet = {"lazy_output": False, "show_progressbar": False}
    if step == "calibrate":
        return signal.calibrate_noise(mode, **quiet).data, None, None
    if step == "enhance":
        return None, signal.enhance_sfin(**network, **quiet).data, None
    if step == "detect":
        return None, None, signal.detect_atoms(**network, **quiet).data
    signal = signal if signal._lazy else signal.as_lazy()
    signal.data, _ = cut(signal.data)
    steps = Enhancement(**network), Detection(mode)
    enhanced, atoms = enhance_and_detect(signal, *steps)
    images, tables = da.compute(enhanced.data, atoms.data)
    return None, images, tables


def check(case, step, mode, scale):
    data, signal = case
    before, message = data.copy(), None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            noise, images, tables = run(signal, step, mode, scale)
        except ValueError as error:
            message = str(error)
    if message is not None:
        single = data.ndim == 2
        doubtful = _is_nearly_constant(data)
        assert min(data.shape[-2:]) < 16 or (single and doubtful)
        assert any(letter in string.ascii_letters for letter in message)
        return
    assert min(data.shape[-2:]) >= 16
    np.testing.assert_array_equal(data, before)
    navigation = data.shape[:-2]
    if noise is not None:
        assert noise.shape[:-1] == navigation
    if images is not None:
        assert images.shape == data.shape
        assert images.dtype == np.float32
        for frame, image in zip(_frames(data), _frames(images), strict=True):
            if _is_unusable(frame):
                assert np.isnan(image).all()
            elif _is_nearly_constant(frame):
                assert np.isfinite(image).all() or np.isnan(image).all()
            else:
                assert np.isfinite(image).all()
                assert (image >= 0).all()
    if tables is not None:
        assert tables.shape == (navigation or (1,))
        height, width = data.shape[-2:]
        for table in tables.ravel():
            assert table.dtype == np.float32
            assert np.isfinite(table[:, :2]).all()
            assert (np.abs(table[:, 0] - (height - 1) / 2) <= height / 2).all()
            assert (np.abs(table[:, 1] - (width - 1) / 2) <= width / 2).all()


def _frames(data):
    return data.reshape((-1, *data.shape[-2:]))


def _is_unusable(frame):
    finite = frame[np.isfinite(frame)]
    return finite.size == 0 or finite.min() == finite.max()


def _is_nearly_constant(frame):
    """Without its hot pixels there may be nothing to enhance."""
    finite = frame[np.isfinite(frame)]
    return finite.size == 0 or np.mean(finite == np.median(finite)) > 0.95


CASES = {
    "case": signals(),
    "step": st.sampled_from(STEPS),
    "mode": st.sampled_from(["HAADF", "BF"]),
    "scale": st.sampled_from(["auto", 1, 0.7]),
}
COMMON = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    # Without shrinking, which runs networks for minutes to find a smaller case
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
}


@settings(max_examples=40, derandomize=True, **COMMON)
@given(**CASES)
def test_some_images(case, step, mode, scale):
    check(case, step, mode, scale)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_many_images(part):
    @seed(part)
    @settings(max_examples=250, **COMMON)
    @given(**CASES)
    def check_all(case, step, mode, scale):
        check(case, step, mode, scale)

    check_all()


@pytest.mark.parametrize("step", STEPS[:3])
@pytest.mark.parametrize(
    "dtype", ["c8", "O", "U3", "M8[s]", [("R", "u1"), ("G", "u1"), ("B", "u1")]]
)
def test_what_is_no_image_is_refused(step, dtype):
    data = np.zeros((2, 20, 20), dtype)
    if data.dtype.names:
        data["R"] = 9  # colours whose channels are equal are grey
    with pytest.raises((TypeError, ValueError), match=r"dtype|colour"):
        run(hs.signals.Signal2D(data), step, "HAADF", 1)
