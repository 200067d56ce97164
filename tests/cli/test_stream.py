"""Units of lazy frames: each chunk read once, few in memory, results in order."""

import threading
import time

import dask.array as da
import numpy as np
import pytest

from hyperspy_stem_enhance.cli import stream
from hyperspy_stem_enhance.cli.stream import Ahead, LocalPool, Stream, count_frames, cut


def counted(shape, chunks, read):
    """Frames that note which of their chunks are made, and when."""

    def make(block_info=None):
        info = block_info[None]
        read.append(tuple(info["chunk-location"]))
        start = np.ravel_multi_index(
            [a for a, _ in info["array-location"]], info["shape"]
        )
        return np.full(info["chunk-shape"], start, np.float32)

    chunks = da.core.normalize_chunks(chunks, shape)
    return da.map_blocks(make, chunks=chunks, dtype=np.float32, meta=np.empty(0))


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((64, 64), (32, 40)),
        ((40, 64, 64), (1, 64, 64)),
        ((40, 64, 64), (17, 32, 64)),
        ((5, 12, 64, 64), (2, 5, 64, 20)),
        ((2, 3, 4, 64, 64), (2, 1, 3, 64, 64)),
    ],
)
def test_every_chunk_is_read_once(shape, chunks, monkeypatch):
    monkeypatch.setattr(stream, "UNIT_BYTES", 10 * 64 * 64 * 4)
    monkeypatch.setattr(stream, "_BLOCK_BYTES", 3 * 64 * 64 * 4)
    read = []
    data = counted(shape, chunks, read)
    expected = data.compute()
    read.clear()
    chunked, units = cut(data)
    arrays = [chunked + 1, chunked.mean(axis=(-2, -1))]
    found = [np.full(array.shape, np.nan) for array in arrays]
    for unit, values in Stream(arrays, units, Ahead(LocalPool(2)), "name", 2**14):
        for array, value in zip(found, values, strict=True):
            array[unit] = value
    np.testing.assert_array_equal(found[0], expected + 1)
    np.testing.assert_allclose(found[1], expected.mean(axis=(-2, -1)), rtol=1e-6)
    assert len(read) == len(set(read)) == np.prod(data.numblocks)
    assert sum(count_frames(unit) for unit in units) == np.prod(shape[:-2])


def test_blocks_are_small_and_whole_frames(monkeypatch):
    monkeypatch.setattr(stream, "_BLOCK_BYTES", 3 * 64 * 64 * 4)
    chunked, units = cut(da.zeros((40, 64, 64), chunks=(20, 32, 32)))
    assert max(chunked.chunks[0]) <= 3
    assert chunked.numblocks[1:] == (1, 1)
    starts = {0, *np.cumsum(chunked.chunks[0]).tolist()}
    assert all(unit[0].start in starts for unit in units)


def test_few_units_are_in_memory(monkeypatch):
    """However slow the writer, only so much is computed ahead of it."""
    monkeypatch.setattr(stream, "UNIT_BYTES", 1)
    read = []
    data = counted((40, 8, 8), (1, 8, 8), read)
    chunked, units = cut(data)
    for number, _ in enumerate(
        Stream([chunked], units, Ahead(LocalPool(2)), "name", 256), start=1
    ):
        time.sleep(0.02)
        assert len(read) <= number + 4


def test_large_units_wait_for_each_other(monkeypatch):
    ahead = Ahead(LocalPool(2))
    assert ahead.has_room
    ahead.begin([], "name", stream._AHEAD_BYTES)
    assert not ahead.has_room
    ahead.end(stream._AHEAD_BYTES)
    assert ahead.has_room


def test_threads_know_what_they_work_for():
    names = set()
    here = threading.local()

    def tag(name):
        here.name = name

    def note(block):
        names.add(getattr(here, "name", None))
        return block

    data = da.zeros((8, 8, 8), chunks=(2, 8, 8)).map_blocks(note, meta=np.empty(0))
    [_] = LocalPool(2, tag).submit([data], "file").result()
    assert names == {"file"}


def test_errors_reach_the_caller_and_room_is_given_back():
    def fail(block):
        raise ValueError("broken chunk")

    data = da.zeros((8, 8, 8), chunks=(2, 8, 8)).map_blocks(fail, meta=np.empty(0))
    ahead = Ahead(LocalPool(2))
    chunked, units = cut(data)
    failing = Stream([chunked], units, ahead, "name", 256)
    with pytest.raises(ValueError, match="broken chunk"):
        list(failing)
    failing.close()
    assert ahead._units == ahead._bytes == 0
