"""The normal equations of many Gaussians against plain numerical ones."""

import numpy as np
import pytest

from hyperspy_stem_enhance.detect.gaussians import Gaussians
from hyperspy_stem_enhance.detect.joint_fit import JointFit, NormalMatrix
from hyperspy_stem_enhance.detect.joint_gaussians import JointModel
from hyperspy_stem_enhance.detect.mean_width import measure_mean_width
from hyperspy_stem_enhance.detect.residual_noise import measure_variance
from hyperspy_stem_enhance.detect.rough_fit import all_free, fit_roughly

SHAPE = (48, 60)
CENTRES = np.array([[20.3, 22.6], [21.1, 29.4], [33.7, 27.2], [12.2, 50.3]])
TERMS = {"none": 0, "constant": 1, "plane": 3}


def make(background, elliptical, rng):
    n, sigma = len(CENTRES), np.full(len(CENTRES), 2.3)
    data = rng.normal(0, 1, SHAPE).astype(np.float32)
    model = JointModel(data, *CENTRES.T, sigma, 3 * sigma, 5.0, background, elliptical)
    model.weight = np.where(
        model.used, rng.uniform(0.5, 2, model.data.shape), 0
    ).astype(np.float32)
    tilt = rng.uniform(-0.03, 0.03, n) if elliptical else np.zeros(n)
    yy = rng.uniform(0.15, 0.25, n)
    xx = rng.uniform(0.15, 0.25, n) if elliptical else yy
    g = Gaussians(
        *CENTRES.T.copy(),
        height=rng.uniform(1, 3, n),
        precision=np.stack([yy, tilt, xx], axis=1),
        background=rng.normal(0, 0.1, (n, TERMS[background])),
    )
    return model, g


def with_parameter(g, column, k, step, elliptical):
    """Copy with one parameter changed, in the order of the gradient."""
    g = g.select(np.arange(len(g)))
    n_shape = 3 if elliptical else 1
    if k < 3:
        vars(g)[("y", "x", "height")[k]][column] += step
    elif k < 3 + n_shape and elliptical:
        g.precision[column, k - 3] += step
    elif k < 3 + n_shape:
        g.precision[column] *= np.exp(-2 * step)
    else:
        g.background[column, k - 3 - n_shape] += step
    return g


def numerical_jacobian(model, g, elliptical):
    steps = 1e-2 * np.array(
        [1, 1, 1, *([0.1] * 3 if elliptical else [1]), *[1] * model.terms]
    )
    return np.array(
        [
            [
                (
                    model.residual(with_parameter(g, i, k, -step, elliptical))
                    - model.residual(with_parameter(g, i, k, step, elliptical))
                ).ravel()
                / (2 * step)
                for k, step in enumerate(steps)
            ]
            for i in range(len(g))
        ]
    )


@pytest.mark.parametrize("elliptical", [False, True])
@pytest.mark.parametrize("background", TERMS)
def test_equations_are_those_of_finite_differences(background, elliptical, rng):
    model, g = make(background, elliptical, rng)
    residual = model.residual(g)
    jacobian = numerical_jacobian(model, g, elliptical)
    weight = model.weight.ravel().astype(float)
    normal = np.einsum("iap,p,jbp->iajb", jacobian, weight, jacobian, optimize=True)
    cost, gradient, matrix = model.evaluate(g, residual, np.arange(len(g)))
    expected = jacobian @ (weight * residual.ravel())
    scale = np.abs(expected).max()
    np.testing.assert_allclose(gradient, expected, atol=2e-3 * scale, rtol=2e-3)
    for i in range(len(g)):
        size = np.sqrt(np.outer(*[np.diag(normal[i, :, i])] * 2))
        np.testing.assert_allclose(matrix[i] / size, normal[i, :, i] / size, atol=3e-3)
    for (i, j), block in zip(model.pairs, model.couplings(g, model.pairs), strict=True):
        size = np.sqrt(np.outer(np.diag(normal[i, :, i]), np.diag(normal[j, :, j])))
        np.testing.assert_allclose(block / size, normal[i, :, j] / size, atol=5e-3)
    assert {(0, 1), (1, 0)} & {tuple(pair) for pair in model.pairs}
    assert cost.sum() == pytest.approx(np.sum(weight * residual.ravel() ** 2), rel=1e-4)


def test_pixels_belong_to_the_nearest_column(rng):
    model, _ = make("constant", False, rng)
    m = model.margin
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(
        rows - CENTRES[:, 0, None, None], columns - CENTRES[:, 1, None, None]
    )
    expected = np.where(distance.min(0) <= 6.9, distance.argmin(0), -1)
    np.testing.assert_array_equal(model.owner[m:-m, m:-m], expected)
    np.testing.assert_array_equal(model.n_pixels, np.bincount(expected.ravel() + 1)[1:])


