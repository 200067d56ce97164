"""Projected structures: where columns stand and how bright they are.

Each pattern is the two-dimensional unit cell seen along a zone axis, with
the atoms that make up one repeat of every column.  Brightness follows the
usual incoherent approximation, the sum of ``Z**1.7`` over the column per
length of column (Pennycook, Ultramicroscopy 30, 58 (1989); Krivanek et
al., Nature 464, 571 (2010), measured an exponent of 1.64).
"""

from dataclasses import dataclass

import numpy as np

ATOMIC_NUMBERS = {
    "Li": 3, "C": 6, "O": 8, "Si": 14, "S": 16, "Ti": 22, "Co": 27, "Ni": 28,
    "Ga": 31, "As": 33, "Se": 34, "Sr": 38, "Mo": 42, "Sb": 51, "Pt": 78,
}  # fmt: skip
CONTRAST_EXPONENT = 1.7


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
    brightness : numpy.ndarray, shape (n,)
        Relative brightness, 1 for the brightest column.
    """

    name: str
    cell: np.ndarray
    sites: np.ndarray
    brightness: np.ndarray


def column_brightness(columns):
    """Relative brightness of columns by the ``Z**1.7`` approximation.

    Parameters
    ----------
    columns : sequence of str
        The atoms of one repeat of each column, such as ``"Ti O"``.

    Returns
    -------
    numpy.ndarray of float
        1 for the brightest column.

    Examples
    --------
    >>> column_brightness(["Sr", "Ti O", "O"]).round(2).tolist()
    [1.0, 0.47, 0.07]
    """
    total = np.array(
        [
            sum(ATOMIC_NUMBERS[atom] ** CONTRAST_EXPONENT for atom in column.split())
            for column in columns
        ]
    )
    return total / total.max()


def _pattern(name, cell, sites):
    """Build a structure from ``(y, x, atoms)`` sites, cell in ångström."""
    cell = np.asarray(cell, float)
    if cell.ndim == 1:
        cell = np.diag(cell)
    position = np.array([site[:2] for site in sites], float)
    brightness = column_brightness([site[2] for site in sites])
    return ProjectedStructure(name, cell, position, brightness)


def _hexagonal(a):
    return [[a, 0.0], [-a / 2, a * np.sqrt(3) / 2]]


_RUTILE = 0.305  # internal coordinate of oxygen in TiO2
_SB2SE3 = {  # in-plane coordinates of the five inequivalent sites, Pbnm
    "Sb": [(0.328, 0.031), (0.040, -0.149)],
    "Se": [(0.871, 0.053), (0.556, 0.872), (0.210, 0.808)],
}


def _sb2se3_sites():
    sites = []
    for atom, positions in _SB2SE3.items():
        for y, x in positions:
            # Pbnm in the plane of the mirror: (a, b) -> (1/2 - a, 1/2 + b)
            equivalent = [(y, x), (-y, -x), (0.5 - y, 0.5 + x), (0.5 + y, 0.5 - x)]
            sites += [(u % 1, v % 1, atom) for u, v in equivalent]
    return sites


def _licoo2_sites():
    sites = []
    for layer in range(3):
        shift = layer / 3
        sites += [
            (layer / 3, shift, "Co"),
            (layer / 3 + 0.074, (shift + 1 / 3) % 1, "O"),
            ((layer / 3 - 0.074) % 1, (shift + 2 / 3) % 1, "O"),
            ((layer / 3 + 1 / 6) % 1, (shift + 1 / 2) % 1, "Li"),
        ]
    return sites


_S = 1 / np.sqrt(2)
_u = _RUTILE
STRUCTURES = {
    structure.name: structure
    for structure in (
        _pattern("Pt [001]", (3.92 * _S, 3.92 * _S), [(0, 0, "Pt")]),
        _pattern("Pt [110]", (3.92, 3.92 * _S), [(0, 0, "Pt"), (0.5, 0.5, "Pt")]),
        _pattern("NiO [001]", (2.09, 2.09), [(0, 0, "Ni O")]),
        _pattern(
            "NiO [110]",
            (4.18, 4.18 * _S),
            [(0, 0, "Ni"), (0.5, 0.5, "Ni"), (0.5, 0, "O"), (0, 0.5, "O")],
        ),
        _pattern(
            "SrTiO3 [001]",
            (3.905, 3.905),
            [(0, 0, "Sr"), (0.5, 0.5, "Ti O"), (0.5, 0, "O"), (0, 0.5, "O")],
        ),
        _pattern(
            "SrTiO3 [110]",
            (3.905, 3.905 * _S),
            [(0, 0, "Sr O"), (0.5, 0, "Ti"), (0.5, 0.5, "O O")],
        ),
        _pattern(
            "Si [110]",
            (5.431, 5.431 * _S),
            [(0, 0, "Si"), (0.25, 0, "Si"), (0.5, 0.5, "Si"), (0.75, 0.5, "Si")],
        ),
        _pattern(
            "GaAs [110]",
            (5.653, 5.653 * _S),
            [(0, 0, "Ga"), (0.25, 0, "As"), (0.5, 0.5, "Ga"), (0.75, 0.5, "As")],
        ),
        _pattern(
            "TiO2 [001]",
            (4.594, 4.594),
            [
                (0, 0, "Ti"),
                (0.5, 0.5, "Ti"),
                (_u, _u, "O"),
                (1 - _u, 1 - _u, "O"),
                (0.5 + _u, 0.5 - _u, "O"),
                (0.5 - _u, 0.5 + _u, "O"),
            ],
        ),
        _pattern(
            "TiO2 [100]",
            (4.594, 2.959),
            [
                (0, 0, "Ti"),
                (0.5, 0.5, "Ti"),
                (_u, 0, "O"),
                (1 - _u, 0, "O"),
                (0.5 - _u, 0.5, "O"),
                (0.5 + _u, 0.5, "O"),
            ],
        ),
        _pattern(
            "TiO2 [110]",
            (4.594 * _S, 2.959),
            [
                (0, 0, "Ti O O"),
                (0, 0.5, "Ti"),
                (2 * _u, 0.5, "O"),
                (1 - 2 * _u, 0.5, "O"),
            ],
        ),
        _pattern(
            "graphene", _hexagonal(2.46), [(1 / 3, 2 / 3, "C"), (2 / 3, 1 / 3, "C")]
        ),
        _pattern(
            "MoS2 [001]",
            _hexagonal(3.16),
            [(1 / 3, 2 / 3, "Mo"), (2 / 3, 1 / 3, "S S")],
        ),
        _pattern("LiCoO2 [100]", (14.05, 2.44), _licoo2_sites()),
        _pattern("Sb2Se3 [001]", (11.62, 11.77), _sb2se3_sites()),
    )
}
# Kept out of the training of the shipped weights, so that tests can tell
# what a network does with structures it never saw.
HELD_OUT_STRUCTURES = ("TiO2 [110]", "GaAs [110]", "Sb2Se3 [001]")
