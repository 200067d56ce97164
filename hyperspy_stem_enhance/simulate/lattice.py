"""Fill a field of view with the columns of a projected structure.

Lattices are drawn in ångström and scaled by the size of a pixel, so that
everything in a field of view has one scale and was seen by one probe.
"""

from dataclasses import dataclass, replace

import numpy as np

from .structures import STRUCTURES, ProjectedStructure

SPACING_RANGE = (5.0, 60.0)  # nearest neighbours, pixels
SIGMA_RANGE = (1.2, 12.0)  # pixels
# Width of a column against the nearest spacing, least, usual and most: two
# equal ones merge at 0.5, and much of wide ones no longer differs from background
_SIGMA_TO_SPACING = (0.13, 0.2, 0.45)
_USUAL_SPACING = 14.0  # pixels, the most frequent
# SD of a column's image in ångström where a pixel size is given: 0.7 to 1.8
# ångström full width at half maximum, by probe, source and vibration together
_SIGMA_ANGSTROM = (0.3, 0.75)
INVENTED = "oblique"
_INVENTED_SHARE = 0.25
_SHEAR = 0.02  # SD of the elements of a random affine distortion


@dataclass(frozen=True)
class Columns:
    """Columns of one field of view, and the specimen that holds them.

    Attributes
    ----------
    positions : numpy.ndarray, shape (n, 2)
        (y, x) in pixel indices; may lie outside the frame by a margin.
    heights : numpy.ndarray, shape (n,)
        Relative height.
    sigmas : numpy.ndarray, shape (n,)
        Standard deviation in pixels.
    region : callable or None
        ``region(y, x)`` tells by a value in [0, 1] how much of the
        specimen is at a pixel; None where it fills the frame.
    amorphous : callable or None
        ``amorphous(y, x)`` tells by a value in [0, 1] how much of the
        speckle of unresolved, disordered atoms is at a pixel.
    fringes : callable or None
        ``fringes(y, x)`` is what lattice fringes of one direction add to a
        pixel, relative to the contrast of the frame.
    reference : float or None
        Height that is to get the contrast of the frame; by default that
        of the brightest columns.
    """

    positions: np.ndarray
    heights: np.ndarray
    sigmas: np.ndarray
    region: object = None
    amorphous: object = None
    fringes: object = None
    reference: float | None = None

    def __len__(self):
        return len(self.positions)

    def take(self, keep):
        """Return the columns selected by a boolean or index array."""
        return replace(
            self,
            positions=self.positions[keep],
            heights=self.heights[keep],
            sigmas=self.sigmas[keep],
        )

    def join(self, positions, heights, sigmas):
        """Return these columns and more of them in the same specimen."""
        return replace(
            self,
            positions=np.concatenate([self.positions, positions]),
            heights=np.concatenate([self.heights, heights]),
            sigmas=np.concatenate([self.sigmas, sigmas]),
        )


@dataclass(frozen=True)
class Optics:
    """Scale of a field of view and width of its columns.

    Attributes
    ----------
    mode : str
        "HAADF" or "BF".
    pixel_size : float
        Ångström per pixel.
    sigma : float
        Typical standard deviation of a column, in pixels.
    spacing : float
        Nearest neighbours of the first structure, in pixels.
    as_tabulated : bool
        Whether heights are those of the table and the scale is exact;
        otherwise both vary as thickness, detector and scan do.
    """

    mode: str
    pixel_size: float
    sigma: float
    spacing: float
    as_tabulated: bool


def resolve_structures(structures):
    """Return structures, given by name or as themselves, as a tuple.

    Parameters
    ----------
    structures : sequence of str or ProjectedStructure, or None
        Names out of `STRUCTURES`, "oblique" for lattices invented at
        random, structures of one's own. None: all names and "oblique".

    Returns
    -------
    tuple of ProjectedStructure and "oblique"

    Raises
    ------
    ValueError
        If nothing is given or a name is unknown.
    TypeError
        If an element is neither a name nor a structure.

    Examples
    --------
    >>> [s.name for s in resolve_structures(["Si [110]"])]
    ['Si [110]']
    """
    if structures is None:
        return (*STRUCTURES.values(), INVENTED)
    if isinstance(structures, str | ProjectedStructure):
        structures = (structures,)
    if len(structures) == 0:
        raise ValueError("structures is empty; leave it out to draw from all.")
    return tuple(_resolve(structure) for structure in structures)


