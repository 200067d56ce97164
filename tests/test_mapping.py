"""map_step against plain NumPy, over many chunkings, dtypes and shapes."""

import threading
import warnings

import dask
import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance import _blocks, mapping
from hyperspy_stem_enhance.mapping import map_step
from hyperspy_stem_enhance.models import semaphores
from hyperspy_stem_enhance.steps.base import FunctionStep, Image, Table, Vector

CHUNKS = [
    (2, 3, 20, 24),
    (1, 1, 20, 24),
    (2, 1, 7, 24),
    (1, 2, 20, 5),
    (2, 3, 3, 5),
    ((1, 1), (2, 1), (19, 1), (1, 23)),
]


def remove_mean(frames, factor=1.0):
    frames = frames.astype(np.float32)
    return factor * (frames - frames.mean(axis=(1, 2), keepdims=True))


def measure(frames):
    return np.stack([frames.mean((1, 2)), frames.std((1, 2)), frames.max((1, 2))], 1)


def bright_pixels(frames, level):
    return [np.argwhere(frame > level).astype(np.float32) for frame in frames]


def measure_all(frames):
    results = remove_mean(frames), bright_pixels(frames, 115), measure(frames)
    return list(zip(*results, strict=True))


def refuse_bright(frames):
    if (frames > 900).any():
        raise ValueError("it is too bright")
    return frames * 2.0


def no_memory(frames):
    raise MemoryError("too big")


def one_result_too_few(frames):
    return bright_pixels(frames, 0)[1:]


_seen = []


def note_first_pixel(frame):
    _seen.append(frame[0, 0])
    return {}


class DescribedStep(FunctionStep):
    describe = None

    def input_warnings(self, frame):
        return type(self).describe(frame)


def map_frames(
    signal,
    function,
    output="image",
    *,
    size=None,
    dtype=np.float32,
    kwargs=None,
    describe=None,
    refuse_constant=False,
    **run,
):
    """Map a plain function as a step of one output."""
    kinds = {"image": Image, "vector": Vector, "ragged": Table}
    sizes = () if size is None else (size,)
    outputs = (kinds[output](*sizes, dtype=dtype),)
    kind = FunctionStep
    if describe is not None:
        kind = type("Step", (DescribedStep,), {"describe": staticmethod(describe)})
    step = kind(function, outputs, kwargs or {}, refuse_constant)
    return map_step(step, signal, **run)


@pytest.fixture
def stack(rng):
    return rng.normal(100, 10, (2, 3, 20, 24)).astype(np.float32)


def as_signal(data, chunks=None):
    if chunks is None:
        return hs.signals.Signal2D(data)
    return hs.signals.Signal2D(da.from_array(data, chunks=chunks)).as_lazy()


@pytest.mark.parametrize("chunks", [None, *CHUNKS])
class TestChunks:
    def test_image(self, stack, chunks):
        result = map_frames(as_signal(stack, chunks), remove_mean, kwargs={"factor": 2})
        assert isinstance(result, da.Array) == (chunks is not None)
        assert result.dtype == np.float32
        expected = remove_mean(stack.reshape(-1, 20, 24), 2).reshape(stack.shape)
        np.testing.assert_array_equal(np.asarray(result), expected)

    def test_several_outputs_of_one_run(self, stack, chunks):
        stack[1, 2] = np.nan
        outputs = (Image(), Table(2), Vector(3))
        step = FunctionStep(measure_all, outputs)
        with pytest.warns(UserWarning, match=r"inav\[2, 1\] .* no finite pixel"):
            results = dask.compute(*map_step(step, as_signal(stack, chunks)))
        images, tables, vectors = results
        assert images.dtype == np.float32
        assert vectors.dtype == np.float64
        assert tables.shape == (2, 3)
        for index in np.ndindex(2, 3):
            if index == (1, 2):
                assert np.isnan(images[index]).all()
                assert np.isnan(vectors[index]).all()
                assert tables[index].shape == (0, 2)
                continue
            image, table, vector = measure_all(stack[index][None])[0]
            np.testing.assert_array_equal(images[index], image)
            np.testing.assert_array_equal(tables[index], table)
            np.testing.assert_array_equal(vectors[index], vector)

    def test_vector(self, stack, chunks):
        s = as_signal(stack, chunks)
        result = map_frames(s, measure, "vector", size=3, dtype=np.float64)
        assert result.shape == (2, 3, 3)
        assert result.dtype == np.float64
        expected = measure(stack.reshape(-1, 20, 24)).reshape(2, 3, 3)
        np.testing.assert_array_equal(np.asarray(result), expected)

    def test_ragged(self, stack, chunks):
        stack[1, 2] = 0
        s = as_signal(stack, chunks)
        result = map_frames(s, bright_pixels, "ragged", size=2, kwargs={"level": 115})
        assert result.shape == (2, 3)
        assert result.dtype == object
        result = np.asarray(result)
        for index in np.ndindex(2, 3):
            expected = bright_pixels(stack[index][None], 115)[0]
            np.testing.assert_array_equal(result[index], expected)
            assert result[index].dtype == np.float32
        assert result[1, 2].shape == (0, 2)
        assert result[0, 0].shape[0] > 0


