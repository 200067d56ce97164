import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset

from hyperspy_stem_enhance.models import install_model
from hyperspy_stem_enhance.models.scgn import SCGN
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.train import loop, stream
from hyperspy_stem_enhance.train.loop import (
    averaged_network,
    learning_rate,
    rectified_l1,
    rectified_rms,
    total_loss,
    train,
)
from hyperspy_stem_enhance.train.stream import SimulatedBatches

SMALL = {"width": 8, "n_blocks": 1, "downscale": 2}


@pytest.fixture(autouse=True)
def _small_crops(monkeypatch):
    monkeypatch.setattr(stream, "CROPS", ((32, 2), (48, 1)))


def run(folder, n_steps, **settings):
    options = {"n_workers": 0, "report": lambda line: None, "half_precision": False}
    return train(folder, SMALL, n_steps, **{**options, **settings})


def weights(checkpoint):
    return torch.load(checkpoint, weights_only=True)["network"]


def test_stream_depends_on_the_number_of_the_batch_alone():
    batches = iter(SimulatedBatches(seed=3))
    third = [next(batches) for _ in range(3)][2]
    inputs, targets = next(iter(SimulatedBatches(seed=3, start=2)))
    torch.testing.assert_close(inputs, third[0], rtol=0, atol=0)
    torch.testing.assert_close(targets, third[1], rtol=0, atol=0)
    assert inputs.shape == targets.shape == (2, 1, 32, 32)
    assert targets.min() >= 0


def test_frames_are_never_the_same_twice():
    batches = iter(SimulatedBatches(seed=3))
    sums = [float(frame.sum()) for _ in range(10) for frame in next(batches)[0]]
    assert len(set(sums)) == len(sums)


def test_loss_does_not_ask_how_negative_an_empty_area_is():
    zero = torch.zeros(4)
    assert rectified_l1(torch.full((4,), -2.0), zero) < 0.2
    assert rectified_l1(torch.full((4,), 2.0), zero) == 2


def test_rms_is_least_at_the_mean_and_l1_at_the_median():
    # of places that look alike to the network a third have a column
    truth = torch.zeros(1, 1, 3, 8)
    truth[:, :, 0] = 1
    heights = np.linspace(0, 1, 101)
    for loss, best in ((rectified_l1, 0), (rectified_rms, 1 / 3)):
        losses = [float(loss(torch.full_like(truth, h), truth)) for h in heights]
        assert heights[np.argmin(losses)] == pytest.approx(best, abs=0.01)
    assert rectified_rms(truth + 0.5, truth) == pytest.approx(0.25)
    assert rectified_rms(truth - 2, torch.zeros_like(truth)) < 0.1


def test_a_frame_without_columns_leaves_the_slope_of_rms_finite():
    guess = torch.zeros(2, 1, 4, 4, requires_grad=True)
    rectified_rms(guess, torch.zeros(2, 1, 4, 4)).backward()
    assert torch.isfinite(guess.grad).all()


def test_loss_is_a_setting_of_a_training(tmp_path):
    run(tmp_path, 2, loss="rms")
    with pytest.raises(ValueError, match="'loss': 'rms'"):
        run(tmp_path, 2)


def test_targets_are_the_truths_of_all_outputs():
    inputs, targets = SimulatedBatches(seed=3, n_outputs=3).draw_batch(0)
    assert inputs.shape == (2, 1, 32, 32)
    assert targets.shape == (2, 3, 32, 32)
    clean, narrow, dots = targets.unbind(1)
    assert 0 < narrow.sum() < clean.sum()
    assert dots.min() >= 0
    assert dots.max() <= 1


def test_loss_of_all_outputs_is_least_at_the_truth():
    _, targets = SimulatedBatches(seed=3, n_outputs=3).draw_batch(0)
    right = targets.clone()
    right[:, 2] = torch.logit(targets[:, 2], eps=1e-6)
    for output in range(3):
        wrong = right.clone()
        wrong[:, output] += 0.5
        assert total_loss(wrong, targets) > total_loss(right, targets)
    one = targets[:, :1]
    assert total_loss(one + 1, one) == rectified_l1(one + 1, one)


def begin_with_less(folder, **more):
    """A small network, and one that has more and began with its weights."""
    first = run(folder / "first", 2)
    install_model(first.parent, "less")
    options = {"n_workers": 0, "report": lambda line: None, "peak_rate": 1e-9}
    second = train(folder / "second", {**SMALL, **more}, 1, start="less", **options)
    return averaged_network(first), averaged_network(second)


def test_training_begins_with_a_network_of_fewer_outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("HSE_MODELS", str(tmp_path / "models"))
    first, second = begin_with_less(tmp_path, n_outputs=3)
    one, three = first.tail_conv.weight, second.tail_conv.weight
    assert len(three) == 3 * len(one)
    torch.testing.assert_close(three[: len(one)], one, rtol=1e-3, atol=1e-4)


