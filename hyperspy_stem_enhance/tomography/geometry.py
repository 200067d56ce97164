"""Parallel projection of volumes about one tilt axis, and its transpose.

The tilt axis is x. A point (x, z, y) is seen by the view at the angle θ at (x, u),
u = y cos θ − z sin θ, all about the centre (n − 1) / 2 of their axes, which is the
direction of ETSpy. A voxel casts the shadow of its square, a trapezoid, and each
pixel has the part of it between its edges, as in the distance-driven projectors of
De Man and Basu, Phys. Med. Biol. 49 (2004) 2463. The weights are found anew for each
line of voxels along the axis, so no matrix is held in memory.
"""

import numpy as np
from numba import njit, prange

# Voxels along the axis that one thread takes at once: a line of them stays in the cache
_LINE = 64


class SliceProjector:
    """Projection of volumes with axes (z, y, x), and its transpose.

    Volumes have the axis along which all is alike last, so that its weights are
    found once for all slices.

    Parameters
    ----------
    tilts : array-like of float, shape (n,)
        Angles in degrees.
    size : int
        Pixels of the views across the tilt axis, and voxels along y.
    thickness : int
        Voxels along the beam of the view at 0°.
    """

    def __init__(self, tilts, size, thickness):
        angles = np.deg2rad(np.asarray(tilts, np.float64))
        self.cos, self.sin = np.cos(angles), np.sin(angles)
        self.size, self.thickness = int(size), int(thickness)

    def forward(self, volume):
        """Views (n, u, x) of a volume (z, y, x)."""
        shape = (len(self.cos), self.size, volume.shape[2])
        views = np.zeros(shape, np.float32)
        _project(np.ascontiguousarray(volume, np.float32), self.cos, self.sin, views)
        return views

    def backward(self, views):
        """Transpose of :meth:`forward`: a volume (z, y, x) from views (n, u, x)."""
        volume = np.zeros((self.thickness, self.size, views.shape[2]), np.float32)
        _back_project(
            np.ascontiguousarray(views, np.float32), self.cos, self.sin, volume
        )
        return volume


def project_volume(volume, tilts):
    """Views of a volume.

    Parameters
    ----------
    volume : array-like of float, shape (n_x, n_z, n_y)
        Axes as in ETSpy's ``RecStack``.
    tilts : array-like of float, shape (n,)
        Angles in degrees about x.

    Returns
    -------
    numpy.ndarray of float32, shape (n, n_y, n_x)
        Sums along the beam, in units of the volume times voxels.

    Examples
    --------
    >>> import numpy as np
    >>> volume = np.ones((5, 8, 8), np.float32)
    >>> project_volume(volume, [0, 90])[:, 4, 2]
    array([8., 8.], dtype=float32)
    """
    volume = np.asarray(volume)
    _, thickness, size = volume.shape
    projector = SliceProjector(tilts, size, thickness)
    return projector.forward(volume.transpose(1, 2, 0))


def back_project(views, tilts, thickness=None):
    """Transpose of :func:`project_volume`.

    Parameters
    ----------
    views : array-like of float, shape (n, n_y, n_x)
    tilts : array-like of float, shape (n,)
        Angles in degrees about x.
    thickness : int, optional
        Voxels along z, ``n_y`` by default.

    Returns
    -------
    numpy.ndarray of float32, shape (n_x, n_z, n_y)

    Examples
    --------
    >>> import numpy as np
    >>> back_project(np.ones((2, 8, 5), np.float32), [0, 90])[2, 4, 4]
    np.float32(2.0)
    """
    views = np.asarray(views)
    size = views.shape[1]
    projector = SliceProjector(tilts, size, thickness or size)
    return projector.backward(views).transpose(2, 0, 1)


@njit(cache=True, fastmath=True)
def _shadow(t, outer, inner, height):
    """Part of a trapezoid's area that lies below `t` from its centre."""
    s = abs(t)
    if s >= outer:
        half = 0.5
    elif s <= inner:
        half = height * s
    else:
        half = 0.5 - 0.5 * height * (outer - s) ** 2 / (outer - inner)
    return 0.5 + half if t > 0 else 0.5 - half


@njit(cache=True, fastmath=True)
def _weights(y, z, c, s, n_u):
    """First of three pixels that a voxel at (y, z) from the centre is seen by."""
    wide, narrow = max(abs(c), abs(s)), min(abs(c), abs(s))
    outer, inner, height = (wide + narrow) / 2, (wide - narrow) / 2, 1 / wide
    u = y * c - z * s + (n_u - 1) / 2
    first = int(np.floor(u - outer + 0.5))
    t = first + 0.5 - u
    one = _shadow(t, outer, inner, height)
    two = _shadow(t + 1, outer, inner, height)
    three = _shadow(t + 2, outer, inner, height)
    return first, (np.float32(one), np.float32(two - one), np.float32(three - two))


@njit(cache=True, fastmath=True, parallel=True)
def _project(volume, cos, sin, views):
    n_z, n_y, n_x = volume.shape
    n_u = views.shape[1]
    for block in prange((n_x + _LINE - 1) // _LINE):
        begin, end = block * _LINE, min((block + 1) * _LINE, n_x)
        for k in range(len(cos)):
            for z in range(n_z):
                for y in range(n_y):
                    first, w = _weights(
                        y - (n_y - 1) / 2, z - (n_z - 1) / 2, cos[k], sin[k], n_u
                    )
                    for i in range(3):
                        if 0 <= first + i < n_u:
                            for x in range(begin, end):
                                views[k, first + i, x] += w[i] * volume[z, y, x]


@njit(cache=True, fastmath=True, parallel=True)
def _back_project(views, cos, sin, volume):
    n_z, n_y, n_x = volume.shape
    n_u = views.shape[1]
    for block in prange((n_x + _LINE - 1) // _LINE):
        begin, end = block * _LINE, min((block + 1) * _LINE, n_x)
        for z in range(n_z):
            for y in range(n_y):
                for k in range(len(cos)):
                    first, w = _weights(
                        y - (n_y - 1) / 2, z - (n_z - 1) / 2, cos[k], sin[k], n_u
                    )
                    for i in range(3):
                        if 0 <= first + i < n_u:
                            for x in range(begin, end):
                                volume[z, y, x] += w[i] * views[k, first + i, x]
