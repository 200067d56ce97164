"""Reconstruction of small simulated series by each method."""

import numpy as np
import pytest

from hyperspy_stem_enhance.tomography import METHODS, Gaussians, reconstruct
from hyperspy_stem_enhance.tomography.denza import views_to_leave_out

TILTS = np.linspace(-70, 70, 11)
GAINS = np.exp(0.05 * np.sin(np.arange(11) * 2.0))
GAINS /= np.exp(np.log(GAINS).mean())


def psnr(volume, truth):
    return 10 * np.log10(truth.max() ** 2 / np.mean((volume - truth) ** 2))


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(4)
    positions = np.array([14, 15.5, 15.5]) + rng.uniform(-6, 6, (12, 3))
    covariances = np.eye(3) * rng.uniform(2, 8, (12, 1, 1))
    return Gaussians(positions, covariances, rng.uniform(0.5, 1, 12), (29, 32, 32))


@pytest.fixture(scope="module")
def views(truth):
    clean = truth.project(TILTS)
    scale = 100 / clean.max()
    rng = np.random.default_rng(5)
    return rng.poisson(scale * clean * GAINS[:, None, None]) / scale


@pytest.fixture(scope="module")
def result(views):
    return reconstruct(views, TILTS, iterations=200)


def test_gaussians_are_nearer_the_truth_than_sirt(views, truth, result):
    sirt = reconstruct(views, TILTS, method="sirt")
    volume = truth.voxelise()
    assert psnr(result.volume, volume) > psnr(sirt.volume, volume) + 3
    assert not result.interrupted
    assert result.volume.shape == volume.shape
    assert result.volume.dtype == np.float32
    np.testing.assert_array_equal(result.gaussians.voxelise(), result.volume)


def test_gains_are_found(result):
    assert np.log(result.gains).mean() == pytest.approx(0, abs=1e-9)
    # 8000 counts a view leave 1.1 % to the sum alone
    assert np.log(result.gains / GAINS).std() < 0.017


def test_residuals_are_the_noise(result, views, truth):
    clean = truth.project(TILTS) * GAINS[:, None, None]
    noise = np.sqrt(np.mean((views - clean) ** 2, axis=(1, 2)))
    np.testing.assert_allclose(result.residual_rms, noise, rtol=0.15)


def test_the_same_seed_gives_the_same(views, result):
    again = reconstruct(views, TILTS, iterations=200)
    np.testing.assert_array_equal(again.volume, result.volume)
    other = reconstruct(views, TILTS, iterations=200, seed=1)
    assert not np.array_equal(other.volume, result.volume)


def test_history_and_settings(result):
    history = result.history
    assert len(history["step"]) == len(history["loss"]) == len(history["left_out"])
    assert np.isfinite(history["left_out"]).any()
    assert result.settings["left_out_views"] == views_to_leave_out(TILTS).tolist()
    assert result.settings["n_gaussians"] == len(result.gaussians)


def test_background_does_not_become_density(views, truth):
    raised = reconstruct(views + 3.0, TILTS, iterations=100)
    plain = reconstruct(views, TILTS, iterations=100)
    volume = truth.voxelise()
    assert psnr(raised.volume, volume) > psnr(plain.volume, volume) - 2.5
    assert raised.backgrounds.mean() == pytest.approx(3, abs=0.3)


def test_interruption_returns_what_there_is(views):
    def stop(step, total, error):
        assert 0 < step <= total
        if step > 100:
            raise KeyboardInterrupt

    for method in ("denza", "sirt", "tv"):
        result = reconstruct(views, TILTS, method=method, iterations=150, report=stop)
        assert result.interrupted
        assert result.volume.max() > 0


@pytest.mark.parametrize("method", ["wbp", "sirt", "tv"])
def test_voxel_methods(views, truth, method):
    result = reconstruct(views, TILTS, method=method)
    assert result.gaussians is None
    assert result.volume.sum() == pytest.approx(truth.voxelise().sum(), rel=0.15)
    # Where the object is, and not its mirror image
    volume = truth.voxelise()
    own = np.corrcoef(result.volume.ravel(), volume.ravel())[0, 1]
    mirrored = np.corrcoef(result.volume[:, ::-1].ravel(), volume.ravel())[0, 1]
    assert own > max(0.7, mirrored)


def test_svmbir_agrees_about_the_axes(views, truth):
    pytest.importorskip("svmbir")
    result = reconstruct(views, TILTS, method="svmbir")
    volume = truth.voxelise()
    assert np.corrcoef(result.volume.ravel(), volume.ravel())[0, 1] > 0.9


def test_thickness(views):
    result = reconstruct(views, TILTS, method="sirt", thickness=20)
    assert result.volume.shape == (29, 20, 32)


def test_few_views_without_left_out_ones(views):
    result = reconstruct(views[::3], TILTS[::3], iterations=50)
    assert result.settings["left_out_views"] == []
    assert np.isfinite(result.volume).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "method='magic'"),
        ({"thickness": 0}, "thickness is 0"),
        ({"device": "cuda"}, "device='cuda'"),
        ({"tilts": TILTS[:5]}, "5 angles for 11 views"),
        ({"tilts": np.zeros(11)}, "different angles"),
        ({"n_gaussians": 0}, "n_gaussians is 0"),
        ({"iterations": 0}, "iterations is 0"),
        ({"regularisation": -1}, "regularisation is -1"),
    ],
)
def test_bad_input_is_named(views, change, message):
    arguments = {"tilts": TILTS} | change
    with pytest.raises(ValueError, match=message):
        reconstruct(views, **arguments)


def test_empty_and_nonfinite_views_are_refused(views):
    with pytest.raises(ValueError, match="no intensity"):
        reconstruct(np.zeros_like(views), TILTS)
    with pytest.raises(ValueError, match="not finite"):
        reconstruct(np.where(views > 1, np.nan, views), TILTS)


def test_all_methods_are_known():
    assert METHODS == ("denza", "wbp", "sirt", "tv", "svmbir")
