"""What a fit of Gaussians minimises, each term with its gradient.

The data terms compare one view with the model; the total variation is that of a
block of voxels. DSSIM is that of Wang et al., IEEE Trans. Image Process. 13 (2004)
600, and together with L1 the habit of Gaussian splatting (Kerbl et al., ACM Trans.
Graph. 42 (2023) 139). The term of Fourier amplitudes is our reading of the abstract of
Zhang et al., arXiv 2604.04693. The last two are there to be compared with.
"""

import numpy as np
from numba import njit
from scipy.ndimage import gaussian_filter

_DSSIM_SHARE = 0.2
_WINDOW = {"sigma": 1.5, "truncate": 3.4, "mode": "constant"}
# Softness of absolute values, of the largest intensity of the view
_SOFT = 1e-3


def least_squares(model, view, variance):
    """½ Σ (model − view)² / variance, and its gradient."""
    residual = model - view
    slope = residual / variance
    return 0.5 * float(np.vdot(slope, residual)), slope


def absolute_and_structure(model, view, variance):
    """L1 and DSSIM as in splatting, scaled to the size of the likelihood.

    0.8 Σ |model − view| + 0.2 Σ (1 − SSIM) · peak, over the standard deviation of
    the noise.
    """
    peak = float(view.max())
    sd = np.sqrt(np.mean(variance))
    residual = model - view
    size = np.sqrt(residual**2 + (_SOFT * peak) ** 2)
    similarity, slope = structural_similarity(model, view, peak)
    loss = (1 - _DSSIM_SHARE) * size.sum() + _DSSIM_SHARE * peak * (
        1 - similarity
    ).sum()
    slope = (1 - _DSSIM_SHARE) * residual / size - _DSSIM_SHARE * peak * slope
    return float(loss / sd), slope / sd


def structural_similarity(model, view, peak):
    """SSIM of each pixel, and the gradient of its sum."""

    def mean(image):
        return gaussian_filter(image, **_WINDOW)

    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_m, mean_v = mean(model), mean(view)
    spread_m = mean(model**2) - mean_m**2
    spread_v = mean(view**2) - mean_v**2
    both = mean(model * view) - mean_m * mean_v
    a1, a2 = 2 * mean_m * mean_v + c1, 2 * both + c2
    b1, b2 = mean_m**2 + mean_v**2 + c1, spread_m + spread_v + c2
    similarity = a1 * a2 / (b1 * b2)
    by_product = 2 * a1 / (b1 * b2)
    by_square = -similarity / b2
    by_mean = 2 * mean_v * a2 / (b1 * b2) - 2 * mean_m * similarity / b1
    by_mean -= by_product * mean_v + 2 * by_square * mean_m
    slope = mean(by_mean) + 2 * model * mean(by_square) + view * mean(by_product)
    return similarity, slope


def fourier_amplitudes(model, view, variance):
    """Σ | |F model| − |F view| | without the mean, over the SD of the noise.

    F is orthonormal, of images that fall to 0 at their rim.
    """
    window = np.hanning(view.shape[0])[:, None] * np.hanning(view.shape[1])
    spectrum = np.fft.fft2(model * window, norm="ortho")
    wanted = np.abs(np.fft.fft2(view * window, norm="ortho"))
    soft = _SOFT * float(view.max())
    size = np.sqrt(np.abs(spectrum) ** 2 + soft**2)
    difference = size - wanted
    difference[0, 0] = 0
    magnitude = np.sqrt(difference**2 + soft**2)
    slope = difference / magnitude * spectrum / size
    slope = np.fft.ifft2(slope, norm="ortho").real * window
    sd = np.sqrt(np.mean(variance))
    return float(magnitude.sum() / sd), slope / sd


@njit(cache=True, fastmath=True)
def total_variation(volume, softness, slopes):
    """Σ √(|∇f|² + softness²) by forward differences; its gradient goes to `slopes`.

    Without the softness a flat region would have no gradient to follow.
    """
    n_x, n_z, n_y = volume.shape
    total = 0.0
    square = softness * softness
    slopes[:] = 0
    for x in range(n_x):
        for z in range(n_z):
            for y in range(n_y):
                here = volume[x, z, y]
                a = volume[x + 1, z, y] - here if x + 1 < n_x else 0.0
                b = volume[x, z + 1, y] - here if z + 1 < n_z else 0.0
                c = volume[x, z, y + 1] - here if y + 1 < n_y else 0.0
                size = np.sqrt(a * a + b * b + c * c + square)
                total += size
                a /= size
                b /= size
                c /= size
                slopes[x, z, y] -= a + b + c
                if x + 1 < n_x:
                    slopes[x + 1, z, y] += a
                if z + 1 < n_z:
                    slopes[x, z + 1, y] += b
                if y + 1 < n_y:
                    slopes[x, z, y + 1] += c
    return total
