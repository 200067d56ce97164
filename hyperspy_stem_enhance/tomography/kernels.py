"""Sums of Gaussians on the pixels of views and the voxels of volumes, and gradients.

Along a row exp(−½ q t²) is made from its first value by two multiplications a pixel,
since the ratio of neighbours falls by the same factor each time. Gaussians end at
4 σ, where 0.1 % of the mass is left outside; ending at 3 σ would lose 2.9 %.

All arrays of Gaussians have the axes (x, z, y). Symmetric matrices are held as
(xx, zz, yy, xz, xy, zy). A thread owns the rows that it writes, or the Gaussians, so
results do not depend on the number of threads.
"""

import numpy as np
from numba import njit, prange

CUT = 4.0  # standard deviations
_REACH = CUT**2
_STRIP = 16  # rows of a view, or planes of a volume, that a thread owns


@njit(cache=True, fastmath=True, inline="always")
def _first_of_row(middle, reach, begin, end):
    """Pixels from `first` up to `last` within `reach` of `middle`, in [begin, end)."""
    first = max(int(np.ceil(middle - reach)), begin)
    last = min(int(np.floor(middle + reach)) + 1, end)
    return first, last


@njit(cache=True, fastmath=True)
def _row_of_gaussian(height, cross, q, middle, end):
    """Pixels of a row that a Gaussian meets, its first value, and the next ratio.

    It is height · exp(−½ (cross + q t²)), t from its middle; the ratio of a value to
    the one before changes by exp(−q) from pixel to pixel.
    """
    reach = np.sqrt(max(_REACH - cross, 0.0) / q)
    first, last = _first_of_row(middle, reach, 0, end)
    t = first - middle
    value = height * np.exp(-0.5 * (cross + q * t * t))
    return first, last, value, np.exp(-q * (t + 0.5))


@njit(cache=True, fastmath=True)
def _outline(q):
    """Shadow along y of the ellipsoid of an inverse covariance: xx, xz and zz."""
    return (
        q[0] - q[4] * q[4] / q[2],
        q[3] - q[4] * q[5] / q[2],
        q[1] - q[5] * q[5] / q[2],
    )


@njit(cache=True, fastmath=True)
def _inverse(s):
    """Inverse of a symmetric 3 × 3 matrix, and its determinant."""
    xx, zz, yy, xz, xy, zy = s
    a = zz * yy - zy * zy
    b = xy * zy - xz * yy
    c = xz * zy - zz * xy
    det = xx * a + xz * b + xy * c
    return (
        a / det,
        (xx * yy - xy * xy) / det,
        (xx * zz - xz * xz) / det,
        b / det,
        c / det,
        (xy * xz - xx * zy) / det,
    ), det


@njit(cache=True, fastmath=True)
def _shadow(position, s, denza, cos, sin, middle_z, middle_y, middle_u):
    """Position, covariance and peak of the line integral of one Gaussian."""
    u = (position[2] - middle_y) * cos - (position[1] - middle_z) * sin + middle_u
    xx, zz, yy, xz, xy, zy = s
    uu = yy * cos * cos - 2 * zy * cos * sin + zz * sin * sin
    ux = xy * cos - xz * sin
    flat = uu * xx - ux * ux
    det = xx * (zz * yy - zy * zy) + xz * (xy * zy - xz * yy) + xy * (xz * zy - zz * xy)
    peak = denza * np.sqrt(2 * np.pi * det / flat)
    return u, position[0], uu, ux, xx, flat, peak


@njit(cache=True, fastmath=True, parallel=True)
def project(positions, covariances, denza, cos, sin, middles, views):
    """Add the line integrals of Gaussians to views (k, u, x).

    `middles` are the coordinates (z, y, u) of the tilt axis.
    """
    n_views, n_u, n_x = views.shape
    strips = (n_u + _STRIP - 1) // _STRIP
    for task in prange(n_views * strips):
        k = task // strips
        top = (task % strips) * _STRIP
        bottom = min(top + _STRIP, n_u)
        for i in range(len(denza)):
            s = covariances[i]
            u0, x0, uu, ux, _, flat, peak = _shadow(
                positions[i],
                (s[0], s[1], s[2], s[3], s[4], s[5]),
                denza[i],
                cos[k],
                sin[k],
                middles[0],
                middles[1],
                middles[2],
            )
            u_first, u_last = _first_of_row(u0, CUT * np.sqrt(uu), top, bottom)
            q = uu / flat
            shrink = np.exp(-q)
            for u in range(u_first, u_last):
                du = u - u0
                first, last, value, ratio = _row_of_gaussian(
                    peak, du * du / uu, q, x0 + ux / uu * du, n_x
                )
                for x in range(first, last):
                    views[k, u, x] += value
                    value *= ratio
                    ratio *= shrink


