import numpy as np
import pytest

from hyperspy_stem_enhance.simulate.phase_contrast import Transfer, draw_transfer

SCHERZER = Transfer(aberration=1.0, defocus=1.22, envelope=1.5, size=0.1)


def test_no_contrast_at_frequency_zero_and_a_pass_band():
    square = np.linspace(0, 4, 200, dtype=np.float32)
    transfer = SCHERZER(square)
    assert transfer.dtype == np.float32
    assert transfer[0] == 0
    # one sign up to where the phase is back at zero, at twice the defocus
    assert (transfer[1:][square[1:] < 2.4] > 0).all()
    assert (transfer[(square > 2.5) & (square < 3)] < 0).all()


def test_scherzer_defocus_has_a_broad_band():
    flat = np.abs(np.sin(np.pi / 2 * 1.22**2))  # at the extremum of the phase
    without_damping = Transfer(1.0, 1.22, 50.0, 0.0)
    assert without_damping(1.22) == pytest.approx(flat)


def test_image_of_a_point_is_its_transform():
    transfer = Transfer(0.5, 0.8, 1.1, 0.1)
    distances, values = transfer.point_image()
    n, step = 512, 0.05  # of a frame, in reduced lengths
    q = np.fft.fftfreq(n, step)
    image = np.fft.ifft2(transfer(np.add.outer(q**2, q**2))).real / step**2
    expected = np.interp(distances, np.arange(n // 2) * step, image[0, : n // 2])
    np.testing.assert_allclose(values, expected, atol=0.01 * values[0])


def test_width_of_the_peak():
    sigma = SCHERZER.peak_sigma()
    distances, values = SCHERZER.point_image()
    half = np.interp(sigma * np.sqrt(2 * np.log(2)), distances, values)
    assert half == pytest.approx(values[0] / 2, rel=0.02)


def test_inverted_contrast_has_no_peak():
    assert np.isnan(Transfer(0.0, -0.6, 1.0, 0.1).peak_sigma())


def test_drawn_transfers_have_a_peak_and_rings(rng):
    rings = []
    for _ in range(200):
        transfer = draw_transfer(rng)
        assert np.isfinite(transfer.peak_sigma())
        values = transfer.point_image()[1]
        rings.append(-values.min() / values[0])
    assert max(rings) <= 0.45
    assert np.ptp(rings) > 0.2  # weak ones and strong ones