def random_matrix(rng, pairs, n=5, p=3):
    """Blocks and the dense matrix of groups of coupled columns."""
    dense = np.zeros((n, p, n, p))
    for i in range(n):
        a = rng.normal(size=(p, p))
        dense[i, :, i] = a @ a.T + 4 * np.eye(p)
    for i, j in pairs:
        block = rng.normal(size=(p, p)) / 2
        dense[i, :, j], dense[j, :, i] = block, block.T
    diagonal = np.stack([dense[i, :, i] for i in range(n)])
    blocks = np.stack([dense[i, :, j] for i, j in pairs])
    return NormalMatrix(diagonal, np.array(pairs), blocks), dense.reshape(n * p, -1)


@pytest.mark.parametrize("pairs", [[(0, 1)], [(0, 1), (2, 1), (0, 2), (3, 4)]])
def test_blocks_are_solved_and_inverted_as_a_matrix(pairs, rng):
    matrix, dense = random_matrix(rng, pairs)
    assert np.linalg.eigvalsh(dense).min() > 0
    right = rng.normal(size=(5, 3))
    solution = matrix.solve(right, np.zeros(5))
    expected = np.linalg.solve(dense, right.ravel()).reshape(5, 3)
    np.testing.assert_allclose(solution, expected, atol=0.05 * np.abs(expected).max())
    inverse = np.linalg.inv(dense).reshape(5, 3, 5, 3)
    np.testing.assert_allclose(
        matrix.inverse_diagonal(),
        np.stack([inverse[i, :, i] for i in range(5)]),
        rtol=1e-5,
        atol=1e-7,
    )


def test_a_step_that_does_harm_is_taken_back(rng, draw):
    """From a start far away, the cost does not grow."""
    true = CENTRES[:1]
    data = draw(true, 1.0, 2.3, SHAPE).astype(np.float32)
    far = true + 2.5
    width = np.array([2.3])
    model = JointModel(data, *far.T, width, 3 * width, 4.0, "constant", False)
    g = Gaussians(*far.T, np.ones(1), np.array([[0.19, 0, 0.19]]), np.zeros((1, 1)))
    model.weight *= 1e4
    fit = JointFit(model, g, width, all_free(model))
    before = np.sum(model.weight * fit.residual**2)
    fit.run(1e-4, 30)
    assert np.sum(model.weight * fit.residual**2) < before
    np.testing.assert_allclose([fit.g.y, fit.g.x], true.T, atol=0.02)


def test_what_is_not_free_stays(rng):
    model, g = make("constant", False, rng)
    free = all_free(model)
    free[:, :2] = free[1] = False
    fit = JointFit(model, g, np.full(4, 2.3), free)
    fit.run(1e-4, 5)
    np.testing.assert_array_equal(fit.g.y, g.y)
    np.testing.assert_array_equal(fit.g.height[1], g.height[1])
    assert np.all(fit.g.height[[0, 2, 3]] != g.height[[0, 2, 3]])


@pytest.mark.parametrize("sigma", [1.3, 2.9, 6.0])
def test_the_rough_fit_is_in_pixels_of_the_image(sigma, draw):
    """On coarse pixels, and yet without a shift or a wrong width."""
    true = np.array([[70.3, 60.8], [70.9, 130.1]])
    image = draw(true, 1.0, sigma, (141, 203)).astype(np.float32) + 0.2
    g, noise = fit_roughly(image, true + 0.4 * sigma, 1.1 * sigma, None, None, "plane")
    np.testing.assert_allclose(np.stack([g.y, g.x], 1), true, atol=0.05 * sigma)
    np.testing.assert_allclose(g.sigma(), sigma, rtol=0.05)
    np.testing.assert_allclose(g.height, 1, rtol=0.05)
    np.testing.assert_allclose(g.background[:, 0], 0.2, atol=0.02)
    assert noise.variance(0.5) < 1e-3


def test_noise_of_the_rough_fit_is_that_of_pixels(draw, lattice, rng):
    true = lattice((18, 0), (0, 18), (200, 200), margin=12)
    image = draw(true, 1.0, 3.0, (200, 200)) + rng.normal(0, 0.1, (200, 200))
    _, noise = fit_roughly(image.astype(np.float32), true, 3.0, None, None, "constant")
    assert noise.variance(0.5) == pytest.approx(0.01, rel=0.15)


@pytest.mark.parametrize("sigma", [1.2, 2.5, 5.0])
@pytest.mark.parametrize("level", [0.0, 30.0])
def test_mean_width(sigma, level, draw, lattice, rng):
    true = lattice((6 * sigma, 0), (0, 6 * sigma), (150, 150), margin=2)
    image = draw(true, 20, sigma, (150, 150)) + level
    noisy = rng.poisson(image) + 0.0
    assert measure_mean_width(noisy, true) == pytest.approx(sigma, rel=0.15)


def test_variance_falls_where_it_does(rng):
    """As that of dark columns that were turned."""
    clean = rng.uniform(10, 90, 40_000)
    turned = 100 - rng.poisson(100 - clean)
    gain, offset, floor = measure_variance(clean, turned - clean)
    assert gain == pytest.approx(-1, abs=0.06)
    assert offset == pytest.approx(100, abs=4)
    assert 0 < floor < 15
