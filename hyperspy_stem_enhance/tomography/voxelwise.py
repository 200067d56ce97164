"""Reconstruction of voxels: weighted back-projection, SIRT and total variation.

SIRT is that of Gilbert, J. Theor. Biol. 36 (1972) 105, with the weights of Gregor
and Benson, IEEE Trans. Med. Imaging 27 (2008) 918. Total variation is minimised by
the primal-dual method of Chambolle and Pock with the step sizes of Pock and
Chambolle, ICCV 2011. Volumes have the axes (z, y, x), views (n, u, x).
"""

import numpy as np
from numba import njit, prange
from scipy.fft import next_fast_len


def weighted_back_projection(views, tilts, projector):
    """Back-projection of views filtered by a ramp that ends in a Hann window.

    Each view counts by the angle that it stands for: half of the way to its
    neighbours.
    """
    order = np.argsort(tilts)
    widths = np.empty(len(tilts))
    widths[order] = np.gradient(np.deg2rad(np.asarray(tilts, float)[order]))
    n_u = views.shape[1]
    length = next_fast_len(2 * n_u)
    # The ramp by its samples in space: right at low frequencies, so sums are kept
    distance = np.fft.fftfreq(length, 1 / length)
    odd = distance.astype(int) % 2 == 1
    kernel = np.zeros(length)
    kernel[odd] = -1 / (np.pi * distance[odd]) ** 2
    kernel[0] = 0.25
    ramp = np.fft.rfft(kernel).real
    ramp *= 0.5 + 0.5 * np.cos(2 * np.pi * np.fft.rfftfreq(length))
    spectrum = np.fft.rfft(views, length, axis=1) * ramp[:, None]
    filtered = np.fft.irfft(spectrum, length, axis=1)[:, :n_u]
    return projector.backward(filtered * widths[:, None, None])


def sirt(views, projector, iterations, start=None, report=None):
    """Least squares by simultaneous iterations, with no value below 0.

    Yields nothing of noise as long as iterations are few: they are its only
    regularisation.
    """
    ones = np.ones((projector.thickness, projector.size, 1), np.float32)
    rays = projector.forward(ones)
    rays = np.where(rays > 1e-3, 1 / np.maximum(rays, 1e-3), 0)
    hits = projector.backward(np.ones((len(views), views.shape[1], 1)))
    hits = np.where(hits > 1e-3, 1 / np.maximum(hits, 1e-3), 0)
    shape = (projector.thickness, projector.size, views.shape[2])
    volume = np.zeros(shape, np.float32) if start is None else start.copy()
    try:
        for step in range(iterations):
            residual = (views - projector.forward(volume)) * rays
            volume += projector.backward(residual) * hits
            np.maximum(volume, 0, out=volume)
            if report is not None:
                report(step + 1, iterations, np.nan)
    except KeyboardInterrupt:
        return volume, True
    return volume, False


def total_variation(
    views, projector, strength, iterations, variance=1.0, start=None, report=None
):
    """Least squares plus `strength` times the total variation, no value below 0.

    What is minimised is ½ Σ (A f − v)² / variance + strength · Σ |∇f|.
    """
    ones = np.ones((projector.thickness, projector.size, 1), np.float32)
    rays = projector.forward(ones)
    # Steps of the dual and the primal variables balanced by their sizes: the dual of
    # the gradient is at most the strength, that of the views a residual over the
    # variance
    density = float(views.max()) / (0.5 * projector.thickness)
    residual = float(np.mean(1 / np.sqrt(variance)))
    balance = max(strength, residual) / density
    step_views = balance / np.maximum(rays, 1)
    hits = projector.backward(np.ones((len(views), views.shape[1], 1)))
    # A row of ∇ has the sum 2, a column at most 6
    step_volume = (1 / (balance * (hits + 6))).astype(np.float32)
    shape = (projector.thickness, projector.size, views.shape[2])
    volume = np.zeros(shape, np.float32) if start is None else start.copy()
    ahead = volume.copy()
    dual_views = np.zeros_like(views)
    dual_gradient = np.zeros((3, *shape), np.float32)
    try:
        for step in range(iterations):
            dual_views += step_views * (projector.forward(ahead) - views)
            dual_views /= 1 + step_views * variance
            _raise_dual(
                ahead, dual_gradient, np.float32(balance / 2), np.float32(strength)
            )
            change = projector.backward(dual_views)
            _descend(volume, ahead, change, dual_gradient, step_volume)
            if report is not None:
                report(step + 1, iterations, np.nan)
    except KeyboardInterrupt:
        return volume, True
    return volume, False


@njit(cache=True, fastmath=True, parallel=True)
def _raise_dual(ahead, dual, step, strength):
    n_z, n_y, n_x = ahead.shape
    for z in prange(n_z):
        for y in range(n_y):
            for x in range(n_x):
                here = ahead[z, y, x]
                a = dual[0, z, y, x]
                b = dual[1, z, y, x]
                c = dual[2, z, y, x]
                if z + 1 < n_z:
                    a += step * (ahead[z + 1, y, x] - here)
                if y + 1 < n_y:
                    b += step * (ahead[z, y + 1, x] - here)
                if x + 1 < n_x:
                    c += step * (ahead[z, y, x + 1] - here)
                size = np.sqrt(a * a + b * b + c * c)
                factor = strength / size if size > strength else np.float32(1)
                dual[0, z, y, x] = a * factor
                dual[1, z, y, x] = b * factor
                dual[2, z, y, x] = c * factor


@njit(cache=True, fastmath=True, parallel=True)
def _descend(volume, ahead, change, dual, step):
    n_z, n_y, n_x = volume.shape
    for z in prange(n_z):
        for y in range(n_y):
            for x in range(n_x):
                slope = change[z, y, x]
                slope -= dual[0, z, y, x] + dual[1, z, y, x] + dual[2, z, y, x]
                if z > 0:
                    slope += dual[0, z - 1, y, x]
                if y > 0:
                    slope += dual[1, z, y - 1, x]
                if x > 0:
                    slope += dual[2, z, y, x - 1]
                before = volume[z, y, x]
                after = max(before - step[z, y, 0] * slope, np.float32(0))
                volume[z, y, x] = after
                ahead[z, y, x] = after + (after - before)
