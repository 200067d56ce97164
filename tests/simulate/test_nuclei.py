import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_stem_enhance.simulate.nuclei import (
    HRTEM_ARRANGEMENTS,
    arrange_hrtem_columns,
    choose_hrtem_arrangement,
    fill_disc,
)

SHAPE = (256, 256)


def nearest(points):
    return cKDTree(points).query(points, 2)[0][:, 1]


def draw(seed, arrangement):
    rng = np.random.default_rng(seed)
    name, chosen = choose_hrtem_arrangement(rng, arrangement, ["Pt [001]"])
    return arrange_hrtem_columns(rng, SHAPE, name, chosen, pixel_size=0.2)


def test_discs_do_not_overlap_and_leave_little_room(rng):
    points = fill_disc(rng, SHAPE, 12.0, margin=10)
    assert nearest(points).min() >= 12
    # random sequential packing of discs covers 0.547 at its limit
    covered = len(points) * np.pi * 6.0**2 / 276**2
    assert 0.44 < covered < 0.55
    assert points.min() < 0
    assert points.max() > 255


def test_discs_keep_away_from_what_is_there(rng):
    there = np.array([[50.0, 50.0], [120.0, 30.0]])
    points = fill_disc(rng, SHAPE, 15.0, occupied=there)
    assert cKDTree(there).query(points)[0].min() >= 15


def test_disorder_has_no_preferred_direction():
    """Structure factors of disorder have a ring, those of crystals peaks."""
    peaks = {}
    for arrangement in ("disordered", "ordered"):
        found = []
        for seed in range(8):
            points = draw(seed, arrangement).positions
            q = np.fft.fftfreq(256)[:40] * 2 * np.pi
            wave = np.exp(1j * np.multiply.outer(q, points[:, 0])) @ np.exp(
                1j * np.multiply.outer(points[:, 1], np.r_[-q[:0:-1], q])
            )
            factor = np.abs(wave) ** 2 / len(points)
            factor[:6, 33:46] = 0  # the frame itself
            found.append(factor.max() / len(points))
        peaks[arrangement] = np.median(found)
    assert peaks["ordered"] > 4 * peaks["disordered"]


def test_nuclei_are_ordered_inside_and_not_outside():
    spread = []
    for seed in range(12):
        columns = draw(seed, "nuclei")
        distance = nearest(columns.positions)
        assert distance.min() > 0.3 * np.median(distance)
        # a crystal alone has one spacing, disorder alone a range of them
        spread.append(np.mean(np.abs(distance / np.median(distance) - 1) < 0.03))
    assert 0.15 < np.median(spread) < 0.9


def test_columns_are_of_one_width():
    for arrangement in HRTEM_ARRANGEMENTS:
        columns = draw(3, arrangement)
        assert len(set(columns.sigmas.tolist())) <= 1
        assert (len(columns) == 0) == (arrangement == "empty")


def test_specimens_end_at_an_edge():
    outside = [
        columns.region is not None
        and (columns.region(*columns.positions.T) > 0.5).all()
        for columns in (draw(seed, "disordered") for seed in range(60))
    ]
    assert 0.1 < np.mean(outside) < 0.5


def test_unknown_arrangement(rng):
    with pytest.raises(ValueError, match="arrangement='wedge' is unknown"):
        choose_hrtem_arrangement(rng, "wedge")
