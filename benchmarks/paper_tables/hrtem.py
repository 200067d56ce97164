"""Train the networks of the SCGN paper's tables alike, and measure them.

Two sets of simulated images, as in the paper: HRTEM frames with their noise, and
dark-field images with the noise of a scan.  A network is trained for each of them.
Everything is kept in one folder, from where the same call goes on.
"""

import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hyperspy_stem_enhance.enhance.normalise import normalise_frame
from hyperspy_stem_enhance.simulate.scene import check_noise

from . import stem
from .classical import FILTERS, assisted, best_candidate
from .published import PUBLISHED_SCGN
from .report import describe_trainings, write_tables
from .spots import bright_image, score_spots
from .stem import (
    agree_on_settings,
    check_settings,
    describe_machine,
    measure_row,
    train_row,
)

SETS = {"HRTEM": "HRTEM frames", "HAADF": "dark-field images"}
"""From the mode of a set to its title."""

SIZES = {
    size: {
        **{name: rows[name] for name in ("U-Net", "SFIN")},
        "SCGN": {"name": "scgn", **rows["SFIN"]},
    }
    for size, rows in stem.SIZES.items()
}
"""Architectures by the name of their row, as for the tables of the SFIN paper."""

PAPER_STEPS = 12500  # as many images as in the paper: 100 epochs of 1000

_NUMBERS = ("psnr", "ssim", "iou")


def run_hrtem_benchmark(
    folder,
    settings,
    *,
    device="cpu",
    n_workers=1,
    minutes=math.inf,
    report=print,
):
    """Train and measure all rows for both sets, or go on where a folder stopped.

    Parameters
    ----------
    folder : str or pathlib.Path
        As of `tables.run_benchmark`.
    settings : BenchmarkSettings
        Its noise is one of both modes: "published", "low-dose" or "mixed".
    device, n_workers, minutes, report : optional
        As of `tables.run_benchmark`.

    Returns
    -------
    dict
        What ``tables.json`` holds.

    Raises
    ------
    ValueError
        If a setting is unknown, or the folder holds a benchmark with other
        settings.

    Examples
    --------
    >>> from paper_tables import BenchmarkSettings
    >>> settings = BenchmarkSettings(n_images=10, n_steps=500, size="small")
    >>> run_hrtem_benchmark("benchmark", settings)  # doctest: +SKIP
    """
    check_settings(settings, SIZES)
    for mode in SETS:
        check_noise(settings.noise, mode)
    folder = Path(folder)
    (folder / "scores").mkdir(parents=True, exist_ok=True)
    agree_on_settings(
        folder / "settings.json", {**asdict(settings), "sets": list(SETS)}
    )
    stop = time.monotonic() + 60 * minutes
    rows, trainings = {}, {}
    for mode in SETS:
        measured = {"folder": folder, "settings": settings, "report": report}
        measured["modes"] = (mode,)
        scores = measure_row(name=f"Gaussian, {mode}", measure=_blur, **measured)
        _keep(rows, "Gaussian", scores)
        for name, architecture in SIZES[settings.size].items():
            left = (stop - time.monotonic()) / 60
            options = {"device": device, "n_workers": n_workers, "minutes": left}
            row = f"{name}, {mode}"
            network, training = train_row(
                name=row, architecture=architecture, options=options, **measured
            )
            if network is not None:
                measure = _network_measure(network.to(device), device)
                _keep(rows, name, measure_row(name=row, measure=measure, **measured))
                trainings[row] = {"training": training}
            results = {
                "settings": asdict(settings),
                "machine": describe_machine(),
                "rows": rows,
                "trainings": trainings,
            }
            lines = list(table_lines(rows))
            write_tables(folder, results, lines, as_markdown(lines, results))
    return results


def _keep(rows, name, scores):
    """Put scores of one mode into the rows; the assisted ones have their own."""
    for output, by_mode in scores.items():
        row = name if output == "enhanced" else f"{name}, {output}"
        rows.setdefault(row, {}).update(by_mode)


