"""The methods' and commands' way of running functions, on a cluster of processes."""

import os
import signal
import threading
import time

import dask
import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest
from scipy import fft

from hyperspy_stem_enhance.cli import cluster as cli_cluster
from hyperspy_stem_enhance.cli import main
from hyperspy_stem_enhance.cli.stream import Ahead, ClusterPool, Stream, cut
from hyperspy_stem_enhance.mapping import map_step
from hyperspy_stem_enhance.signals.enhancement import enhance_and_detect
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.steps import Detection, Enhancement
from hyperspy_stem_enhance.steps.base import FunctionStep, Vector

distributed = pytest.importorskip("distributed")

NETWORK = {"mode": "HAADF", "device": "cpu", "scale": 1}


def start(**options):
    return distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        **options,
    )


@pytest.fixture(scope="module")
def client():
    with start() as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def frames():
    scenes = [draw_scene(3, i, (64, 80), "HAADF", "published") for i in range(6)]
    return np.stack([scene.noisy for scene in scenes])


def test_lazy_frames_go_to_the_workers(client, rng):
    data = rng.normal(0, 1, (6, 16, 20)).astype(np.float32)
    s = hs.signals.Signal2D(da.from_array(data, chunks=(2, 9, 20))).as_lazy()
    step = FunctionStep(fft.dctn, settings={"axes": (1, 2)})
    result = map_step(step, s, lazy_output=False)
    np.testing.assert_allclose(result, fft.dctn(data, axes=(1, 2)), atol=1e-4)


def process_id(frames):
    return np.full((len(frames), 1), os.getpid())


def test_frames_in_memory_stay_in_this_process(client, rng):
    s = hs.signals.Signal2D(rng.normal(0, 1, (6, 16, 20)))
    ids = map_step(FunctionStep(process_id, (Vector(1),)), s)
    assert set(ids.ravel()) == {os.getpid()}


def test_warnings_of_workers_reach_the_session(client, rng):
    data = rng.normal(0, 1, (4, 16, 20))
    data[3] = np.nan
    s = hs.signals.Signal2D(da.from_array(data, chunks=(1, 16, 20))).as_lazy()
    with pytest.warns(  # noqa: PT031
        UserWarning, match=r"inav\[3\] cannot be used"
    ) as record:
        result = map_step(FunctionStep(np.negative), s, lazy_output=False)
        for _ in range(100):  # the warning travels by itself
            if len(record):
                break
            time.sleep(0.1)
    assert np.isnan(result[3]).all()


def compare(found, expected):
    """Images to the rounding of float32, and the same columns."""
    images, tables = found
    np.testing.assert_allclose(images, expected[0], rtol=1e-4, atol=1e-3)
    for table, other in zip(tables, expected[1], strict=True):
        assert table.shape == other.shape
        np.testing.assert_allclose(table[:, :2], other[:, :2], atol=1e-3)
        np.testing.assert_allclose(table, other, rtol=1e-3, atol=1e-3)


def test_eager_threaded_and_distributed_agree(client, frames):
    eager = hs.signals.Signal2D(frames)
    expected = (
        eager.enhance_sfin(**NETWORK).data,
        eager.detect_atoms(**NETWORK).data,
    )
    assert sum(map(len, expected[1])) > 20
    lazy = hs.signals.Signal2D(da.from_array(frames, chunks=(2, 40, 80))).as_lazy()
    arrays = lazy.enhance_sfin(**NETWORK).data, lazy.detect_atoms(**NETWORK).data
    compare(dask.compute(*arrays, scheduler="threads"), expected)
    compare(dask.compute(*arrays, scheduler=client), expected)
    compare(dask.compute(*arrays), expected)


def test_hrtem_agrees(client):
    scenes = [draw_scene(3, i, (64, 80), "HRTEM", "published") for i in range(6)]
    frames = np.stack([-scene.noisy for scene in scenes])
    frames[4] = np.nan  # loses no other
    network = {"device": "cpu", "scale": 1, "contrast": "dark"}
    lazy = hs.signals.Signal2D(da.from_array(frames, chunks=(2, 40, 80))).as_lazy()
    eager = hs.signals.Signal2D(frames)
    with pytest.warns(UserWarning, match=r"inav\[4\] cannot be used"):
        expected = (
            eager.enhance_scgn(neighbours=1, **network).data,
            eager.detect_atoms("HRTEM", **network).data,
        )
    assert np.isnan(expected[0]).all(axis=(1, 2)).tolist() == [i == 4 for i in range(6)]
    assert sum(map(len, expected[1])) > 20
    arrays = (
        lazy.enhance_scgn(neighbours=1, **network).data,
        lazy.detect_atoms("HRTEM", **network).data,
    )
    compare(dask.compute(*arrays, scheduler="threads"), expected)
    compare(dask.compute(*arrays, scheduler=client), expected)


def test_calibration_agrees(client, frames):
    expected = hs.signals.Signal2D(frames).calibrate_noise().data
    lazy = hs.signals.Signal2D(da.from_array(frames, chunks=(2, 40, 80))).as_lazy()
    np.testing.assert_allclose(lazy.calibrate_noise().data.compute(), expected)