@njit(cache=True, fastmath=True, parallel=True)
def project_backward(
    positions,
    covariances,
    denza,
    cos,
    sin,
    middles,
    slopes,
    d_positions,
    d_cov,
    d_denza,
):
    """Add the gradients of Σ slopes · views to those of the Gaussians."""
    n_views, n_u, n_x = slopes.shape
    for i in prange(len(denza)):
        s = covariances[i]
        s = (s[0], s[1], s[2], s[3], s[4], s[5])
        inverse, _ = _inverse(s)
        for k in range(n_views):
            c, n = cos[k], sin[k]
            u0, x0, uu, ux, xx, flat, peak = _shadow(
                positions[i], s, denza[i], c, n, middles[0], middles[1], middles[2]
            )
            u_first, u_last = _first_of_row(u0, CUT * np.sqrt(uu), 0, n_u)
            q = uu / flat
            shrink = np.exp(-q)
            m0 = mu = mx = muu = mux = mxx = 0.0
            for u in range(u_first, u_last):
                du = u - u0
                first, last, value, ratio = _row_of_gaussian(
                    1.0, du * du / uu, q, x0 + ux / uu * du, n_x
                )
                r0 = r1 = r2 = 0.0
                dx = first - x0
                for x in range(first, last):
                    w = value * slopes[k, u, x]
                    r0 += w
                    w *= dx
                    r1 += w
                    r2 += w * dx
                    dx += 1.0
                    value *= ratio
                    ratio *= shrink
                m0 += r0
                mu += du * r0
                mx += r1
                muu += du * du * r0
                mux += du * r1
                mxx += r2
            # Inverse of the 2-D covariance (u, x)
            a, b, d = xx / flat, -ux / flat, uu / flat
            gu = peak * (a * mu + b * mx)
            gx = peak * (b * mu + d * mx)
            d_positions[i, 0] += gx
            d_positions[i, 1] -= gu * n
            d_positions[i, 2] += gu * c
            d_denza[i] += m0 * peak / denza[i]
            m0 *= peak
            # ½ peak C⁻¹ M C⁻¹ − ½ m0 C⁻¹, and ½ m0 Σ⁻¹ from the peak
            vu, vx = a * muu + b * mux, a * mux + b * mxx
            wu, wx = b * muu + d * mux, b * mux + d * mxx
            guu = 0.5 * (peak * (vu * a + vx * b) - m0 * a)
            gux = 0.5 * (peak * (vu * b + vx * d) - m0 * b)
            gxx = 0.5 * (peak * (wu * b + wx * d) - m0 * d)
            d_cov[i, 0] += gxx + 0.5 * m0 * inverse[0]
            d_cov[i, 1] += guu * n * n + 0.5 * m0 * inverse[1]
            d_cov[i, 2] += guu * c * c + 0.5 * m0 * inverse[2]
            d_cov[i, 3] += -gux * n + 0.5 * m0 * inverse[3]
            d_cov[i, 4] += gux * c + 0.5 * m0 * inverse[4]
            d_cov[i, 5] += -guu * c * n + 0.5 * m0 * inverse[5]


