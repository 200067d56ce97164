"""Small files for the command line to work on."""

import shutil

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.simulate.scene import draw_scene


def draw_image(index=0, mode="HAADF", side=96):
    """A simulated image with a calibrated scale."""
    scene = draw_scene(5, index, (side, side), mode, "published", "random")
    signal = hs.signals.Signal2D(scene.noisy)
    for axis in signal.axes_manager.signal_axes:
        axis.scale, axis.units = 0.02, "nm"
    return signal


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="session")
def make_image():
    return draw_image


@pytest.fixture(scope="session")
def names():
    """Sorted names of what is in a folder."""
    return list_names


@pytest.fixture(scope="session")
def _files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    draw_image().save(folder / "image.hspy")
    frames = np.stack([draw_image(1).data, draw_image(2).data])
    hs.signals.Signal2D(frames.astype("float32")).save(folder / "movie.tif")
    (folder / "broken.hspy").write_bytes(b"not a file of HyperSpy")
    return folder


@pytest.fixture
def folder(tmp_path, _files):
    """A folder with an image, a movie of two frames, and a broken file."""
    for path in _files.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results"
