"""What was done to images is known in the files they are saved in."""

import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.signals._provenance import pixel_size_nm, read_provenance


@pytest.fixture(scope="module")
def enhanced():
    counts = np.random.default_rng(0).poisson(20, (48, 48))
    signal = hs.signals.Signal2D(counts)
    return signal.enhance_sfin(scale=1, show_progressbar=False)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("name", ["a.hspy", "a.tif"])
def test_record_is_in_the_file(enhanced, tmp_path, name, lazy):
    tags = {"extratags": hse.tiff_tags(enhanced)} if name.endswith("tif") else {}
    enhanced.save(tmp_path / name, **tags)
    loaded = hs.load(tmp_path / name, lazy=lazy)
    assert read_provenance(loaded) == read_provenance(enhanced)
    assert read_provenance(loaded)["model"]


def test_stack_of_files_is_known(enhanced, tmp_path):
    paths = [str(tmp_path / f"{number}.tif") for number in range(2)]
    for path in paths:
        enhanced.save(path, extratags=hse.tiff_tags(enhanced))
    loaded = hs.load(paths, stack=True)
    assert read_provenance(loaded) == read_provenance(enhanced)


@pytest.mark.parametrize("text", ["no JSON", "[1]", '{"other": 1}', "3"])
def test_tags_of_other_programs(enhanced, tmp_path, text):
    enhanced.save(tmp_path / "a.tif", extratags=[(65280, "s", 0, text, False)])
    assert read_provenance(hs.load(tmp_path / "a.tif")) == {}


def test_raw_images_have_no_record():
    raw = hs.signals.Signal2D(np.zeros((32, 32)))
    assert hse.tiff_tags(raw) == []
    assert read_provenance(raw) == {}


@pytest.mark.parametrize("scale", [0.0, np.nan, np.inf])
def test_pixels_without_a_size(scale):
    image = hs.signals.Signal2D(np.zeros((32, 32)))
    for axis in image.axes_manager.signal_axes:
        axis.scale, axis.units = scale, "nm"
    assert pixel_size_nm(image) is None
