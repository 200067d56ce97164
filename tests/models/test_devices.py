"""Devices by stand-ins: no test machine has a GPU."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from hyperspy_stem_enhance.enhance import run
from hyperspy_stem_enhance.models import registry, semaphores
from hyperspy_stem_enhance.models.devices import best_device, why_unfit


class Small(torch.nn.Module):
    """Device with memory for two images, that doubles what it is given."""

    def __init__(self, error):
        super().__init__()
        self.error, self.seen = error, []

    def forward(self, x):
        self.seen.append(len(x))
        if len(x) > 2:
            raise self.error
        return torch.cat([2 * x, x], 1)


@pytest.fixture
def tiles(rng):
    return rng.random((7, 1, 8, 8), dtype=np.float32)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.06 GB"),
    ],
)
def test_batches_are_halved_until_memory_suffices(error, tiles):
    network = Small(error)
    found = run._run_batch(network, "cpu", tiles, [0])
    np.testing.assert_array_equal(found, 2 * tiles)
    assert network.seen == [7, 3, 1, 2, 4, 2, 2]


def test_one_image_too_large_for_memory_is_an_error(tiles):
    network = Small(torch.OutOfMemoryError("CUDA out of memory."))
    network.forward = lambda x: (_ for _ in ()).throw(network.error)
    with pytest.raises(torch.OutOfMemoryError):
        run._run_batch(network, "cpu", tiles[:1], [0])


def test_other_errors_are_not_taken_for_too_little_memory(tiles):
    network = Small(RuntimeError("illegal instruction"))
    with pytest.raises(RuntimeError, match="illegal"):
        run._run_batch(network, "cpu", tiles, [0])
    assert network.seen == [7]


def test_a_network_is_run_by_one_thread_after_another(monkeypatch):
    monkeypatch.setattr(semaphores, "_semaphores", None)
    monkeypatch.setattr(semaphores, "count_cores", torch.get_num_threads)
    inside, peak = 0, 0

    def network(x):
        nonlocal inside, peak
        inside += 1
        peak = max(peak, inside)
        time.sleep(0.02)
        inside -= 1
        return x

    tiles = np.ones((1, 1, 16, 16), np.float32)
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(run._run_batch, network, "cpu", tiles, [0]) for _ in "four"
        ]
        for call in calls:
            np.testing.assert_array_equal(call.result(), tiles)
    assert peak == 1


def test_gpus_go_before_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert best_device() == registry.resolve_device() == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert best_device() == registry.resolve_device() == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert best_device() == registry.resolve_device() == "cuda:1"
    assert registry.resolve_device("cuda") == "cuda:1"


def test_device_that_gives_something_else_is_told():
    network = torch.nn.Conv2d(2, 1, 1)
    other = torch.nn.Conv2d(2, 1, 1)
    network.n_inputs = other.n_inputs = 2
    other.load_state_dict(network.state_dict())
    assert why_unfit(other, network, "cpu") == ""
    other.weight.data *= 1.5
    assert "% of the range off" in why_unfit(other, network, "cpu")
    other.weight.data *= float("nan")
    assert why_unfit(other, network, "cpu")


class TestUnfitDevice:
    """Tensors on "meta" have no values, so that nothing comes back."""

    @pytest.fixture(autouse=True)
    def taken(self, monkeypatch):
        monkeypatch.setattr(registry, "_loaded", {})
        monkeypatch.setattr(registry, "best_device", lambda: "meta")

    def test_gives_way_to_the_processor(self):
        with pytest.warns(UserWarning, match="device='meta'.*the processor is used"):
            network, device = registry.load_for_use("sfin-fast")
        assert device == "cpu"
        assert next(network.buffers()).device.type == "cpu"

    def test_is_refused_where_it_was_asked_for(self):
        with pytest.raises(ValueError, match=r"device='meta'.*use device='cpu'"):
            registry.load_for_use("sfin-fast", device="meta")

    def test_is_tried_once(self, monkeypatch):
        tried = []
        monkeypatch.setattr(registry, "why_unfit", lambda *_: tried.append(1) or "")
        first, device = registry.load_for_use("sfin-fast")
        second, _ = registry.load_for_use("sfin-fast", "BF", "meta")
        assert device == "meta"
        assert first is second
        assert tried == [1]
