"""A volume as a sum of Gaussians: its views, its voxels and its table.

The density is f(r) = Σ dᵢ exp(−½ (r − pᵢ)ᵀ Σᵢ⁻¹ (r − pᵢ)) with dᵢ ≥ 0, the denza of
Zhang et al., arXiv 2604.04693 (its abstract: no more is public). The line integral of
a Gaussian is a Gaussian, exactly, so a view at any angle is a sum as well: without
opacity, order or blending, which light needs and scattering into a ring does not.
"""

from dataclasses import dataclass

import numpy as np

from . import kernels

_COLUMNS = ("x", "z", "y", "xx", "zz", "yy", "xz", "xy", "zy", "denza")
_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


@dataclass(frozen=True)
class Gaussians:
    """A sum of Gaussians in the frame of a volume.

    Attributes
    ----------
    positions : numpy.ndarray of float64, shape (n, 3)
        (x, z, y) in voxels; the first voxel of the volume has the centre
        (0, 0, 0).
    covariances : numpy.ndarray of float64, shape (n, 3, 3)
        In voxels squared, axes as the positions.
    denza : numpy.ndarray of float64, shape (n,)
        Density at the peak, in units of the views per voxel.
    shape : tuple of int
        Voxels (n_x, n_z, n_y) of the volume; the tilt axis goes through the
        middle of z and y.

    Examples
    --------
    >>> import numpy as np
    >>> centre, round_2 = np.full((1, 3), 8.0), 4 * np.eye(3)[None]
    >>> one = Gaussians(centre, round_2, np.ones(1), (17, 17, 17))
    >>> views = one.project([0, 45])
    >>> views.shape
    (2, 17, 17)
    >>> bool(np.isclose(views[0, 8, 8], 2 * np.sqrt(2 * np.pi)))  # d σ √2π
    True
    """

    positions: np.ndarray
    covariances: np.ndarray
    denza: np.ndarray
    shape: tuple

    def __len__(self):
        return len(self.denza)

    def project(self, angles, shape=None):
        """Views at any angles.

        Parameters
        ----------
        angles : array-like of float, shape (k,)
            Tilts in degrees.
        shape : tuple of int, optional
            Pixels (y, x) of each view, as the volume by default; the tilt
            axis stays in its middle.

        Returns
        -------
        numpy.ndarray of float32, shape (k, y, x)
        """
        radians = np.deg2rad(np.atleast_1d(np.asarray(angles, float)))
        n_x, n_z, n_y = self.shape
        height, width = (n_y, n_x) if shape is None else shape
        views = np.zeros((len(radians), height, width), np.float32)
        middles = np.array([(n_z - 1) / 2, (n_y - 1) / 2, (height - 1) / 2])
        shift = np.array([(width - n_x) / 2, 0, 0])
        kernels.project(
            self.positions + shift,
            pack(self.covariances),
            self.denza,
            np.cos(radians),
            np.sin(radians),
            middles,
            views,
        )
        return views

    def voxelise(self, shape=None, scale=1.0):
        """The density at the centres of voxels.

        Parameters
        ----------
        shape : tuple of int, optional
            Voxels (x, z, y), as the volume times ``scale`` by default.
        scale : float
            Voxels per voxel of the reconstruction along each axis; 2 halves
            their size. Both volumes have the same middle.

        Returns
        -------
        numpy.ndarray of float32, shape (x, z, y)

        Raises
        ------
        ValueError
            If ``scale`` is not positive.
        """
        if not scale > 0:
            raise ValueError(f"scale is {scale}. Give a number above 0.")
        if shape is None:
            shape = tuple(max(round(n * scale), 1) for n in self.shape)
        middle = (np.array(self.shape) - 1) / 2
        new_middle = (np.array(shape) - 1) / 2
        volume = np.zeros(shape, np.float32)
        kernels.voxelise(
            (self.positions - middle) * scale + new_middle,
            pack(self.covariances) * scale**2,
            self.denza,
            np.zeros(3),
            volume,
        )
        return volume

    def to_table(self):
        """The Gaussians as a pandas DataFrame, one a row.

        Returns
        -------
        pandas.DataFrame
            Columns x, z, y; xx, zz, yy, xz, xy, zy of the covariance; denza.
            ``attrs["shape"]`` has the shape of the volume.
        """
        import pandas as pd

        values = np.hstack(
            [self.positions, pack(self.covariances), self.denza[:, None]]
        )
        table = pd.DataFrame(values, columns=list(_COLUMNS))
        table.attrs["shape"] = list(self.shape)
        return table

    @classmethod
    def from_table(cls, table, shape=None):
        """Gaussians of a table made by :meth:`to_table`.

        Parameters
        ----------
        table : pandas.DataFrame
        shape : tuple of int, optional
            Voxels (x, z, y) of the volume, from ``table.attrs`` by default.

        Returns
        -------
        Gaussians

        Raises
        ------
        ValueError
            If a column or the shape is missing.
        """
        missing = [name for name in _COLUMNS if name not in table]
        if missing:
            raise ValueError(
                f"table has no column {', '.join(missing)}. It needs "
                f"{', '.join(_COLUMNS)}, as to_table gives them."
            )
        shape = table.attrs.get("shape") if shape is None else shape
        if shape is None:
            raise ValueError(
                "shape is not in table.attrs. Give the voxels (x, z, y) of the volume."
            )
        values = table[list(_COLUMNS)].to_numpy(float)
        shape = tuple(int(n) for n in shape)
        return cls(values[:, :3], unpack(values[:, 3:9]), values[:, 9], shape)


def pack(covariances):
    """(n, 3, 3) to (n, 6): xx, zz, yy, xz, xy, zy."""
    return np.stack([covariances[:, i, j] for i, j in _PAIRS], axis=1)


def unpack(packed):
    """(n, 6) to (n, 3, 3)."""
    covariances = np.empty((len(packed), 3, 3))
    for column, (i, j) in enumerate(_PAIRS):
        covariances[:, i, j] = covariances[:, j, i] = packed[:, column]
    return covariances
