"""How many threads of a process may prepare frames for a network, and run it.

PyTorch splits each operation over threads of its own; every dask worker thread
doing that at once would start the number of workers times as many threads as there
are cores.
"""

import os
import threading

_semaphores = None
_lock = threading.Lock()


def inference_semaphore():
    """Context in which a thread may run a network on the processor.

    There are at most as many callers at a time as the cores can serve: one
    where PyTorch uses all cores, as many as cores where it is set to use one
    (which dask's clusters do).

    Returns
    -------
    threading.Semaphore

    Examples
    --------
    >>> from hyperspy_stem_enhance.models.semaphores import inference_semaphore
    >>> with inference_semaphore():
    ...     pass  # run a network here
    """
    return _make_once()[0]


def preparation_semaphore():
    """Context in which a thread may prepare frames for a network, and finish them.

    There is room for one thread more than may run the network at a time, so
    that it never waits for frames, and no more of them are in memory.

    Returns
    -------
    threading.Semaphore

    Examples
    --------
    >>> from hyperspy_stem_enhance.models.semaphores import preparation_semaphore
    >>> with preparation_semaphore():
    ...     pass  # prepare frames, run a network, finish what it gives
    """
    return _make_once()[1]


def _make_once():
    global _semaphores
    with _lock:
        if _semaphores is None:
            import torch

            n = max(1, count_cores() // torch.get_num_threads())
            _semaphores = tuple(threading.BoundedSemaphore(k) for k in (n, n + 1))
        return _semaphores


def count_cores():
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
