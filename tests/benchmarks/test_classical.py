import numpy as np
import pytest
from paper_tables.classical import (
    FILTERS,
    assisted,
    best_candidate,
    filter_spectrum,
)

from hyperspy_stem_enhance.metrics import psnr


@pytest.fixture
def lattice(rng):
    """A lattice of 16 pixels, noisy and clean."""
    y, x = np.mgrid[:96, :96]
    clean = 60 * (np.cos(2 * np.pi * y / 16) + np.cos(2 * np.pi * x / 16)) + 128
    return clean + rng.normal(0, 30, clean.shape), clean


@pytest.mark.parametrize("name", FILTERS)
def test_filters_come_closer_to_the_truth(name, lattice):
    noisy, clean = lattice
    found = list(FILTERS[name](noisy))
    assert len(found) >= 4  # there is something to choose from
    best = best_candidate(found, clean)
    assert psnr(best, clean) > psnr(noisy, clean) + 1.5
    assert best.mean() == pytest.approx(noisy.mean(), abs=2)


@pytest.mark.parametrize("power", [1, 2])
def test_spectral_filters_leave_bragg_peaks_and_lower_the_rest(power, lattice):
    noisy, clean = lattice
    found = filter_spectrum(noisy, power)
    assert psnr(found, clean) > psnr(noisy, clean) + 4
    before, after = (np.abs(np.fft.rfft2(a - a.mean())) for a in (noisy, found))
    assert after[6, 0] > 0.9 * before[6, 0]
    assert np.median(after) < 0.5 * np.median(before)
    np.testing.assert_allclose(filter_spectrum(clean + 7, power), clean + 7, atol=8)


def test_help_removes_a_background_and_scales(lattice):
    _, clean = lattice
    ramp = np.linspace(0, 500, 96)[:, None]
    helped = best_candidate(assisted([0.2 * (clean + ramp)], clean), clean)
    assert psnr(helped, clean) > 25
    assert psnr(0.2 * (clean + ramp), clean) < 12


def test_best_is_chosen_by_the_truth():
    truth = np.zeros((16, 16))
    assert best_candidate([truth + 3, truth + 1, truth - 2], truth)[0, 0] == 1


def test_non_local_means_works_on_few_counts(rng, lattice):
    clean = lattice[1] / 128
    counts = rng.poisson(0.3 * clean).astype(float)
    best = best_candidate(FILTERS["non-local means"](counts), 0.3 * clean)
    assert psnr(best, 0.3 * clean) > psnr(counts, 0.3 * clean) + 3
