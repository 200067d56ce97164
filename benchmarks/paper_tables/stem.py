"""Train the networks of the SFIN paper's tables alike, and measure them.

One training of a network gives all of its rows: the enhanced image (table 1,
and 7 for the ablations), the dots (table 5) and the narrow columns (table 6).
Everything is kept in one folder, from where the same call goes on.
"""

import json
import math
import platform
import time
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import numpy as np

from hyperspy_stem_enhance import __version__
from hyperspy_stem_enhance.enhance.normalise import normalise_frame
from hyperspy_stem_enhance.metrics import psnr, ssim
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.simulate.structures import HELD_OUT_STRUCTURES

from .classical import FILTERS, assisted, best_candidate
from .report import write_report

TEST_SEED = 314159  # never one of a training
_SIDE = 256  # pixels of a test image, as in the paper
_MODES = ("HAADF", "BF")  # those of the paper

SIZES = {
    "paper": {
        "U-Net": {"name": "unet", "width": 64},
        "FCN": {"name": "fcn", "width": 64},
        "SFIN, spatial only": {"name": "sfin-spatial", "width": 64, "n_blocks": 8},
        "SFIN, no interaction": {"name": "sfin-separate", "width": 64, "n_blocks": 8},
        "SFIN": {"width": 64, "n_blocks": 8},
    },
    "small": {
        "U-Net": {"name": "unet", "width": 32},
        # Dilated bfloat16 convolutions of PyTorch 2.13 on processors have NaN
        # gradients unless channels are a multiple of 32
        "FCN": {"name": "fcn", "width": 32},
        "SFIN, spatial only": {
            "name": "sfin-spatial",
            "width": 64,
            "n_blocks": 3,
            "downscale": 2,
        },
        "SFIN, no interaction": {
            "name": "sfin-separate",
            "width": 64,
            "n_blocks": 3,
            "downscale": 2,
        },
        "SFIN": {"width": 64, "n_blocks": 3, "downscale": 2},
    },
}
"""Architectures by the name of their row: those of the publications, and
smaller ones that a processor trains."""


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is trained and measured.

    Attributes
    ----------
    n_images : int
        Test images per mode.
    n_steps : int
        Of every training: batches of 8 frames of 128 x 128 pixels or as
        many pixels in larger ones.
    size : {"paper", "small"}
        Of the networks, see `SIZES`.
    noise : str
        Kind of noise in training and test.
    seed : int
        Of the trainings.
    batch_factor : int
        Multiplies the batch.
    side : int
        Of the test images, in pixels.
    """

    n_images: int = 100
    n_steps: int = 62500  # as many images as in the paper: 500 epochs of 1000
    size: str = "paper"
    noise: str = "published"
    seed: int = 11
    batch_factor: int = 1
    side: int = _SIDE


def run_benchmark(
    folder,
    settings,
    *,
    device="cpu",
    n_workers=1,
    minutes=math.inf,
    report=print,
):
    """Train and measure all rows, or go on where a folder stopped.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds ``trainings``, ``scores`` (a line for each image), and after
        every row ``tables.md``, ``tables.csv`` and ``tables.json``.
    settings : BenchmarkSettings
    device : str, default "cpu"
        A PyTorch device.
    n_workers : int, default 1
        Processes that simulate.
    minutes : float, optional
        Stop training, resumable, after so many minutes in all.
    report : callable, default print
        Receives lines of text.

    Returns
    -------
    dict
        What ``tables.json`` holds.

    Raises
    ------
    ValueError
        If a setting is unknown, the folder holds a benchmark with other
        settings, or scikit-image is not installed.

    Examples
    --------
    >>> settings = BenchmarkSettings(n_images=10, n_steps=500, size="small")
    >>> run_benchmark("benchmark", settings)  # doctest: +SKIP
    """
    check_settings(settings)
    folder = Path(folder)
    (folder / "scores").mkdir(parents=True, exist_ok=True)
    agree_on_settings(folder / "settings.json", asdict(settings))
    stop = time.monotonic() + 60 * minutes
    rows = {}
    for name in ("input", *FILTERS):
        rows[name] = _measure_filter(folder, settings, name, report)
    rows["sfin-fast as shipped"] = _measure_shipped(folder, settings, report)
    for name, architecture in SIZES[settings.size].items():
        architecture = {**architecture, "n_outputs": 3}
        left = (stop - time.monotonic()) / 60
        options = {"device": device, "n_workers": n_workers, "minutes": left}
        network, training = train_row(
            folder, settings, name, architecture, options, report
        )
        if network is not None:
            scores = _measure_network(folder, settings, name, network, device, report)
            rows[name] = {**scores, "training": training}
        results = {
            "settings": asdict(settings),
            "machine": describe_machine(),
            "rows": rows,
        }
        write_report(folder, results)
    return results


def check_settings(settings, sizes=None):
    """Raise ValueError unless all settings can be used.

    Parameters
    ----------
    settings : BenchmarkSettings
    sizes : dict, optional
        Sizes of networks that there are; by default `SIZES`.
    """
    sizes = SIZES if sizes is None else sizes
    from hyperspy_stem_enhance.simulate.scene import check_noise

    for name in ("n_images", "n_steps", "batch_factor"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name}={getattr(settings, name)} must be at least 1.")
    if settings.size not in sizes:
        raise ValueError(
            f"size={settings.size!r} is unknown; use one of "
            f"{', '.join(map(repr, sizes))}."
        )
    check_noise(settings.noise)


def held_out_scenes(settings, mode):
    """Yield the test images of one mode, with their numbers.

    Of structures that no training has, and of a seed of their own; frames
    without any column are passed over.
    """
    found = 0
    for index in count():
        scene = draw_scene(
            TEST_SEED,
            index,
            (settings.side, settings.side),
            mode,
            settings.noise,
            structures=HELD_OUT_STRUCTURES,
        )
        if scene.clean.any():
            yield index, scene
            found += 1
            if found == settings.n_images:
                return


def reference(scene, mode, columns=None):
    """Columns on a flat background, as the paper has its truth.

    Dark columns on the brightest background for BF, so that a filter that
    keeps the sense of the image is compared with an image of that sense.
    """
    columns = scene.clean if columns is None else columns
    return scene.background.max() - columns if mode == "BF" else columns


def _measure_filter(folder, settings, name, report):
    def measure(scene, mode):
        truth = reference(scene, mode)
        image = scene.noisy.astype(float)
        candidates = [image] if name == "input" else list(FILTERS[name](image))
        helped = best_candidate(assisted(candidates, truth), truth)
        return {
            "enhanced": _score(best_candidate(candidates, truth), truth),
            "assisted": _score(helped, truth),
        }

    return measure_row(folder, settings, name, measure, report)


def _measure_shipped(folder, settings, report):
    from hyperspy_stem_enhance.enhance.run import enhance_frames

    def measure(scene, mode):
        found = enhance_frames(scene.noisy[None], mode=mode, device="cpu")[0]
        truth = reference(scene, mode)
        return {"enhanced": _score(reference(scene, mode, found), truth)}

    return measure_row(folder, settings, "sfin-fast as shipped", measure, report)


def _measure_network(folder, settings, name, network, device, report):
    import torch

    network = network.to(device)

    def measure(scene, mode):
        frame = normalise_frame(scene.noisy, mode)
        with torch.inference_mode():
            batch = torch.from_numpy(frame.values[None, None]).to(device)
            enhanced, narrow, logit = network(batch)[0].float().cpu().numpy()
        dots = 1 / (1 + np.exp(-np.clip(logit, -50, 50)))
        truth = reference(scene, mode)
        columns = [np.maximum(values, 0) * frame.scale for values in (enhanced, narrow)]
        return {
            "enhanced": _score(reference(scene, mode, columns[0]), truth),
            "super-resolution": _score(
                reference(scene, mode, columns[1]),
                reference(scene, mode, scene.narrow),
            ),
            "detection": _score(255 * dots, 255 * scene.label),
        }

    return measure_row(folder, settings, name, measure, report)


def _score(image, truth):
    return [psnr(image, truth), ssim(image, truth)]


def measure_row(folder, settings, name, measure, report, modes=_MODES):
    """Scores of one row: output to mode to a list of what `measure` gives.

    Parameters
    ----------
    folder, settings, report
        As of `run_benchmark`.
    name : str
        Of the row.
    measure : callable
        From a scene and its mode to a dict of scores by output.
    modes : sequence of str
    """
    path = folder / "scores" / f"{_file_name(name)}.jsonl"
    lines = [] if not path.exists() else path.read_text().splitlines()
    known = {(line["mode"], line["index"]): line["scores"] for line in _parse(lines)}
    row = {}
    with open(path, "a") as file:
        for mode in modes:
            for index, scene in held_out_scenes(settings, mode):
                if (mode, index) not in known:
                    scores = measure(scene, mode)
                    line = {"mode": mode, "index": index, "scores": scores}
                    file.write(json.dumps(line) + "\n")
                    file.flush()
                    known[mode, index] = scores
                for output, pair in known[mode, index].items():
                    row.setdefault(output, {}).setdefault(mode, []).append(pair)
    report(f"measured {name}")
    return row


def _parse(lines):
    """Lines of a file whose last one may have been cut off."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def train_row(folder, settings, name, architecture, options, report, modes=_MODES):
    """Train a row to its end; None where the minutes are over before.

    Parameters
    ----------
    folder, settings, report
        As of `run_benchmark`.
    name : str
        Of the row.
    architecture : dict
    options : dict
        ``device``, ``n_workers`` and ``minutes``.
    modes : sequence of str

    Returns
    -------
    network : torch.nn.Module or None
    training : dict or None
        What the report tells of it.
    """
    from hyperspy_stem_enhance.train.loop import averaged_network, train

    run = folder / "trainings" / _file_name(name)
    step, minutes = _progress(run)
    if step < settings.n_steps:
        train(
            run,
            architecture,
            settings.n_steps,
            seed=settings.seed,
            noise=settings.noise,
            modes=modes,
            batch_factor=settings.batch_factor,
            report=lambda line: report(f"{name}: {line}"),
            checkpoint_every=100,
            **options,
        )
        step, minutes = _progress(run)
    if step < settings.n_steps:
        report(f"{name}: stopped at step {step}; the same command goes on there")
        return None, None
    network = averaged_network(run / "checkpoint.pt")
    training = {
        "architecture": architecture,
        "parameters": sum(p.numel() for p in network.parameters()),
        "minutes": round(minutes, 2),
        "device": options["device"],
    }
    return network, training


def _progress(run):
    """Steps and minutes of a training so far."""
    import torch

    checkpoint = run / "checkpoint.pt"
    if not checkpoint.exists():
        return 0, 0.0
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return state["step"], state["minutes"]


def _file_name(name):
    return name.lower().replace(", ", "-").replace(" ", "-")


def describe_machine():
    """Versions and processor, for the report."""
    import torch

    return {
        "version": __version__,
        "torch": torch.__version__,
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def agree_on_settings(path, settings):
    """Keep the settings of a folder; ValueError where it has others."""
    if path.exists():
        earlier = json.loads(path.read_text())
        if earlier != settings:
            raise ValueError(
                f"folder={str(path.parent)!r} holds a benchmark with other settings "
                f"({earlier}); choose another folder, or the same settings to resume."
            )
    else:
        path.write_text(json.dumps(settings, indent=1) + "\n")
