"""Train an enhancement network on simulated frames, and resume exactly.

Adam on an L1 loss, as in Li et al. (CVPR 2025, section 4.1), with a cosine
schedule and an exponential moving average of the weights.  Needs PyTorch,
NumPy and SciPy, not HyperSpy, so that it runs on any machine with a GPU.
"""

import json
import math
import os
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn import functional
from torch.utils.data import DataLoader

from ..models.architectures import build_network
from ..models.registry import load_model, weights_sha256
from ..noise.distribution import describe_noise
from ..noise.parameters import MODES
from .stream import SimulatedBatches

_LEAK = 0.05  # slope of the loss where a prediction is negative
_WARM_UP = 300  # steps
_EMA_DECAY = 0.999
_LEAST_SQUARE = 1e-8  # below it the root of an empty frame has no slope


def rectified_l1(prediction, target):
    """L1 loss of the prediction clipped (softly) at zero.

    The truth is never negative and a network's output is clipped at zero
    when it is used; a network trained so may mark empty areas by any
    negative value, and returns exact zeros there.

    Parameters
    ----------
    prediction, target : torch.Tensor of the same shape

    Returns
    -------
    torch.Tensor, scalar
    """
    return (functional.leaky_relu(prediction, _LEAK) - target).abs().mean()


def rectified_rms(prediction, target):
    """Half the root mean square error of each frame, clipped as `rectified_l1`.

    What it is lowest for is the mean of all images that the noise leaves
    possible, that of L1 their median, which is empty wherever a column is
    less likely than not.  A root for every frame, so that frames of little
    noise, whose errors are small, count as much as the others.

    Parameters
    ----------
    prediction, target : torch.Tensor, shape (n, k, h, w)

    Returns
    -------
    torch.Tensor, scalar
    """
    error = functional.leaky_relu(prediction, _LEAK) - target
    return error.square().mean(dim=(1, 2, 3)).clamp_min(_LEAST_SQUARE).sqrt().mean() / 2


LOSSES = {"l1": rectified_l1, "rms": rectified_rms}
"""Losses of enhanced images, by the name of a training's setting."""


def total_loss(prediction, target, loss="l1"):
    """Loss of all outputs of a network.

    One of `LOSSES` of the enhanced image and of the one with narrow
    columns, and the cross entropy of the dots, which makes the detection a
    probability; weighted so that none outweighs the enhanced image.

    Parameters
    ----------
    prediction, target : torch.Tensor, shape (n, k, h, w)
        In the order of `models.sfin.OUTPUTS`.
    loss : str, default "l1"
        Name in `LOSSES`.

    Returns
    -------
    torch.Tensor, scalar
    """
    total = sum(
        LOSSES[loss](prediction[:, i : i + 1], target[:, i : i + 1])
        for i in range(min(2, prediction.shape[1]))
    )
    if prediction.shape[1] > 2:
        total = total + functional.binary_cross_entropy_with_logits(
            prediction[:, 2], target[:, 2]
        )
    return total