def _resolve(structure):
    if isinstance(structure, ProjectedStructure) or structure == INVENTED:
        return structure
    if not isinstance(structure, str):
        raise TypeError(
            f"structures holds {structure!r}; give names or ProjectedStructure "
            "objects, which simulate.from_atoms makes."
        )
    if structure not in STRUCTURES:
        raise ValueError(
            f"structures holds {structure!r}, which is unknown; use {INVENTED!r} or "
            f"one of {', '.join(STRUCTURES)}, or simulate.from_atoms."
        )
    return STRUCTURES[structure]


def choose_structure(rng, structures):
    """Draw a structure; an invented one a quarter of the time.

    Parameters
    ----------
    rng : numpy.random.Generator
    structures : tuple
        Of `resolve_structures`.

    Returns
    -------
    ProjectedStructure
    """
    known = [s for s in structures if s != INVENTED]
    invent = INVENTED in structures and rng.random() < _INVENTED_SHARE
    if invent or not known:
        return _invent(rng)
    return known[rng.integers(len(known))]


def _invent(rng):
    """An oblique cell with one to three columns anywhere in it."""
    ratio, angle = rng.uniform(0.8, 2.0), np.deg2rad(rng.uniform(55, 125))
    cell = np.array([[1.0, 0.0], [ratio * np.cos(angle), ratio * np.sin(angle)]])
    cell *= rng.uniform(2.5, 5.0)
    n_sites = rng.integers(1, 4)
    heights = rng.uniform(0.15, 1.0, n_sites)
    widths = rng.normal(1, 0.06, n_sites)
    return ProjectedStructure(
        INVENTED,
        cell,
        rng.random((n_sites, 2)),
        ("X",) * n_sites,
        (),
        "drawn at random",
        {"HAADF": heights, "BF": heights},
        {"HAADF": widths, "BF": widths},
    )


def nearest_spacing(structure):
    """Smallest distance between the columns of a structure, in ångström.

    Sites drawn at random may nearly coincide: less than 0.15 of the cell
    is not taken for a spacing there.
    """
    cell, sites = structure.cell, structure.sites
    shifts = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 1, 2)
    images = ((sites[None] + shifts) @ cell).reshape(-1, 2)
    distance = np.linalg.norm(images[:, None] - (sites @ cell)[None], axis=-1)
    nearest = distance[distance > 1e-6].min()
    if structure.name == INVENTED:
        nearest = max(nearest, 0.15 * abs(cell).max())
    return nearest


def draw_spacing(rng):
    """Draw the distance of nearest columns, in pixels."""
    low, high = np.log(SPACING_RANGE)
    return float(np.exp(rng.triangular(low, np.log(_USUAL_SPACING), high)))


def draw_sigma(rng, pixel_size):
    """Draw the width of a column, in pixels, of a known size in ångström."""
    return float(rng.uniform(*_SIGMA_ANGSTROM) / pixel_size)


def draw_optics(rng, structure, mode, pixel_size=None, as_tabulated=False):
    """Draw the scale and the column width of a field of view.

    Parameters
    ----------
    rng : numpy.random.Generator
    structure : ProjectedStructure
        Its nearest columns get a spacing out of `SPACING_RANGE`.
    mode : {"HAADF", "BF"}
    pixel_size : float, optional
        Ångström per pixel; drawn by default.
    as_tabulated : bool, default False
        Whether to keep the heights of the table.

    Returns
    -------
    Optics
    """
    nearest = nearest_spacing(structure)
    if pixel_size is not None:
        sigma = draw_sigma(rng, pixel_size)
        return Optics(mode, pixel_size, sigma, nearest / pixel_size, True)
    spacing = draw_spacing(rng)
    sigma = np.clip(rng.triangular(*_SIGMA_TO_SPACING) * spacing, *SIGMA_RANGE)
    return Optics(mode, nearest / spacing, float(sigma), spacing, as_tabulated)


