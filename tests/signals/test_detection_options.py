"""Options of `detect_atoms` beyond those of the array function."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.signals._regions import region_mask

pytestmark = pytest.mark.usefixtures("fake_network")


@pytest.fixture
def s(make_images):
    return make_images()


def test_regions_are_in_calibrated_coordinates(s):
    x, y = s.axes_manager.signal_axes
    everything = s.detect_atoms().data[0]
    left, top = x.index2value(10), y.index2value(5)
    right, bottom = x.index2value(40), y.index2value(30)
    rectangle = hs.roi.RectangularROI(left, top, right, bottom)
    rows, columns = everything[:, 0], everything[:, 1]
    inside = (rows > 4.5) & (rows < 29.5) & (columns > 9.5) & (columns < 39.5)
    found = s.detect_atoms(roi=rectangle).data[0]
    assert 0 < len(found) < len(everything)
    np.testing.assert_array_equal(found, everything[inside])
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    polygon = region_mask(hs.roi.PolygonROI(corners), s)
    mask = region_mask(rectangle, s)
    assert np.mean(polygon != mask) < 0.05
    np.testing.assert_array_equal(s.detect_atoms(roi=mask).data[0], found)


def test_circles_and_rings(s):
    x, y = s.axes_manager.signal_axes
    centre = x.index2value(28), y.index2value(24)
    circle = region_mask(hs.roi.CircleROI(*centre, r=0.3), s)
    ring = region_mask(hs.roi.CircleROI(*centre, r=0.3, r_inner=0.2), s)
    assert circle[24, 28]
    assert not ring[24, 28]
    area = np.pi * 0.3**2 / (x.scale * y.scale)
    assert circle.sum() == pytest.approx(area, rel=0.1)


def test_regions_that_are_none(s):
    with pytest.raises(ValueError, match="roi has the shape"):
        s.detect_atoms(roi=np.ones((5, 5), bool))
    with pytest.raises(TypeError, match="array of bool"):
        s.detect_atoms(roi=np.ones(s.data.shape))
    with pytest.raises(TypeError, match="no area"):
        s.detect_atoms(roi=hs.roi.Point2DROI(0.0, 0.0))
    with pytest.raises(ValueError, match="no pixel"):
        s.detect_atoms(roi=hs.roi.CircleROI(99, 99, r=1))


@pytest.mark.parametrize("lazy", [False, True])
def test_classical_detection_runs_no_network(make_images, monkeypatch, lazy):
    from hyperspy_stem_enhance.enhance import run

    def refuse(*args, **kwargs):
        raise AssertionError("the network ran")

    monkeypatch.setattr(run, "enhance_checked", refuse)
    s = make_images((3,))
    s = s.as_lazy() if lazy else s
    atoms = s.detect_atoms(method="classical")
    if lazy:
        atoms.compute()
    assert atoms.n_atoms.min() > 15


def test_arguments_that_are_unknown(s):
    for name, value in (("method", "best"), ("support", "no"), ("separation", -2)):
        with pytest.raises(ValueError, match=f"{name}="):
            s.detect_atoms(**{name: value})


def test_dots_of_a_network_are_used(make_images, monkeypatch):
    from hyperspy_stem_enhance.detect import columns
    from hyperspy_stem_enhance.enhance import run
    from hyperspy_stem_enhance.models import registry

    asked, seen = [], []

    def enhance(frames, model, mode, device, outputs, **options):
        asked.append(outputs)
        return frames, np.full(frames.shape, 0.25, np.float32)

    def detect(enhanced, raw=None, probability=None, **options):
        seen.append(float(probability.mean()))
        return np.zeros((0, 5), np.float32)

    names = ("enhanced", "super-resolution", "detection")
    monkeypatch.setattr(registry, "outputs", lambda name: names)
    monkeypatch.setattr(run, "enhance_checked", enhance)
    monkeypatch.setattr(columns, "detect_columns", detect)
    make_images((2,)).detect_atoms()
    assert asked[0] == (run.COLUMNS, "detection")
    assert seen == [0.25, 0.25]
