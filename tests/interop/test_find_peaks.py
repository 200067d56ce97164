import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.signals.atom_positions import (
    AtomPositions,
    LazyAtomPositions,
)

PLACES = [[(5, 20), (9, 7)], [(14, 25)], []]


@pytest.fixture
def movie():
    data = np.zeros((3, 24, 32))
    for frame, places in zip(data, PLACES, strict=True):
        for number, place in enumerate(places):
            frame[place] = number + 1
    s = hs.signals.Signal2D(data)
    for axis in s.axes_manager.signal_axes:
        axis.scale, axis.offset, axis.units = 0.5, 2.0, "nm"
    s.axes_manager[0].name = "time"
    return s


def find(s, **options):
    return s.find_peaks(
        "local_max", min_distance=2, threshold_abs=0.5, interactive=False, **options
    )


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("with_image", [False, True])
def test_movie(movie, lazy, with_image):
    s = movie.as_lazy() if lazy else movie
    atoms = AtomPositions.from_find_peaks(find(s), s if with_image else None)
    assert type(atoms) is (LazyAtomPositions if lazy else AtomPositions)
    assert atoms.axes_manager.navigation_shape == (3,)
    assert atoms.axes_manager[0].name == "time"
    assert atoms.column_names == ("y", "x")
    for k, places in enumerate(PLACES):
        found = atoms.inav[k].single_array()
        assert found.dtype == np.float32
        assert {tuple(row) for row in found} == set(places)
    y, x = atoms.image_axes
    assert (y.scale, y.offset, y.units, y.size) == (0.5, 2, "nm", 24)
    assert (x.scale, x.offset, x.units, x.size) == (0.5, 2, "nm", 32)


@pytest.mark.parametrize("lazy", [False, True])
def test_single_image_with_intensity(movie, lazy, tmp_path):
    s = movie.inav[0].as_lazy() if lazy else movie.inav[0]
    atoms = AtomPositions.from_find_peaks(find(s, get_intensity=True))
    assert atoms.column_names == ("y", "x", "intensity")
    assert sorted(atoms.column("intensity")) == [1, 2]
    atoms.save(tmp_path / "atoms.hspy")
    assert hs.load(tmp_path / "atoms.hspy").image_axes[0].scale == 0.5


def test_refuses(movie):
    with pytest.raises(TypeError, match="peaks is a Signal2D"):
        AtomPositions.from_find_peaks(movie)
    with pytest.raises(ValueError, match="expected one array of columns per image"):
        AtomPositions.from_find_peaks(find(movie), movie.inav[0])