def number_frames(frames, numbers):
    return np.stack([numbers, frames[:, 0, 0]], 1)


@pytest.mark.parametrize("chunks", [None, *CHUNKS])
def test_what_belongs_to_each_frame(stack, chunks):
    stack[..., 0, 0] = np.arange(6).reshape(2, 3)
    stack[1, 1] = np.nan
    s = as_signal(stack, chunks)
    numbers = {"numbers": np.arange(6).reshape(2, 3)}
    lazy = map_frames(
        s, number_frames, "vector", size=2, per_frame=numbers, lazy_output=True
    )
    with pytest.warns(UserWarning, match=r"inav\[1, 1\]"):
        result = np.asarray(lazy)
    expected = np.arange(6.0)
    expected[4] = np.nan
    np.testing.assert_array_equal(result[..., 0].ravel(), expected)
    np.testing.assert_array_equal(result[..., 1].ravel(), expected)


@pytest.mark.parametrize("nav_shape", [(), (1,), (4,), (2, 3), (2, 1, 3)])
@pytest.mark.parametrize("is_lazy", [False, True])
def test_navigation_shapes(rng, nav_shape, is_lazy):
    data = rng.normal(0, 1, (*nav_shape, 16, 20))
    s = as_signal(data, "auto" if is_lazy else None)
    image = np.asarray(map_frames(s, remove_mean))
    vector = np.asarray(map_frames(s, measure, "vector", size=3))
    table = np.asarray(
        map_frames(s, bright_pixels, "ragged", size=2, kwargs={"level": 1})
    )
    assert image.shape == data.shape
    assert vector.shape == (*nav_shape, 3)
    assert table.shape == (nav_shape or (1,))
    frames = data.reshape(-1, 16, 20)
    np.testing.assert_array_equal(image.reshape(frames.shape), remove_mean(frames))
    np.testing.assert_allclose(vector.reshape(-1, 3), measure(frames), rtol=1e-6)
    for found, expected in zip(table.ravel(), bright_pixels(frames, 1), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "dtype",
    [
        "u1",
        "i2",
        "u2",
        "i4",
        "u4",
        "f2",
        "f4",
        "f8",
        ">u2",
        ">i4",
        ">f4",
        ">f8",
    ],
)
@pytest.mark.parametrize("is_lazy", [False, True])
def test_dtypes(rng, dtype, is_lazy):
    data = rng.integers(0, 200, (3, 16, 16)).astype(dtype)
    result = map_frames(as_signal(data, (2, 9, 16) if is_lazy else None), remove_mean)
    np.testing.assert_allclose(
        np.asarray(result), remove_mean(data.astype(float)), atol=1e-4
    )


def seen_dtype(frames):
    assert frames.flags.c_contiguous
    assert frames.dtype.isnative
    return np.full((len(frames), 1), frames.dtype.num)


