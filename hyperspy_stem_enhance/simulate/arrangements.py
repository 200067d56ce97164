"""Draw where columns stand, from perfect lattices to empty fields.

The arrangements are those of Li et al. (CVPR 2025, section 3.3), columns
deleted, added and placed at random, and beyond them what real frames show:
strain, slow distortion, edges against vacuum, amorphous areas, adatoms far
brighter than the lattice under them, and fields without any atom.

==================  =====================================================
name                what is in the field of view
==================  =====================================================
``lattice``         a crystal with any mixture of the defects below, or
                    none, often slowly distorted
``perfect``         a crystal without any defect or distortion
``vacancies``       1 to 20 % of the columns missing
``substitutions``   1 to 20 % of the columns of another brightness
``embedded``        further columns between those of the lattice
``strain``          slow distortion of up to a third of the spacing, often
                    with an edge dislocation
``wedge``           thickness that grows evenly, often out of the vacuum
``particle``        a faceted particle with vacuum around it
``interface``       two structures side by side
``grain-boundary``  two grains of one structure, turned against each other
``amorphous``       a crystal, amorphous in a patch or beyond a line
``adatoms``         single bright atoms on a weaker crystalline support
``sparse``          single bright atoms on an amorphous support, whose
                    speckle may rival them
``random``          positions, heights and widths at random
``empty``           no column: a support, or its edge, alone
``fringes``         lattice fringes of one direction, alone or beside a
                    lattice; drawn only where it is asked for
==================  =====================================================

What counts as a column: whatever stands at a place and can be resolved.
The weak lattice under ``adatoms`` is as true as they are, and both are in
the truth, told apart by their heights; the speckle of an amorphous support
is the overlap of atoms that no image resolves, and belongs to the
background.
"""

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from . import defects, regions
from .lattice import (
    SIGMA_RANGE,
    Columns,
    choose_structure,
    dislocate,
    distort,
    draw_direction,
    draw_optics,
    draw_sigma,
    draw_spacing,
    fill_lattice,
    resolve_structures,
)

# How often each is drawn where none is asked for
ARRANGEMENTS = {
    "lattice": 0.22,
    "perfect": 0.03,
    "vacancies": 0.04,
    "substitutions": 0.04,
    "embedded": 0.04,
    "strain": 0.06,
    "wedge": 0.04,
    "particle": 0.08,
    "interface": 0.06,
    "grain-boundary": 0.06,
    "amorphous": 0.05,
    "adatoms": 0.06,
    "sparse": 0.08,
    "random": 0.07,
    "empty": 0.07,
    "fringes": 0.0,
}
_BOND_ANGSTROM = (1.5, 3.5)  # spacing of atoms without order
WITHOUT_STRUCTURE = ("sparse", "random", "empty")


def check_arrangement(arrangement, known=ARRANGEMENTS):
    """Raise ValueError unless None or the name of an arrangement."""
    if arrangement is not None and arrangement not in known:
        raise ValueError(
            f"arrangement={arrangement!r} is unknown; use one of {', '.join(known)}."
        )


def choose_arrangement(rng, arrangement=None, structures=None):
    """Draw an arrangement and the structures that it takes.

    Parameters
    ----------
    rng : numpy.random.Generator
    arrangement : str, optional
        One of `ARRANGEMENTS`; drawn by their weights by default.
    structures : sequence of str or ProjectedStructure, optional
        As for `lattice.resolve_structures`.

    Returns
    -------
    arrangement : str
    chosen : tuple of ProjectedStructure
        None, one or, for an interface, two.
    """
    check_arrangement(arrangement)
    if arrangement is None:
        arrangement = str(rng.choice(list(ARRANGEMENTS), p=list(ARRANGEMENTS.values())))
    if arrangement in WITHOUT_STRUCTURE:
        return arrangement, ()
    structures = resolve_structures(structures)
    chosen = (choose_structure(rng, structures),)
    if arrangement == "interface":
        first = chosen[0]
        others = [s for s in structures if s is not first]
        chosen += (choose_structure(rng, others or structures),)
    return arrangement, chosen


