"""Phantoms for tomography: objects whose density is known everywhere.

A phantom is a list of bodies, ellipsoids with a density along their radius
and atoms as Gaussians. It is sampled finer than the voxels, so that edges
are smooth in the truth and in its projections alike.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

_SUPPORT, _METAL = 0.3, 1.0  # densities, relative to a heavy metal
_CUT_SIGMAS = 4.0  # a Gaussian's mass outside: 0.1 %
_FCC_ATOM_PT_CUBIC_ANGSTROM = 15.1  # lattice constant 3.92 Å, four atoms a cell
_HAADF_EXPONENT = 1.7  # of the atomic number; Krivanek et al., Nature 464, 571 (2010)
_THERMAL_ANGSTROM = 0.05


@dataclass(frozen=True)
class Body:
    """An ellipsoid, or a Gaussian, of a phantom.

    Attributes
    ----------
    centre : numpy.ndarray, shape (3,)
        x, z, y in voxels of the phantom, 0 at the centre of the first.
    radii : numpy.ndarray, shape (3,)
        Semi-axes in voxels; beyond them the body is not.
    density : callable
        Density at a distance from the centre in units of the radii, 0 to 1.
    axes : numpy.ndarray, shape (3, 3)
        Rows are the directions of the semi-axes.
    adds : bool
        Whether the density is added to what is there, or replaces it.
    """

    centre: np.ndarray
    radii: np.ndarray
    density: Callable
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))
    adds: bool = False

    def paint(self, block, origin, spacing):
        """Put the body into a block of samples.

        Parameters
        ----------
        block : numpy.ndarray of float32, shape (x, z, y)
            Changed in place.
        origin : numpy.ndarray, shape (3,)
            Position of the first sample, in voxels.
        spacing : float
            Of the samples, in voxels.
        """
        reach = self.radii.max()
        first = np.ceil((self.centre - reach - origin) / spacing).astype(int)
        last = np.floor((self.centre + reach - origin) / spacing).astype(int) + 1
        first, last = np.clip(first, 0, block.shape), np.clip(last, 0, block.shape)
        if (last <= first).any():
            return
        part = block[tuple(map(slice, first, last))]
        offsets = [
            origin[i] + spacing * np.arange(first[i], last[i]) - self.centre[i]
            for i in range(3)
        ]
        x, z, y = np.meshgrid(*offsets, indexing="ij", sparse=True)
        squared = 0.0
        for axis, radius in zip(self.axes, self.radii, strict=True):
            squared = (
                squared + ((axis[0] * x + axis[1] * z + axis[2] * y) / radius) ** 2
            )
        inside = squared <= 1
        density = self.density(np.sqrt(squared[inside]))
        if self.adds:
            part[inside] += density
        else:
            part[inside] = density


@dataclass(frozen=True)
class Phantom:
    """Bodies in a volume.

    Attributes
    ----------
    shape : tuple of int
        (x, z, y) in voxels.
    bodies : tuple of Body
        Later ones are painted over earlier ones.
    atoms : numpy.ndarray, shape (n, 3), optional
        x, z, y of the atoms in voxels, where the phantom is made of atoms.
    """

    shape: tuple
    bodies: tuple
    atoms: np.ndarray | None = None

    def sample(self, start, stop, factor):
        """Density at fine samples of some slices across the tilt axis.

        Parameters
        ----------
        start, stop : int
            Slices along x.
        factor : int
            Samples along each side of a voxel.

        Returns
        -------
        numpy.ndarray of float32, shape (factor * (stop - start), factor * z, \
factor * y)

        Examples
        --------
        >>> from hyperspy_stem_enhance.simulate.phantoms import draw_phantom
        >>> draw_phantom("graded", (16, 16, 16), seed=1).sample(0, 4, 2).shape
        (8, 32, 32)
        """
        sizes = (stop - start, *self.shape[1:])
        block = np.zeros([factor * size for size in sizes], np.float32)
        edge = 0.5 / factor - 0.5
        origin = np.array([start + edge, edge, edge])
        for body in self.bodies:
            body.paint(block, origin, 1 / factor)
        return block


def draw_phantom(name, shape, seed=0):
    """Draw a phantom of a kind.

    Parameters
    ----------
    name : {"core-shell", "porous-catalyst", "graded", "nanocrystal"}
        Particles with a light core and a heavy shell, or the other way round;
        a grain with pores that carries metal particles; particles whose
        density falls from the middle outwards; an fcc nanocrystal atom by
        atom (by ase), in voxels of 0.5 Å.
    shape : tuple of int
        (x, z, y) in voxels.
    seed : int, default 0

    Returns
    -------
    Phantom

    Raises
    ------
    ValueError
        If there is no such phantom.

    Examples
    --------
    >>> draw_phantom("nanocrystal", (48, 48, 48)).atoms.shape[1]
    3
    """
    if name not in PHANTOMS:
        known = ", ".join(map(repr, PHANTOMS))
        raise ValueError(
            f"phantom={name!r} is unknown; use one of {known}, ase.Atoms, or an array "
            "of densities (x, z, y)"
        )
    rng = np.random.default_rng([seed, PHANTOMS.index(name)])
    return _DRAWN[name](tuple(shape), rng)


def phantom_of_atoms(atoms, shape, voxel_angstrom, sigma_angstrom=0.6):
    """Phantom of the atoms of a structure, each a Gaussian.

    Parameters
    ----------
    atoms : ase.Atoms
        Positions in Å; their axes x, y, z become x, z, y of the volume. The
        middle of the structure comes to the middle of the volume.
    shape : tuple of int
        (x, z, y) in voxels.
    voxel_angstrom : float
    sigma_angstrom : float, default 0.6
        Standard deviation of an atom: probe and thermal vibration.

    Returns
    -------
    Phantom
        Atoms weigh as their atomic number to the power of 1.7, the heaviest
        with a density of 1 in its middle.

    Raises
    ------
    ValueError
        If an atom lies outside of the volume.

    Examples
    --------
    >>> from ase import Atoms
    >>> pair = Atoms("PtC", [(0, 0, 0), (2, 0, 0)])
    >>> phantom_of_atoms(pair, (24, 16, 16), 0.25).atoms[:, 0]
    array([ 7.5, 15.5])
    """
    positions = atoms.get_positions()
    middle = (positions.min(0) + positions.max(0)) / 2 if len(positions) else 0.0
    centre = (np.array(shape) - 1) / 2
    voxels = (positions - middle) / voxel_angstrom + centre
    outside = ((voxels < 0) | (voxels > np.array(shape) - 1)).any(axis=1)
    if outside.any():
        raise ValueError(
            f"{outside.sum()} of {len(voxels)} atoms lie outside of the volume of "
            f"{shape} voxels of {voxel_angstrom} Å; give a larger size or pixel_size"
        )
    weights = atoms.get_atomic_numbers() ** _HAADF_EXPONENT
    radius = _CUT_SIGMAS * sigma_angstrom / voxel_angstrom
    bodies = tuple(
        Body(position, np.full(3, radius), _gaussian(weight), adds=True)
        for position, weight in zip(voxels, weights / weights.max(), strict=True)
    )
    return Phantom(tuple(shape), bodies, voxels)


def _gaussian(height):
    return lambda r: height * np.exp(-0.5 * (_CUT_SIGMAS * r) ** 2)


def _constant(density):
    return lambda r: np.full(r.shape, density)


def _draw_spheres(shape, rng, number, smallest, largest):
    """Places and radii of spheres apart from each other, inside of all views.

    The radii are relative to the smallest side.
    """
    side = min(shape[1:])
    middle, field_radius = (np.array(shape) - 1) / 2, 0.46 * side
    placed = []
    for _ in range(200 * number):
        radius = side * rng.uniform(smallest, largest)
        free = field_radius - radius
        along_axis = max(0.46 * shape[0] - radius, 0)
        offset = rng.uniform(-1, 1, 3) * [along_axis, free, free]
        if np.hypot(*offset[1:]) > free:  # it would leave the field on tilting
            continue
        place = middle + offset
        if all(np.linalg.norm(place - p) > radius + r + 1 for p, r in placed):
            placed.append((place, radius))
        if len(placed) == number:
            break
    return placed


def _draw_core_shell(shape, rng):
    bodies = []
    for place, radius in _draw_spheres(shape, rng, 6, 0.08, 0.2):
        shell, core = rng.permutation([rng.uniform(0.7, 1.0), rng.uniform(0.2, 0.5)])
        radii = radius * rng.uniform([0.75] * 3, 1.0)
        axes = _rotation(rng)
        inner = rng.uniform(0.5, 0.75)
        bodies.append(Body(place, radii, _constant(_METAL * shell), axes))
        bodies.append(Body(place, inner * radii, _constant(_METAL * core), axes))
    return Phantom(shape, tuple(bodies))


def _draw_graded(shape, rng):
    bodies = []
    for place, radius in _draw_spheres(shape, rng, 3, 0.15, 0.26):
        height, slope = rng.uniform(0.6, 1.0), rng.uniform(0.5, 0.9)
        radii = radius * rng.uniform([0.8] * 3, 1.0)
        bodies.append(Body(place, radii, _graded(height, slope), _rotation(rng)))
    return Phantom(shape, tuple(bodies))


def _graded(height, slope):
    return lambda r: _METAL * height * (1 - slope * r**2)


def _draw_porous_catalyst(shape, rng):
    side, middle = min(shape[1:]), (np.array(shape) - 1) / 2
    radii = side * rng.uniform([0.32, 0.3, 0.3], [0.42, 0.42, 0.42])
    radii[0] = min(radii[0], 0.46 * shape[0])
    axes = _rotation(rng, about_x=True)
    bodies = [Body(middle, radii, _constant(_SUPPORT), axes)]
    pores = []
    for _ in range(40):
        direction = rng.normal(size=3)
        direction *= rng.uniform(0, 1) ** (1 / 3) / np.linalg.norm(direction)
        place = middle + (direction * radii) @ axes
        radius = side * rng.uniform(0.03, 0.075)
        pores.append((place, radius))
        bodies.append(Body(place, np.full(3, radius), _constant(0.0)))
    for place, pore in pores[::2]:  # metal sits on the walls of pores
        direction = rng.normal(size=3)
        wall = place + pore * direction / np.linalg.norm(direction)
        radius = side * rng.uniform(0.012, 0.03)
        bodies.append(Body(wall, np.full(3, radius), _constant(_METAL)))
    return Phantom(shape, tuple(bodies))


def _draw_nanocrystal(shape, rng):
    from ase.cluster import wulff_construction

    radius_angstrom = 0.38 * min(shape) * NANOCRYSTAL_VOXEL_ANGSTROM
    volume = 4 / 3 * np.pi * radius_angstrom**3
    number = max(13, round(0.75 * volume / _FCC_ATOM_PT_CUBIC_ANGSTROM))
    # Relative surface energies of platinum, as of most fcc metals
    crystal = wulff_construction(
        "Pt", [(1, 0, 0), (1, 1, 1), (1, 1, 0)], [1.0, 0.9, 1.03], number, "fcc"
    )
    positions = crystal.get_positions() - crystal.get_positions().mean(0)
    positions = positions @ _rotation(rng)
    positions += rng.normal(0, _THERMAL_ANGSTROM, positions.shape)
    crystal.set_positions(positions)
    vacancies = rng.choice(len(crystal), len(crystal) // 50, replace=False)
    kept = np.delete(np.arange(len(crystal)), vacancies)
    return phantom_of_atoms(crystal[kept], shape, NANOCRYSTAL_VOXEL_ANGSTROM)


def _rotation(rng, about_x=False):
    """Random rotation, in three dimensions or about the tilt axis."""
    from scipy.spatial.transform import Rotation

    if about_x:
        return Rotation.from_euler("x", rng.uniform(0, np.pi)).as_matrix()
    return Rotation.from_quat(rng.normal(size=4)).as_matrix()  # evenly distributed


_DRAWN = {
    "core-shell": _draw_core_shell,
    "porous-catalyst": _draw_porous_catalyst,
    "graded": _draw_graded,
    "nanocrystal": _draw_nanocrystal,
}
PHANTOMS = tuple(_DRAWN)
NANOCRYSTAL_VOXEL_ANGSTROM = 0.5
