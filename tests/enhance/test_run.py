import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.enhance import parts, run
from hyperspy_stem_enhance.enhance.background import add_lowpass_background
from hyperspy_stem_enhance.enhance.run import enhance_frames
from hyperspy_stem_enhance.metrics import psnr
from hyperspy_stem_enhance.simulate.render import render_columns
from hyperspy_stem_enhance.simulate.scene import draw_scene


def draw_lattice(seed, index, shape=(128, 128), mode="HAADF"):
    """Strontium titanate, its columns 11 pixels apart at the least."""
    structures, pixel_size = ["SrTiO3 [001]"], 0.18
    return draw_scene(
        seed, index, shape, mode, "published", "lattice", structures, pixel_size
    )


@pytest.fixture(scope="module")
def scene():
    return draw_lattice(20, 4)


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_noise_and_background_go_and_columns_stay(mode):
    for index in range(3):
        scene = draw_lattice(77, index, mode=mode)
        enhanced = enhance_frames(scene.noisy[None], mode=mode)[0]
        flat = scene.noisy - scene.noisy.mean() + scene.clean.mean()
        flat = 2 * scene.clean.mean() - flat if mode == "BF" else flat
        assert psnr(enhanced, scene.clean) > psnr(flat, scene.clean) + 5


def test_counts_in_counts_out(scene):
    frame = scene.noisy[None]
    enhanced = enhance_frames(frame)
    np.testing.assert_allclose(
        enhance_frames(40 * frame + 1000), 40 * enhanced, atol=0.02 * 40
    )


def test_result_is_not_negative_unless_asked():
    frame = draw_scene(52, 0, (128, 128), "HAADF", "published", "sparse").noisy[None]
    assert enhance_frames(frame).min() >= 0
    negative = enhance_frames(frame, allow_negative=True)
    assert negative.min() < 0
    enhanced = enhance_frames(frame)
    kept = negative > frame.std()  # more than twice 0.5 SD of the noise
    np.testing.assert_array_equal(enhanced[kept], negative[kept])
    assert (enhanced <= np.clip(negative, 0, None)).all()


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_self_ensemble_is_the_same_for_mirror_images_and_better(mode):
    single, mean = [], []
    for index in range(3):
        scene = draw_lattice(51, index, mode=mode)
        frames = np.stack([scene.noisy, scene.noisy[:, ::-1], scene.noisy[::-1]])
        options = {"mode": mode, "scale": 1, "allow_negative": True}
        alone = enhance_frames(frames, **options)
        joined = enhance_frames(frames, **options, self_ensemble=True)
        tolerance = 1e-4 * np.ptp(joined)
        for values in (joined[1, :, ::-1], joined[2, ::-1]):
            np.testing.assert_allclose(values, joined[0], atol=tolerance)
        assert np.abs(alone[1, :, ::-1] - alone[0]).max() > 10 * tolerance
        single.append(psnr(alone[0], scene.clean))
        mean.append(psnr(joined[0], scene.clean))
    assert np.mean(mean) > np.mean(single)


def test_noise_alone_becomes_nearly_nothing(rng):
    noise = rng.normal(100, 10, (1, 256, 256))
    enhanced = enhance_frames(noise)
    assert np.mean(enhanced > 0) < 0.001


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_background_is_kept_when_asked(mode):
    scene = draw_lattice(3, 1, mode=mode)
    sign = -1 if mode == "BF" else 1
    kept = enhance_frames(scene.noisy[None], mode=mode, keep_background=True)[0]
    truth = scene.background + sign * scene.clean
    assert np.abs(kept - truth).mean() < 12
    assert abs(np.mean(kept - scene.noisy)) < 1


@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_image_with_background_tends_to_the_image_as_noise_vanishes(mode, rng):
    scene = draw_lattice(8, 2, (256, 256), mode)
    # Ellipses: no network here has seen such columns
    clean = gaussian_filter(scene.background - scene.clean, (0, 2.5))
    errors = []
    for noise in (20, 1):
        frame = rng.normal(clean, noise).astype(np.float32)
        kept = enhance_frames(frame[None], mode=mode, keep_background=True)[0]
        columns = enhance_frames(frame[None], mode=mode)[0]
        smooth = add_lowpass_background(frame, columns, mode)
        errors.append((np.std(kept - clean), np.std(smooth - clean)))
    assert errors[0][0] < 1.05 * errors[0][1]
    assert errors[1][0] < 0.5 * errors[1][1]
    assert errors[1][0] < 2


def test_missing_and_hot_pixels_do_not_come_back(scene):
    frame = scene.noisy.copy()
    expected = enhance_frames(frame[None], keep_background=True)[0]
    frame[40:44, 50:60], frame[90, 30] = np.nan, 1e5
    kept = enhance_frames(frame[None], keep_background=True)[0]
    assert np.isfinite(kept).all()
    assert np.abs(kept - expected)[80:100, 20:40].max() < np.ptp(scene.clean)
    assert np.abs(kept - expected).mean() < 3


def test_frames_do_not_influence_each_other(scene):
    other = draw_scene(20, 5, (128, 128)).noisy
    both = enhance_frames(np.stack([scene.noisy, other]))
    np.testing.assert_allclose(both[0], enhance_frames(scene.noisy[None])[0], atol=1e-3)