def test_training_begins_with_a_network_of_fewer_inputs(tmp_path, monkeypatch):
    monkeypatch.setenv("HSE_MODELS", str(tmp_path / "models"))
    first, second = begin_with_less(tmp_path, n_inputs=2)
    one, two = first.head_conv.weight, second.head_conv.weight
    n = one.shape[1]
    assert two.shape[1] == 2 * n
    torch.testing.assert_close(two[:, :n], one, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(two[:, n:], one / 2, rtol=1e-3, atol=1e-4)


def test_scgn_learns_hrtem_frames(tmp_path):
    small = {**SMALL, "name": "scgn", "n_outputs": 3}
    options = {"n_workers": 0, "report": lambda line: None, "modes": ("HRTEM",)}
    network = averaged_network(train(tmp_path, small, 2, **options))
    assert isinstance(network, SCGN)
    with pytest.raises(ValueError, match="other settings"):
        train(tmp_path, small, 2, **{**options, "modes": ("HAADF",)})


def test_weights_of_another_architecture_are_refused(tmp_path):
    with pytest.raises(ValueError, match="start='sfin-fast' is a model of another"):
        run(tmp_path, 1, start="sfin-fast")


def test_schedule_rises_and_falls():
    rates = [learning_rate(step, 2000, 1.0) for step in range(2000)]
    assert rates[0] < 0.01
    assert max(rates) == pytest.approx(1)
    assert rates[-1] == pytest.approx(0.01, abs=1e-3)
    assert np.argmax(rates) == pytest.approx(300, abs=2)


def test_interrupted_training_goes_on_where_it_was_saved(tmp_path, monkeypatch):
    whole = weights(run(tmp_path / "whole", 6))
    count = iter(range(100))
    draw = SimulatedBatches.draw_batch

    def fail_at_fifth(self, number):
        if next(count) == 4:
            raise KeyboardInterrupt
        return draw(self, number)

    monkeypatch.setattr(SimulatedBatches, "draw_batch", fail_at_fifth)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", 6, checkpoint_every=2)
    assert torch.load(tmp_path / "parts" / "checkpoint.pt")["step"] == 4
    monkeypatch.setattr(SimulatedBatches, "draw_batch", draw)
    parts = weights(run(tmp_path / "parts", 6))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=0, atol=0)


def test_training_lowers_the_loss(tmp_path, monkeypatch):
    # Lattices alone, at one scale: what so small a network learns in time
    alike = {"arrangement": "perfect", "pixel_size": 0.4, "probe": "round"}
    alike["artefact"] = None
    monkeypatch.setattr(
        stream, "draw_scene", lambda *args, **kw: draw_scene(*args, **{**kw, **alike})
    )
    run(tmp_path, 300, peak_rate=3e-3)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses[-1] < 0.9 * losses[0]


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path, monkeypatch):
    def lost(prediction, target, loss):
        return prediction.mean() * torch.nan

    monkeypatch.setattr(loop, "total_loss", lost)
    with pytest.raises(RuntimeError, match="loss of steps up to 2 is nan"):
        run(tmp_path, 2)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_average_of_a_short_training_leaves_its_beginning_behind(tmp_path):
    def convolutions(state):
        found = {k: v for k, v in state.items() if v.ndim == 4}
        return torch.cat([v.flatten() for v in found.values()])

    begin = torch.load(run(tmp_path / "begin", 1, seed=3), weights_only=True)
    end = torch.load(run(tmp_path / "end", 40, seed=3), weights_only=True)
    start, last = convolutions(begin["network"]), convolutions(end["network"])
    average = convolutions(end["average"])
    assert torch.dist(average, last) < 0.3 * torch.dist(start, last)


def test_averaged_network_is_ready_to_use(tmp_path):
    network = averaged_network(run(tmp_path, 3))
    assert not network.training
    with torch.inference_mode():
        assert torch.isfinite(network(torch.randn(1, 1, 32, 32))).all()


def test_other_settings_do_not_mix_with_a_training(tmp_path):
    run(tmp_path, 2)
    with pytest.raises(ValueError, match="other settings"):
        run(tmp_path, 2, seed=1)


def test_array_modules_need_no_hyperspy():
    code = (
        "import sys\n"
        "for name in ('hyperspy', 'dask', 'pandas', 'safetensors'):\n"
        "    sys.modules[name] = None\n"
        "import hyperspy_stem_enhance.train.loop, hyperspy_stem_enhance.models\n"
        "import hyperspy_stem_enhance.enhance.run\n"
        "from hyperspy_stem_enhance.models.export import export_weights\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_progress_is_shown_when_asked(tmp_path, capsys):
    run(tmp_path, 3, show_progressbar=True)
    assert "3/3" in capsys.readouterr().err


class _Niceness(IterableDataset):
    def __iter__(self):
        yield torch.tensor(os.nice(0))


@pytest.mark.skipif(not hasattr(os, "nice"), reason="processes have no niceness")
def test_processes_that_simulate_give_way():
    (seen,) = loop._load(_Niceness(), 1, torch.device("cpu"))
    assert seen == 19
    assert os.nice(0) < 19
