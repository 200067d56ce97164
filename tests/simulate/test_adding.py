import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.simulate import FrameNoise, add_noise

SCANNED = FrameNoise(scan_intercept=20, pointwise_intercept=4)


def test_noise_along_the_other_axis_is_measured_along_it(rng):
    flat = hs.signals.Signal2D(np.full((2, 96, 128), 100.0))
    noisy = add_noise(flat, SCANNED, seed=1, fast_axis="y")
    assert noisy.data.shape == flat.data.shape
    across = add_noise(hs.signals.Signal2D(np.full((2, 128, 96), 100.0)), SCANNED, 1)
    np.testing.assert_array_equal(noisy.data, across.data.swapaxes(1, 2))
    with pytest.warns(UserWarning, match=r"all 2 frames have noise .*fast_axis"):
        noisy.calibrate_noise()
    found = noisy.calibrate_noise(fast_axis="y").summary()
    assert found.notes == ()
    assert found.mean.scan_intercept == pytest.approx(20, rel=0.2)


def test_unknown_axis():
    with pytest.raises(ValueError, match="fast_axis='slow' is unknown"):
        add_noise(hs.signals.Signal2D(np.ones((32, 32))), SCANNED, fast_axis="slow")
