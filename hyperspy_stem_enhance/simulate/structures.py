"""Projected structures: where columns stand and how each of them looks.

Each structure is the two-dimensional unit cell seen along a zone axis.
Those of `STRUCTURES` lie in a table beside this file, which ``tools/column_table.py``
makes out of `crystals` by multislice; reading it takes neither ase nor abTEM.
"""

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from ..noise.parameters import MODES
from .approximation import relative


@dataclass(frozen=True)
class ProjectedStructure:
    """Unit cell of columns seen along a zone axis.

    Attributes
    ----------
    name : str
    cell : numpy.ndarray, shape (2, 2)
        Rows are the lattice vectors, (y, x), in ångström.
    sites : numpy.ndarray, shape (n, 2)
        Fractional coordinates of the columns.
    columns : tuple of str
        The atoms of one repeat of each column, such as "Ti O".
    zone_axis : tuple of int
        [uvw] of the direction of view, in the crystal's own axes.
    source : str
        Where the crystal structure comes from.
    heights, widths : dict of str to numpy.ndarray, shape (n,)
        For each mode, see `appearance`.

    Examples
    --------
    >>> from hyperspy_stem_enhance.simulate import STRUCTURES
    >>> STRUCTURES["SrTiO3 [001]"].columns
    ('Sr', 'Ti O', 'O', 'O')
    """

    name: str
    cell: np.ndarray
    sites: np.ndarray
    columns: tuple
    zone_axis: tuple
    source: str
    heights: dict
    widths: dict

    @property
    def brightness(self):
        """Relative heights in HAADF images, 1 for the brightest column."""
        return self.heights["HAADF"]

    def appearance(self, mode):
        """Heights and widths of the columns' Gaussians in a mode.

        Parameters
        ----------
        mode : {"HAADF", "BF"}

        Returns
        -------
        heights : numpy.ndarray of float64, shape (n,)
            Relative to the strongest column, which has 1. Dark columns of
            bright-field images have positive heights as well.
        widths : numpy.ndarray of float64, shape (n,)
            Standard deviations relative to their mean over the columns,
            weighted by height.

        Raises
        ------
        ValueError
            If `mode` is unknown.

        Examples
        --------
        >>> from hyperspy_stem_enhance.simulate import STRUCTURES
        >>> heights, widths = STRUCTURES["Pt [001]"].appearance("BF")
        >>> heights, widths
        (array([1.]), array([1.]))
        """
        if mode not in MODES:
            raise ValueError(
                f"mode={mode!r} is unknown; use one of {', '.join(MODES)}."
            )
        return self.heights[mode], self.widths[mode]


def _read_structures():
    text = files(__package__).joinpath("structures.json").read_text("utf-8")
    return {
        name: _structure(name, entry)
        for name, entry in json.loads(text)["structures"].items()
    }


def _structure(name, entry):
    heights, widths = {}, {}
    for mode in MODES:
        heights[mode], widths[mode] = relative(
            entry[mode]["heights"], entry[mode]["widths"]
        )
    return ProjectedStructure(
        name,
        np.array(entry["cell"]),
        np.array(entry["sites"]),
        tuple(entry["columns"]),
        tuple(entry["zone_axis"]),
        entry["source"],
        heights,
        widths,
    )


STRUCTURES = _read_structures()
# Kept out of the training of the shipped weights, so that tests can tell
# what a network does with structures it never saw.
HELD_OUT_STRUCTURES = ("TiO2 [110]", "GaAs [110]", "Sb2Se3 [001]")