def draw_columns(
    rng, shape, arrangement=None, structures=None, mode="HAADF", pixel_size=None
):
    """Draw the columns of one field of view.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    arrangement : str, optional
        One of `ARRANGEMENTS`; drawn by their weights by default.
    structures : sequence of str or ProjectedStructure, optional
        What to draw lattices from: names out of `STRUCTURES`, "oblique"
        for lattices invented at random, structures of one's own. By
        default all of `STRUCTURES`, and one in four invented.
    mode : {"HAADF", "BF"}
        Whose heights and widths the columns get.
    pixel_size : float, optional
        Ångström per pixel: structures are drawn at this scale and with
        the heights of the table. By default the scale is random, with
        nearest columns 5 to 60 pixels apart, and heights vary.

    Returns
    -------
    Columns

    Raises
    ------
    ValueError
        If the arrangement or a structure is unknown.
    """
    arrangement, chosen = choose_arrangement(rng, arrangement, structures)
    return arrange_columns(rng, shape, arrangement, chosen, mode, pixel_size)


def arrange_columns(rng, shape, arrangement, chosen, mode, pixel_size=None):
    """Draw the columns of what `choose_arrangement` drew.

    Parameters and result are those of `draw_columns`, but for ``chosen``,
    the structures that the arrangement takes.
    """
    none = np.zeros(0)
    if arrangement == "fringes" and rng.random() < 0.6:
        region = regions.draw_particle(rng, shape) if rng.random() < 0.5 else None
        fringes = regions.draw_fringes(rng, shape, region)
        return Columns(np.zeros((0, 2)), none, none, fringes=fringes)
    if arrangement == "empty":
        edge = regions.draw_edge(rng, shape) if rng.random() < 0.6 else None
        return Columns(np.zeros((0, 2)), none, none, edge)
    if arrangement == "random":
        return _random_field(rng, shape, pixel_size)
    if arrangement == "sparse":
        return _sparse_field(rng, shape, pixel_size)
    perfect = arrangement == "perfect"
    optics = draw_optics(rng, chosen[0], mode, pixel_size, as_tabulated=perfect)
    columns, cell = fill_lattice(rng, shape, chosen[0], optics)
    if arrangement in ("interface", "grain-boundary"):
        other, _ = fill_lattice(rng, shape, chosen[-1], optics)
        columns = _side_by_side(rng, shape, columns, other)
    if arrangement == "strain":
        if rng.random() < 0.5:
            columns = dislocate(rng, shape, columns, cell[rng.integers(2)])
        columns = distort(rng, shape, columns, optics.spacing, 2.0)
    elif not perfect and rng.random() < 0.4:
        columns = distort(rng, shape, columns, optics.spacing)
    return _ALTERATIONS.get(arrangement, _unaltered)(rng, shape, columns)


def _unaltered(rng, shape, columns):
    return columns


def _vacancies(rng, shape, columns):
    return defects.remove_columns(rng, columns, defects.draw_share(rng))


def _substitutions(rng, shape, columns):
    return defects.substitute_columns(rng, columns, defects.draw_share(rng))


def _embedded(rng, shape, columns):
    return defects.embed_columns(rng, shape, columns, defects.draw_share(rng))


def _particle(rng, shape, columns):
    columns = _cut(columns, regions.draw_particle(rng, shape))
    return defects.draw_some_defects(rng, shape, columns)


def _wedge(rng, shape, columns):
    region = regions.draw_wedge(rng, shape)
    heights = columns.heights * region(*columns.positions.T)
    columns = replace(columns, heights=heights, region=region)
    return columns.take(heights > 0.02 * heights.max(initial=0))


def _amorphous(rng, shape, columns):
    """A patch without order: unresolved speckle, or a single layer."""
    patch = regions.draw_patch(rng, shape)
    inside = patch(*columns.positions.T) > 0.5
    if rng.random() < 0.7 or len(columns) < 2:
        return replace(columns.take(~inside), amorphous=patch)
    spacing = np.median(cKDTree(columns.positions).query(columns.positions, 2)[0][:, 1])
    shift = rng.normal(0, 0.3 * spacing, columns.positions.shape)
    positions = columns.positions + inside[:, None] * shift
    uneven = columns.heights.mean() * rng.uniform(0.6, 1, len(columns))
    heights = np.where(inside, uneven, columns.heights)
    columns = replace(columns, positions=positions, heights=heights)
    close = cKDTree(positions).query_pairs(0.7 * spacing, output_type="ndarray")
    close = close[inside[close].any(axis=1)]
    keep = np.ones(len(columns), bool)
    keep[np.where(inside[close[:, 1]], close[:, 1], close[:, 0])] = False
    return columns.take(keep)


def _fringes(rng, shape, columns):
    """A crystal beside another one of which one set of planes is seen."""
    region = regions.draw_patch(rng, shape)
    inside = region(*columns.positions.T) > 0.5
    fringes = regions.draw_fringes(rng, shape, region)
    return replace(columns.take(~inside), fringes=fringes)