@pytest.mark.parametrize(
    ("dtype", "seen"),
    [(">u2", "u2"), (">f8", "f8"), ("float16", "f4"), ("i4", "i4")],
)
def test_functions_see_native_contiguous_frames(dtype, seen):
    data = np.zeros((2, 20, 16), dtype=dtype).swapaxes(1, 2)
    result = map_frames(as_signal(data), seen_dtype, "vector", size=1)
    assert (result == np.dtype(seen).num).all()


@pytest.mark.parametrize("is_lazy", [False, True])
def test_non_contiguous(rng, is_lazy):
    data = rng.normal(0, 1, (40, 3, 32)).swapaxes(0, 1)[::-1, ::2, ::-2]
    assert not data.flags.c_contiguous
    result = map_frames(as_signal(data, (2, 16, 16) if is_lazy else None), remove_mean)
    np.testing.assert_array_equal(np.asarray(result), remove_mean(data.copy()))


def test_transposed_signal(stack):
    s = as_signal(stack).transpose(signal_axes=[2, 3], navigation_axes=[0, 1])
    result = map_frames(s, remove_mean)
    expected = remove_mean(s.data.reshape(-1, *s.data.shape[2:])).reshape(s.data.shape)
    np.testing.assert_array_equal(result, expected)


class TestLaziness:
    def test_nothing_runs_when_the_graph_is_built(self, stack):
        def explode(frames):
            raise AssertionError("called")

        s = as_signal(stack, (1, 1, 20, 24))
        for output, size in (("image", None), ("vector", 3), ("ragged", 2)):
            result = map_frames(s, explode, output, size=size)
            with pytest.raises(AssertionError, match="called"):
                result.compute()

    def test_lazy_output(self, stack):
        eager, lazy_signal = as_signal(stack), as_signal(stack, (1, 3, 20, 24))
        for s in (eager, lazy_signal):
            computed = map_frames(s, remove_mean, lazy_output=False)
            deferred = map_frames(s, remove_mean, lazy_output=True)
            assert isinstance(computed, np.ndarray)
            assert isinstance(deferred, da.Array)
            np.testing.assert_array_equal(computed, deferred)

    def test_graph_can_be_pickled(self, stack):
        cloudpickle = pytest.importorskip("cloudpickle")
        s = as_signal(stack, (1, 3, 20, 24))
        result = map_frames(s, np.negative)
        again = cloudpickle.loads(cloudpickle.dumps(result))
        np.testing.assert_array_equal(again, -stack)

    @pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
    def test_schedulers(self, stack, scheduler):
        with dask.config.set(scheduler=scheduler):
            result = map_frames(
                as_signal(stack, (1, 3, 20, 24)), remove_mean, lazy_output=False
            )
        np.testing.assert_array_equal(result[0], remove_mean(stack[0]))

    def test_progress_bar_and_workers(self, stack, capfd):
        s = as_signal(stack)
        map_frames(s, remove_mean, show_progressbar=True, num_workers=1)
        assert "100%" in capfd.readouterr().err
        map_frames(s, remove_mean, show_progressbar=False)
        assert "100%" not in capfd.readouterr().err

    def test_progress_bar_follows_the_preference(self, stack, capfd, monkeypatch):
        from hyperspy.defaults_parser import preferences

        monkeypatch.setattr(preferences.General, "show_progressbar", True)
        map_frames(as_signal(stack), remove_mean)
        assert "100%" in capfd.readouterr().err


