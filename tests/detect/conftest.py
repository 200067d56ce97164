"""Images of known columns, as a perfect enhancement would give them."""

import numpy as np
import pytest

from hyperspy_stem_enhance.simulate.render import render_columns


def make_lattice(a, b, shape, basis=((0.0, 0.0),), origin=(0.3, 0.7), margin=0.0):
    """Points of a lattice inside an image, ``margin`` pixels from its edges."""
    a, b = np.array(a, float), np.array(b, float)
    n = int(3 * max(shape) / min(np.hypot(*a), np.hypot(*b)))
    i, j = (k.ravel()[:, None] for k in np.mgrid[-n : n + 1, -n : n + 1])
    points = [i * a + j * b + np.array(origin) + np.array(o) for o in basis]
    points = np.concatenate(points)
    size = np.array(shape) - 1 - margin
    return points[np.all((points >= margin) & (points <= size), axis=1)]


def scatter(rng, shape, distance, count):
    """Random points with a minimum distance."""
    points = []
    for _ in range(100 * count):
        point = rng.uniform(0, 1, 2) * (np.array(shape) - 1)
        if all(np.hypot(*(point - p)) > distance for p in points):
            points.append(point)
        if len(points) == count:
            break
    return np.array(points)


SHAPE = (112, 150)


def _scenes():
    rng = np.random.default_rng(5)
    for sigma, spacing in ((1.3, 5), (1.5, 7), (2, 8), (3, 12), (5, 20), (7, 28)):
        points = make_lattice((spacing, 0), (0, spacing), SHAPE)
        yield f"square, sigma {sigma}, spacing {spacing}", points, 1.0, sigma
    angle = 0.3
    for sigma, spacing in ((1.5, 6), (3, 14)):
        a, b = (
            spacing * np.array([np.cos(t), np.sin(t)])
            for t in (angle, angle + np.pi / 3)
        )
        yield f"hexagonal, sigma {sigma}", make_lattice(a, b, SHAPE), 1.0, sigma
    for sigma, distance in ((1.3, 5), (1.6, 5), (1.8, 5), (3, 10)):
        basis = ((0, 0), (0.6 * distance, 0.8 * distance))
        points = make_lattice(
            (3.3 * distance, 0.2), (0.4, 2.6 * distance), SHAPE, basis, margin=1
        )
        height = np.where(np.arange(len(points)) % 2, 1.0, 0.7)
        yield f"dumbbells {distance} apart, sigma {sigma}", points, height, sigma
    points = make_lattice((16, 0), (0, 16), SHAPE, basis=((0, 0), (8, 8)))
    strong = np.all(np.isclose((points - (0.3, 0.7)) % 16 % 15.9999, 0, atol=1e-3), 1)
    yield "twenty times weaker between", points, np.where(strong, 1.0, 0.05), 2.5
    points = make_lattice((10, 0), (0, 10), SHAPE)
    bright = rng.random(len(points)) < 0.04
    yield "bright atoms over a weak lattice", points, np.where(bright, 20.0, 1.0), 2.2
    points = scatter(rng, SHAPE, 9, 90)
    height, sigma = rng.uniform(0.1, 1, len(points)), rng.uniform(1.9, 2.3, len(points))
    yield "random heights and widths", points, height, sigma
    points = scatter(rng, SHAPE, 25, 5)
    yield "few", points, rng.uniform(0.2, 1, len(points)), 3.0


SCENES = {name: rest for name, *rest in _scenes()}


@pytest.fixture
def lattice():
    """Maker of the points of a lattice inside an image."""
    return make_lattice


@pytest.fixture
def scattered():
    """Maker of random points with a minimum distance."""
    return scatter


@pytest.fixture
def draw():
    """Drawer of columns at points, all or each of a height and a sigma."""
    return draw_columns


def draw_columns(points, height, sigma, shape):
    n = len(points)
    height, sigma = np.broadcast_to(height, n), np.broadcast_to(sigma, n)
    return render_columns(points, height, sigma, shape).astype(float)


@pytest.fixture(params=SCENES)
def scene(request):
    """Columns that a perfect enhancement shows: image, points, sigma."""
    points, height, sigma = SCENES[request.param]
    return draw_columns(points, height, sigma, SHAPE), points, np.max(sigma)
