"""Turn a function of a batch of images into eager or dask work.

The one place where a signal of any navigation shape meets the array
functions of this package: `map_frames` cuts the data into blocks of whole
frames, calls the function on batches whose size is bounded in memory, and
puts the results together as an array of images, of vectors or of tables.
"""

import math
import os
import threading
from contextlib import nullcontext
from uuid import uuid4

import numpy as np

from . import _blocks
from .enhance.parts import is_large, map_parts

BLOCK_BYTES = 2**26  # of the frames in one dask block, taken as float32

OUTPUTS = ("image", "vector", "ragged")

_turns = None
_turns_lock = threading.Lock()


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
    numbered=False,
    beside=None,
    in_parts=None,
    part_of=None,
    lazy_output=None,
    show_progressbar=None,
    num_workers=None,
):
    """Apply a function of a batch of images to all frames of a signal.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
        Real images, signal axes last in the array; eager or lazy.
    function : callable
        Called as ``function(frames, **kwargs)`` with an array of shape
        (n, h, w), in native byte order, contiguous, in the signal's dtype
        (float16 as float32). Returns n results: an array
        (n, h, w), an array (n, size), or a sequence of n arrays (m, size).
        It must be defined at the top of a module, so that it can be
        pickled. It raises ValueError for a frame it cannot use, and
        `_blocks.SetupError` for what no frame is to blame for.
    output : {"image", "vector", "ragged"}, optional
        What one frame becomes: an image (default), a vector of `size`
        numbers, or a table of any number of rows and `size` columns.
    size : int or tuple of int, optional
        Length of a vector, number of columns of a table, or shape of an
        image. Not needed for images of the shape of the input.
    dtype : numpy.dtype, optional
        Floating dtype of the result (of each table, if ragged).
    kwargs : dict, optional
        Further arguments of `function`; they must be picklable.
    describe : callable, optional
        Called with about eight frames spread over the series, returns a
        dict from a kind of defect to a text; each kind is reported once.
    refuse_constant : bool, optional
        Whether a frame of one single value counts as a bad frame.
    numbered : bool, optional
        Whether `function` also receives ``numbers``, the position of each
        frame in the series counted in array order.
    beside : numpy.ndarray or dask.array.Array of object, optional
        With the navigation shape, (1,) for a single image: what belongs to
        each frame. `function` then also receives ``beside``, an array of
        the elements of its frames.
    in_parts : callable, optional
        To be called instead of `function`, with parts of frames, where lazy
        frames are so large that `enhance.parts` cuts them; `output` is then
        "image". It returns NaN or zero for a part without content.
    part_of : str, optional
        Of frames that are parts of larger ones: a name that all parts
        share, so that each kind of defect is told once. They are called
        parts, and a single image is not refused for one of them.
    lazy_output : bool, optional
        Whether to return a dask array. By default, as the signal.
    show_progressbar : bool, optional
        By default, HyperSpy's preference.
    num_workers : int, optional
        Number of dask workers. By default, dask's own choice.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        Shape (navigation..., h, w), (navigation..., size), or for ragged
        output an object array with the navigation shape, which is (1,)
        for a single image, since HyperSpy cannot load the shape ().

    Raises
    ------
    ValueError
        If the signal is a single image that cannot be used.

    Warns
    -----
    UserWarning
        For each frame of a series that cannot be used: it is NaN, or has
        a table without rows, in the result. For the first frame with
        pixels that are not finite, or with a defect that is described.

    Notes
    -----
    Frames that are in memory already are computed by threads of this
    process. Lazy ones go to whatever scheduler dask is set to, and on
    the workers of a cluster only the names in `kwargs` are sent, never a
    network.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.lazy import map_frames
    >>> s = hs.signals.Signal2D(np.ones((5, 16, 16), dtype="uint8"))
    >>> map_frames(s, np.negative, show_progressbar=False).shape
    (5, 16, 16)
    """
    if output not in OUTPUTS:
        raise ValueError(f"output={output!r} is unknown; use one of {OUTPUTS}")
    lazy_input = signal._lazy
    data = signal.data
    single = data.ndim == 2
    if single:
        data = data[np.newaxis]
    settings = {
        "function": function,
        "kwargs": dict(kwargs or {}),
        "describe": describe,
        "refuse_constant": refuse_constant,
        "numbered": numbered,
        "single": single,
        "part": part_of is not None,
        "run": part_of or uuid4().hex,
    }
    if beside is not None:
        settings["beside"] = beside

    def run(data, size, **settings):
        blocks = _whole_frames(data, num_workers)
        return _map_blocks(blocks, output, size, np.dtype(dtype), **settings)

    if in_parts is not None and lazy_input and is_large(data.shape[-2:]):
        settings |= {"function": in_parts, "refuse_constant": False, "part": True}
        mapped = map_parts(
            lambda part: run(part, part.shape[-2:], **settings), data, _concatenate
        )
    else:
        mapped = run(data, data.shape[-2:] if size is None else size, **settings)
    if single and output != "ragged":
        mapped = mapped[0]
    if lazy_input if lazy_output is None else lazy_output:
        return mapped
    return compute(mapped, not lazy_input, show_progressbar, num_workers)


