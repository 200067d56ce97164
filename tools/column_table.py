"""Make the table of columns that `structures.STRUCTURES` is read from.

``python tools/column_table.py`` projects every
crystal of `crystals`, simulates it by multislice in both modes, fits a
Gaussian to each column, averages over columns that symmetry makes equal and
writes the table into the package.  It takes about a quarter of an hour of one
processor core.  Structures that the table already
holds with the same conditions and seed are kept, so that an interrupted run
goes on; ``--again`` computes them anew.
"""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from hyperspy_stem_enhance import simulate
from hyperspy_stem_enhance.simulate.column_fit import fit_columns
from hyperspy_stem_enhance.simulate.crystals import tabulated_crystals
from hyperspy_stem_enhance.simulate.multislice import (
    CONDITIONS,
    import_abtem,
    simulate_image,
)
from hyperspy_stem_enhance.simulate.projection import alike_columns, project

TABLE = Path(simulate.__file__).parent / "structures.json"
_MANY = 10  # columns; so many average over each other's thermal motion
_FEW_CONFIGURATIONS = 2


def tabulate(crystal, mode, seed=0, conditions=None):
    """Simulate a crystal in a mode and fit its columns.

    Parameters
    ----------
    crystal : crystals.Crystal
    mode : {"HAADF", "BF"}
    seed : int, default 0
        Of the thermal displacements.
    conditions : multislice.Conditions, optional
        By default those of the mode in `multislice.CONDITIONS`.

    Returns
    -------
    projection : projection.Projection
    entry : dict
        Heights, as fractions of the beam, widths in ångström, background,
        correlation of the fit, configurations and seed.
    """
    conditions = conditions or CONDITIONS[mode]
    image, projection = simulate_image(
        crystal.atoms, crystal.zone_axis, conditions, crystal.displacements, seed
    )
    fit = fit_columns(
        image, projection.cell, projection.sites, projection.columns, mode == "BF"
    )
    heights = average_alike(projection, fit.heights)
    return projection, {
        "heights": [_significant(height) for height in heights],
        "widths": fit.widths.round(4).tolist(),
        "background": _significant(fit.background),
        "correlation": round(fit.correlation, 4),
        "configurations": conditions.configurations,
        "seed": seed,
    }


def average_alike(projection, heights):
    """Average heights over the columns that symmetry makes equal.

    Parameters
    ----------
    projection : projection.Projection
    heights : numpy.ndarray, shape (n,)

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    labels = alike_columns(projection)
    return (np.bincount(labels, heights) / np.bincount(labels))[labels]


def _significant(value):
    return float(f"{value:.4g}")


def _conditions_of(crystal_entry, mode):
    conditions = CONDITIONS[mode]
    if len(crystal_entry["columns"]) > _MANY:
        conditions = replace(conditions, configurations=_FEW_CONFIGURATIONS)
    return conditions


def _describe(crystal):
    """Entry of a crystal without its modes."""
    projection = project(crystal.atoms, crystal.zone_axis)
    return {
        "zone_axis": list(crystal.zone_axis),
        "source": crystal.source,
        "repeat": round(projection.repeat, 4),
        "displacements": crystal.displacements,
        "cell": projection.cell.round(4).tolist(),
        "sites": projection.sites.round(5).tolist(),
        "columns": list(projection.columns),
    }


def make_table(path, seed=0, again=False, names=None, report=print):
    """Compute what is missing of the table and write it after each step.

    Parameters
    ----------
    path : path-like
        JSON file; made if absent.
    seed : int, default 0
    again : bool, default False
        Whether to compute structures that the file holds already.
    names : sequence of str, optional
        Structures to compute. By default all.
    report : callable, default print
        Called with a line for each structure and mode.

    Returns
    -------
    dict
        The table.
    """
    crystals = tabulated_crystals()
    known = json.loads(Path(path).read_text("utf-8")) if Path(path).exists() else {}
    conditions = {mode: asdict(each) for mode, each in CONDITIONS.items()}
    old = known.get("structures", {}) if known.get("conditions") == conditions else {}
    table = {"conditions": conditions, "abtem": known.get("abtem"), "structures": {}}
    for name, crystal in crystals.items():
        table["structures"][name] = _describe(crystal)
        if old.get(name, {}).get("cell") == table["structures"][name]["cell"]:
            for mode in CONDITIONS:
                if mode in old[name]:
                    table["structures"][name][mode] = old[name][mode]
    for name in names or crystals:
        for mode in CONDITIONS:
            entry = table["structures"][name]
            if entry.get(mode, {}).get("seed") == seed and not again:
                continue
            table["abtem"] = import_abtem().__version__
            _, entry[mode] = tabulate(
                crystals[name], mode, seed, _conditions_of(entry, mode)
            )
            write_table(path, table)
            report(f"{name}, {mode}: correlation {entry[mode]['correlation']}")
    return table


def write_table(path, table):
    """Write a table as JSON, a line for each of its lists."""
    structures = ",\n".join(
        f" {_json(name)}: {{\n"
        + ",\n".join(f"  {_json(key)}: {_json(value)}" for key, value in entry.items())
        + "\n }"
        for name, entry in table["structures"].items()
    )
    head = {key: value for key, value in table.items() if key != "structures"}
    lines = "".join(f"{_json(key)}: {_json(value)},\n" for key, value in head.items())
    partial = Path(path).with_suffix(".partial")
    partial.write_text(f'{{\n{lines}"structures": {{\n{structures}\n}}\n}}\n', "utf-8")
    partial.replace(path)


def _json(value):
    return json.dumps(value, ensure_ascii=False)


def main(arguments=None):
    """Run the command; its options are in ``--help``."""
    parser = argparse.ArgumentParser(
        prog="python tools/column_table.py",
        description="Heights and widths of atomic columns by multislice (abTEM).",
    )
    parser.add_argument("--out", type=Path, default=TABLE, help="JSON file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="compute all anew")
    parser.add_argument("names", nargs="*", help="structures; by default all")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(tabulated_crystals()))
    if unknown:
        parser.error(f"unknown structures {unknown}; see simulate.STRUCTURES")
    make_table(options.out, options.seed, options.again, options.names or None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
