import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest
from numpy.testing import assert_allclose

from hyperspy_stem_enhance.signals.atom_positions import AtomPositions

pytest.importorskip("trackpy", reason="trackpy links, extra [tracking]")

N_FRAMES = 12


@pytest.fixture
def shifts(rng):
    steps = rng.normal(0.5, 1.0, (N_FRAMES, 2))
    steps[0] = 0
    return np.cumsum(steps, axis=0)


@pytest.fixture
def tables(rng, shifts):
    """Columns of a drifting lattice, one of which is there in two frames only."""
    places = np.stack(np.mgrid[30:110:16, 30:150:16], -1).reshape(-1, 2)
    tables = []
    for number, shift in enumerate(shifts):
        kept = rng.permutation(len(places) if number in (2, 3) else len(places) - 1)
        moved = places[kept] + shift + rng.normal(0, 0.2, (len(kept), 2))
        tables.append(np.column_stack([moved, 5 + kept]).astype(np.float32))
    return tables


@pytest.fixture(params=[False, True], ids=["eager", "lazy"])
def atoms(request, tables):
    s = hs.signals.Signal2D(np.zeros((N_FRAMES, 140, 180), dtype=np.uint8))
    x, y = s.axes_manager.signal_axes
    y.scale, y.offset, y.units = 0.05, 1.0, "nm"
    x.scale, x.offset, x.units = 0.04, -2.0, "nm"
    time = s.axes_manager[0]
    time.name, time.scale, time.units = "time", 0.5, "s"
    arrays = np.empty(N_FRAMES, dtype=object)
    for number, table in enumerate(tables):
        arrays[number] = table
    source = da.from_array(arrays, chunks=5) if request.param else arrays
    return AtomPositions.from_arrays(source, s, ("y", "x", "intensity"))


def test_link(atoms):
    linked = atoms.link()
    assert type(linked) is AtomPositions
    assert linked.column_names == ("y", "x", "intensity", "track")
    assert linked.axes_manager[0].name == "time"
    table = linked.to_dataframe()
    # The intensity tells who is who
    assert np.all(table.groupby("track")["intensity"].nunique() == 1)
    assert table["track"].nunique() == table["intensity"].nunique() == 40
    assert linked.link().column_names == linked.column_names


def test_short_tracks_are_dropped(atoms):
    linked = atoms.link(min_frames=5)
    np.testing.assert_array_equal(linked.n_atoms, 39)
    assert linked.to_dataframe()["track"].nunique() == 39


def test_drift(atoms, shifts):
    drift = atoms.link().drift()
    assert drift.index.name == "time (s)"
    assert_allclose(drift.index, 0.5 * np.arange(N_FRAMES))
    assert set(drift["units"]) == {"nm"}
    assert_allclose(drift["drift_y"], 0.05 * shifts[:, 0], atol=0.05 * 0.2)
    assert_allclose(drift["drift_x"], 0.04 * shifts[:, 1], atol=0.04 * 0.2)
    assert drift["n_columns"].iloc[2] == 40


def test_displacements(atoms, tables):
    table = atoms.link().displacements()
    assert len(table) == sum(len(t) for t in tables)
    assert table["displacement_y"].std() == pytest.approx(0.05 * 0.2, rel=0.15)
    assert table["displacement_x"].std() == pytest.approx(0.04 * 0.2, rel=0.15)
    means = table.groupby("track")[["displacement_y", "displacement_x"]].mean()
    assert np.abs(means.to_numpy()).max() < 1e-9
    assert np.all(table.groupby("track")["mean_y"].nunique() == 1)


def test_mean_positions(atoms):
    means = atoms.link().mean_positions()
    assert means.axes_manager.navigation_shape == (1,)
    names = ("y", "x", "intensity", "track", "n_frames", "rms_y", "rms_x")
    assert means.column_names == names
    place = means.column("intensity") - 5
    expected = np.stack(np.mgrid[30:110:16, 30:150:16], -1).reshape(-1, 2)
    off = means.single_array()[:, :2] - expected[place.astype(int)]
    assert np.sqrt(np.mean(off[means.column("n_frames") > 5] ** 2)) < 0.12
    assert sorted(means.column("n_frames"))[:2] == [2, N_FRAMES]
    assert np.median(means.column("rms_y")) == pytest.approx(0.2, rel=0.2)


def test_saved_tracks(atoms, tmp_path):
    linked = atoms.link()
    linked.save(tmp_path / "tracks.hspy")
    loaded = hs.load(tmp_path / "tracks.hspy")
    assert_allclose(loaded.drift()["drift_y"], linked.drift()["drift_y"])


def test_refuses(atoms):
    for method in (atoms.drift, atoms.displacements, atoms.mean_positions):
        with pytest.raises(ValueError, match=r"needs the column 'track'.*link"):
            method()
    grid = np.empty((2, 3), dtype=object)
    for index in np.ndindex(grid.shape):
        grid[index] = np.ones((2, 2))
    with pytest.raises(ValueError, match=r"shape \(3, 2\)\. Choose a series"):
        AtomPositions.from_arrays(grid).link()


def test_progress_bar(atoms, capfd):
    atoms.link(show_progressbar=True)
    assert "12/12" in capfd.readouterr().err
    atoms.link(show_progressbar=False)
    atoms.lattice_summary(show_progressbar=True)
    assert "12/12" in capfd.readouterr().err
    atoms.inav[0].lattice_summary(show_progressbar=True)
    assert "it" not in capfd.readouterr().err
