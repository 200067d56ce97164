"""Columns of large lazy frames, found part by part."""

import dask
import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest
from scipy.spatial import cKDTree

from hyperspy_stem_enhance.detect import columns
from hyperspy_stem_enhance.detect.parts import join_columns
from hyperspy_stem_enhance.enhance import parts
from hyperspy_stem_enhance.signals.enhancement import enhance_and_detect
from hyperspy_stem_enhance.steps import Detection, Enhancement

NETWORK = {"model": "auto", "mode": "HAADF", "device": "cpu", "scale": 1}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "SIZE", 128)
    monkeypatch.setattr(parts, "OVERLAP", 64)
    monkeypatch.setattr(parts, "_FADE", 16)


@pytest.fixture(scope="module")
def lattice():
    """A lattice with vacuum to its right; some columns lie on the borders."""
    y, x = np.mgrid[:150, :260]
    clean = sum(
        100 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 2.5**2))
        for row in np.arange(8.3, 145, 13.1)
        for column in np.arange(8.7, 110, 12.9)
    )
    return np.random.default_rng(0).normal(clean, 5)


def lazy(image, chunks):
    return hs.signals.Signal2D(da.from_array(image, chunks=chunks)).as_lazy()


def assert_same_columns(found, expected, within):
    distance, index = cKDTree(expected[:, :2]).query(found[:, :2])
    assert len(found) == len(expected) == len(np.unique(index))
    assert distance.max() < within


def table(row, column, sigma=2.0, confidence=0.9):
    return [row, column, 1.0, sigma, confidence]


class TestJoining:
    intervals = ([(0, 100), (60, 160)], [(0, 50)])  # a border at 80

    def join(self, above, below, **options):
        below = [[row - 60, *rest] for row, *rest in below]
        tables = [np.reshape(t, (-1, 5)) for t in (above, below)]
        return join_columns(tables, self.intervals, **options)

    def test_each_part_answers_for_its_own_side(self):
        found = self.join(
            [table(10, 5), table(70, 9), table(90, 9)],
            [table(65, 20), table(95, 7), table(120, 3)],
        )
        assert found[:, :2].tolist() == [[10, 5], [70, 9], [95, 7], [120, 3]]
        assert found.dtype == np.float32

    @pytest.mark.parametrize(("above", "below"), [(79.8, 80.3), (80.3, 79.8)])
    def test_a_column_on_the_border_is_neither_lost_nor_doubled(self, above, below):
        found = self.join([table(above, 9)], [table(below, 9, confidence=0.95)])
        assert found[:, :2].tolist() == [[pytest.approx(below, abs=1e-5), 9]]

    def test_two_columns_at_the_border_stay_two(self):
        both = [table(78.5, 9, 1.6), table(81.5, 9, 1.6)]
        assert len(self.join(both, both)) == 2

    def test_what_one_part_alone_sees_beyond_its_side_is_none(self):
        assert len(self.join([table(81, 9)], [])) == 0

    def test_separation_holds_across_the_border(self):
        above, below = table(78, 9, 1.0, 0.6), table(83, 9, 1.0, 0.8)
        assert len(self.join([above], [below])) == 2
        found = self.join([above], [below], separation=8)
        assert found[:, :2].tolist() == [[83, 9]]


@pytest.mark.parametrize("chunks", [(40, 260), (64, 100), (150, 260)])
def test_columns_are_those_of_the_whole_frame(lattice, chunks):
    expected = hs.signals.Signal2D(lattice).detect_atoms(**NETWORK)
    found = lazy(lattice, chunks).detect_atoms(**NETWORK, lazy_output=False)
    assert found.data.shape == (1,)
    assert_same_columns(found.data[0], expected.data[0], within=0.3)


def test_nothing_works_on_a_whole_frame(lattice, monkeypatch):
    detect, seen = columns.detect_classically, []

    def note(frame, **settings):
        seen.append(frame.shape)
        return detect(frame, **settings)

    monkeypatch.setattr(columns, "detect_classically", note)
    lazy(lattice, (10, 260)).detect_atoms(method="classical", lazy_output=False)
    assert len(seen) == 2 * 4
    assert max(max(shape) for shape in seen) <= parts.SIZE