def test_a_model_is_loaded_once_per_process(client, frames):
    # Defined here, it travels by value: workers need not import the tests
    def find_loaded():
        from hyperspy_stem_enhance.models import registry

        return {key: id(network) for key, network in registry._loaded.items()}

    lazy = hs.signals.Signal2D(da.from_array(frames, chunks=(1, 64, 80))).as_lazy()
    lazy.enhance_sfin(**NETWORK).data.compute()
    before = client.run(find_loaded)
    assert any(before.values())
    lazy.enhance_sfin(**NETWORK).data.compute()
    after = client.run(find_loaded)
    for worker, networks in before.items():
        assert after[worker] | networks == after[worker]


def test_chunks_are_read_once_for_both(client, frames, tmp_path):
    def read_chunk(block, path, block_info=None):
        with open(path, "a") as file:
            file.write(f"{block_info[0]['chunk-location']}\n")
        return block

    path = tmp_path / "read"
    lazy = da.from_array(frames, chunks=(2, 64, 80)).map_blocks(
        read_chunk, path, meta=np.empty((0, 0, 0), frames.dtype)
    )
    s = hs.signals.Signal2D(lazy).as_lazy()
    s.data, units = cut(s.data)
    results = enhance_and_detect(s, Enhancement(**NETWORK), Detection())
    arrays = [result.data for result in results]
    stream = Stream(arrays, units, Ahead(ClusterPool(client)), "name", 2**15)
    found = [values for _, values in stream]
    assert sorted(path.read_text().splitlines()) == [f"({i}, 0, 0)" for i in range(3)]
    images = np.concatenate([images for images, _ in found])
    tables = [table for _, tables in found for table in tables]
    expected = hs.signals.Signal2D(frames)
    compare(
        (images, tables),
        (expected.enhance_sfin(**NETWORK).data, expected.detect_atoms(**NETWORK).data),
    )


class TestCommand:
    def run(self, out, *arguments):
        paths = [str(out.parent / "frames.hspy"), str(out.parent / "broken.hspy")]
        options = ["--detect", "--scale", "1", "--out", str(out)]
        return main(["enhance", *paths, *options, *arguments])

    def results(self, out):
        atoms = hs.load(out / "frames_atoms.hspy")
        return hs.load(out / "frames_enhanced.hspy").data, atoms.data

    @pytest.fixture
    def out(self, frames, tmp_path):
        hs.signals.Signal2D(frames).save(tmp_path / "frames.hspy")
        (tmp_path / "broken.hspy").write_text("broken")
        return tmp_path / "out"

    def test_agrees_with_the_methods(self, client, frames, out, monkeypatch, tmp_path):
        submitted = []
        submit = ClusterPool.submit

        def count(self, *args):
            submitted.append(args)
            return submit(self, *args)

        monkeypatch.setattr(ClusterPool, "submit", count)
        expected = hs.signals.Signal2D(frames)
        expected = (
            expected.enhance_sfin(**NETWORK).data,
            expected.detect_atoms(**NETWORK).data,
        )
        assert self.run(out) == 1
        assert len(submitted) == 1
        compare(self.results(out), expected)
        there = tmp_path / "there"
        address = client.scheduler.address
        assert self.run(there, "--scheduler", address) == 1
        assert len(submitted) == 2
        compare(self.results(there), expected)

    @pytest.mark.parametrize(
        ("options", "cause"),
        [
            (("--workers", "0"), "--workers 0"),
            (("--workers", "2", "--scheduler", "tcp://127.0.0.1:1"), "leave out"),
        ],
    )
    def test_refuses(self, out, capsys, options, cause):
        assert self.run(out, *options) == 1
        assert cause in capsys.readouterr().err
        assert not out.exists()

    def test_each_gpu_has_one_worker(self, monkeypatch):
        made = []
        monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
        monkeypatch.setattr(
            distributed, "SpecCluster", lambda *args, **kwargs: made.append(args)
        )
        cli_cluster._start(4)
        [(workers, _)] = made
        seen = [w["options"]["env"]["CUDA_VISIBLE_DEVICES"] for w in workers.values()]
        assert seen == ["0", "1"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills a process")
def test_a_worker_that_dies_changes_nothing(frames, tmp_path):
    data = np.concatenate([frames] * 4)
    hs.signals.Signal2D(data).save(tmp_path / "frames.hspy", chunks=(2, 64, 80))
    expected = hs.signals.Signal2D(frames)
    expected = (
        np.concatenate([expected.enhance_sfin(**NETWORK).data] * 4),
        [*expected.detect_atoms(**NETWORK).data] * 4,
    )
    killed = []

    def kill(client, worker):
        while not killed:
            busy = client.processing().get(worker)
            if busy:
                os.kill(pid, signal.SIGKILL)
                killed.append(busy)
            time.sleep(0.01)

    with start() as cluster, distributed.Client(cluster) as client:
        worker, pid = next(iter(client.run(os.getpid).items()))
        killer = threading.Thread(target=kill, args=(client, worker), daemon=True)
        killer.start()
        arguments = ["--detect", "--scale", "1", "--out", str(tmp_path / "out")]
        assert main(["enhance", str(tmp_path / "frames.hspy"), *arguments]) == 0
        killer.join(timeout=10)
        assert killed
        assert pid not in client.run(os.getpid).values()
    atoms = hs.load(tmp_path / "out" / "frames_atoms.hspy").data
    images = hs.load(tmp_path / "out" / "frames_enhanced.hspy").data
    compare((images, atoms), expected)
