"""Probes by aberrations, and as images show them."""

import numpy as np
import pytest

from hyperspy_stem_enhance.simulate.measured_probe import (
    _core_sigma,
    _wavelength,
    probe_from_aberrations,
    probe_from_image,
)
from hyperspy_stem_enhance.simulate.probe import Probe
from hyperspy_stem_enhance.simulate.render import render_columns

SIGMA = 4.0


def column():
    return render_columns([(60, 60)], [1.0], [SIGMA], (121, 121))


def test_wave_length():
    assert _wavelength(200) == pytest.approx(2.508e-3, rel=1e-3)


def test_coma_shows_along_its_azimuth():
    for phi, axis in ((0.0, 0), (np.pi / 2, 1)):
        seen = probe_from_aberrations(200, 24, C21=1500, phi21=phi).apply(
            column(), SIGMA
        )
        across = np.abs(seen - np.flip(seen, 1 - axis)).max()
        along = np.abs(seen - np.flip(seen, axis)).max()
        assert along > 0.05
        assert across < 0.3 * along


def test_threefold_astigmatism_has_three_lobes():
    probe = probe_from_aberrations(200, 24, C23=1500)
    seen = probe.apply(column(), SIGMA)
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    radius = 2 * SIGMA
    ring = seen[
        np.rint(60 + radius * np.cos(angles)).astype(int),
        np.rint(60 + radius * np.sin(angles)).astype(int),
    ]
    power = np.abs(np.fft.rfft(ring))[1:8]
    assert power.argmax() == 2


def test_defocus_widens_columns():
    seen = probe_from_aberrations(200, 24, C10=8).apply(column(), SIGMA)
    assert seen[60, 60 + 8] > column()[60, 60 + 8] + 0.03


@pytest.mark.parametrize("arguments", [(0, 24), (200, -1)])
def test_impossible_microscopes_are_refused(arguments):
    with pytest.raises(ValueError, match="must be positive"):
        probe_from_aberrations(*arguments)


def test_isolated_columns_give_the_probe(rng):
    where = np.array([[40.3, 41.2], [42.0, 110.5], [110.7, 60.1], [112, 70.0]])
    image = render_columns(where, np.ones(4), np.full(4, 3.0), (150, 150))
    probe = Probe(lobes=0.3, fold=1, lobe_distance=1.8, lobe_angle=0.4)
    seen = probe.apply(image, 3.0)
    noisy = 10 + 5 * seen + rng.normal(0, 0.02, image.shape)
    found = probe_from_image(noisy, where)  # two of them are too close
    sigma = np.mean([_core_sigma(seen, np.rint(w).astype(int)) for w in where[:2]])
    image = render_columns(where, np.ones(4), np.full(4, sigma), (150, 150))
    assert np.abs(found.apply(image, sigma) - seen).max() < 0.06


def test_lattices_have_no_isolated_columns():
    where = np.array([(y, x) for y in range(10, 90, 12) for x in range(10, 90, 12)])
    image = render_columns(where, np.ones(49), np.full(49, 3.0), (100, 100))
    with pytest.raises(ValueError, match="none of the 49 columns"):
        probe_from_image(image, where)