def test_movies_and_regions(lattice):
    movie = np.stack([lattice, lattice[::-1]])
    region = np.zeros(lattice.shape, bool)
    region[50:, :60] = True
    eager = hs.signals.Signal2D(movie).detect_atoms(method="classical", roi=region)
    signal = lazy(movie, (1, 50, 130))
    found = signal.detect_atoms(method="classical", roi=region)
    assert found._lazy
    found.compute(show_progressbar=False)
    assert found.data.shape == (2,)
    for own, expected in zip(found.data, eager.data, strict=True):
        assert len(expected)
        assert_same_columns(own, expected, within=0.3)


def test_parts_without_content_lose_no_other(lattice):
    image = lattice.copy()
    image[:, 110:200] = 7.0
    image[:, 200:] = np.nan
    with pytest.warns(UserWarning, match="a part of the image"):
        [found] = lazy(image, (50, 50)).detect_atoms(**NETWORK, lazy_output=False).data
    # Beside the part without content, and the weak marks at the border
    left = found[(found[:, 1] < 95) & (found[:, 2] > 50)]
    expected = hs.signals.Signal2D(lattice).detect_atoms(**NETWORK).data[0]
    expected = expected[(expected[:, 1] < 95) & (expected[:, 2] > 50)]
    assert_same_columns(left, expected, within=0.3)


def test_enhanced_together(lattice, monkeypatch):
    from hyperspy_stem_enhance.enhance import run

    whole, ran = run.enhance_checked, []

    def count(batch, *args, **kwargs):
        ran.append(len(batch))
        return whole(batch, *args, **kwargs)

    monkeypatch.setattr(run, "enhance_checked", count)
    signal = lazy(lattice, (50, 130))
    enhanced, atoms = enhance_and_detect(signal, Enhancement(**NETWORK), Detection())
    image, tables = dask.compute(enhanced.data, atoms.data)
    assert sum(ran) == 2 * 4
    expected = signal.enhance_sfin(**NETWORK, lazy_output=False)
    np.testing.assert_allclose(image, expected.data, rtol=1e-4, atol=1e-3)
    [expected] = signal.detect_atoms(**NETWORK, lazy_output=False).data
    np.testing.assert_allclose(tables[0], expected, rtol=1e-4, atol=1e-3)


def test_enhanced_together_where_there_is_nothing(lattice):
    image = lattice.copy()
    image[:, 110:] = 7.0
    signal = lazy(np.stack([image, image]), (1, 50, 130))
    enhanced, atoms = enhance_and_detect(signal, Enhancement(**NETWORK), Detection())
    images, tables = dask.compute(enhanced.data, atoms.data)
    assert images.shape == (2, 150, 260)
    assert np.isfinite(images).all()
    assert not images[:, :, 190:].any()
    assert all(len(table) for table in tables)


@pytest.mark.parametrize(
    ("spacing", "chunks"), [(5.1, (64, 50)), (13.0, (40, 200)), (13.0, (90, 200))]
)
def test_lazy_is_what_is_in_memory(rng, chunks, spacing):
    """The scale is that of the whole frame, though a quarter shows no lattice."""
    y, x = np.mgrid[:90, :200]
    waves = np.cos(2 * np.pi * y / spacing) + np.cos(2 * np.pi * x / spacing)
    image = rng.normal(20 * waves * (x < 150), 4).astype(np.float32)
    eager = hs.signals.Signal2D(image)
    signal = lazy(image, chunks)
    for method in ("enhance_sfin", "detect_atoms"):
        expected = getattr(eager, method)().data
        found = getattr(signal, method)(lazy_output=False).data
        if method == "detect_atoms":
            [expected], [found] = expected, found
            assert len(found) > 50
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("value", "match"), [(3.0, "all its pixels are 3"), (np.nan, "no finite pixel")]
)
def test_a_large_frame_that_cannot_be_used(value, match):
    image = np.full((150, 260), value)
    for signal in (hs.signals.Signal2D(image), lazy(image, (50, 50))):
        with pytest.raises(ValueError, match=f"the image cannot be used: .*{match}"):
            signal.enhance_sfin(lazy_output=False)
    movie = np.stack([image, np.random.default_rng(0).normal(9, 1, image.shape)])
    for signal in (hs.signals.Signal2D(movie), lazy(movie, (1, 50, 50))):
        with pytest.warns(UserWarning, match=rf"inav\[0\] cannot be used: .*{match}"):
            first, second = signal.enhance_sfin(lazy_output=False).data
        assert np.isnan(first).all()
        assert np.isfinite(second).all()