@pytest.mark.parametrize("shape", [(16, 16), (17, 130), (300, 131)])
def test_any_size_from_sixteen_pixels(shape, rng):
    frames = rng.normal(100, 10, (1, *shape))
    assert enhance_frames(frames).shape == frames.shape


def test_seams_of_tiles_do_not_show():
    scene = draw_lattice(31, 2, (320, 320))
    whole = enhance_frames(scene.noisy[None])[0]
    part = enhance_frames(scene.noisy[None, 40:, 40:])[0]
    difference = np.abs(whole[40:, 40:] - part)[24:-24, 24:-24]
    assert np.median(difference) < 0.02 * np.ptp(whole)


@pytest.mark.parametrize(
    "dtype", ["f2", "u1", "u2", "u4", "i4", "f8", ">f4", ">u2", ">f8"]
)
def test_dtypes_give_the_same(scene, dtype):
    frame = np.round(scene.noisy)[None]
    expected = enhance_frames(frame)
    found = enhance_frames(frame.astype(dtype))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_memory_order_does_not_matter(scene):
    frame = scene.noisy[None]
    expected = enhance_frames(np.ascontiguousarray(frame.transpose(0, 2, 1)))
    np.testing.assert_allclose(enhance_frames(frame.transpose(0, 2, 1)), expected)


@pytest.mark.parametrize(
    ("frames", "arguments", "message"),
    [
        (np.ones((32, 32)), {}, r"shape \(32, 32\)"),
        (np.ones((1, 32, 32), complex), {}, "complex128"),
        (np.ones((1, 15, 64)), {}, "15 x 64"),
        (np.ones((1, 32, 32)), {}, "constant"),
        (np.full((1, 32, 32), np.nan), {}, "no finite pixel"),
        (np.eye(32)[None], {"mode": "TEM"}, "mode='TEM'"),
        (np.eye(32)[None], {"model": "none"}, "model='none'"),
        (np.eye(32)[None], {"device": "abacus"}, "device='abacus'"),
    ],
)
def test_bad_input_is_named(frames, arguments, message):
    with pytest.raises(ValueError, match=message):
        enhance_frames(frames, **arguments)


class TestLargeFrames:
    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch):
        monkeypatch.setattr(parts, "SIZE", 448)

    @pytest.fixture
    def large(self):
        return draw_lattice(5, 0, (400, 640))

    def test_parts_leave_no_seam(self, large, monkeypatch):
        cut = enhance_frames(large.noisy[None], scale=1)[0]
        monkeypatch.setattr(parts, "SIZE", 2048)
        whole = enhance_frames(large.noisy[None], scale=1)[0]
        difference = np.abs(cut - whole)
        assert difference.max() > 0
        assert np.quantile(difference, 0.999) < 0.02 * np.ptp(whole)

    def test_parts_with_background_leave_no_seam(self, large, monkeypatch):
        cut = enhance_frames(large.noisy[None], scale=1, keep_background=True)[0]
        monkeypatch.setattr(parts, "SIZE", 2048)
        whole = enhance_frames(large.noisy[None], scale=1, keep_background=True)[0]
        assert np.quantile(np.abs(cut - whole), 0.99) < 0.04 * np.ptp(whole)

    def test_all_parts_are_resampled_alike(self, large, monkeypatch):
        half_empty = large.noisy.copy()
        half_empty[:, 320:] = np.random.default_rng(0).normal(100, 5, (400, 320))
        seen = []

        def choose(frame, *arguments):
            seen.append(frame.shape)
            return 0.5

        monkeypatch.setattr(run, "choose_factor", choose)
        found = enhance_frames(half_empty[None])
        assert seen == [(1, 400, 640)]  # one patch
        np.testing.assert_array_equal(
            found, enhance_frames(half_empty[None], scale=0.5)
        )

    def test_empty_parts_are_zero_or_missing(self, large):
        frame = large.noisy.copy()
        frame[:, 190:] = 7
        assert not enhance_frames(frame[None])[0, :, 360:].any()
        kept = enhance_frames(frame[None], keep_background=True)[0]
        np.testing.assert_allclose(kept[:, 400:], 7, atol=0.1)
        frame[:, 190:] = np.nan
        enhanced = enhance_frames(frame[None])[0]
        assert np.isnan(enhanced[:, 360:]).all()
        assert np.isfinite(enhanced[:, :190]).all()


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_columns_of_sparse_scans_keep_their_heights(share, rng):
    sites = np.array([(y, x) for y in range(8, 128, 16) for x in range(8, 128, 16)])
    n, at = len(sites), tuple(sites.T)
    clean = render_columns(sites, np.full(n, 10.0), np.full(n, 2.6), (128, 128))
    counts = rng.poisson(clean + 3).astype(np.float32)
    sparse = np.where(rng.random(counts.shape) < share, counts, np.nan)
    full, found = enhance_frames(np.stack([counts, sparse]), "sfin-fast", scale=1)
    assert found[at].mean() > (0.75 if share < 0.3 else 0.88) * full[at].mean()
