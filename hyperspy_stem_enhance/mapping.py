"""Map a step over the frames of a signal: the one place that knows dask.

`map_step` cuts the data of a signal of any navigation shape into blocks of whole
frames, calls the step on batches whose size is bounded in memory, and puts the
results together as arrays of images, of vectors or of tables.  Frames that are
large are cut into overlapping parts, in memory and lazy ones alike: what holds for
all parts of a frame is chosen once, from patches all over it.
"""

import math
from contextlib import nullcontext
from uuid import uuid4

import numpy as np

from . import _blocks
from .enhance.parts import boxes, intervals, is_large, join_images, overview
from .steps.base import Image, Table

BLOCK_BYTES = 2**26  # of the frames in one dask block, taken as float32


def map_step(
    step,
    signal,
    *,
    per_frame=None,
    lazy_output=None,
    show_progressbar=None,
    num_workers=None,
):
    """Apply a step to all frames of a signal.

    Parameters
    ----------
    step : steps.base.Step
        It gets frames (n, h, w) in native byte order, contiguous, in the
        signal's dtype (float16 as float32).
    signal : hyperspy.api.signals.Signal2D
        Real images, signal axes last in the array; eager or lazy.
    per_frame : dict of str to numpy.ndarray or dask.array.Array, optional
        With the navigation shape, (1,) for a single image: what belongs to
        each frame, given to the step under these names.
    lazy_output : bool, optional
        Whether to return dask arrays. By default, as the signal.
    show_progressbar : bool, optional
        By default, HyperSpy's preference.
    num_workers : int, optional
        Number of dask workers. By default, dask's own choice.

    Returns
    -------
    numpy.ndarray or dask.array.Array, or a tuple of them
        One for each output of the step: shape (navigation..., h, w) of an
        image, (navigation..., size) of a vector, and for tables an object
        array with the navigation shape, which is (1,) for a single image,
        since HyperSpy cannot load the shape ().

    Raises
    ------
    ValueError
        If the signal is a single image that cannot be used.

    Warns
    -----
    UserWarning
        For each frame of a series that cannot be used: it is NaN, or has
        a table without rows, in the result. For the first frame with
        pixels that are not finite, or with a defect that the step names.

    Notes
    -----
    Frames that are in memory already are computed by threads of this
    process. Lazy ones go to whatever scheduler dask is set to, and on
    the workers of a cluster only the step is sent, never a network.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.mapping import map_step
    >>> from hyperspy_stem_enhance.steps.base import FunctionStep
    >>> s = hs.signals.Signal2D(np.ones((5, 16, 16), dtype="uint8"))
    >>> map_step(FunctionStep(np.negative), s, show_progressbar=False).shape
    (5, 16, 16)
    """
    data = signal.data
    single = data.ndim == 2
    if single:
        data = data[np.newaxis]
    shape = data.shape[-2:]
    run = {"single": single, "run": uuid4().hex}
    if step.works_in_parts and is_large(shape):
        arrays = _map_parts(step, data, num_workers, run)
    else:
        given = per_frame or {}
        blocks = _map_blocks(
            _whole_frames(data, num_workers),
            step.outputs,
            list(given.values()),
            step=step,
            names=tuple(given),
            **run,
        )
        arrays = _unpack(blocks, step.outputs, shape)
    if single:
        arrays = [
            array if isinstance(output, Table) else array[0]
            for array, output in zip(arrays, step.outputs, strict=True)
        ]
    if not (signal._lazy if lazy_output is None else lazy_output):
        arrays = compute(arrays, not signal._lazy, show_progressbar, num_workers)
    return tuple(arrays) if len(arrays) > 1 else arrays[0]


