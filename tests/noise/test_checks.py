import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hyperspy_stem_enhance.noise import calibrate_frames, calibrate_image
from hyperspy_stem_enhance.noise.checks import ImageChecks, scan_axis_excess


def kinds(image, **options):
    return set(calibrate_image(image, **options).checks.notes())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", ["HAADF", "BF"])
def test_nothing_is_found_in_a_good_image(simulate, mode, seed):
    assert kinds(simulate(mode, seed)[0], mode=mode) == set()


def test_scan_along_the_other_axis_is_told(simulate):
    image, _, _ = simulate()
    assert kinds(image.T) == {"fast_axis"}
    assert kinds(image, fast_axis="y") == {"fast_axis"}
    assert kinds(image.T, fast_axis="y") == set()


@pytest.mark.parametrize("method", ["unbiased", "paper"])
def test_fast_axis_turns_the_image(simulate, method):
    image, _, _ = simulate(shape=(160, 256))
    expected = calibrate_frames([image], method=method)
    turned = calibrate_frames([image.T], method=method, fast_axis="y")
    np.testing.assert_array_equal(turned, expected)


def test_blurred_noise_has_no_axis(simulate):
    image, _, ideal = simulate(scan_slope=0.0, scan_intercept=0.0)
    smooth = ideal + gaussian_filter(image - ideal, 0.7)
    assert kinds(smooth) == {"correlated"}
    along_rows, along_columns, error = scan_axis_excess(smooth)
    assert along_rows == pytest.approx(along_columns, rel=0.2)
    assert min(along_rows, along_columns) > 5 * error


def test_without_scan_noise_nothing_is_said(rng):
    assert kinds(rng.poisson(20, (128, 128))) == set()


def test_clipped_ends_are_told_apart(simulate):
    image, _, _ = simulate()
    high = calibrate_image(np.minimum(image, 190)).checks
    low = calibrate_image(np.maximum(image, 30)).checks
    assert high.clipped_high == pytest.approx(np.mean(image >= 190), abs=1e-3)
    assert high.clipped_low == 0
    assert low.clipped_low == pytest.approx(np.mean(image <= 30), abs=1e-3)
    assert low.clipped_high == 0
    text = ImageChecks(clipped_low=0.031).notes()["clipped"]
    assert "3.1 % of the pixels at the lowest value" in text


def test_hot_pixels_are_counted(simulate):
    image, _, _ = simulate()
    image[10, 20] = image[100, 7] = 1e5
    assert calibrate_image(image).checks.hot_pixels == 2
    assert "2 pixels far outside" in calibrate_image(image).notes[0]


def test_real_images_scan_along_the_rows(data_dir):
    hs = pytest.importorskip("hyperspy.api")
    for name in (
        "haadf/16_STOimage_1.ser",
        "haadf/AI-STEM_Cu2Te.tif",
        "haadf/AtomSegNet_Si110_5nmX25us_03_none_none.png",
        "labelled/Sjeon_Re_Pt/bpy_crop19.tif",
    ):
        image = np.asarray(hs.load(data_dir / name).data, float)[:512, :512]
        assert not calibrate_image(image).checks.wrong_axis, name
        assert calibrate_image(image.T).checks.wrong_axis, name
