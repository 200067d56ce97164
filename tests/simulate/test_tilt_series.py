"""Simulated tilt series against what is known of their projections."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from hyperspy_stem_enhance.simulate import make_tilt_series
from hyperspy_stem_enhance.simulate.phantoms import PHANTOMS, Body, Phantom
from hyperspy_stem_enhance.simulate.tilt_series import _bin, _Samples


def ball(side=32, radius=9.0, centre=None):
    centre = (side - 1) / 2 if centre is None else centre
    x, z, y = np.mgrid[:side, :side, :side]
    place = np.broadcast_to(centre, 3)
    r = np.sqrt((x - place[0]) ** 2 + (z - place[1]) ** 2 + (y - place[2]) ** 2)
    return np.clip(radius + 0.5 - r, 0, 1)


def test_a_ball_has_the_chords_of_a_ball():
    side, radius = 48, 15.0
    body = Body(np.full(3, 23.5), np.full(3, radius), lambda r: np.ones_like(r))
    source = _Samples(Phantom((side,) * 3, (body,)))
    volume, fine = source.project(np.deg2rad([-60, 0, 37]))
    y, x = np.mgrid[:side, :side] - 23.5
    chord = 2 * np.sqrt(np.clip(radius**2 - x**2 - y**2, 0, None))
    inside = np.hypot(y, x) < radius - 3
    for view in _bin(fine):
        np.testing.assert_allclose(view[inside], chord[inside], rtol=0.02)
    np.testing.assert_allclose(volume.sum(), 4 / 3 * np.pi * radius**3, rtol=0.01)


def test_the_mass_is_the_same_in_all_views():
    for name in PHANTOMS:
        data = make_tilt_series(name, 40, n_views=7, counts=None, seed=3)
        sums = data.clean.sum(axis=(1, 2))
        np.testing.assert_allclose(sums, data.volume.sum(), rtol=1e-3)
        assert data.clean.max() == pytest.approx(1)


def test_sign_of_the_tilt():
    volume = np.zeros((16, 33, 33), np.float32)
    volume[5, 24, 20] = 1  # z 8, y 4 from the middle
    data = make_tilt_series(volume, tilts=[30.0, -30.0], counts=None)
    for angle, view in zip(np.deg2rad([30, -30]), data.clean, strict=True):
        y, x = center_of_mass(view)
        assert x == pytest.approx(5, abs=1e-3)
        assert y == pytest.approx(16 + 4 * np.cos(angle) - 8 * np.sin(angle), abs=1e-3)


def test_noise_gain_and_background_are_as_given():
    data = make_tilt_series(
        "graded", 48, n_views=9, counts=1000, gain_sd=0.05, background=(3, 8), seed=1
    )
    assert np.log(data.gains).mean() == pytest.approx(0, abs=1e-12)
    assert np.std(data.gains) > 0.02
    assert ((data.backgrounds >= 3) & (data.backgrounds <= 8)).all()
    expected = data.gains[:, None, None] * data.clean + data.backgrounds[:, None, None]
    deviation = (data.views - expected) / np.sqrt(expected)
    assert deviation.std() == pytest.approx(1, abs=0.02)
    assert data.clean.max() == pytest.approx(1000)
    np.testing.assert_array_equal(data.views, np.round(data.views))


def test_misaligned_views_lie_where_they_are_said_to():
    data = make_tilt_series(
        ball(centre=(15.5, 17, 13)), n_views=5, counts=None, misalignment=1.5, seed=2
    )
    np.testing.assert_allclose(data.shifts.mean(axis=0), 0, atol=1e-12)
    for view, clean, shift in zip(data.views, data.clean, data.shifts, strict=True):
        moved = np.subtract(center_of_mass(view), center_of_mass(clean))
        np.testing.assert_allclose(moved, shift, atol=0.02)


def test_the_axis_is_shifted_and_turned():
    off = {"counts": None, "tilts": [0.0]}
    volume = ball(side=40, radius=4.0, centre=(32, 19.5, 19.5))
    data = make_tilt_series(volume, axis_shift=2.0, axis_rotation=10.0, **off)
    y, x = center_of_mass(data.views[0])
    turn = np.deg2rad(10)
    assert y == pytest.approx(19.5 + 12.5 * np.sin(turn) + 2, abs=0.02)
    assert x == pytest.approx(19.5 + 12.5 * np.cos(turn), abs=0.02)


def test_slabs_do_not_change_anything(monkeypatch):
    from hyperspy_stem_enhance.simulate import tilt_series

    whole = make_tilt_series("porous-catalyst", (24, 32, 32), n_views=4, seed=5)
    monkeypatch.setattr(tilt_series, "_SLAB_SAMPLES", 1)
    parts = make_tilt_series("porous-catalyst", (24, 32, 32), n_views=4, seed=5)
    np.testing.assert_array_equal(whole.views, parts.views)
    np.testing.assert_array_equal(whole.volume, parts.volume)


def test_the_seed_decides():
    same = [make_tilt_series("nanocrystal", 40, n_views=3, seed=s) for s in (1, 1, 2)]
    np.testing.assert_array_equal(same[0].views, same[1].views)
    assert not np.array_equal(same[0].volume, same[2].volume)


def test_atoms_are_where_the_volume_is_dense():
    data = make_tilt_series("nanocrystal", 48, n_views=3, counts=None)
    places = np.round(data.atoms).astype(int)
    assert data.volume[tuple(places.T)].min() > 0.4 * data.volume.max()
    assert data.series.axes_manager["x"].scale == pytest.approx(0.05)
    assert data.series.axes_manager["x"].units == "nm"


def test_a_structure_of_ones_own():
    from ase import Atoms

    pair = Atoms("PtC", [(0, 0, 0), (4, 0, 0)])
    data = make_tilt_series(pair, (40, 24, 24), n_views=3, pixel_size=0.25)
    assert data.settings["phantom"] in ("CPt", "PtC")
    np.testing.assert_allclose(np.diff(data.atoms[:, 0]), 16)
    heights = data.volume[tuple(np.round(data.atoms).astype(int).T)]
    assert heights[0] / heights[1] == pytest.approx((78 / 6) ** 1.7, rel=0.05)


def test_the_series_can_be_saved(tmp_path):
    import hyperspy.api as hs

    data = make_tilt_series("graded", 24, n_views=4, background=(0, 2))
    data.series.save(tmp_path / "series.hspy")
    loaded = hs.load(tmp_path / "series.hspy")
    np.testing.assert_array_equal(loaded.metadata.Tomography.tilts, data.tilts)
    kept = loaded.metadata.STEM_enhance.simulate_tilt_series
    np.testing.assert_array_equal(kept.gains, data.gains)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"phantom": "cube"}, "phantom='cube' is unknown.*'core-shell'"),
        ({"phantom": 3}, "type int"),
        ({"phantom": np.full((8, 8, 8), -1.0)}, "at least 0"),
        ({"phantom": np.zeros((8, 8, 8))}, "empty"),
        ({"size": 4}, "size=4"),
        ({"tilts": []}, "tilts"),
        ({"tilts": [np.nan, 1]}, "tilts"),
        ({"n_views": 0}, "n_views=0"),
        ({"max_tilt": 100}, "max_tilt=100"),
        ({"counts": 0}, "counts=0"),
        ({"gain_sd": -1}, "gain_sd=-1"),
        ({"background": -2}, "background=-2"),
        ({"phantom": "nanocrystal", "pixel_size": 2}, "pixel_size=2"),
    ],
)
def test_refuses(arguments, words):
    with pytest.raises(ValueError, match=words):
        make_tilt_series(**{"size": 16, **arguments})


def test_refuses_atoms_outside():
    from ase import Atoms

    with pytest.raises(ValueError, match="2 of 2 atoms lie outside"):
        make_tilt_series(Atoms("Pt2", [(0, 0, 0), (90, 0, 0)]), 16)
