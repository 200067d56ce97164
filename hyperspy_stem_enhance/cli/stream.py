"""Compute lazy arrays of frames unit by unit, ahead of what writes them.

A unit is a navigation chunk of the input, or several small ones: all that
is computed from it is computed together, so that every chunk is read once,
and memory holds a few units however long the series is.
"""

import math
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

UNIT_BYTES = 2**24  # of frames taken as float32: so many small chunks are joined
_BLOCK_BYTES = 2**23  # what one thread works on at a time
_AHEAD_BYTES = 2**28  # of input in units that are computed or wait for the writer


def cut(data):
    """Chunk frames for streaming, and list the units.

    Parameters
    ----------
    data : dask.array.Array, shape (..., h, w)

    Returns
    -------
    chunked : dask.array.Array
        The same, in blocks of whole frames that never join input chunks
        of two units.
    units : list of tuple of slice
        Regions over the navigation axes, in array order.

    Examples
    --------
    >>> import dask.array as da
    >>> chunked, units = cut(da.zeros((5, 64, 64), chunks=(1, 32, 64)))
    >>> chunked.numblocks, units
    ((1, 1, 1), [(slice(0, 5, None),)])
    """
    frame_bytes = 4 * math.prod(data.shape[-2:])
    joined, budget = [], max(1, UNIT_BYTES // frame_bytes)
    for sizes in reversed(data.chunks[:-2]):
        joined.insert(0, _join(sizes, budget))
        budget = max(1, budget // max(joined[0]))
    blocks, budget = [], max(1, _BLOCK_BYTES // frame_bytes)
    for sizes in reversed(joined):
        pieces = [piece for size in sizes for piece in _split(size, budget)]
        blocks.insert(0, tuple(pieces))
        budget = max(1, budget // max(pieces))
    chunked = data.rechunk((*blocks, *((n,) for n in data.shape[-2:])))
    units = [()]
    for sizes in joined:
        stops = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        slices = [slice(b - n, b) for n, b in zip(sizes, stops, strict=True)]
        units = [(*unit, along) for unit in units for along in slices]
    return chunked, units


def _join(sizes, limit):
    """Join consecutive chunk sizes up to a limit."""
    joined = []
    for size in sizes:
        if joined and joined[-1] + size <= limit:
            joined[-1] += size
        else:
            joined.append(size)
    return joined


def _split(size, limit):
    n = max(1, math.ceil(size / limit))
    return [size // n + (i < size % n) for i in range(n)]


class LocalPool:
    """Units computed by threads of this process.

    Parameters
    ----------
    workers : int, optional
        Threads for each unit; by default one for each core.
    tag : callable, optional
        Called with the name of the source in every thread that works
        for it.
    """

    def __init__(self, workers=None, tag=None):
        from dask.system import CPU_COUNT

        self.workers = workers or CPU_COUNT
        self._tag = tag

    def submit(self, arrays, name):
        """Begin to compute arrays; return the future of a list of them."""
        future = Future()
        # A daemon: what is computed when the command ends has no one to wait for it
        run = threading.Thread(
            target=self._run, args=(future, arrays, name), daemon=True
        )
        run.start()
        return future

    def _run(self, future, arrays, name):
        import dask

        if not future.set_running_or_notify_cancel():
            return
        initialize = (self._tag, (name,)) if self._tag else (None, ())
        try:
            with ThreadPoolExecutor(self.workers, "unit", *initialize) as pool:
                values = dask.compute(*arrays, scheduler="threads", pool=pool)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(values)


class ClusterPool:
    """Units computed by the workers of a dask cluster.

    Parameters
    ----------
    client : distributed.Client
    retries : int, default 2
        How often what raises is tried again. Tasks of a worker that dies
        go to another one in any case.
    """

    def __init__(self, client, retries=2):
        self._client = client
        self._retries = retries

    @property
    def workers(self):
        """Number of threads on all workers that there are at present."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, arrays, name):
        """Begin to compute arrays; return what has their ``result``."""
        futures = self._client.compute(list(arrays), retries=self._retries)
        return _Gathered(self._client, futures)


class _Gathered:
    def __init__(self, client, futures):
        self._client, self._futures = client, futures

    def result(self):
        """Values of all arrays, in this process."""
        return self._client.gather(self._futures)

    def cancel(self):
        """Stop what is not yet done."""
        self._client.cancel(self._futures)


class Ahead:
    """How much may be computed before it is written.

    Parameters
    ----------
    pool : LocalPool or ClusterPool
    """

    def __init__(self, pool):
        self.pool = pool
        self._units = 0
        self._bytes = 0

    @property
    def has_room(self):
        """Whether another unit may be begun."""
        if self._units == 0:
            return True
        at_most = max(2, 2 * self.pool.workers)
        return self._units < at_most and self._bytes < _AHEAD_BYTES * max(
            1, self.pool.workers // 2
        )

    def begin(self, arrays, name, size):
        """Submit a unit of `size` bytes."""
        self._units += 1
        self._bytes += size
        return self.pool.submit(arrays, name)

    def end(self, size):
        """Give up the room of a unit."""
        self._units -= 1
        self._bytes -= size


class Stream:
    """Values of lazy arrays, unit by unit, in order.

    Parameters
    ----------
    arrays : sequence of dask.array.Array
        Whose first axes are those over which units go.
    units : list of tuple of slice
    ahead : Ahead
    name : str
        Of the source, for messages.
    frame_bytes : int
        Of a frame of the input.
    """

    def __init__(self, arrays, units, ahead, name, frame_bytes):
        self._arrays, self._ahead = arrays, ahead
        self._name, self._frame_bytes = name, frame_bytes
        self._waiting = deque(units)
        self._begun = deque()

    @property
    def all_begun(self):
        """Whether nothing is left to be submitted."""
        return not self._waiting

    def fill(self):
        """Begin units while there is room."""
        while self._waiting and self._ahead.has_room:
            self._begin()

    def _begin(self):
        unit = self._waiting.popleft()
        size = self._frame_bytes * count_frames(unit)
        parts = [array[unit] for array in self._arrays]
        self._begun.append((unit, size, self._ahead.begin(parts, self._name, size)))

    def __iter__(self):
        while self._waiting or self._begun:
            self.fill()
            if not self._begun:
                self._begin()
            unit, size, future = self._begun.popleft()
            try:
                values = future.result()
            finally:
                self._ahead.end(size)
            yield unit, values

    def close(self):
        """Give up what has been begun and not been used."""
        while self._begun:
            _, size, future = self._begun.popleft()
            future.cancel()
            self._ahead.end(size)
        self._waiting.clear()


def count_frames(unit):
    """Number of frames in a region over the navigation axes.

    Parameters
    ----------
    unit : tuple of slice

    Returns
    -------
    int

    Examples
    --------
    >>> count_frames((slice(2, 5), slice(0, 4)))
    12
    """
    return math.prod(along.stop - along.start for along in unit)