def _blur(scene, mode):
    image, truth = bright_image(scene).astype(float), scene.clean
    blurred = list(FILTERS["Gaussian"](image))
    helped = best_candidate(assisted(blurred, truth), truth)
    return {
        "enhanced": score_spots(best_candidate(blurred, truth), truth),
        "assisted": score_spots(helped, truth),
    }


def _network_measure(network, device):
    """Function that scores a network on a scene."""
    import torch

    def measure(scene, mode):
        frame = normalise_frame(bright_image(scene), mode)
        with torch.inference_mode():
            batch = torch.from_numpy(frame.values[None, None]).to(device)
            found = network(batch)[0, 0].float().cpu().numpy()
        found = np.maximum(found, 0) * frame.scale
        return {"enhanced": score_spots(found, scene.clean)}

    return measure


def table_lines(rows):
    """Yield a dict for every cell.

    Parameters
    ----------
    rows : dict
        From a method to mode to a list of PSNR, SSIM and IoU of each image.
    """
    for method, by_mode in rows.items():
        for mode, scores in by_mode.items():
            values = np.array(scores)
            printed = PUBLISHED_SCGN.get(method, {}).get(mode, ("",) * 3)
            yield {
                "method": method,
                "mode": mode,
                "images": len(values),
                **dict(zip(_NUMBERS, values.mean(0).round(4).tolist(), strict=True)),
                "psnr_worst_decile": round(float(np.quantile(values[:, 0], 0.1)), 2),
                **dict(zip((f"published_{n}" for n in _NUMBERS), printed, strict=True)),
            }


def as_markdown(lines, results):
    """Tables in Markdown, with what they were measured on."""
    settings = results["settings"]
    text = [
        "# Tables of the SCGN paper, on simulated images of this package",
        "",
        f"{settings['n_images']} test images per set of {settings['side']}² pixels, of "
        "structures and a seed that no training has; noise "
        f"{settings['noise']!r}; networks of size {settings['size']!r}, each trained "
        f"for each set on the same {settings['n_steps']} batches (times "
        f"{settings['batch_factor']}, seed {settings['seed']}). Columns are spots on "
        "black, bright in every image; the highest value of each truth is 255. The "
        'blur has the best width for every image; "assisted" gives it the background '
        "removal and the linear fit to the truth that suit it best as well.",
        "",
        "*Paper*: what Li et al. (CVPR 2026) print for their sets of these kinds, "
        "measured on other data, with longer trainings; not comparable one by one.",
    ]
    cells = {
        "Table 1: PSNR in dB / SSIM, in brackets the PSNR of the worst decile": (
            lambda x: (
                f"{x['psnr']:.2f} / {x['ssim']:.4f} ({x['psnr_worst_decile']:.1f})"
            ),
            lambda x: f"{x['published_psnr']:.2f} / {x['published_ssim']:.4f}",
        ),
        "Intersection over union of the spots, at half of the highest value": (
            lambda x: f"{x['iou']:.4f}",
            lambda x: f"{x['published_iou']:.4f}",
        ),
    }
    for title, (own, printed) in cells.items():
        heads = [f"{name} | paper" for name in SETS.values()]
        text += ["", f"## {title}", "", f"| method | {' | '.join(heads)} |"]
        text.append("|---" * (1 + 2 * len(SETS)) + "|")
        for method in dict.fromkeys(line["method"] for line in lines):
            of_method = {x["mode"]: x for x in lines if x["method"] == method}
            row = [_cell(of_method.get(mode), own, printed) for mode in SETS]
            text.append(f"| {method} | {' | '.join(row)} |")
    return "\n".join([*text, "", *describe_trainings(results["trainings"])]) + "\n"


def _cell(line, own, printed):
    if line is None:
        return " | "
    return f"{own(line)} | {printed(line) if line['published_psnr'] else ''}"