def _whole_frames(data, num_workers):
    """Return data as a dask array whose blocks hold whole frames, not too many."""
    import dask
    import dask.array as da
    from dask.system import CPU_COUNT

    frame_bytes = 4 * math.prod(data.shape[-2:])
    if isinstance(data, da.Array):
        chunks = split_chunks(data.chunks[:-2], max(1, BLOCK_BYTES // frame_bytes))
        return data.rechunk((*chunks, *((n,) for n in data.shape[-2:])))
    # In memory: one call per block, and blocks for all workers
    workers = num_workers or dask.config.get("num_workers", None) or CPU_COUNT
    n_frames = math.prod(data.shape[:-2])
    per_block = min(
        _blocks.CALL_BYTES // frame_bytes, math.ceil(n_frames / (4 * workers))
    )
    whole = tuple((n,) for n in data.shape)
    chunks = split_chunks(whole[:-2], max(1, per_block))
    # The name would otherwise be a hash of all the data
    return da.from_array(data, chunks=(*chunks, *whole[-2:]), name=False)


def split_chunks(chunks, n_frames):
    """Split navigation chunks so that a block has at most `n_frames` frames.

    Parameters
    ----------
    chunks : tuple of tuple of int
    n_frames : int

    Returns
    -------
    tuple of tuple of int
    """
    result = []
    for sizes in reversed(chunks):
        pieces = []
        for size in sizes:
            n = max(1, math.ceil(size / n_frames))
            pieces += [size // n + (i < size % n) for i in range(n)]
        result.insert(0, tuple(pieces))
        n_frames = max(1, n_frames // max(pieces))
    return tuple(result)


def _map_blocks(blocks, outputs, per_frame, **settings):
    """Run a step on every block of whole frames; see `_blocks.run_block`."""
    nav, signal_axes = blocks.chunks[:-2], [blocks.ndim - 2, blocks.ndim - 1]
    first = outputs[0].empty(blocks.shape[-2:])
    layout = {"chunks": (*nav, *((n,) for n in first.shape))}
    meta = np.empty((0,) * (len(nav) + first.ndim), first.dtype)
    if len(outputs) > 1 or isinstance(outputs[0], Table):
        layout = {"drop_axis": signal_axes, "chunks": nav}
        meta = np.empty((0,) * len(nav), object)
    elif first.ndim == 1:
        layout |= {"drop_axis": signal_axes, "new_axis": len(nav)}
    return blocks.map_blocks(
        _blocks.run_block,
        *(_beside_frames(values, nav) for values in per_frame),
        **layout,
        # With meta, dask does not call the function to learn what it returns
        meta=meta,
        **settings,
    )


def _beside_frames(values, nav):
    """What is beside the frames, in blocks like theirs of one pixel each."""
    import dask.array as da

    if isinstance(values, da.Array):
        values = values.rechunk(nav)
    else:
        values = da.from_array(values, chunks=nav, name=False)
    return values[..., np.newaxis, np.newaxis]


def _unpack(blocks, outputs, shape):
    """Arrays of each output, from blocks that hold one tuple for each frame."""
    if len(outputs) == 1:
        return [blocks]
    arrays = []
    for index, output in enumerate(outputs):
        table = isinstance(output, Table)
        layout, ndim, dtype = {}, blocks.ndim, object
        if not table:
            like = output.empty(shape)
            ndim, dtype = blocks.ndim + like.ndim, like.dtype
            layout = {
                "new_axis": list(range(blocks.ndim, ndim)),
                "chunks": (*blocks.chunks, *((n,) for n in like.shape)),
            }
        layout |= {"index": index, "table": table}
        meta = np.empty((0,) * ndim, dtype)
        arrays.append(blocks.map_blocks(_blocks.pick, **layout, meta=meta))
    return arrays


def _map_parts(step, data, num_workers, run):
    """Apply a step to the parts of large frames, and join what they give."""
    import dask.array as da
    from dask.graph_manipulation import clone

    shape = data.shape[-2:]
    if isinstance(data, da.Array):
        # What the first pass has read is not kept for the second
        settled = _settle(step, clone(data), run)
    else:
        chunks = tuple((1,) * n for n in data.shape[:-2])
        data = da.from_array(data, chunks=(*chunks, *shape), name=False)
        settled = _settle(step, data, run)
    parts = []
    for box in boxes(shape):
        part = _whole_frames(data[(..., *box)], num_workers)
        blocks = _map_blocks(
            part, step.outputs, [settled], step=step, names=(), settled=True, **run
        )
        parts.append(_unpack(blocks, step.outputs, part.shape[-2:]))
    joined = []
    for output, arrays in zip(step.outputs, zip(*parts, strict=True), strict=True):
        if isinstance(output, Image):
            joined.append(join_images(list(arrays), shape, da.concatenate))
        else:
            meta = np.empty((0,) * arrays[0].ndim, object)
            options = {"step": step, "intervals": intervals(shape), "meta": meta}
            joined.append(da.map_blocks(_blocks.join_blocks, *arrays, **options))
    return joined


def _settle(step, data, run):
    """The steps of large frames, from a first pass over their data."""
    import dask.array as da

    nav = tuple((1,) * n for n in data.shape[:-2])
    data = data.rechunk((*nav, *data.chunks[-2:]))
    rows, columns = data.numblocks[-2:]
    ranges = data.map_blocks(
        _blocks.finite_range,
        chunks=(*nav, (1,) * rows, (2,) * columns),
        meta=np.empty((0,) * data.ndim, np.float64),
    )
    # One frame in each block, with all of its pieces
    ranges = ranges.rechunk({-2: -1, -1: -1})[..., np.newaxis, :, :]
    patches = overview(data, da.stack).rechunk({-3: -1, -2: -1, -1: -1})
    signal_axes = [patches.ndim - 3, patches.ndim - 2, patches.ndim - 1]
    return patches.map_blocks(
        _blocks.settle_block,
        ranges,
        drop_axis=signal_axes,
        chunks=nav,
        meta=np.empty((0,) * len(nav), object),
        step=step,
        **run,
    )


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


def compute(arrays, in_memory, show_progressbar=None, num_workers=None):
    """Compute what `map_step` made of frames, all arrays together.

    Parameters
    ----------
    arrays : sequence of dask.array.Array
    in_memory : bool
        Whether the frames are: threads of this process then compute.
    show_progressbar, num_workers : optional
        As of `map_step`.

    Returns
    -------
    list of numpy.ndarray
    """
    import dask
    import dask.array as da

    options = {} if num_workers is None else {"num_workers": num_workers}
    with progressbar(show_progressbar):
        if not in_memory:
            return list(dask.compute(*arrays, **options))
        results = [np.empty(array.shape, array.dtype) for array in arrays]
        da.store(list(arrays), results, lock=False, scheduler="threads", **options)
        return results
