"""Structures of the user's own, from ase.Atoms or a CIF file."""

import warnings
from pathlib import Path

from .approximation import approximate_appearance, displacement_of, relative
from .projection import project
from .structures import ProjectedStructure

APPEARANCES = ("approximation", "multislice")


def from_atoms(
    atoms,
    zone_axis=(0, 0, 1),
    n=16,
    shape=(256, 256),
    *,
    pixel_size=None,
    mode="HAADF",
    noise="mixed",
    seed=0,
    arrangement="lattice",
    appearance="approximation",
    displacements=0.08,
    name=None,
    **options,
):
    """Simulate images of any crystal along any zone axis.

    Parameters
    ----------
    atoms, zone_axis, appearance, displacements, name
        As for `structure_from_atoms`.
    n : int or tuple of int, default 16
        Number of images, or the navigation shape.
    shape : tuple of int, default (256, 256)
        (rows, columns) of the images.
    pixel_size : float, optional
        Ångström per pixel; the axes are then calibrated, in nm. By default
        each image has a scale of its own, and axes in pixels.
    mode, noise, seed
        As for `make_dataset`.
    arrangement : str or None, default "lattice"
        One of `arrangements.ARRANGEMENTS`: "perfect" for a crystal without
        defects, "particle", "vacancies" and others. None draws one for
        each image, among them some without the crystal.
    **options
        Further arguments of `make_dataset`, such as ``lazy``.

    Returns
    -------
    SimulatedDataset

    Raises
    ------
    ImportError
        If abTEM is asked for and not installed.
    TypeError
        If `atoms` is neither ase.Atoms nor a path.
    ValueError
        If the atoms are no crystal, or the zone axis shows no columns.

    Examples
    --------
    >>> from ase.build import bulk
    >>> import hyperspy_stem_enhance as hse
    >>> gold = bulk("Au", cubic=True)
    >>> data = hse.simulate.from_atoms(
    ...     gold, (1, 1, 0), n=2, shape=(64, 64), pixel_size=0.2
    ... )
    >>> axis = data.noisy.axes_manager.signal_axes[0]
    >>> round(axis.scale, 6), axis.units
    (0.02, 'nm')
    """
    from .dataset import make_dataset

    structure = structure_from_atoms(atoms, zone_axis, appearance, displacements, name)
    return make_dataset(
        n,
        shape,
        mode,
        noise,
        seed,
        arrangement=arrangement,
        structures=[structure],
        pixel_size=pixel_size,
        **options,
    )


def structure_from_atoms(
    atoms,
    zone_axis=(0, 0, 1),
    appearance="approximation",
    displacements=0.08,
    name=None,
):
    """Project a crystal and tell how its columns look.

    Parameters
    ----------
    atoms : ase.Atoms or path-like
        A crystal, or a file with one that ase reads, such as CIF. A layer
        is not periodic along its third vector and has vacuum there.
    zone_axis : sequence of 3 or 4 int, default (0, 0, 1)
        [uvw] in the axes of the cell of `atoms`, pointing to the viewer;
        [uvtw] for hexagonal cells. ``ase.build.bulk`` gives primitive
        cells unless asked for ``cubic=True``.
    appearance : {"approximation", "multislice"}
        Heights and widths of the columns: by `approximate_appearance`, at
        once, or simulated by abTEM under the conditions of the table, in
        some minutes.
    displacements : float or dict of str to float, default 0.08
        Root mean square thermal displacement along one axis, in ångström,
        for all or for each element.
    name : str, optional
        By default the formula and the zone axis.

    Returns
    -------
    ProjectedStructure
        For ``make_dataset(structures=[...])`` and ``draw_scene``.

    Raises
    ------
    ImportError, TypeError, ValueError
        As for `from_atoms`.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from hyperspy_stem_enhance.simulate import structure_from_atoms
    >>> salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    >>> structure_from_atoms(salt, (1, 1, 0)).columns
    ('Cl', 'Cl', 'Na', 'Na')
    """
    if appearance not in APPEARANCES:
        raise ValueError(
            f"appearance={appearance!r} is unknown; use one of "
            f"{', '.join(APPEARANCES)}."
        )
    atoms, source = _read(atoms)
    projection = project(atoms, zone_axis)
    if appearance == "multislice":
        heights, widths = _simulated_appearance(
            atoms, projection.zone_axis, displacements
        )
    else:
        heights, widths = approximate_appearance(projection.columns, displacements)
    if name is None:
        axis = " ".join(str(index) for index in projection.zone_axis)
        name = f"{atoms.get_chemical_formula(empirical=True)} [{axis}]"
    return ProjectedStructure(
        name,
        projection.cell,
        projection.sites,
        projection.columns,
        projection.zone_axis,
        source,
        heights,
        widths,
    )


def _read(atoms):
    """The crystal, and where it comes from."""
    from ase import Atoms
    from ase.io import read

    if isinstance(atoms, Atoms):
        return atoms, "ase.Atoms of the user"
    if not isinstance(atoms, str | Path):
        raise TypeError(
            f"atoms={atoms!r} is neither ase.Atoms nor the path of a file; give one."
        )
    crystal = read(atoms)
    occupancy = crystal.info.get("occupancy", {})
    if any(max(site.values()) < 1 for site in occupancy.values()):
        warnings.warn(
            f"{Path(atoms).name} has sites that are not fully occupied; each is taken "
            "as full of its most frequent element.",
            stacklevel=4,
        )
    return crystal, Path(atoms).name


def _simulated_appearance(atoms, zone_axis, displacements):
    from .column_fit import fit_columns
    from .multislice import CONDITIONS, simulate_image

    for symbol in set(atoms.symbols):
        displacement_of(symbol, displacements)
    heights, widths = {}, {}
    for mode, conditions in CONDITIONS.items():
        image, seen = simulate_image(atoms, zone_axis, conditions, displacements)
        fit = fit_columns(image, seen.cell, seen.sites, seen.columns, mode == "BF")
        heights[mode], widths[mode] = relative(fit.heights, fit.widths)
    return heights, widths
