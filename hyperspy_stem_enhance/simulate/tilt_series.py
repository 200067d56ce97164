"""Simulated tilt series for tomography, with the truth beside them.

Projections are sums over samples finer than the voxels, by a projector of
its own: none that a reconstruction is made with.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .phantoms import (
    NANOCRYSTAL_VOXEL_ANGSTROM,
    Phantom,
    draw_phantom,
    phantom_of_atoms,
)

_FINE = 2  # samples along a side of a voxel
_SLAB_SAMPLES = 2**24  # in memory at once


@dataclass(frozen=True)
class SimulatedTiltSeries:
    """A simulated tilt series and its truth.

    Attributes
    ----------
    views : numpy.ndarray of float32, shape (n, y, x)
        What the microscope would record, in counts. The tilt axis runs
        along x.
    clean : numpy.ndarray of float32, shape (n, y, x)
        Projections of the volume, in counts: without noise, background,
        gain and misalignment.
    tilts : numpy.ndarray of float64, shape (n,)
        In degrees.
    volume : numpy.ndarray of float32, shape (x, z, y)
        The truth, in counts per voxel along the beam.
    gains, backgrounds : numpy.ndarray of float64, shape (n,)
        Factor of each view, with the mean logarithm 0, and counts added to it.
    shifts : numpy.ndarray of float64, shape (n, 2)
        (y, x) in pixels by which each view lies off, without the rotation
        and the shift of the tilt axis.
    settings : dict
        All arguments.
    atoms : numpy.ndarray of float64, shape (k, 3), optional
        x, z, y of the atoms in voxels, where the phantom is made of atoms.
    pixel_size : float, optional
        In Å.
    """

    views: np.ndarray
    clean: np.ndarray
    tilts: np.ndarray
    volume: np.ndarray
    gains: np.ndarray
    backgrounds: np.ndarray
    shifts: np.ndarray
    settings: dict = field(default_factory=dict)
    atoms: np.ndarray | None = None
    pixel_size: float | None = None

    @cached_property
    def series(self):
        """The views as a signal (`hyperspy.api.signals.Signal2D`).

        Its tilts are in ``metadata.Tomography.tilts``.
        """
        from hyperspy.signals import Signal2D

        axes = [{"name": "Projections", "size": len(self.tilts), "navigate": True}]
        axes += [self._axis(name, self.views.shape) for name in "yx"]
        title = f"Simulated tilt series: {self.settings.get('phantom', '')}"
        record = {"settings": self.settings, "gains": self.gains}
        record |= {"backgrounds": self.backgrounds, "shifts": self.shifts}
        metadata = {
            "General": {"title": title},
            "Tomography": {"tilts": self.tilts},
            "STEM_enhance": {"simulate_tilt_series": record},
        }
        return Signal2D(self.views, axes=axes, metadata=metadata)

    def _axis(self, name, shape):
        size = shape["yx".index(name) + 1]
        axis = {"name": name, "size": size, "navigate": False}
        if self.pixel_size is not None:
            axis |= {"scale": self.pixel_size / 10, "units": "nm"}
        return axis


def make_tilt_series(
    phantom="core-shell",
    size=96,
    tilts=None,
    *,
    n_views=45,
    max_tilt=70.0,
    counts=40.0,
    gain_sd=0.0,
    background=0.0,
    misalignment=0.0,
    axis_shift=0.0,
    axis_rotation=0.0,
    pixel_size=None,
    seed=0,
):
    """Simulate a tilt series of a phantom, and keep the truth.

    Parameters
    ----------
    phantom : str, ase.Atoms or numpy.ndarray, default "core-shell"
        "core-shell", "porous-catalyst", "graded" or "nanocrystal", drawn by
        the seed, see :func:`~hyperspy_stem_enhance.simulate.phantoms.draw_phantom`;
        a structure, whose atoms are Gaussians; or densities of shape
        (x, z, y), not negative.
    size : int or tuple of int, default 96
        Voxels along each side, or (x, z, y). That of an array is its own.
    tilts : array-like of float, shape (n,), optional
        Tilt angles in degrees. By default `n_views`, evenly from ``-max_tilt``
        to ``max_tilt``: what is beyond is the missing wedge.
    n_views : int, default 45
    max_tilt : float, default 70
    counts : float or None, default 40
        Electrons in the brightest pixel of all projections; they are drawn
        from a Poisson distribution. With None there is no noise, and the
        brightest pixel has 1.
    gain_sd : float, default 0
        Relative spread of the gain of the views.
    background : float or tuple of float, default 0
        Counts added to each pixel, or the range a level is drawn from for
        each view.
    misalignment : float, default 0
        Standard deviation of the shifts of the views along x and y, in pixels.
    axis_shift : float, default 0
        How far the tilt axis lies off the middle of the views along y, in pixels.
    axis_rotation : float, default 0
        Angle of the tilt axis to x in the views, in degrees, from x to y.
    pixel_size : float, optional
        In Å. "nanocrystal" has 0.5, structures 0.5 by default; others are in pixels.
    seed : int, default 0

    Returns
    -------
    SimulatedTiltSeries

    Raises
    ------
    ValueError
        If an argument is unknown or out of its range.

    Notes
    -----
    A point at (z, y) from the middle of the volume is seen at
    ``y cos(tilt) - z sin(tilt)``, as in ETSpy.

    Examples
    --------
    >>> import hyperspy_stem_enhance as hse
    >>> data = hse.simulate.make_tilt_series("graded", size=32, n_views=9)
    >>> data.series
    <Signal2D, title: Simulated tilt series: graded, dimensions: (9|32, 32)>
    >>> data.volume.shape
    (32, 32, 32)
    """
    tilts = _check(tilts, n_views, max_tilt, counts, gain_sd, background, misalignment)
    name, voxels, atoms, pixel_size = _resolve(phantom, size, pixel_size, seed)
    volume, fine = voxels.project(np.deg2rad(tilts))
    rng = np.random.default_rng([seed, 77])
    gains = np.exp(gain_sd * _without_mean(rng.normal(size=len(tilts))))
    shifts = misalignment * _without_mean(rng.normal(size=(len(tilts), 2)))
    backgrounds = rng.uniform(*np.broadcast_to(background, 2), len(tilts))
    clean = _bin(fine)
    peak = clean.max()
    if not peak > 0:
        raise ValueError("phantom is empty: its projections are 0 everywhere")
    scale = (1.0 if counts is None else counts) / peak
    moved = _bin(_misalign(fine, shifts, axis_shift, axis_rotation))
    expected = scale * gains[:, None, None] * moved + backgrounds[:, None, None]
    views = expected if counts is None else rng.poisson(np.clip(expected, 0, None))
    settings = {
        "phantom": name,
        "size": list(volume.shape),
        "counts": "none" if counts is None else float(counts),
        "gain_sd": float(gain_sd),
        "background": [float(level) for level in np.broadcast_to(background, 2)],
        "misalignment": float(misalignment),
        "axis_shift": float(axis_shift),
        "axis_rotation": float(axis_rotation),
        "seed": int(seed),
    }
    return SimulatedTiltSeries(
        views.astype(np.float32),
        (scale * clean).astype(np.float32),
        tilts,
        (scale * volume).astype(np.float32),
        gains,
        backgrounds,
        shifts,
        settings,
        atoms,
        pixel_size,
    )


def _check(tilts, n_views, max_tilt, counts, gain_sd, background, misalignment):
    """Check the numbers, and return the tilts."""
    if tilts is None:
        if not (isinstance(n_views, int | np.integer) and n_views >= 1):
            raise ValueError(f"n_views={n_views!r} is not a positive whole number")
        if not 0 < max_tilt <= 90:
            raise ValueError(f"max_tilt={max_tilt!r} is not between 0 and 90 degrees")
        tilts = np.linspace(-max_tilt, max_tilt, n_views) if n_views > 1 else [0.0]
    tilts = np.array(tilts, float)
    if tilts.ndim != 1 or tilts.size == 0 or not np.isfinite(tilts).all():
        raise ValueError(f"tilts={tilts!r} are not a list of angles in degrees")
    if counts is not None and not 0 < counts < np.inf:
        raise ValueError(f"counts={counts!r} is not positive; use None for no noise")
    for name, value in (("gain_sd", gain_sd), ("misalignment", misalignment)):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name}={value!r} is a spread, at least 0")
    if np.size(background) > 2 or not (np.asarray(background) >= 0).all():
        raise ValueError(
            f"background={background!r} is neither counts nor a range of counts"
        )
    return tilts


def _resolve(phantom, size, pixel_size, seed):
    """Name, source of samples, atoms and pixel size in Å of a phantom."""
    if isinstance(phantom, np.ndarray):
        if phantom.ndim != 3 or not (np.isfinite(phantom) & (phantom >= 0)).all():
            raise ValueError(
                "phantom is an array of the shape "
                f"{phantom.shape}, expected finite densities (x, z, y) of at least 0"
            )
        return "array", _Voxels(phantom.astype(np.float32)), None, pixel_size
    shape = tuple(int(n) for n in np.broadcast_to(size, 3))
    if min(shape) < 8:
        raise ValueError(f"size={size!r} is less than 8 voxels along a side")
    if isinstance(phantom, str):
        drawn, name = draw_phantom(phantom, shape, seed), phantom
        if phantom == "nanocrystal":
            if pixel_size not in (None, NANOCRYSTAL_VOXEL_ANGSTROM):
                raise ValueError(
                    f"pixel_size={pixel_size!r}, but the nanocrystal has voxels of "
                    f"{NANOCRYSTAL_VOXEL_ANGSTROM} Å; give ase.Atoms for another size"
                )
            pixel_size = NANOCRYSTAL_VOXEL_ANGSTROM
    elif hasattr(phantom, "get_atomic_numbers"):
        pixel_size = NANOCRYSTAL_VOXEL_ANGSTROM if pixel_size is None else pixel_size
        drawn = phantom_of_atoms(phantom, shape, pixel_size)
        name = phantom.get_chemical_formula()
    else:
        raise ValueError(
            f"phantom is of the type {type(phantom).__name__}, expected a name, "
            "ase.Atoms or an array (x, z, y)"
        )
    return name, _Samples(drawn), drawn.atoms, pixel_size


class _Source:
    """What can be projected slab by slab across the tilt axis."""

    def project(self, angles):
        """Volume, and projections with `_FINE` samples along a pixel's side."""
        n_x, n_z, n_y = self.shape
        matrix = _projection_matrix(angles, n_z, n_y)
        volume = np.empty(self.shape, np.float32)
        fine = np.empty((len(angles), _FINE * n_y, _FINE * n_x), np.float32)
        step = max(1, _SLAB_SAMPLES // (_FINE**3 * n_z * n_y))
        for start in range(0, n_x, step):
            stop = min(start + step, n_x)
            slab = self.sample(start, stop)
            slices = matrix @ slab.reshape(len(slab), -1).T
            fine[..., _FINE * start : _FINE * stop] = slices.reshape(
                len(angles), _FINE * n_y, -1
            )
            blocks = slab.reshape(stop - start, _FINE, n_z, _FINE, n_y, _FINE)
            volume[start:stop] = blocks.mean(axis=(1, 3, 5))
        return volume, fine


@dataclass(frozen=True)
class _Samples(_Source):
    phantom: Phantom

    @property
    def shape(self):
        return self.phantom.shape

    def sample(self, start, stop):
        return self.phantom.sample(start, stop, _FINE)


@dataclass(frozen=True)
class _Voxels(_Source):
    densities: np.ndarray

    @property
    def shape(self):
        return self.densities.shape

    def sample(self, start, stop):
        block = self.densities[start:stop]
        for axis in range(3):
            block = np.repeat(block, _FINE, axis=axis)
        return block


def _projection_matrix(angles, n_z, n_y):
    """Sparse matrix from the samples of a slice to the views' lines along y.

    Each sample is shared by the two places next to where it is seen.
    """
    from scipy.sparse import csr_array, vstack

    z = (np.arange(_FINE * n_z) + 0.5) / _FINE - n_z / 2
    y = (np.arange(_FINE * n_y) + 0.5) / _FINE - n_y / 2
    z, y = (grid.ravel() for grid in np.meshgrid(z, y, indexing="ij"))
    samples = np.arange(z.size)
    matrices = []
    for angle in angles:
        seen = y * np.cos(angle) - z * np.sin(angle)
        place = (seen + n_y / 2) * _FINE - 0.5
        low = np.floor(place).astype(int)
        rows = np.concatenate([low, low + 1])
        shares = np.concatenate([low + 1 - place, place - low]) / _FINE
        columns = np.concatenate([samples, samples])
        inside = (rows >= 0) & (rows < _FINE * n_y)
        entries = (shares[inside].astype(np.float32), (rows[inside], columns[inside]))
        matrices.append(csr_array(entries, shape=(_FINE * n_y, z.size)))
    return vstack(matrices, format="csr")


def _misalign(fine, shifts, axis_shift, axis_rotation):
    """Rotate views about their middle and shift them."""
    if not (shifts.any() or axis_shift or axis_rotation):
        return fine
    from scipy.ndimage import affine_transform

    angle = np.deg2rad(axis_rotation)
    cosine, sine = np.cos(angle), np.sin(angle)
    # From where in the straight view a pixel (y, x) of the turned one comes
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    middle = (np.array(fine.shape[1:]) - 1) / 2
    moved = np.empty_like(fine)
    for view, shift, out in zip(fine, shifts, moved, strict=True):
        total = _FINE * (shift + np.array([axis_shift, 0.0]))
        offset = middle - matrix @ (middle + total)
        affine_transform(view, matrix, offset, output=out, order=3, mode="nearest")
    return np.clip(moved, 0, None)  # a cubic spline goes below 0 beside edges


def _bin(fine):
    n, height, width = fine.shape
    blocks = fine.reshape(n, height // _FINE, _FINE, width // _FINE, _FINE)
    return blocks.mean(axis=(2, 4))


def _without_mean(values):
    return values - values.mean(axis=0)
