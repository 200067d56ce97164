"""Run a function on the frames of one block of data, frame by frame safe.

This is the part of `lazy.map_frames` that runs in dask's workers: batches
bounded in memory, bad frames that do not lose the others, and warnings that
name a frame as a user finds it.
"""

import math
import sys
import warnings

import numpy as np

CALL_BYTES = 2**23  # of the frames in one call of a function, taken as float32
_DESCRIBED = 8  # blocks in whose first frame defects are looked for

_reported = set()


class SetupError(ValueError):
    """What a function needs is missing or broken; no frame is to blame."""


def run_block(
    block,
    beside=None,
    *,
    function,
    kwargs,
    describe,
    refuse_constant,
    numbered,
    single,
    part,
    run,
    ragged,
    shape,
    result_dtype,
    block_info=None,
):
    """Run the function on the batches of one block; dask calls this."""
    nav_shape = block.shape[:-2]
    frames = block.reshape((-1, *block.shape[-2:]))
    here = block_info[0]
    corner = [start for start, _ in here["array-location"]]
    number = np.ravel_multi_index(here["chunk-location"], here["num-chunks"])
    described = number % math.ceil(math.prod(here["num-chunks"]) / _DESCRIBED) == 0
    numbers = _number_frames(corner, nav_shape, block_info[0]["shape"])
    if ragged:
        result = np.empty(len(frames), dtype=object)
    else:
        result = np.empty((len(frames), *shape), dtype=result_dtype)
    like_it = "" if single and not part else "parts" if part else "frames"
    step = max(1, CALL_BYTES // (4 * math.prod(block.shape[-2:])))
    for start in range(0, len(frames), step):
        batch = _as_native(frames[start : start + step])
        names = [
            ("a part of " if part else "")
            + _name_frame(corner, nav_shape, start + i, single)
            for i in range(len(batch))
        ]
        for frame, name in zip(batch, names, strict=True):
            _report_defects(name, _describe_non_finite(frame), run, like_it)
        if describe and described and start == 0 and np.isfinite(batch[0]).any():
            _report_defects(names[0], describe(batch[0]), run, like_it)
        per_frame = {"numbers": numbers[start : start + step]} if numbered else {}
        if beside is not None:
            per_frame["beside"] = beside.reshape(-1)[start : start + step]
        values, reasons = _run_batch(
            batch, function, kwargs, per_frame, refuse_constant
        )
        for i, (name, value) in enumerate(zip(names, values, strict=True)):
            if value is None:
                _refuse(name, reasons[i], single and not part)
                value = np.full(shape, np.nan, dtype=result_dtype)
            result[start + i] = np.asarray(value, dtype=result_dtype)
    return result.reshape(nav_shape + result.shape[1:])


def _number_frames(corner, nav_shape, full_shape):
    """Position of each frame of a block in the series, in array order."""
    index = np.indices(nav_shape).reshape(len(nav_shape), -1)
    index += np.array(corner[: len(nav_shape)])[:, np.newaxis]
    return np.ravel_multi_index(tuple(index), full_shape[: len(nav_shape)])


def _as_native(frames):
    """Return contiguous frames in a dtype that SciPy and PyTorch know."""
    dtype = frames.dtype.newbyteorder("=")
    replacement = {"e": np.float32, "g": np.float64}
    return np.ascontiguousarray(frames, dtype=replacement.get(dtype.char, dtype))


def _name_frame(corner, nav_shape, index, single):
    """Name a frame as a user of HyperSpy finds it: fastest axis first."""
    if single:
        return "the image"
    local = np.unravel_index(index, nav_shape)
    position = [int(c + i) for c, i in zip(corner, local, strict=False)]
    return f"frame inav[{', '.join(map(str, reversed(position)))}]"


def _run_batch(frames, function, kwargs, per_frame, refuse_constant):
    """Return one result or None per frame, and why there is none."""
    reasons = [_find_problem(frame, refuse_constant) for frame in frames]
    usable = [i for i, reason in enumerate(reasons) if reason is None]
    values = [None] * len(frames)
    if not usable:
        return values, reasons
    try:
        results = _call(function, frames, usable, kwargs, per_frame)
    except Exception as error:
        if not _blames_a_frame(error):
            raise
        results = []
        for i in usable:
            try:
                results += _call(function, frames, [i], kwargs, per_frame)
            except Exception as error:
                if not _blames_a_frame(error):
                    raise
                reasons[i] = str(error) or type(error).__name__
                results.append(None)
    for i, value in zip(usable, results, strict=True):
        values[i] = value
    return values, reasons


def _call(function, frames, chosen, kwargs, per_frame):
    if len(chosen) < len(frames):
        frames = frames[chosen]
        per_frame = {name: values[chosen] for name, values in per_frame.items()}
    results = list(function(frames, **kwargs, **per_frame))
    if len(results) != len(frames):
        raise TypeError(
            f"{function.__name__} returned {len(results)} results for "
            f"{len(frames)} frames; it must return one for each"
        )
    return results


def _find_problem(frame, refuse_constant):
    finite = frame[np.isfinite(frame)]
    if finite.size == 0:
        return "it has no finite pixel; check the file and the detector"
    if refuse_constant and finite.min() == finite.max():
        return (
            f"all its pixels are {finite[0]:g}; check that the detector "
            "was recording, or crop to the part with an image"
        )
    return None


def _blames_a_frame(error):
    """Tell an error about the data from one about the machine or the code."""
    in_torch = type(error).__module__.split(".")[0] == "torch"  # memory, driver
    if in_torch or isinstance(error, SetupError):
        return False
    return isinstance(error, ValueError | ArithmeticError | LookupError)


def _refuse(name, reason, single):
    if single:
        raise ValueError(f"{name} cannot be used: {reason}")
    _warn(f"{name} cannot be used: {reason}. Its result is NaN or empty.")


def _describe_non_finite(frame):
    n = frame.size - np.count_nonzero(np.isfinite(frame))
    if n in (0, frame.size):
        return {}
    pixels = "pixel that is" if n == 1 else "pixels that are"
    return {"non-finite": f"{n} {pixels} not finite (NaN or infinite)"}


def _report_defects(name, defects, run, like_it):
    further = f" Further {like_it} like it are not reported." if like_it else ""
    for kind, text in defects.items():
        if (run, kind) not in _reported:
            _reported.add((run, kind))
            _warn(f"{name} has {text}.{further}")


def _warn(message):
    # On a cluster's worker, this one also reaches the user's own session
    module = sys.modules.get("distributed", warnings)
    module.warn(message, UserWarning, stacklevel=3)
