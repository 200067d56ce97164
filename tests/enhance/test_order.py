"""What repeats is shown where single pixels show nothing, and nothing else."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from hyperspy_stem_enhance.enhance.order import find_order, network_input


def lattice(shape=(256, 256)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = np.cos(2 * np.pi * (x + 0.2 * y) / 13) * np.cos(2 * np.pi * y / 17)
    return waves.astype(np.float32)


@pytest.mark.parametrize("kind", ["white", "rows", "blurred", "counting"])
def test_noise_has_no_order(kind, rng):
    noise = rng.normal(size=(256, 256))
    if kind == "rows":
        noise = gaussian_filter1d(noise, 2, axis=1) + rng.normal(size=(256, 1))
    if kind == "blurred":
        noise = gaussian_filter(noise, 1)
    if kind == "counting":
        noise = rng.poisson(0.05, noise.shape) - 0.05
    assert find_order(noise.astype(np.float32)).std() < 0.1 * noise.std()


def test_a_lattice_stands_out_of_noise_that_hides_it(rng):
    clean = lattice()
    noise = 4 * rng.normal(size=clean.shape).astype(np.float32)
    found = find_order(clean + noise)
    assert np.std(found - clean) < 0.45 * clean.std()


def test_a_single_atom_has_no_order(rng):
    y, x = np.mgrid[:128, :128]
    atom = np.exp(-((y - 60) ** 2 + (x - 70) ** 2) / 18)
    image = 5 * atom + rng.normal(size=atom.shape)
    assert np.abs(find_order(image.astype(np.float32))).max() < 1


def test_units_do_not_matter(rng):
    image = lattice() + rng.normal(size=(256, 256)).astype(np.float32)
    once, often = find_order(image), find_order(1000 * image)
    np.testing.assert_allclose(often, 1000 * once, rtol=1e-3, atol=0.1)


@pytest.mark.parametrize("shape", [(16, 16), (33, 90), (130, 64)])
def test_small_images_are_served(shape, rng):
    found = find_order(rng.normal(size=shape).astype(np.float32))
    assert found.shape == shape
    assert np.isfinite(found).all()


def test_networks_are_given_as_much_as_they_take(rng):
    values = lattice() + rng.normal(size=(256, 256)).astype(np.float32)
    assert network_input(values, "HAADF", 1).shape == (1, 256, 256)
    given = network_input(values, "HAADF", 2)
    np.testing.assert_array_equal(given, [values, find_order(values)])


def test_cameras_have_the_noise_of_their_rows_across(rng):
    values = lattice() + rng.normal(size=(1, 256)).astype(np.float32)
    expected = find_order(np.ascontiguousarray(values.T)).T
    np.testing.assert_array_equal(network_input(values, "HRTEM")[1], expected)


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_the_order_goes_with_a_frame_that_is_resampled(scale, monkeypatch):
    from hyperspy_stem_enhance.enhance import run
    from hyperspy_stem_enhance.models import registry

    class Spy:
        n_inputs, downscale = 2, 2

        def __call__(self, x):
            self.given = x.numpy().copy()
            return x[:, :1]

    spy = Spy()
    monkeypatch.setattr(registry, "load_for_use", lambda *_: (spy, "cpu"))
    monkeypatch.setattr(run, "_TILES_PER_BATCH", 64)
    noisy = lattice((200, 200)) + np.random.default_rng(0).normal(size=(200, 200))
    run.enhance_frames(noisy[None], "sfin-fast", scale=scale)
    side = round(200 * scale)
    side = min(side, 256) if side >= 128 else 192  # small frames are reflected
    assert spy.given.shape[1:] == (2, side, side)
    frame, order = spy.given[0]
    assert np.corrcoef(frame.ravel(), order.ravel())[0, 1] > 0.3
