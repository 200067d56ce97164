"""The dask cluster that a command computes on, if any."""

import sys
from contextlib import contextmanager


@contextmanager
def connect(scheduler=None, workers=None):
    """Connect to a cluster, or start one on this machine.

    Parameters
    ----------
    scheduler : str, optional
        Address of a scheduler, such as ``tcp://host:8786``.
    workers : int, optional
        Number of processes of a cluster of this machine; where there are
        GPUs at most one for each, which it has to itself.

    Yields
    ------
    distributed.Client or None
        One that is active already is used where nothing is asked for;
        None where there is none.

    Raises
    ------
    ValueError
        If distributed is not installed, the scheduler does not answer, or
        the arguments exclude each other.
    """
    if scheduler is None and workers is None:
        yield active_client()
        return
    if scheduler is not None and workers is not None:
        raise ValueError("--workers starts a cluster of its own: leave out --scheduler")
    if workers is not None and workers < 1:
        raise ValueError(f"--workers {workers} is not a positive number")
    try:
        import distributed
    except ImportError:
        raise ValueError(
            "--scheduler and --workers need distributed (pip install distributed)"
        ) from None
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout=20)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"--scheduler {scheduler} cannot be used: {error}"
            ) from None
        with client:
            yield client
        return
    with _start(workers) as cluster, distributed.Client(cluster) as client:
        yield client


def active_client():
    """The Client that is active in this process, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_client()
    except ValueError:
        return None


def _start(workers):
    import logging

    import distributed
    import torch

    quiet = {"silence_logs": logging.ERROR}
    n_gpus = torch.cuda.device_count()
    if not n_gpus:
        return distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            **quiet,
        )
    specification = {
        number: {
            "cls": distributed.Nanny,
            "options": {
                "nthreads": 1,
                "env": {"CUDA_VISIBLE_DEVICES": str(number)},
            },
        }
        for number in range(min(workers, n_gpus))
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard": False}}
    return distributed.SpecCluster(specification, scheduler, **quiet)