def fill_lattice(rng, shape, structure, optics):
    """Columns of a crystal that fills the frame, at a random rotation.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    structure : ProjectedStructure
    optics : Optics

    Returns
    -------
    columns : Columns
    cell : numpy.ndarray, shape (2, 2)
        Rows are the lattice vectors, (y, x) in pixels.
    """
    heights, widths = structure.appearance(optics.mode)
    cell = structure.cell / optics.pixel_size
    angle = rng.uniform(0, 2 * np.pi)
    cell = cell @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    if not optics.as_tabulated:
        heights = heights ** rng.uniform(0.5, 1.2)
        cell = cell @ (np.eye(2) + rng.normal(0, _SHEAR, (2, 2)))
    margin = 8 + 4 * optics.sigma
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) * (
        np.array(shape) / 2 + margin
    )
    reach = np.abs(corners @ np.linalg.inv(cell)).max(axis=0).astype(int) + 2
    grid = np.stack(
        np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1
    ).reshape(-1, 1, 2)
    origin = np.array(shape) / 2 + rng.random(2) @ cell
    positions = ((grid + structure.sites) @ cell + origin).reshape(-1, 2)
    inside = ((positions > -margin) & (positions < np.array(shape) + margin)).all(1)
    site = np.flatnonzero(inside) % len(structure.sites)
    columns = Columns(positions[inside], heights[site], optics.sigma * widths[site])
    return columns, cell


def distort(rng, shape, columns, spacing, strength=1.0):
    """Slow drift of a lattice, static disorder, uneven thickness.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    columns : Columns
    spacing : float
        Nearest neighbours, in pixels.
    strength : float, default 1
        Multiplies the displacements.

    Returns
    -------
    Columns
    """
    n = len(columns)
    positions, heights = columns.positions, columns.heights
    scaled = positions / max(shape)
    for _ in range(2):
        wave, phase = rng.normal(0, 4, 2), rng.uniform(0, 2 * np.pi)
        shift = rng.uniform(0, 0.15) * strength * spacing * draw_direction(rng)
        positions = positions + np.sin(scaled @ wave + phase)[:, None] * shift
    positions = positions + rng.normal(0, 0.02 * spacing * rng.random(), (n, 2))
    if rng.random() < 0.5:
        wave, phase = rng.normal(0, 3, 2), rng.uniform(0, 2 * np.pi)
        thickness = 1 + rng.uniform(0, 0.8) * np.sin(scaled @ wave + phase)
        heights = heights * np.clip(thickness, 0.1, None)
    heights = heights * np.clip(rng.normal(1, 0.05, n), 0.3, 2)
    return replace(columns, positions=positions, heights=heights)


def dislocate(rng, shape, columns, burgers):
    """Displacement field of an edge dislocation in the frame.

    The angular part of the isotropic solution (Hirth and Lothe, Theory of
    Dislocations, 2nd ed., 1982, eq. 3-46) alone: it closes the Burgers
    circuit; the rest is a slow field, as `distort` draws.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    columns : Columns
    burgers : numpy.ndarray, shape (2,)
        A lattice vector, (y, x) in pixels.

    Returns
    -------
    Columns
    """
    centre = np.array(shape) * rng.uniform(0.25, 0.75, 2)
    y, x = ((columns.positions - centre) @ _frame_of(burgers)).T
    angle = np.arctan2(y, x)
    shift = angle[:, None] / (2 * np.pi) * burgers
    return replace(columns, positions=columns.positions + shift)


def _frame_of(burgers):
    """Columns: unit vectors across and along the Burgers vector."""
    along = burgers / np.linalg.norm(burgers)
    across = np.array([along[1], -along[0]])
    return np.stack([across, along], axis=1)


def draw_direction(rng):
    """Draw a unit vector (y, x)."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])
