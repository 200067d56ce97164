"""The crystals behind the tabulated structures, as ase.Atoms.

The 13 zone axes of earlier data sets, which Li et al. (CVPR 2025, section
3.3) take over, and their two additions.  Each lattice parameter is a
published measurement at room temperature.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Crystal:
    """A crystal and the direction in which the microscope looks at it.

    Attributes
    ----------
    atoms : ase.Atoms
        Conventional unit cell; a layer is not periodic along its third
        vector.
    zone_axis : tuple of int
        [uvw] in the axes of the cell.
    source : str
        Where lattice parameters and coordinates come from.
    displacements : dict of str to float
        Root mean square thermal displacement along one axis for each
        element, in ångström. Those of SrTiO3 are measured (Abramov et
        al., Acta Cryst. B 51, 942 (1995)), the others are typical of room
        temperature and hold to some 15 %.
    """

    atoms: object
    zone_axis: tuple
    source: str
    displacements: dict


def tabulated_crystals():
    """The crystals of `structures.STRUCTURES`, by the names used there.

    Returns
    -------
    dict of str to Crystal

    Notes
    -----
    Space groups and sources:

    ======== =========== =================================================
    Pt       Fm-3m       Arblaster, Platinum Metals Rev. 41, 12 (1997)
    NiO      Fm-3m       Sasaki, Fujino & Takéuchi, Proc. Jpn. Acad. B 55,
                         43 (1979)
    SrTiO3   Pm-3m       Schmidbauer, Kwasniewski & Schwarzkopf, Acta
                         Cryst. B 68, 8 (2012)
    Si       Fd-3m       CODATA 2018, Rev. Mod. Phys. 93, 025010 (2021)
    GaAs     F-43m       Blakemore, J. Appl. Phys. 53, R123 (1982)
    TiO2     P4_2/mnm    Abrahams & Bernstein, J. Chem. Phys. 55, 3206
                         (1971)
    graphene p6mm        layer of graphite: Baskin & Meyer, Phys. Rev.
                         100, 544 (1955)
    MoS2     p-6m2       layer of 2H-MoS2: Schönfeld, Huang & Moss, Acta
                         Cryst. B 39, 404 (1983)
    LiCoO2   R-3m        Akimoto, Gotoh & Oosawa, J. Solid State Chem.
                         141, 298 (1998)
    Sb2Se3   Pbnm        Voutsas et al., Z. Kristallogr. 171, 261 (1985),
                         with coordinates to three digits, which give its
                         bond lengths to 0.01 Å
    ======== =========== =================================================

    Examples
    --------
    >>> crystal = tabulated_crystals()["SrTiO3 [110]"]
    >>> str(crystal.atoms.symbols), crystal.zone_axis
    ('SrTiO3', (1, 1, 0))
    """
    platinum = _cubic("Pt", [(0, 0, 0)], 225, 3.9236)
    nickel_oxide = _cubic("NiO", [(0, 0, 0), (0.5, 0.5, 0.5)], 225, 4.178)
    titanate = _cubic(
        ["Sr", "Ti", "O"], [(0, 0, 0), (0.5,) * 3, (0.5, 0.5, 0)], 221, 3.9053
    )
    silicon = _cubic("Si", [(0, 0, 0)], 227, 5.4310)
    arsenide = _cubic("GaAs", [(0, 0, 0), (0.25,) * 3], 216, 5.6533)
    metals = {"Pt": 0.065}
    nickel = {"Ni": 0.065, "O": 0.075}
    perovskite = {"Sr": 0.089, "Ti": 0.075, "O": 0.096}
    oxide = {"Ti": 0.075, "O": 0.08}
    seen = {
        "Pt [001]": (platinum, (0, 0, 1), _PLATINUM, metals),
        "Pt [110]": (platinum, (1, 1, 0), _PLATINUM, metals),
        "NiO [001]": (nickel_oxide, (0, 0, 1), _NICKEL_OXIDE, nickel),
        "NiO [110]": (nickel_oxide, (1, 1, 0), _NICKEL_OXIDE, nickel),
        "SrTiO3 [001]": (titanate, (0, 0, 1), _TITANATE, perovskite),
        "SrTiO3 [110]": (titanate, (1, 1, 0), _TITANATE, perovskite),
        "Si [110]": (silicon, (1, 1, 0), _SILICON, {"Si": 0.077}),
        "GaAs [110]": (arsenide, (1, 1, 0), _ARSENIDE, {"Ga": 0.09, "As": 0.085}),
        "TiO2 [001]": (_rutile(), (0, 0, 1), _RUTILE, oxide),
        "TiO2 [100]": (_rutile(), (1, 0, 0), _RUTILE, oxide),
        "TiO2 [110]": (_rutile(), (1, 1, 0), _RUTILE, oxide),
        "graphene": (_graphene(), (0, 0, 1), _GRAPHENE, {"C": 0.065}),
        "MoS2 [001]": (_sulphide(), (0, 0, 1), _SULPHIDE, {"Mo": 0.06, "S": 0.07}),
        "LiCoO2 [100]": (
            _cobaltate(), (1, 0, 0), _COBALTATE, {"Li": 0.115, "Co": 0.06, "O": 0.08}
        ),
        "Sb2Se3 [001]": (_selenide(), (0, 0, 1), _SELENIDE, {"Sb": 0.12, "Se": 0.11}),
    }  # fmt: skip
    return {name: Crystal(*parts) for name, parts in seen.items()}


_PLATINUM = "Arblaster, Platinum Metals Rev. 41, 12 (1997)"
_NICKEL_OXIDE = "Sasaki, Fujino & Takéuchi, Proc. Jpn. Acad. B 55, 43 (1979)"
_TITANATE = "Schmidbauer, Kwasniewski & Schwarzkopf, Acta Cryst. B 68, 8 (2012)"
_SILICON = "Tiesinga et al. (CODATA 2018), Rev. Mod. Phys. 93, 025010 (2021)"
_ARSENIDE = "Blakemore, J. Appl. Phys. 53, R123 (1982)"
_RUTILE = "Abrahams & Bernstein, J. Chem. Phys. 55, 3206 (1971)"
_GRAPHENE = "layer of graphite, Baskin & Meyer, Phys. Rev. 100, 544 (1955)"
_SULPHIDE = "layer of 2H-MoS2, Schönfeld, Huang & Moss, Acta Cryst. B 39, 404 (1983)"
_COBALTATE = "Akimoto, Gotoh & Oosawa, J. Solid State Chem. 141, 298 (1998)"
_SELENIDE = "Voutsas et al., Z. Kristallogr. 171, 261 (1985)"


def _crystal(symbols, basis, spacegroup, cellpar):
    from ase.spacegroup import crystal

    return crystal(symbols, basis, spacegroup=spacegroup, cellpar=cellpar)


def _cubic(symbols, basis, spacegroup, a):
    return _crystal(symbols, basis, spacegroup, [a, a, a, 90, 90, 90])


def _rutile():
    a, c, u = 4.59366, 2.95868, 0.30479
    return _crystal(["Ti", "O"], [(0, 0, 0), (u, u, 0)], 136, [a, a, c, 90, 90, 90])


def _layer(symbols, positions, a, height):
    from ase import Atoms

    cell = [a, a, height, 90, 90, 120]
    return Atoms(symbols, scaled_positions=positions, cell=cell, pbc=(1, 1, 0))


def _graphene():
    return _layer("C2", [(1 / 3, 2 / 3, 0.5), (2 / 3, 1 / 3, 0.5)], 2.4612, 6.0)


def _sulphide():
    height = 10.0
    raised = (0.75 - 0.621) * 12.294 / height  # sulphur above molybdenum at 3/4
    positions = [
        (1 / 3, 2 / 3, 0.5), (2 / 3, 1 / 3, 0.5 + raised), (2 / 3, 1 / 3, 0.5 - raised)
    ]  # fmt: skip
    return _layer("MoS2", positions, 3.1602, height)


def _cobaltate():
    basis = [(0, 0, 0), (0, 0, 0.5), (0, 0, 0.23968)]  # Li 3a, Co 3b, O 6c
    return _crystal(
        ["Li", "Co", "O"], basis, 166, [2.8161, 2.8161, 14.0536, 90, 90, 120]
    )


def _selenide():
    """Sb2Se3 in the setting Pbnm, all atoms on the mirror planes."""
    from ase import Atoms

    a, b, c = 11.6478, 11.7938, 3.9858
    sites = {
        "Sb": [(0.328, 0.031), (-0.040, -0.149)],
        "Se": [(0.871, 0.053), (0.556, 0.872), (0.192, 0.210)],
    }
    symbols, positions = [], []
    for symbol, places in sites.items():
        for x, y in places:
            symbols += [symbol] * 4
            positions += [
                (x, y, 0.25), (0.5 - x, 0.5 + y, 0.25),
                (-x, -y, 0.75), (0.5 + x, 0.5 - y, 0.75),
            ]  # fmt: skip
    return Atoms(symbols, scaled_positions=positions, cell=[a, b, c], pbc=True)