class TestBatches:
    @pytest.fixture
    def sizes(self, monkeypatch):
        """Sizes of the batches a function is called with."""
        sizes = []

        def note(frames):
            sizes.append(len(frames))
            return frames

        monkeypatch.setattr(_blocks, "CALL_BYTES", 5 * 4 * 16 * 16)
        monkeypatch.setattr(mapping, "BLOCK_BYTES", 12 * 4 * 16 * 16)
        note.sizes = sizes
        return note

    def test_one_call_takes_few_frames(self, sizes):
        data = np.zeros((60, 16, 16), np.float32)
        s = as_signal(data, (30, 16, 16))
        result = map_frames(s, sizes)
        assert result.numblocks[0] == 6
        result.compute(scheduler="synchronous")
        assert sum(sizes.sizes) == 60
        assert max(sizes.sizes) == 5

    def test_eager_calls_are_bounded_and_enough_for_the_workers(self, sizes):
        data = np.zeros((60, 16, 16), np.float32)
        map_frames(as_signal(data), sizes, num_workers=1)
        assert sum(sizes.sizes) == 60
        assert max(sizes.sizes) == 5
        sizes.sizes.clear()
        map_frames(as_signal(data[:12]), sizes, num_workers=2)
        assert len(sizes.sizes) >= 4

    def test_a_frame_larger_than_the_bound(self, sizes):
        data = np.zeros((3, 128, 128), np.float32)
        map_frames(as_signal(data), sizes)
        assert sizes.sizes == [1, 1, 1]

    @pytest.mark.parametrize("n_frames", [1, 2, 5, 6, 100])
    def test_split_chunks(self, n_frames):
        chunks = ((2, 2, 1), (7, 3))
        split = mapping.split_chunks(chunks, n_frames)
        assert [sum(sizes) for sizes in split] == [5, 10]
        assert max(split[0]) * max(split[1]) <= n_frames
        # Chunks are cut, never merged
        for old, new in zip(chunks, split, strict=True):
            assert set(np.cumsum(old)) <= set(np.cumsum(new))
        if n_frames == 100:
            assert split == chunks


