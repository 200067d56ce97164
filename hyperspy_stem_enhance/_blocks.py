"""Run a step on the frames of one block of data, frame by frame safe.

This is the part of `mapping` that runs in dask's workers: batches bounded in
memory, bad frames that do not lose the others, and warnings that name a frame as a
user finds it.
"""

import math
import sys
import warnings
from functools import lru_cache

import numpy as np

from .noise.invalid_pixels import find_invalid, without_invalid
from .steps.base import SetupError, Table

CALL_BYTES = 2**23  # of the frames in one call of a step, taken as float32
_DESCRIBED = 8  # blocks in whose first frame defects are looked for


def run_block(
    block, *per_frame, step, names, single, run, settled=False, block_info=None
):
    """Run a step on the batches of one block; dask calls this.

    Parameters
    ----------
    block : numpy.ndarray, shape (navigation..., h, w)
    *per_frame : numpy.ndarray, shape (navigation..., 1, 1)
        What belongs to each frame, under `names`.
    step : steps.base.Step
    names : sequence of str
    single : bool
        Whether the signal is a single image.
    run : str
        Name of what all blocks are of: each kind of defect is told once.
    settled : bool
        Whether the block holds parts of large frames; the last of
        `per_frame` are then the steps of these frames, None for one that
        cannot be used.

    Returns
    -------
    numpy.ndarray
        Of object, with the navigation shape, for tables and several
        outputs; else (navigation..., h, w) or (navigation..., size).
    """
    nav_shape = block.shape[:-2]
    frames = block.reshape((-1, *block.shape[-2:]))
    here = _Place(block_info[0], nav_shape, single, settled, run)
    beside = {
        name: values.reshape(-1) for name, values in zip(names, per_frame, strict=False)
    }
    own_steps = per_frame[-1].reshape(-1) if settled else None
    results = _Results(step.outputs, len(frames), block.shape[-2:])
    size = max(1, CALL_BYTES // (4 * math.prod(block.shape[-2:])))
    for start in range(0, len(frames), 1 if settled else size):
        batch = slice(start, start + (1 if settled else size))
        if settled:
            step = own_steps[start]
            if step is None:
                results.refuse(start)
                continue
        own = {name: values[batch] for name, values in beside.items()}
        _run_frames(step, _as_native(frames[batch]), own, here, start, results)
    return results.as_block(nav_shape)


def _run_frames(step, batch, per_frame, here, start, results):
    """Run a step on one batch, tell what there is to tell, and keep the results."""
    for i, frame in enumerate(batch):
        here.report(start + i, _describe_non_finite(frame))
    if step.masks_invalid:
        batch = _without_invalid(batch, here, start)
    if here.described and start == 0 and np.isfinite(batch[0]).any():
        here.report(start, step.input_warnings(batch[0]))
    refuse_constant = step.refuse_constant and not here.part
    problems = [_find_problem(frame, refuse_constant) for frame in batch]
    usable = [i for i, problem in enumerate(problems) if problem is None]
    groups = [usable] if usable else []
    for chosen in groups:
        whole = len(chosen) == len(batch)
        frames = batch if whole else batch[chosen]
        own = {name: values[chosen] for name, values in per_frame.items()}
        try:
            values = list(step(frames, **own))
        except Exception as error:
            if not _blames_a_frame(error):
                raise
            if len(chosen) > 1:  # one by one: a bad frame loses no other
                groups += [[i] for i in chosen]
            else:
                problems[chosen[0]] = str(error) or type(error).__name__
            continue
        if len(values) != len(chosen):
            raise TypeError(
                f"{step.name} returned {len(values)} results for {len(chosen)} "
                "frames; it must return one for each"
            )
        for i, value in zip(chosen, values, strict=True):
            results.keep(start + i, value)
    for i, problem in enumerate(problems):
        if problem is not None:
            here.refuse(start + i, problem)
            results.refuse(start + i)


def _without_invalid(batch, here, start):
    """Frames with NaN for what tells nothing of the specimen; it is told."""
    found = [find_invalid(frame) for frame in batch]
    for i, invalid in enumerate(found):
        here.report(start + i, invalid.describe())
    if not any(invalid.reasons for invalid in found):
        return batch
    frames = [without_invalid(*pair) for pair in zip(batch, found, strict=True)]
    return np.stack(frames)


def settle_block(patches, ranges, *, step, single, run, block_info=None):
    """Make the choices for large frames that hold for all of their parts.

    Parameters
    ----------
    patches : numpy.ndarray, shape (navigation..., m, h, w)
    ranges : numpy.ndarray, shape (navigation..., 1, rows, 2 * columns)
        Lowest and highest finite value of each piece of the frames, in turn.
    step, single, run
        As of `run_block`.

    Returns
    -------
    numpy.ndarray of object
        A step for each frame; None for one that cannot be used.
    """
    nav_shape = patches.shape[:-3]
    here = _Place(block_info[0], nav_shape, single, False, run)
    settled = np.empty(math.prod(nav_shape), object)
    for i, index in enumerate(np.ndindex(nav_shape)):
        low, high = ranges[index][..., ::2].min(), ranges[index][..., 1::2].max()
        reason = _problem_of_range(low, high, step.refuse_constant)
        if reason:
            here.refuse(i, reason)
            continue
        own = _as_native(patches[index])
        here.report(i, step.scale_warnings(own))
        settled[i] = step.settle(own)
    return settled.reshape(nav_shape)


def finite_range(block):
    """Lowest and highest finite value of each frame of a block, (..., 1, 2).

    Infinite and minus infinite where there is none.
    """
    finite = np.isfinite(block)
    low = np.where(finite, block, np.inf).min(axis=(-2, -1))
    high = np.where(finite, block, -np.inf).max(axis=(-2, -1))
    return np.stack([low, high], axis=-1)[..., np.newaxis, :]


def pick(block, index, table):
    """One of the outputs of the frames of a block, tables or arrays."""
    values = [results[index] for results in block.reshape(-1)]
    if not table:
        return np.reshape(values, (*block.shape, *values[0].shape))
    tables = np.empty(len(values), object)
    for i, value in enumerate(values):
        tables[i] = value
    return tables.reshape(block.shape)


def join_blocks(*blocks, step, intervals):
    """Tables of frames from those of their parts."""
    joined = np.empty(blocks[0].shape, object)
    for index in np.ndindex(joined.shape):
        tables = [block[index] for block in blocks]
        joined[index] = step.join(tables, intervals)
    return joined


class _Results:
    """What the frames of a block become."""

    def __init__(self, outputs, n, shape):
        self._outputs, self._shape = outputs, shape
        [first, *more] = outputs
        self._several = bool(more)
        if self._several or isinstance(first, Table):
            self._values = np.empty(n, object)
        else:
            like = first.empty(shape)
            self._values = np.empty((n, *like.shape), like.dtype)

    def keep(self, index, value):
        if self._several:
            value = tuple(
                np.asarray(own, output.dtype)
                for own, output in zip(value, self._outputs, strict=True)
            )
        elif self._values.dtype == object:
            value = np.asarray(value, self._outputs[0].dtype)
        self._values[index] = value

    def refuse(self, index):
        empty = tuple(output.empty(self._shape) for output in self._outputs)
        self._values[index] = empty if self._several else empty[0]

    def as_block(self, nav_shape):
        return self._values.reshape((*nav_shape, *self._values.shape[1:]))


class _Place:
    """Where the frames of a block are, for what is told of them."""

    def __init__(self, info, nav_shape, single, part, run):
        self.part = part
        self._nav_shape, self._single, self._run = nav_shape, single, run
        self._corner = [start for start, _ in info["array-location"]]
        number = np.ravel_multi_index(info["chunk-location"], info["num-chunks"])
        every = math.ceil(math.prod(info["num-chunks"]) / _DESCRIBED)
        self.described = number % every == 0

    def name(self, index):
        """Name of a frame as a user of HyperSpy finds it: fastest axis first."""
        if self._single:
            name = "the image"
        else:
            local = np.unravel_index(index, self._nav_shape)
            position = [int(c + i) for c, i in zip(self._corner, local, strict=False)]
            name = f"frame inav[{', '.join(map(str, reversed(position)))}]"
        return f"a part of {name}" if self.part else name

    def report(self, index, defects):
        """Warn of defects of a frame, of each kind once in a run."""
        like_it = "parts" if self.part else "" if self._single else "frames"
        further = f" Further {like_it} like it are not reported." if like_it else ""
        told = _told_of(self._run)
        for kind, text in defects.items():
            if kind not in told:
                told.add(kind)
                _warn(f"{self.name(index)} has {text}.{further}")

    def refuse(self, index, reason):
        """Raise for a single image, warn of a frame of a series."""
        if self._single and not self.part:
            raise ValueError(f"{self.name(index)} cannot be used: {reason}")
        _warn(
            f"{self.name(index)} cannot be used: {reason}. Its result is NaN or empty."
        )


@lru_cache(maxsize=64)
def _told_of(run):
    """Kinds of defects that have been told of a run in this process."""
    return set()


def _as_native(frames):
    """Return contiguous frames in a dtype that SciPy and PyTorch know."""
    dtype = frames.dtype.newbyteorder("=")
    replacement = {"e": np.float32, "g": np.float64}
    return np.ascontiguousarray(frames, dtype=replacement.get(dtype.char, dtype))


def _find_problem(frame, refuse_constant):
    finite = frame[np.isfinite(frame)]
    if finite.size == 0:
        return _problem_of_range(np.inf, -np.inf, refuse_constant)
    return _problem_of_range(finite.min(), finite.max(), refuse_constant)


def _problem_of_range(low, high, refuse_constant):
    """Why a frame whose finite values have this range cannot be used, or None."""
    if low > high:
        return "it has no finite pixel; check the file and the detector"
    if refuse_constant and low == high:
        return (
            f"all its pixels are {low:g}; check that the detector "
            "was recording, or crop to the part with an image"
        )
    return None


def _blames_a_frame(error):
    """Tell an error about the data from one about the machine or the code."""
    in_torch = type(error).__module__.split(".")[0] == "torch"  # memory, driver
    if in_torch or isinstance(error, SetupError):
        return False
    return isinstance(error, ValueError | ArithmeticError | LookupError)


def _describe_non_finite(frame):
    n = frame.size - np.count_nonzero(np.isfinite(frame))
    if n in (0, frame.size):
        return {}
    pixels = "pixel that is" if n == 1 else "pixels that are"
    return {"non-finite": f"{n} {pixels} not finite (NaN or infinite)"}


def _warn(message):
    # On a cluster's worker, this one also reaches the user's own session
    module = sys.modules.get("distributed", warnings)
    module.warn(message, UserWarning, stacklevel=3)
