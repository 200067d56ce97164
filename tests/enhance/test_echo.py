"""What follows the noise goes, what is structure stays."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.enhance.echo import (
    perturb_noise,
    remove_echo,
    sample_windows,
)
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.metrics import psnr
from hyperspy_stem_enhance.models import registry
from hyperspy_stem_enhance.simulate.scene import draw_scene


def blobs(rng, shape=(256, 256)):
    """Spots without order."""
    points = rng.random(shape) < 0.004
    return (60 * gaussian_filter(points.astype(np.float32), 3)).astype(np.float32)


def apply(denoise, noisy):
    """What a denoiser gives, and that without the echo of the noise."""
    result = denoise(noisy)
    noise = perturb_noise(noisy - result)
    changed = denoise(noisy + noise) - result
    changes = [(window, changed[window]) for window in sample_windows(noisy.shape)]
    return result, remove_echo(result, noisy - result, noise, changes)


def test_added_noise_is_a_part_of_the_rest(rng):
    rest = rng.normal(size=(64, 48)).astype(np.float32)
    noise = perturb_noise(rest)
    ratio = noise / rest
    np.testing.assert_allclose(np.abs(ratio), np.abs(ratio).mean(), rtol=1e-5)
    assert set(np.sign(ratio[:, 0])) == {-1, 1}
    np.testing.assert_allclose(ratio, np.repeat(ratio[:, :1], 48, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(noise, perturb_noise(rest))


@pytest.mark.parametrize("sigma", [0.8, 1.5])
def test_echo_of_a_filter_goes(sigma, rng):
    truth = blobs(rng)
    noisy = truth + 3 * rng.normal(size=truth.shape).astype(np.float32)
    result, better = apply(
        lambda image: 0.7 * truth + 0.3 * gaussian_filter(image, sigma), noisy
    )
    assert np.std(better - truth) < 0.9 * np.std(result - truth)


def test_structure_stays_where_there_is_no_echo(rng):
    truth = blobs(rng)
    noisy = truth + 3 * rng.normal(size=truth.shape).astype(np.float32)
    _, better = apply(lambda image: truth, noisy)
    assert np.std(better - truth) < 0.05 * truth.std()


def test_nothing_stays_nothing(rng):
    zero = np.zeros((64, 64), np.float32)
    noise = rng.normal(size=zero.shape).astype(np.float32)
    _, better = apply(lambda image: zero, noise)
    assert not better.any()


def test_units_do_not_matter(rng):
    noisy = blobs(rng) + rng.normal(size=(256, 256)).astype(np.float32)
    _, once = apply(lambda image: gaussian_filter(image, 2), noisy)
    _, often = apply(lambda image: gaussian_filter(image, 2), 1000 * noisy)
    np.testing.assert_allclose(often, 1000 * once, rtol=1e-3, atol=0.5)


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_images_of_few_electrons_come_out_better(mode):
    gains = []
    for index in range(4):
        scene = draw_scene(61, index, (192, 192), mode, "low-dose", "lattice")
        options = {"mode": mode, "scale": 1}
        plain, better = (
            enhance_frames(scene.noisy[None], remove_echo=echo, **options)[0]
            for echo in (False, True)
        )
        assert better.min() >= 0
        gains.append(psnr(better, scene.clean) - psnr(plain, scene.clean))
    assert np.mean(gains) > 0.1


def test_nothing_appears_in_noise(rng):
    frames = rng.poisson(0.5, (2, 128, 128)).astype(np.float32)
    plain, better = (enhance_frames(frames, remove_echo=e) for e in (False, True))
    assert not better[plain == 0].any()
    assert better.min() >= 0


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_frames_do_not_influence_each_other(mode):
    scenes = [draw_scene(62, i, (64, 80), mode, "low-dose") for i in range(3)]
    frames = np.stack([scene.noisy for scene in scenes])
    for kept in (False, True):
        options = {"mode": mode, "keep_background": kept, "remove_echo": True}
        joined = enhance_frames(frames, **options)
        for frame, result in zip(frames, joined, strict=True):
            alone = enhance_frames(frame[None], **options)[0]
            np.testing.assert_allclose(result, alone, atol=1e-4 * np.ptp(alone))


def test_values_that_are_not_finite_are_filled(rng):
    scene = draw_scene(63, 1, (96, 96), "HAADF", "scanning", "lattice")
    frame = scene.noisy.copy()
    frame[20:24, 30:40] = np.nan
    found = enhance_frames(frame[None], remove_echo=True)[0]
    assert np.isfinite(found).all()


def test_large_frames_are_served_in_parts(monkeypatch):
    from hyperspy_stem_enhance.enhance import parts

    scene = draw_scene(64, 1, (300, 200), "HAADF", "low-dose", "lattice")
    options = {"scale": 1, "remove_echo": True}
    whole = enhance_frames(scene.noisy[None], **options)[0]
    monkeypatch.setattr(parts, "SIZE", 250)
    monkeypatch.setattr(parts, "OVERLAP", 100)
    monkeypatch.setattr(parts, "_FADE", 20)
    joined = enhance_frames(scene.noisy[None], **options)[0]
    assert np.corrcoef(whole.ravel(), joined.ravel())[0, 1] > 0.95


def test_other_outputs_are_refused():
    frames = np.zeros((1, 32, 32))
    with pytest.raises(ValueError, match="remove_echo=True belongs to output='enhan"):
        enhance_frames(frames, output="super-resolution", remove_echo=True)


def test_images_of_cameras_are_refused():
    with pytest.raises(ValueError, match="remove_echo=True is for scanned images"):
        enhance_frames(np.zeros((1, 32, 32)), mode="HRTEM", remove_echo=True)


def test_networks_of_eight_bits_are_refused(monkeypatch):
    monkeypatch.setattr(registry, "takes_eight_bit", lambda model: True)
    with pytest.raises(ValueError, match="takes values from 0 to 255"):
        enhance_frames(np.zeros((1, 32, 32)), remove_echo=True)


def test_windows_of_large_frames_tell_the_echo(rng):
    truth = blobs(rng, (640, 576))
    noisy = truth + 3 * rng.normal(size=truth.shape).astype(np.float32)
    result, better = apply(lambda image: 0.7 * truth + gaussian_filter(image, 1), noisy)
    assert len(sample_windows(truth.shape)) == 4
    assert np.std(better - truth) < 0.9 * np.std(result - truth)


def test_windows_lie_in_the_frame():
    for shape in ((16, 16), (512, 512), (513, 100), (2048, 777)):
        for window in sample_windows(shape):
            for size, side in zip(shape, window, strict=True):
                assert 0 <= side.start < side.stop <= size


@pytest.mark.parametrize("ensemble", [False, True])
def test_large_frames_are_sampled(ensemble, monkeypatch):
    from hyperspy_stem_enhance.enhance import echo

    scene = draw_scene(65, 3, (272, 300), "HAADF", "low-dose", "lattice")
    frames = np.stack([scene.noisy, scene.noisy[::-1]])
    frames[1, :, :160] = 0  # one window with nothing in it
    options = {"scale": 1, "remove_echo": True, "self_ensemble": ensemble}
    whole = enhance_frames(frames, **options)
    monkeypatch.setattr(echo, "_WINDOW", 128)
    sampled = enhance_frames(frames, **options)
    plain = enhance_frames(frames, scale=1, self_ensemble=ensemble)
    for all_of_it, some, none in zip(whole, sampled, plain, strict=True):
        assert np.abs(some - all_of_it).mean() < 0.5 * np.abs(some - none).mean()
