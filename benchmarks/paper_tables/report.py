"""Write what a benchmark measured: Markdown, CSV and JSON."""

import csv
import json
import os

import numpy as np

from .published import PUBLISHED

NETWORKS = ("U-Net", "FCN", "SFIN")
TABLES = {
    "1": ("enhanced", "Enhancement", ("HAADF", "BF"), None),
    "5": ("detection", "Atom detection", ("HAADF", "BF"), NETWORKS),
    "6": ("super-resolution", "Super-resolution", ("HAADF", "BF"), NETWORKS),
    "7": (
        "enhanced",
        "Ablation",
        ("HAADF",),
        ("SFIN, spatial only", "SFIN, no interaction", "SFIN"),
    ),
}
"""From the number of a table to its output, title, modes and rows."""

_ABLATED = ("SFIN, spatial only", "SFIN, no interaction")
_HEADER = (
    "table",
    "method",
    "mode",
    "images",
    "psnr",
    "ssim",
    "psnr_worst_decile",
    "published_psnr",
    "published_ssim",
)


def write_report(folder, results):
    """Write ``tables.md``, ``tables.csv`` and ``tables.json``.

    Parameters
    ----------
    folder : pathlib.Path
    results : dict
        ``settings``, ``machine``, and ``rows``: name to output to mode to a
        list of PSNR and SSIM of each image.
    """
    lines = list(table_lines(results["rows"]))
    write_tables(folder, results, lines, as_markdown(lines, results))


def write_tables(folder, results, lines, text):
    """Write ``tables.md``, ``tables.csv`` and ``tables.json``.

    Parameters
    ----------
    folder : pathlib.Path
    results : dict
    lines : sequence of dict
        Of the same keys: the cells of all tables.
    text : str
        Markdown.
    """
    _write(folder / "tables.json", json.dumps({**results, "tables": lines}, indent=1))
    with open(folder / "tables.csv.part", "w", newline="") as file:
        writer = csv.DictWriter(file, lines[0] if lines else ())
        writer.writeheader()
        writer.writerows(lines)
    os.replace(folder / "tables.csv.part", folder / "tables.csv")
    _write(folder / "tables.md", text)


def table_lines(rows):
    """Yield a dict for every cell of every table."""
    for table, (output, _, modes, names) in TABLES.items():
        for name, row in rows.items():
            if name not in names if names else name in _ABLATED:
                continue
            yield from _cells(table, name, row.get(output, {}), modes)
            if table == "1":
                yield from _cells(table, f"{name}, assisted", row.get("assisted", {}))


def _cells(table, name, scores, modes=("HAADF", "BF")):
    for mode in modes:
        if mode not in scores:
            continue
        values = np.array(scores[mode])
        printed = PUBLISHED.get((table, name), {}).get(mode, ("", ""))
        cells = (
            table,
            name,
            mode,
            len(values),
            round(float(values[:, 0].mean()), 2),
            round(float(values[:, 1].mean()), 4),
            round(float(np.quantile(values[:, 0], 0.1)), 2),
            *printed,
        )
        yield dict(zip(_HEADER, cells, strict=True))


def as_markdown(lines, results):
    """Tables in Markdown, with what they were measured on."""
    settings = results["settings"]
    text = [
        "# Tables of the SFIN paper, on simulated images of this package",
        "",
        f"{settings['n_images']} test images per mode of {settings['side']}² pixels, "
        "of structures and a seed that no training has; noise "
        f"{settings['noise']!r}; networks of size {settings['size']!r}, each trained "
        f"with three outputs on the same {settings['n_steps']} batches (times "
        f"{settings['batch_factor']}, seed {settings['seed']}). PSNR in dB / SSIM, in "
        "brackets the PSNR of the worst decile. Parameters of classical filters are "
        'chosen by the truth for every image; "assisted" gives them the background '
        "removal and the linear fit to the truth that suit them best as well.",
        "",
        "*Paper*: what Li et al. (CVPR 2025) print, measured on other data, with "
        "longer trainings; not comparable one by one.",
    ]
    for table, (_, title, modes, _) in TABLES.items():
        of_table = [line for line in lines if line["table"] == table]
        text += ["", f"## Table {table}: {title}", ""]
        heads = [f"{mode} | {mode}, paper" for mode in modes]
        text.append(f"| method | {' | '.join(heads)} |")
        text.append("|---" * (1 + 2 * len(modes)) + "|")
        for name in dict.fromkeys(line["method"] for line in of_table):
            cells = {x["mode"]: x for x in of_table if x["method"] == name}
            values = " | ".join(_cell(cells.get(mode)) for mode in modes)
            text.append(f"| {name} | {values} |")
    return "\n".join([*text, "", *describe_trainings(results["rows"])]) + "\n"


def _cell(line):
    if line is None:
        return " | "
    printed = ""
    if line["published_psnr"]:
        printed = f"{line['published_psnr']:.2f} / {line['published_ssim']:.4f}"
    worst = line["psnr_worst_decile"]
    return f"{line['psnr']:.2f} / {line['ssim']:.4f} ({worst:.1f}) | {printed}"


def describe_trainings(rows):
    """Yield lines of Markdown: what each network of a row cost."""
    yield "| network | parameters | minutes of training | device |"
    yield "|---|---|---|---|"
    for name, row in rows.items():
        if "training" in row:
            made = row["training"]
            yield (
                f"| {name} | {made['parameters']} | {made['minutes']:.1f} | "
                f"{made['device']} |"
            )


def _write(path, text):
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)