def _adatoms(rng, shape, columns):
    """Heavy atoms, up to twenty times brighter than their support."""
    brightest = columns.heights.max(initial=0)
    if brightest == 0:
        return columns
    columns = replace(columns, heights=columns.heights / brightest)
    brightness = np.exp(rng.uniform(np.log(1.5), np.log(20.0)))
    n = 1 + rng.poisson(_sparse_number(rng, shape))
    joined = defects.add_adatoms(rng, shape, columns, n, brightness)
    # Either the adatoms are what is seen first, or the lattice is
    return replace(joined, reference=brightness if rng.random() < 0.6 else 1.0)


_ALTERATIONS = {
    "lattice": defects.draw_some_defects,
    "interface": defects.draw_some_defects,
    "grain-boundary": defects.draw_some_defects,
    "vacancies": _vacancies,
    "substitutions": _substitutions,
    "embedded": _embedded,
    "particle": _particle,
    "wedge": _wedge,
    "amorphous": _amorphous,
    "adatoms": _adatoms,
    "fringes": _fringes,
}


def _random_field(rng, shape, pixel_size):
    if pixel_size is None:
        spacing = draw_spacing(rng)
        sigma = np.clip(rng.uniform(0.15, 0.35) * spacing, *SIGMA_RANGE)
    else:
        spacing = rng.uniform(*_BOND_ANGSTROM) / pixel_size
        sigma = draw_sigma(rng, pixel_size)
    n = int(np.prod(shape) / spacing**2 * rng.uniform(0.2, 0.9)) + 1
    positions = rng.random((n, 2)) * (np.array(shape) + 20) - 10
    if rng.random() < 0.8:  # keep atoms apart, as in a solid
        close = cKDTree(positions).query_pairs(0.8 * spacing, output_type="ndarray")
        keep = np.ones(n, bool)
        keep[close[:, 1]] = False
        positions = positions[keep]
    n = len(positions)
    if rng.random() < 0.5:
        sigmas = sigma * rng.uniform(0.7, 1.3, n)
    else:
        sigmas = np.full(n, sigma)
    heights = rng.uniform(rng.uniform(0.1, 0.9), 1.0, n)
    return Columns(positions, heights, sigmas)


def _sparse_number(rng, shape):
    """Mean number of single atoms in a frame: 3 to 90 in 256 x 256."""
    return np.prod(shape) / 65536 * np.exp(rng.uniform(1.0, 4.5))


def _sparse_field(rng, shape, pixel_size):
    """Single atoms and small clusters on an amorphous support."""
    if pixel_size is None:
        sigma = np.exp(rng.uniform(np.log(1.3), np.log(5.0)))
    else:
        sigma = draw_sigma(rng, pixel_size)
    n = rng.poisson(_sparse_number(rng, shape))
    positions = rng.random((n, 2)) * np.array(shape)
    # each has some around it: mostly none or one, now and then a cluster
    partners = rng.uniform(0, 0.5) if rng.random() < 0.7 else rng.uniform(0.5, 3)
    partners = np.repeat(positions, rng.poisson(partners, n), axis=0)
    partners += rng.normal(0, 3 * sigma, partners.shape)
    positions = np.concatenate([positions, partners])
    n = len(positions)
    heights = np.clip(rng.normal(1, rng.uniform(0.02, 0.25), n), 0.3, 3)
    sigmas = sigma * np.clip(rng.normal(1, 0.08, n), 0.7, 1.4)
    columns = Columns(positions, heights, sigmas)
    if rng.random() < 0.4:  # none floats in the vacuum
        columns = _cut(columns, regions.draw_edge(rng, shape))
    return columns


def _cut(columns, region):
    inside = region(*columns.positions.T) > 0.5
    return replace(columns.take(inside), region=region)


def _side_by_side(rng, shape, first, second):
    """Two crystals that meet along a line."""
    normal, offset = draw_direction(rng), rng.uniform(-0.25, 0.25) * max(shape)

    def side(columns):
        return (columns.positions - np.array(shape) / 2) @ normal - offset

    first, second = first.take(side(first) > 0), second.take(side(second) <= 0)
    if len(first) and len(second):  # none stands on another
        gap, _ = cKDTree(first.positions).query(second.positions)
        second = second.take(gap > 1.5 * np.median(second.sigmas))
    return first.join(second.positions, second.heights, second.sigmas)
