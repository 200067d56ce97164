"""Images of columns by multislice, through abTEM.

Frozen-phonon multislice (Kirkland, Advanced Computing in Electron
Microscopy; Loane, Xu & Silcox, Acta Cryst. A 47, 267 (1991)) as abTEM
computes it (Madsen & Susi, Open Research Europe 1, 24 (2021)).  The
displaced crystal is stacked from a pool of independently displaced blocks,
so that the potential costs little beside the wave.
"""

from dataclasses import dataclass

import numpy as np

from .projection import project

# Bright field of a thin specimen, a little under focus: columns are dark in
# every structure. In focus, or thicker, they turn bright one after the other.
_MARGIN = 6.5  # ångström between a probe and the edge of its block
_SLICE = 2.0  # ångström
_BLOCK = 6.0  # ångström along the beam
_POOL = 4  # displaced blocks for each configuration
_BATCH = 16  # probes at a time


@dataclass(frozen=True)
class Conditions:
    """How an image is simulated.

    Attributes
    ----------
    thickness : float
        Of the specimen, in ångström, rounded to whole blocks.
    defocus : float
        In ångström, positive for underfocus; the rest of the probe is free
        of aberrations.
    inner, outer : float
        Collection angles, in mrad.
    energy : float
        In eV.
    convergence : float
        Semi-angle of the probe, in mrad.
    configurations : int
        Frozen-phonon configurations averaged over.
    sampling : float
        Of the wave, in ångström; 0.05 takes in 160 mrad at 200 kV.
    step : float
        Largest step between probe positions, in ångström.
    source_size : float
        Standard deviation of the Gaussian source, in ångström.
    """

    thickness: float
    defocus: float
    inner: float
    outer: float
    energy: float = 200e3
    convergence: float = 24.0
    configurations: int = 4
    sampling: float = 0.05
    step: float = 0.3
    source_size: float = 0.35


CONDITIONS = {
    "HAADF": Conditions(thickness=50.0, defocus=0.0, inner=80.0, outer=160.0),
    "BF": Conditions(thickness=20.0, defocus=40.0, inner=0.0, outer=12.0),
}


def import_abtem():
    """Import abTEM, set to one thread.

    Raises
    ------
    ImportError
        If abTEM is not installed, with the command that installs it.
    """
    try:
        import abtem
        import dask
    except ImportError as error:
        raise ImportError(
            "Multislice needs abTEM; install it with "
            "pip install 'hyperspy_stem_enhance[abtem]'."
        ) from error
    dask.config.set(scheduler="synchronous")
    return abtem


def fill_block(atoms, projection, extent, repeats):
    """Atoms of a crystal inside a box that looks along the zone axis.

    Parameters
    ----------
    atoms : ase.Atoms
        The crystal.
    projection : Projection
        Of that crystal.
    extent : tuple of float
        (rows, columns) of the box, in ångström.
    repeats : int
        Repeat lengths along the zone axis.

    Returns
    -------
    ase.Atoms
        With axes along rows, columns and the zone axis.
    """
    from ase import Atoms

    size = np.array([*extent, repeats * projection.repeat])
    lattice = np.asarray(atoms.cell) @ projection.frame.T
    inside = np.asarray(atoms.positions) @ projection.frame.T
    corners = np.stack(np.meshgrid(*([0, side] for side in size)), -1).reshape(-1, 3)
    bounds = corners @ np.linalg.inv(lattice)
    ranges = [
        np.arange(np.floor(low) - 2, np.ceil(high) + 3)
        for low, high in zip(bounds.min(0), bounds.max(0), strict=True)
    ]
    steps = np.stack(np.meshgrid(*ranges, indexing="ij"), -1).reshape(-1, 3)
    positions = ((steps @ lattice)[:, None] + inside).reshape(-1, 3)
    numbers = np.tile(np.asarray(atoms.numbers), len(steps))
    # An atom on the face belongs to one side of the box only
    keep = ((positions > -1e-3) & (positions < size - 1e-3)).all(axis=1)
    return Atoms(numbers[keep], positions[keep], cell=size, pbc=True)


