"""Train an enhancement network on simulated frames, and resume exactly.

Adam on an L1 loss, as in Li et al. (CVPR 2025, section 4.1), with a cosine
schedule and an exponential moving average of the weights.  Needs PyTorch,
NumPy and SciPy, not HyperSpy, so that it runs on any machine with a GPU.
"""

import json
import math
import os
import time
from pathlib import Path

import torch
from torch.nn import functional
from torch.utils.data import DataLoader

from ..models.sfin import SFIN
from .stream import SimulatedBatches

_LEAK = 0.05  # slope of the loss where a prediction is negative
_WARM_UP = 300  # steps
_EMA_DECAY = 0.999


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


def learning_rate(step, n_steps, peak):
    """Linear warm-up, then half a cosine down to a hundredth of the peak."""
    if step < _WARM_UP:
        return peak * (step + 1) / _WARM_UP
    progress = min(1.0, (step - _WARM_UP) / max(1, n_steps - _WARM_UP))
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def train(
    folder,
    architecture,
    n_steps,
    *,
    seed=0,
    peak_rate=1e-3,
    noise="mixed",
    batch_factor=1,
    n_workers=1,
    device="cpu",
    half_precision=True,
    minutes=math.inf,
    checkpoint_every=500,
    report=print,
):
    """Train a network, or go on where a folder's checkpoint stopped.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``checkpoint.pt`` (everything to resume), ``log.jsonl`` (a
        line per hundred steps) and ``settings.json``.
    architecture : dict
        Arguments of `models.sfin.SFIN`.
    n_steps : int
        Length of the schedule.
    seed : int, default 0
        Seed of the weights and of the stream of frames.
    peak_rate : float, default 1e-3
        Highest learning rate.
    noise : str or NoiseParameters, default "mixed"
        As for `simulate.scene.draw_scene`.
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

    Returns
    -------
    pathlib.Path
        The checkpoint; `averaged_network` reads it.

    Raises
    ------
    ValueError
        If the folder holds a training with other settings.
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
    _agree_on_settings(folder / "settings.json", settings)
    torch.manual_seed(seed)
    network = SFIN(**architecture).to(device, memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(_EMA_DECAY),
        use_buffers=True,
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=peak_rate)
    checkpoint = folder / "checkpoint.pt"
    step, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["minutes"]

    def save():
        state = {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "minutes": spent + (time.monotonic() - started) / 60,
        }
        part = checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, checkpoint)

    stream = SimulatedBatches(seed, step, batch_factor, noise)
    batches = iter(
        DataLoader(
            stream,
            batch_size=None,
            num_workers=n_workers,
            prefetch_factor=4 if n_workers else None,
            pin_memory=str(device).startswith("cuda"),
        )
    )
    started, running = time.monotonic(), []
    network.train()
    while step < n_steps and (time.monotonic() - started) / 60 < minutes:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, n_steps, peak_rate)
        noisy, clean = (
            tensor.to(device, memory_format=torch.channels_last, non_blocking=True)
            for tensor in next(batches)
        )
        kind = torch.device(device).type
        with torch.autocast(kind, torch.bfloat16, enabled=half_precision):
            prediction = network(noisy)
        loss = rectified_l1(prediction.float(), clean)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(network)
        step += 1
        running.append(loss.detach())
        if step % 100 == 0 or step == n_steps:
            mean_loss = float(torch.stack(running).mean())
            running.clear()
            line = {
                "step": step,
                "loss": round(mean_loss, 5),
                "minutes": round(spent + (time.monotonic() - started) / 60, 2),
            }
            with open(folder / "log.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
            report(f"step {step} of {n_steps}: loss {mean_loss:.4f}")
        if step % checkpoint_every == 0:
            save()
    save()
    return checkpoint


def averaged_network(checkpoint):
    """Read the averaged weights of a training.

    Parameters
    ----------
    checkpoint : str or pathlib.Path
        ``checkpoint.pt`` of a training's folder.

    Returns
    -------
    models.sfin.SFIN
        In evaluation mode, on the CPU.
    """
    checkpoint = Path(checkpoint)
    settings = json.loads((checkpoint.parent / "settings.json").read_text())
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    network = SFIN(**settings["architecture"])
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
