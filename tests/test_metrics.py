import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from hyperspy_stem_enhance.metrics import match_columns, psnr, score_columns, ssim


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    reference = rng.uniform(0, 255, (3, 24, 37))
    return reference + rng.normal(0, [[[5]], [[20]], [[60]]], (3, 24, 37)), reference


class TestImages:
    def test_psnr_is_the_mean_of_each_image(self, images):
        expected = np.mean(
            [
                peak_signal_noise_ratio(r, i, data_range=255)
                for i, r in zip(*images, strict=True)
            ]
        )
        pooled = peak_signal_noise_ratio(images[1], images[0], data_range=255)
        assert psnr(*images) == pytest.approx(expected, rel=1e-12)
        assert abs(psnr(*images) - pooled) > 1

    def test_psnr_by_hand(self):
        reference = np.zeros((16, 16))
        image = reference.copy()
        image[0, 0] = 16.0  # mean squared error of exactly 1
        assert psnr(image, reference) == pytest.approx(20 * np.log10(255))
        assert psnr(image, reference, peak=1) == pytest.approx(0, abs=1e-12)
        assert psnr(reference, reference) == np.inf

    def test_ssim_agrees_with_scikit_image(self, images):
        expected = np.mean(
            [
                structural_similarity(
                    i, r, data_range=255, gaussian_weights=True, sigma=1.5,
                    use_sample_covariance=False,
                )
                for i, r in zip(*images, strict=True)
            ]
        )  # fmt: skip
        assert ssim(*images) == pytest.approx(expected, rel=1e-9)
        assert 0.1 < expected < 0.99

    def test_ssim_of_flat_images(self):
        # Without structure only the luminance term is left.
        low, high = np.full((11, 11), 100.0), np.full((11, 11), 150.0)
        c1 = 2.55**2
        expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
        assert ssim(low, high) == pytest.approx(expected)

    @pytest.mark.parametrize("metric", [psnr, ssim])
    def test_signals_and_shapes(self, images, metric):
        expected = metric(*images)
        eager = [hs.signals.Signal2D(i.reshape(3, 1, 24, 37)) for i in images]
        lazy = [hs.signals.Signal2D(da.from_array(i)).as_lazy() for i in images]
        assert metric(*eager) == pytest.approx(expected, rel=1e-12)
        assert metric(*lazy) == pytest.approx(expected, rel=1e-12)
        single = metric(images[0][0], images[1][0])
        assert single == pytest.approx(metric(images[0][:1], images[1][:1]))

    @pytest.mark.parametrize("metric", [psnr, ssim])
    def test_refuses(self, images, metric):
        with pytest.raises(ValueError, match=r"\(3, 24, 37\) and \(24, 37\)"):
            metric(images[0], images[1][0])
        with pytest.raises(ValueError, match="peak=0"):
            metric(*images, peak=0)

    def test_ssim_refuses_images_below_the_window(self):
        with pytest.raises(ValueError, match="window of 11"):
            ssim(np.zeros((10, 40)), np.zeros((10, 40)))


class TestColumns:
    def test_by_hand(self):
        found = [[10, 10, 7], [20, 20.3, 7], [30, 34, 7]]
        true = [[10.4, 10], [20, 20], [31, 30], [50, 50]]
        score = score_columns(found, true, radius=2)
        assert (score.n_found, score.n_true, score.n_matched) == (3, 4, 2)
        assert score.precision == pytest.approx(2 / 3)
        assert score.recall == pytest.approx(1 / 2)
        assert score.f1 == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
        assert score.rms == pytest.approx(np.sqrt((0.4**2 + 0.3**2) / 2))

    def test_double_detection_counts_once(self):
        score = score_columns([[5, 5], [5, 5.5]], [[5, 5]], radius=2)
        assert (score.n_matched, score.precision, score.recall) == (1, 0.5, 1.0)
        assert score.rms == 0

    def test_most_matches_win_over_the_nearest(self):
        # Taking the nearest pair (0.5 apart) first would lose the other one.
        found, true = [[0, 0], [0, 2.5]], [[0, 2], [0, 4.4]]
        i, j, distance = match_columns(found, true, radius=2.2)
        assert i.tolist() == [0, 1]
        assert j.tolist() == [0, 1]
        assert distance == pytest.approx([2, 1.9])

    def test_many_against_brute_force(self):
        rng = np.random.default_rng(3)
        true = rng.uniform(0, 60, (80, 2))
        found = rng.permutation(true + rng.normal(0, 1.0, true.shape))[:70]
        from scipy.optimize import linear_sum_assignment

        distance = np.linalg.norm(found[:, None] - true[None], axis=-1)
        cost = np.where(distance <= 3, distance**2 - 1e4, 0)
        chosen = linear_sum_assignment(cost)
        expected = distance[chosen][distance[chosen] <= 3]
        i, j, d = match_columns(found, true, radius=3)
        assert len(set(i)) == len(set(j)) == len(i) == len(expected)
        assert np.sum(d**2) == pytest.approx(np.sum(expected**2))
        assert d == pytest.approx(distance[i, j])

    def test_nothing(self):
        empty = np.empty((0, 5))
        both = score_columns(empty, empty, radius=1)
        assert (both.precision, both.recall, both.f1) == (1, 1, 1)
        assert np.isnan(both.rms)
        invented = score_columns([[1, 1]], empty, radius=1)
        assert (invented.precision, invented.recall, invented.f1) == (0, 1, 0)
        missed = score_columns(empty, [[1, 1]], radius=1)
        assert (missed.precision, missed.recall, missed.f1) == (1, 0, 0)

    def test_images_are_pooled_not_mixed(self):
        true = [np.array([[5.0, 5.0]]), np.array([[9.0, 9.0]])]
        swapped = true[::-1]
        assert score_columns(true, true, radius=1).recall == 1
        assert score_columns(swapped, true, radius=1).n_matched == 0

    def test_refuses(self):
        with pytest.raises(ValueError, match="2 images and true has 1"):
            score_columns([np.ones((2, 2))] * 2, np.ones((2, 2)), radius=1)
        with pytest.raises(ValueError, match="radius=0"):
            match_columns([[1, 1]], [[1, 1]], radius=0)
        with pytest.raises(ValueError, match=r"\(3,\)"):
            score_columns([1, 2, 3], [[1, 2]], radius=1)