def simulate_image(
    atoms, zone_axis, conditions, displacements=0.08, seed=0, progress=None
):
    """Image of one cell of columns, by multislice.

    Parameters
    ----------
    atoms : ase.Atoms
        The crystal; see `projection.project`. If it is not periodic along
        its third vector, a single layer is simulated.
    zone_axis : sequence of int
        [uvw], pointing to the viewer.
    conditions : Conditions
        Such as one of `CONDITIONS`.
    displacements : float or dict of str to float, default 0.08
        Root mean square thermal displacement along one axis, in ångström,
        for all or for each element.
    seed : int, default 0
        Of the displacements.
    progress : callable, optional
        Called with the fraction done, after each configuration.

    Returns
    -------
    image : numpy.ndarray of float64, shape (h, w)
        Fraction of the beam on the detector, with the source blurred.
        Pixel (i, j) is at the fractions (i / h, j / w) of the cell.
    projection : Projection
        Cell and columns.

    Raises
    ------
    ImportError
        If abTEM is not installed.
    ValueError
        As `projection.project`.
    """
    abtem = import_abtem()
    projection = project(atoms, zone_axis)
    extent, origin, times = _extent(projection)
    repeats = 1
    if atoms.pbc[2]:
        repeats = max(1, round(_BLOCK / projection.repeat))
    block = fill_block(atoms, projection, extent, repeats)
    length = repeats * projection.repeat
    n_blocks = max(1, round(conditions.thickness / length)) if atoms.pbc[2] else 1
    gpts = tuple(_fast_length(side / conditions.sampling) for side in extent)
    scan, shape, copies = _scan_positions(projection, conditions.step)
    rng = np.random.default_rng(seed)
    probe = abtem.Probe(
        energy=conditions.energy,
        semiangle_cutoff=conditions.convergence,
        defocus=conditions.defocus,
        extent=tuple(extent),
        gpts=gpts,
    )
    detector = abtem.AnnularDetector(conditions.inner, conditions.outer)
    total = np.zeros(len(scan))
    for done in range(conditions.configurations):
        potential = _displaced_potential(
            abtem, block, displacements, n_blocks, gpts, length, rng
        )
        # Each probe at some copy of its position, so that neighbouring pixels
        # see other displacements and the fit averages over them
        steps = rng.integers(0, times, (len(scan), 2))
        measured = probe.scan(
            scan=abtem.CustomScan(scan + origin + steps @ projection.cell),
            potential=potential,
            detectors=detector,
            max_batch=_BATCH,
        ).compute(progress_bar=False)
        total += np.asarray(measured.array, float).reshape(-1)
        if progress is not None:
            progress((done + 1) / conditions.configurations)
    image = np.tile((total / conditions.configurations).reshape(shape), (copies, 1))
    if copies > 1:  # the second half is the first, shifted by half a row
        half, columns = shape
        image[half:] = np.roll(image[half:], columns // 2, axis=1)
    return blur_cell(image, projection.cell, conditions.source_size), projection


def blur_cell(image, cell, sigma):
    """Blur the periodic image of one cell by an isotropic Gaussian.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
        One cell, sampled along its vectors.
    cell : numpy.ndarray, shape (2, 2)
        Rows are the lattice vectors, in ångström.
    sigma : float
        Standard deviation, in ångström.

    Returns
    -------
    numpy.ndarray of float64, shape (h, w)

    Examples
    --------
    >>> image = np.zeros((8, 8)); image[0, 0] = 1
    >>> float(blur_cell(image, 4 * np.eye(2), 0.5).sum().round(6))
    1.0
    """
    orders = [np.fft.fftfreq(n, 1 / n) for n in image.shape]
    wave = np.stack(np.meshgrid(*orders, indexing="ij"), -1) @ np.linalg.inv(cell).T
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * (wave**2).sum(axis=-1))
    return np.fft.ifft2(np.fft.fft2(image) * transfer).real


def _fast_length(n):
    from scipy.fft import next_fast_len

    length = int(np.ceil(n))
    while next_fast_len(length) != length or length % 2:
        length += 1
    return length


def _extent(projection):
    """Size of the box, where the scanned cell lies, and its copies in it."""
    cell = projection.cell
    if abs(cell[1, 0]) < 1e-6:  # whole cells: periodic
        times = np.ceil(2 * _MARGIN / np.diag(cell)).astype(int)
        return np.diag(cell) * times, np.zeros(2), times
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) @ cell
    low, high = corners.min(axis=0), corners.max(axis=0)
    # A lattice vector brings the cell into the middle of the cut box
    steps = np.ceil((_MARGIN - low) @ np.linalg.inv(cell))
    origin = steps @ cell
    return origin + high + _MARGIN, origin, np.ones(2, int)


def _scan_positions(projection, step):
    """Probe positions, their shape, and how many copies fill the cell."""
    cell, sites = projection.cell, projection.sites
    shape = np.ceil(np.linalg.norm(cell, axis=1) / step).astype(int)
    shifted = sites + 0.5
    apart = shifted[:, None] - sites
    same = (abs(apart - np.round(apart)) < 1e-3).all(axis=-1)
    same &= np.array(projection.columns)[:, None] == np.array(projection.columns)
    copies = 2 if same.any(axis=1).all() else 1
    shape += shape % 2 * (copies - 1)
    rows, columns = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
    rows, columns = (half[: shape[0] // copies] for half in (rows, columns))
    positions = np.stack([rows.ravel(), columns.ravel()], -1) @ cell
    return positions, rows.shape, copies


def _displaced_potential(abtem, block, displacements, n_blocks, gpts, length, rng):
    """Potential of one frozen-phonon configuration of the specimen."""
    n_slices = max(1, round(length / _SLICE))
    pool = []
    for _ in range(min(_POOL, n_blocks)):
        phonons = abtem.FrozenPhonons(
            block, 1, displacements, seed=int(rng.integers(2**31))
        )
        potential = abtem.Potential(
            phonons, gpts=gpts, slice_thickness=length / n_slices
        ).build(lazy=False)
        pool.append(np.asarray(potential.array).reshape(-1, *gpts))
    order = np.concatenate([rng.permutation(len(pool)) for _ in range(n_blocks)])
    array = np.concatenate([pool[i] for i in order[:n_blocks]])
    thickness = (length / n_slices,) * len(array)
    extent = np.diag(block.cell)[:2]
    return abtem.PotentialArray(
        array, slice_thickness=thickness, sampling=tuple(extent / gpts)
    )
