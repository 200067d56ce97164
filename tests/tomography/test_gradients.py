"""Gradients of kernels and losses against finite differences."""

import numpy as np
import pytest

from hyperspy_stem_enhance.tomography import kernels, losses
from hyperspy_stem_enhance.tomography.gaussians import pack
from hyperspy_stem_enhance.tomography.model import Model

N = 40


@pytest.fixture
def numbers(rng):
    factor = 0.7 * rng.normal(size=(4, 3, 3))
    covariances = pack(factor @ factor.transpose(0, 2, 1) + np.eye(3))
    return rng.uniform(18, 21, (4, 3)), covariances, rng.uniform(0.5, 1, 4)


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
    axes = np.indices(shape) - (N - 1) / 2
    return np.exp(-sum(axis**2 for axis in axes) / 30) * (1 + np.sin(axes[-1]))


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
        2e-2,
        # The longer the step, the less the jumps at 4 σ count
        step=1e-2,
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
    volume = np.zeros((8, 6, 5))
    volume[4:] = 3
    total = losses.total_variation(volume, 1e-6, np.empty_like(volume))
    assert total == pytest.approx(3 * 6 * 5, abs=1e-3)


@pytest.mark.parametrize(
    "term",
    [losses.least_squares, losses.absolute_and_structure, losses.fourier_amplitudes],
)
def test_gradient_of_data_terms(rng, term):
    view = rng.uniform(0, 10, (14, 16))
    model = view + rng.normal(size=view.shape)
    variance = rng.uniform(0.5, 2, view.shape)
    slopes = term(model, view, variance)[1]
    (wanted,) = finite_differences(
        lambda: term(model, view, variance)[0], [model], 1e-5
    )
    np.testing.assert_allclose(slopes, wanted, atol=1e-4 * abs(wanted).max())


def test_structural_similarity_is_that_of_the_metric(rng):
    from hyperspy_stem_enhance.metrics import ssim

    view = rng.uniform(0, 255, (40, 40))
    model = view + rng.normal(size=view.shape) * 20
    similarity, _ = losses.structural_similarity(model, view, 255.0)
    assert similarity[5:-5, 5:-5].mean() == pytest.approx(ssim(model, view), abs=1e-3)


def test_steps_of_the_model_follow_the_gradient(rng):
    """Adam's first step has the sign of each gradient, through M and softplus."""
    model = Model(rng.uniform(5, 9, (3, 3)), np.full(3, 2.0), np.full(3, 0.7), 0.6)
    weights = rng.normal(size=(3, 3)), rng.normal(size=(3, 6)), rng.normal(size=3)

    def value():
        model.unpack()
        parts = model.positions, model.covariances, model.denza
        # xz of a symmetric matrix stands for zx as well
        twice = [1, np.array([1, 1, 1, 2, 2, 2]), 1]
        return sum(
            (p * w * t).sum() for p, w, t in zip(parts, weights, twice, strict=True)
        )

    (wanted,) = finite_differences(value, [model.numbers], 1e-6)
    before = model.numbers.copy()
    model.step(weights, (1e-3, 1e-3, 1e-3))
    moved = model.numbers - before
    assert (np.sign(moved) == -np.sign(np.where(abs(wanted) < 1e-7, 0, wanted))).all()
    np.testing.assert_allclose(model.first, 0.1 * wanted, atol=1e-6)