def network_turn():
    """Context in which a thread may run a network on the processor.

    PyTorch splits each operation over threads of its own; every dask
    worker thread doing that at once would start the number of workers
    times as many threads as there are cores. In this context there are at
    most as many callers at a time as the cores can serve: one where PyTorch
    uses all cores, as many as cores where it is set to use one (which
    dask's clusters do).

    Returns
    -------
    threading.Semaphore

    Examples
    --------
    >>> from hyperspy_stem_enhance.lazy import network_turn
    >>> with network_turn():
    ...     pass  # run a network here
    """
    return _network_limits()[0]


def network_queue():
    """Context in which a thread may prepare frames for a network, and finish them.

    There is room for one thread more than may run the network at a time, so
    that it never waits for frames, and no more of them are in memory.

    Returns
    -------
    threading.Semaphore

    Examples
    --------
    >>> from hyperspy_stem_enhance.lazy import network_queue, network_turn
    >>> with network_queue():
    ...     with network_turn():
    ...         pass  # run a network here
    """
    return _network_limits()[1]


def _network_limits():
    global _turns
    with _turns_lock:
        if _turns is None:
            import torch

            turns = max(1, _count_cores() // torch.get_num_threads())
            _turns = tuple(threading.BoundedSemaphore(n) for n in (turns, turns + 1))
        return _turns


def _count_cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _whole_frames(data, num_workers):
    """Return data as a dask array whose blocks hold whole frames, not too many."""
    import dask
    import dask.array as da

    frame_bytes = 4 * math.prod(data.shape[-2:])
    if isinstance(data, da.Array):
        chunks = _split_chunks(data.chunks[:-2], max(1, BLOCK_BYTES // frame_bytes))
        return data.rechunk((*chunks, *((n,) for n in data.shape[-2:])))
    # In memory: one call per block, and blocks for all workers
    workers = num_workers or dask.config.get("num_workers", None) or _count_cores()
    n_frames = math.prod(data.shape[:-2])
    per_block = min(
        _blocks.CALL_BYTES // frame_bytes, math.ceil(n_frames / (4 * workers))
    )
    whole = tuple((n,) for n in data.shape)
    chunks = _split_chunks(whole[:-2], max(1, per_block))
    # The name would otherwise be a hash of all the data
    return da.from_array(data, chunks=(*chunks, *whole[-2:]), name=False)


def _split_chunks(chunks, n_frames):
    """Split navigation chunks so that a block has at most `n_frames` frames."""
    result = []
    for sizes in reversed(chunks):
        pieces = []
        for size in sizes:
            n = max(1, math.ceil(size / n_frames))
            pieces += [size // n + (i < size % n) for i in range(n)]
        result.insert(0, tuple(pieces))
        n_frames = max(1, n_frames // max(pieces))
    return tuple(result)


def _map_blocks(blocks, output, size, dtype, beside=None, **settings):
    nav = blocks.chunks[:-2]
    signal_axes = [blocks.ndim - 2, blocks.ndim - 1]
    if output == "image":
        shape = tuple(size)
        layout = {"chunks": (*nav, *((n,) for n in shape))}
    elif output == "vector":
        shape = (size,)
        layout = {
            "drop_axis": signal_axes,
            "new_axis": len(nav),
            "chunks": (*nav, shape),
        }
    else:
        shape = (0, size)
        layout = {"drop_axis": signal_axes, "chunks": nav}
    ndim = len(nav) + {"image": 2, "vector": 1, "ragged": 0}[output]
    arrays = [] if beside is None else [_beside_frames(beside, nav)]
    return blocks.map_blocks(
        _blocks.run_block,
        *arrays,
        **layout,
        # With meta, dask does not call the function to learn what it returns
        meta=np.empty((0,) * ndim, object if output == "ragged" else dtype),
        ragged=output == "ragged",
        shape=shape,
        result_dtype=dtype,
        **settings,
    )


def _beside_frames(beside, nav):
    """What is beside the frames, in blocks like theirs of one pixel each."""
    import dask.array as da

    if isinstance(beside, da.Array):
        beside = beside.rechunk(nav)
    else:
        beside = da.from_array(beside, chunks=nav, name=False)
    return beside[..., np.newaxis, np.newaxis]


def set_data(signal, data):
    """Give a signal data in memory or a dask array; it becomes eager or lazy.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
    data : numpy.ndarray or dask.array.Array
        Of the shape of the signal.
    """
    signal.data = data
    signal._lazy = not isinstance(data, np.ndarray)
    signal._assign_subclass()


def progressbar(show=None, **options):
    """Context in which dask shows its progress, by default as HyperSpy prefers."""
    from tqdm.dask import TqdmCallback

    if show is None:
        from hyperspy.defaults_parser import preferences

        show = preferences.General.show_progressbar
    return TqdmCallback(**options) if show else nullcontext()


def _concatenate(arrays, axis):
    import dask.array as da

    return da.concatenate(arrays, axis=axis)


def compute(array, in_memory, show_progressbar=None, num_workers=None):
    """Compute what `map_frames` made of frames.

    Parameters
    ----------
    array : dask.array.Array
    in_memory : bool
        Whether the frames are: threads of this process then compute.
    show_progressbar, num_workers : optional
        As of `map_frames`.

    Returns
    -------
    numpy.ndarray
    """
    import dask.array as da

    options = {} if num_workers is None else {"num_workers": num_workers}
    with progressbar(show_progressbar):
        if not in_memory:
            return array.compute(**options)
        result = np.empty(array.shape, array.dtype)
        da.store(array, result, lock=False, scheduler="threads", **options)
        return result