@njit(cache=True, fastmath=True, parallel=True)
def voxelise(positions, covariances, denza, corner, volume):
    """Add Gaussians to a volume (x, z, y) whose first voxel is at `corner`."""
    n_x, n_z, n_y = volume.shape
    for slab in prange((n_x + 3) // 4):
        low, high = slab * 4, min(slab * 4 + 4, n_x)
        for i in range(len(denza)):
            x0 = positions[i, 0] - corner[0]
            s = covariances[i]
            reach = CUT * np.sqrt(s[0])
            if x0 + reach < low or x0 - reach > high - 1:
                continue
            z0, y0 = positions[i, 1] - corner[1], positions[i, 2] - corner[2]
            q, _ = _inverse((s[0], s[1], s[2], s[3], s[4], s[5]))
            shrink = np.exp(-q[2])
            a, b, c = _outline(q)
            x_first, x_last = _first_of_row(x0, reach, low, high)
            for x in range(x_first, x_last):
                dx = x - x0
                left = _REACH - dx * dx * (a - b * b / c)
                z_middle = z0 - b / c * dx
                z_first, z_last = _first_of_row(
                    z_middle, np.sqrt(max(left, 0.0) / c), 0, n_z
                )
                for z in range(z_first, z_last):
                    dz = z - z0
                    flat = a * dx * dx + 2 * b * dx * dz + c * dz * dz
                    y_middle = y0 - (q[4] * dx + q[5] * dz) / q[2]
                    first, last, value, ratio = _row_of_gaussian(
                        denza[i], flat, q[2], y_middle, n_y
                    )
                    for y in range(first, last):
                        volume[x, z, y] += value
                        value *= ratio
                        ratio *= shrink


@njit(cache=True, fastmath=True, parallel=True)
def voxelise_backward(
    positions, covariances, denza, corner, slopes, d_positions, d_cov, d_denza
):
    """Add the gradients of Σ slopes · volume to those of the Gaussians."""
    n_x, n_z, n_y = slopes.shape
    for i in prange(len(denza)):
        s = covariances[i]
        x0 = positions[i, 0] - corner[0]
        z0, y0 = positions[i, 1] - corner[1], positions[i, 2] - corner[2]
        reach = CUT * np.sqrt(s[0])
        if x0 + reach < 0 or x0 - reach > n_x - 1:
            continue
        reach = CUT * np.sqrt(s[1])
        if z0 + reach < 0 or z0 - reach > n_z - 1:
            continue
        reach = CUT * np.sqrt(s[2])
        if y0 + reach < 0 or y0 - reach > n_y - 1:
            continue
        q, _ = _inverse((s[0], s[1], s[2], s[3], s[4], s[5]))
        shrink = np.exp(-q[2])
        a, b, c = _outline(q)
        m0 = mx = mz = my = mxx = mzz = myy = mxz = mxy = mzy = 0.0
        x_first, x_last = _first_of_row(x0, CUT * np.sqrt(s[0]), 0, n_x)
        for x in range(x_first, x_last):
            dx = x - x0
            left = _REACH - dx * dx * (a - b * b / c)
            z_middle = z0 - b / c * dx
            z_first, z_last = _first_of_row(
                z_middle, np.sqrt(max(left, 0.0) / c), 0, n_z
            )
            for z in range(z_first, z_last):
                dz = z - z0
                flat = a * dx * dx + 2 * b * dx * dz + c * dz * dz
                y_middle = y0 - (q[4] * dx + q[5] * dz) / q[2]
                first, last, value, ratio = _row_of_gaussian(
                    1.0, flat, q[2], y_middle, n_y
                )
                r0 = r1 = r2 = 0.0
                dy = first - y0
                for y in range(first, last):
                    w = value * slopes[x, z, y]
                    r0 += w
                    w *= dy
                    r1 += w
                    r2 += w * dy
                    dy += 1.0
                    value *= ratio
                    ratio *= shrink
                m0 += r0
                mx += dx * r0
                mz += dz * r0
                my += r1
                mxx += dx * dx * r0
                mzz += dz * dz * r0
                mxz += dx * dz * r0
                mxy += dx * r1
                mzy += dz * r1
                myy += r2
        d_denza[i] += m0
        d = denza[i]
        d_positions[i, 0] += d * (q[0] * mx + q[3] * mz + q[4] * my)
        d_positions[i, 1] += d * (q[3] * mx + q[1] * mz + q[5] * my)
        d_positions[i, 2] += d * (q[4] * mx + q[5] * mz + q[2] * my)
        _add_sandwich(d_cov[i], 0.5 * d, q, (mxx, mzz, myy, mxz, mxy, mzy))


@njit(cache=True, fastmath=True)
def _add_sandwich(out, factor, q, m):
    """Add factor · Q M Q of symmetric matrices."""
    ax = q[0] * m[0] + q[3] * m[3] + q[4] * m[4]
    az = q[0] * m[3] + q[3] * m[1] + q[4] * m[5]
    ay = q[0] * m[4] + q[3] * m[5] + q[4] * m[2]
    bx = q[3] * m[0] + q[1] * m[3] + q[5] * m[4]
    bz = q[3] * m[3] + q[1] * m[1] + q[5] * m[5]
    by = q[3] * m[4] + q[1] * m[5] + q[5] * m[2]
    cx = q[4] * m[0] + q[5] * m[3] + q[2] * m[4]
    cz = q[4] * m[3] + q[5] * m[1] + q[2] * m[5]
    cy = q[4] * m[4] + q[5] * m[5] + q[2] * m[2]
    out[0] += factor * (ax * q[0] + az * q[3] + ay * q[4])
    out[1] += factor * (bx * q[3] + bz * q[1] + by * q[5])
    out[2] += factor * (cx * q[4] + cz * q[5] + cy * q[2])
    out[3] += factor * (ax * q[3] + az * q[1] + ay * q[5])
    out[4] += factor * (ax * q[4] + az * q[5] + ay * q[2])
    out[5] += factor * (bx * q[4] + bz * q[5] + by * q[2])
