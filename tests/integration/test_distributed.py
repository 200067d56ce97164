"""The methods' way of running functions, on a cluster of processes."""

import os
import time

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest
from scipy import fft

from hyperspy_stem_enhance.lazy import map_frames

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_lazy_frames_go_to_the_workers(client, rng):
    data = rng.normal(0, 1, (6, 16, 20)).astype(np.float32)
    s = hs.signals.Signal2D(da.from_array(data, chunks=(2, 9, 20))).as_lazy()
    result = map_frames(s, fft.dctn, kwargs={"axes": (1, 2)}, lazy_output=False)
    np.testing.assert_allclose(result, fft.dctn(data, axes=(1, 2)), atol=1e-4)


def process_id(frames):
    return np.full((len(frames), 1), os.getpid())


def test_frames_in_memory_stay_in_this_process(client, rng):
    s = hs.signals.Signal2D(rng.normal(0, 1, (6, 16, 20)))
    ids = map_frames(s, process_id, "vector", size=1, dtype=np.float64)
    assert set(ids.ravel()) == {os.getpid()}


def test_warnings_of_workers_reach_the_session(client, rng):
    data = rng.normal(0, 1, (4, 16, 20))
    data[3] = np.nan
    s = hs.signals.Signal2D(da.from_array(data, chunks=(1, 16, 20))).as_lazy()
    with pytest.warns(  # noqa: PT031
        UserWarning, match=r"inav\[3\] cannot be used"
    ) as record:
        result = map_frames(s, np.negative, lazy_output=False)
        for _ in range(100):  # the warning travels by itself
            if len(record):
                break
            time.sleep(0.1)
    assert np.isnan(result[3]).all()