def learning_rate(step, n_steps, peak):
    """Linear warm-up, then half a cosine down to a hundredth of the peak."""
    warm_up = min(_WARM_UP, n_steps // 5 + 1)
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = min(1.0, (step - warm_up) / max(1, n_steps - warm_up))
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


class Training:
    """A network in training, with all that is needed to resume it.

    Parameters
    ----------
    architecture : dict
        Of the network, see `models.architectures.build_network`.
    seed : int
        Seed of the initial weights.
    peak_rate : float
        Highest learning rate.
    device : str
        A PyTorch device.
    start : str, optional
        Name of the model whose weights are the first ones.
    decay : float, default 0.999
        Of the moving average of the weights, per step.
    loss : str, default "l1"
        Name in `LOSSES`.
    """

    def __init__(
        self,
        architecture,
        seed,
        peak_rate,
        device,
        start=None,
        decay=_EMA_DECAY,
        loss="l1",
    ):
        torch.manual_seed(seed)
        self.device = torch.device(device)
        self.peak_rate = peak_rate
        self.loss = loss
        network = build_network(architecture)
        if start is not None:
            _begin_with(network, start)
        self.network = network.to(device, memory_format=torch.channels_last).train()
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay),
            use_buffers=True,
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=peak_rate)
        self.step = 0
        self.minutes_before = 0.0
        self.started = time.monotonic()

    @property
    def minutes(self):
        """Minutes spent in all runs of this training."""
        return self.minutes_before + (time.monotonic() - self.started) / 60

    def _parts(self):
        return {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
        }

    def save(self, path):
        """Write a checkpoint, whole or not at all."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        part = path.with_suffix(".part")
        torch.save({**state, "step": self.step, "minutes": self.minutes}, part)
        os.replace(part, path)

    def load(self, path):
        """Go on where a checkpoint was written."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.minutes_before = state["step"], state["minutes"]

    def learn(self, noisy, truths, n_steps, half_precision):
        """Take one step on a batch; return the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, n_steps, self.peak_rate)
        noisy, truths = (
            batch.to(self.device, memory_format=torch.channels_last, non_blocking=True)
            for batch in (noisy, truths)
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half_precision):
            prediction = self.network(noisy)
        loss = total_loss(prediction.float(), truths, self.loss)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return loss.detach()


def train(
    folder,
    architecture,
    n_steps,
    *,
    seed=0,
    peak_rate=1e-3,
    loss="l1",
    noise="mixed",
    modes=MODES,
    own_noise=None,
    own_share=0.5,
    start=None,
    batch_factor=1,
    n_workers=1,
    device="cpu",
    half_precision=True,
    minutes=math.inf,
    checkpoint_every=500,
    report=print,
    show_progressbar=False,
):
    """Train a network, or go on where a folder's checkpoint stopped.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``checkpoint.pt`` (everything to resume), ``log.jsonl`` (a
        line per hundred steps) and ``settings.json``.
    architecture : dict
        Of the network, see `models.architectures.build_network`.
    n_steps : int
        Length of the schedule.
    seed : int, default 0
        Seed of the weights and of the stream of frames.
    peak_rate : float, default 1e-3
        Highest learning rate.
    loss : str, default "l1"
        Name in `LOSSES`.
    noise : str or NoiseParameters, default "mixed"
        As for `simulate.scene.draw_scene`.
    modes : sequence of str, default ("HAADF", "BF")
        Modes to draw from, evenly; ("HRTEM",) for SCGN.
    own_noise : noise.distribution.NoiseDistribution, optional
        Noise and mode of some of the batches; `noise` is that of the others.
    own_share : float, default 0.5
        Part of the batches that have `own_noise`, from 0 to 1.
    start : str, optional
        Name of a model of the same architecture, to begin with its weights;
        it may have fewer inputs and outputs. By default they are drawn at random.
    batch_factor : int, default 1
        Multiplies the batch (8 frames of 128 x 128 pixels).
    n_workers : int, default 1
        Processes that simulate.
    device : str, default "cpu"
        A PyTorch device.
    half_precision : bool, default True
        Convolutions in bfloat16; Fourier transforms stay in float32.
    minutes : float, optional
        Stop, resumable, after so many minutes.
    checkpoint_every : int, default 500
        Steps between checkpoints.
    report : callable, default print
        Receives one line of text per hundred steps.
    show_progressbar : bool, default False
        Whether to show a bar that advances with every step.

    Returns
    -------
    pathlib.Path
        The checkpoint; `averaged_network` reads it.

    Raises
    ------
    ValueError
        If the folder holds a training with other settings, or `start` is
        of another architecture.
    RuntimeError
        If the loss is no longer finite; the last checkpoint stays.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "architecture": dict(architecture),
        "n_steps": n_steps,
        "seed": seed,
        "peak_rate": peak_rate,
        "noise": str(noise),
        "batch_factor": batch_factor,
    }
    if tuple(modes) != MODES:
        settings["modes"] = list(modes)
    if own_noise is not None:
        settings["own_noise"] = describe_noise(own_noise)
        settings["own_share"] = own_share
    if loss != "l1":
        settings["loss"] = loss
    if start is not None:
        settings["start"] = f"{start} {weights_sha256(start)}"
    _agree_on_settings(folder / "settings.json", settings)
    # Over a tenth of a short training, or the first weights would weigh most
    decay = min(_EMA_DECAY, 1 - 10 / max(n_steps, 11))
    training = Training(architecture, seed, peak_rate, device, start, decay, loss)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        training.load(checkpoint)
    stream = SimulatedBatches(
        seed,
        training.step,
        batch_factor,
        noise,
        modes,
        own_noise=own_noise,
        own_share=own_share,
        n_outputs=training.network.n_outputs,
        n_inputs=training.network.n_inputs,
    )
    losses = []
    with _progressbar(show_progressbar, training.step, n_steps) as advance:
        for noisy, truths in _load(stream, n_workers, training.device):
            spent = (time.monotonic() - training.started) / 60
            if training.step >= n_steps or spent >= minutes:
                break
            losses.append(training.learn(noisy, truths, n_steps, half_precision))
            advance()
            if training.step % 100 == 0 or training.step == n_steps:
                _log(folder / "log.jsonl", training, n_steps, losses, report)
                losses.clear()
            if training.step % checkpoint_every == 0:
                training.save(checkpoint)
    training.save(checkpoint)
    return checkpoint