class TestBadFrames:
    @pytest.mark.parametrize("chunks", [None, (1, 1, 20, 24), (2, 3, 20, 10)])
    def test_all_nan(self, stack, chunks):
        good = remove_mean(stack.reshape(-1, 20, 24)).reshape(stack.shape)
        stack[1, 2] = np.nan
        s = as_signal(stack, chunks)
        # HyperSpy's order: the fastest axis first
        with pytest.warns(UserWarning, match=r"inav\[2, 1\] .* no finite pixel") as rec:
            image = np.asarray(map_frames(s, remove_mean))
        assert len(rec) == 1
        assert np.isnan(image[1, 2]).all()
        np.testing.assert_array_equal(image[0], good[0])
        np.testing.assert_array_equal(image[1, :2], good[1, :2])
        with pytest.warns(UserWarning, match=r"inav\[2, 1\]"):
            vector = np.asarray(map_frames(s, measure, "vector", size=3))
        assert np.isnan(vector[1, 2]).all()
        assert np.isfinite(vector[1, :2]).all()
        with pytest.warns(UserWarning, match=r"inav\[2, 1\]"):
            table = np.asarray(
                map_frames(s, bright_pixels, "ragged", size=2, kwargs={"level": 0})
            )
        assert table[1, 2].shape == (0, 2)
        assert table[1, 1].shape == (480, 2)

    @pytest.mark.parametrize("is_lazy", [False, True])
    def test_function_raises_for_one_frame(self, rng, is_lazy):
        data = rng.normal(10, 1, (6, 16, 16))
        data[4, 0, 0] = 1000
        s = as_signal(data, (3, 16, 16) if is_lazy else None)
        with pytest.warns(UserWarning, match=r"inav\[4\].*it is too bright"):
            result = np.asarray(map_frames(s, refuse_bright, dtype=np.float64))
        assert np.isnan(result[4]).all()
        np.testing.assert_array_equal(
            np.delete(result, 4, 0), 2 * np.delete(data, 4, 0)
        )

    def test_constant_frame(self, stack):
        stack[0, 1] = 7
        s = as_signal(stack)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.all(map_frames(s, remove_mean)[0, 1] == 0)
        with pytest.warns(UserWarning, match=r"inav\[1, 0\].* all its pixels are 7"):
            result = map_frames(s, remove_mean, refuse_constant=True)
        assert np.isnan(result[0, 1]).all()

    @pytest.mark.parametrize("is_lazy", [False, True])
    @pytest.mark.parametrize(
        ("value", "match"), [(np.nan, "no finite pixel"), (3.0, "all its pixels are 3")]
    )
    def test_single_image_raises(self, is_lazy, value, match):
        s = as_signal(np.full((16, 16), value), (8, 8) if is_lazy else None)
        with pytest.raises(ValueError, match=f"the image cannot be used: .*{match}"):
            np.asarray(map_frames(s, remove_mean, refuse_constant=True))

    def test_single_image_function_error(self):
        s = as_signal(np.full((16, 16), 1000.0))
        with pytest.raises(ValueError, match=r"the image .* it is too bright"):
            map_frames(s, refuse_bright)

    def test_machine_and_code_errors_are_not_a_frames_fault(self, stack):
        with pytest.raises(MemoryError, match="too big"):
            map_frames(as_signal(stack), no_memory)
        with pytest.raises(TypeError, match="one_result_too_few returned 0 results"):
            map_frames(as_signal(stack), one_result_too_few, "ragged", size=2)

    def test_error_of_a_library_is_not_a_frames_fault(self, stack):
        def fail(frames):  # as PyTorch does on a processor without memory
            raise RuntimeError("not enough memory: you tried to allocate 1 TB")

        with pytest.raises(RuntimeError, match="not enough memory"):
            map_frames(as_signal(stack), fail)

    def test_gpu_out_of_memory_is_not_a_frames_fault(self, stack):
        torch = pytest.importorskip("torch")

        def exhaust(frames):
            raise torch.OutOfMemoryError("CUDA out of memory")

        with pytest.raises(torch.OutOfMemoryError):
            map_frames(as_signal(stack), exhaust)

    def test_some_pixels_not_finite_are_reported_once(self, stack):
        stack[0, 1, 2, 3] = np.nan
        stack[1, 1, 2, 3:5] = np.inf
        s = as_signal(stack)
        with pytest.warns(UserWarning, match="pixels that are not finite") as record:
            map_frames(s, np.negative)
        assert len(record) == 1

    def test_describe(self, stack):
        def describe(frame):
            return {"hot": "1 hot pixel"} if frame.max() > 500 else {}

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            map_frames(as_signal(stack), np.negative, describe=describe)
        stack[:, :, 0, 0] = 1000
        with pytest.warns(UserWarning, match=r"inav\[.*1 hot pixel") as record:
            map_frames(as_signal(stack), np.negative, describe=describe)
        assert len(record) == 1

    def test_of_a_single_image_there_is_no_other(self, stack):
        image, movie = stack[0, 0].copy(), stack.copy()
        image[2, 3] = movie[0, 0, 2, 3] = np.nan
        for data, others in ((image, False), (movie, True)):
            with pytest.warns(UserWarning, match="not finite") as record:
                map_frames(as_signal(data), np.negative)
            assert ("Further frames" in str(record[0].message)) == others

    def test_describe_looks_at_few_frames(self, rng):
        _seen.clear()  # dask may hand the step on as a copy
        data = rng.normal(0, 1, (40, 16, 16))
        data[:, 0, 0] = np.arange(40)
        s = as_signal(data, (1, 16, 16))
        map_frames(s, np.negative, describe=note_first_pixel, lazy_output=False)
        assert sorted(_seen) == [0, 5, 10, 15, 20, 25, 30, 35]


class TestSemaphores:
    @pytest.mark.parametrize(
        ("cores", "threads", "most"), [(4, 4, 1), (4, 2, 2), (2, 4, 1)]
    )
    @pytest.mark.parametrize(
        ("context", "more"),
        [
            (semaphores.inference_semaphore, 0),
            (semaphores.preparation_semaphore, 1),
        ],
    )
    def test_callers_times_threads_fit_the_cores(
        self, monkeypatch, cores, threads, most, context, more
    ):
        torch = pytest.importorskip("torch")
        monkeypatch.setattr(semaphores, "_semaphores", None)
        monkeypatch.setattr(semaphores, "count_cores", lambda: cores)
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        inside, peak = 0, 0
        lock = threading.Lock()
        full = threading.Event()

        def call():
            nonlocal inside, peak
            with context():
                with lock:
                    inside += 1
                    peak = max(peak, inside)
                    if inside == most + more:
                        full.set()
                full.wait(5)
                with lock:
                    inside -= 1

        callers = [threading.Thread(target=call) for _ in range(6)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert peak == most + more
