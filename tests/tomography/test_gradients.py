"""Gradients of kernels and losses against finite differences."""

import numpy as np
import pytest

from hyperspy_stem_enhance.tomography import kernels, losses
from hyperspy_stem_enhance.tomography.gaussians import pack

N = 40


@pytest.fixture
def numbers(rng):
    factor = 1.2 * rng.normal(size=(4, 3, 3))
    covariances = pack(factor @ factor.transpose(0, 2, 1) + 2 * np.eye(3))
    return rng.uniform(17, 23, (4, 3)), covariances, rng.uniform(0.5, 1, 4)


def finite_differences(function, numbers, step):
    for values in numbers:
        slopes = np.zeros_like(values)
        for at in np.ndindex(values.shape):
            kept = values[at]
            values[at] = kept + step
            above = function()
            values[at] = kept - step
            slopes[at] = (above - function()) / (2 * step)
            values[at] = kept
        yield slopes


def check(function, backward, numbers, tolerance, step=1e-4):
    found = [np.zeros_like(values) for values in numbers]
    backward(found)
    for slopes, wanted in zip(
        found, finite_differences(function, numbers, step), strict=True
    ):
        if slopes.shape[1:] == (6,):
            # A change of xz is one of zx as well
            wanted[:, 3:] /= 2
        np.testing.assert_allclose(slopes, wanted, atol=tolerance * abs(wanted).max())


def smooth(shape):
    """A slope image that is small at 4 σ, where the ends of Gaussians jump."""
    axes = np.indices(shape)[-3:] - (N - 1) / 2
    return np.exp(-sum(axis**2 for axis in axes) / 60) * (1 + np.sin(axes[-1]))


def test_gradient_of_views(numbers):
    radians = np.array([0.3, -0.8])
    view = (np.cos(radians), np.sin(radians), np.full(3, (N - 1) / 2))
    slopes = np.stack([smooth((N, N))] * 2)

    def value():
        images = np.zeros((2, N, N))
        kernels.project(*numbers, *view, images)
        return (images * slopes).sum()

    check(
        value,
        lambda out: kernels.project_backward(*numbers, *view, slopes, *out),
        numbers,
        1e-3,
    )


def test_gradient_of_voxels(numbers):
    corner = np.array([3.0, 1.0, 2.0])
    slopes = smooth((N - 6, N, N - 3))

    def value():
        volume = np.zeros(slopes.shape)
        kernels.voxelise(*numbers, corner, volume)
        return (volume * slopes).sum()

    check(
        value,
        lambda out: kernels.voxelise_backward(*numbers, corner, slopes, *out),
        numbers,
        1e-2,
    )


def test_gradient_of_total_variation(rng):
    volume = rng.uniform(0, 1, (5, 6, 7)).astype(np.float64)
    slopes = np.zeros_like(volume)
    losses.total_variation(volume, 0.1, slopes)

    def value():
        return losses.total_variation(volume, 0.1, np.empty_like(volume))

    (wanted,) = finite_differences(value, [volume], 1e-5)
    np.testing.assert_allclose(slopes, wanted, atol=1e-5)


def test_total_variation_of_a_step():
    volume = np.zeros((8, 6, 5), np.float32)
    volume[4:] = 3
    total = losses.total_variation(volume, 0, np.empty_like(volume) * 0 + 0)
    assert np.isnan(total) or total == pytest.approx(3 * 6 * 5)