def _begin_with(network, start):
    """Take the weights of a model, which may have fewer inputs and outputs.

    An input that it has not got counts for half of the frame at first, which it
    resembles; outputs that it has not got stay as drawn.
    """
    state, drawn = load_model(start).state_dict(), network.state_dict()
    try:
        known = state["head_conv.weight"]
        if known.shape[1] < drawn["head_conv.weight"].shape[1]:
            state["head_conv.weight"] = torch.cat([known, known / 2], 1)
        for name in ("tail_conv.weight", "tail_conv.bias"):
            known = state[name]
            state[name] = drawn[name].clone()
            state[name][: len(known)] = known
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise ValueError(
            f"start={start!r} is a model of another architecture "
            f"({str(error).splitlines()[0]}); begin with one of the same."
        ) from None


def _load(stream, n_workers, device):
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=n_workers,
        prefetch_factor=4 if n_workers else None,
        pin_memory=device.type == "cuda",
        worker_init_fn=_give_way,
    )


def _give_way(_):
    """Simulate when the network leaves a core idle, where they share the cores.

    With two cores and one such process a step takes four fifths of the time.
    """
    if hasattr(os, "nice"):
        os.nice(19)


def _log(path, training, n_steps, losses, report):
    loss = float(torch.stack(losses).mean())
    if not math.isfinite(loss):
        raise RuntimeError(
            f"the loss of steps up to {training.step} is {loss}, nothing is saved of "
            "them; try a lower peak_rate, or half_precision=False."
        )
    line = {
        "step": training.step,
        "loss": round(loss, 5),
        "minutes": round(training.minutes, 2),
    }
    with open(path, "a") as log:
        log.write(json.dumps(line) + "\n")
    report(f"step {training.step} of {n_steps}: loss {loss:.4f}")


@contextmanager
def _progressbar(show, step, n_steps):
    """Function that advances a bar by one step, or does nothing."""
    if not show:
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=n_steps, initial=step, unit="step") as bar:
        yield bar.update


def averaged_network(checkpoint):
    """Read the averaged weights of a training.

    Parameters
    ----------
    checkpoint : str or pathlib.Path
        ``checkpoint.pt`` of a training's folder.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, on the CPU.
    """
    checkpoint = Path(checkpoint)
    settings = json.loads((checkpoint.parent / "settings.json").read_text())
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    network = build_network(settings["architecture"])
    network.load_state_dict(
        {
            name.removeprefix("module."): tensor
            for name, tensor in state.items()
            if name.startswith("module.")
        }
    )
    return network.eval()


def _agree_on_settings(path, settings):
    if path.exists():
        earlier = json.loads(path.read_text())
        if earlier != settings:
            raise ValueError(
                f"folder={str(path.parent)!r} holds a training with other settings "
                f"({earlier}); choose another folder, or the same settings to resume."
            )
    else:
        path.write_text(json.dumps(settings, indent=1) + "\n")
