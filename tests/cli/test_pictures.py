"""Stacks, movies and pictures in formats that hold no metadata."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from hyperspy_stem_enhance.cli import main
from hyperspy_stem_enhance.cli.inputs import Source
from hyperspy_stem_enhance.cli.loading import load_source


def load(path):
    [image], left_out = load_source(Source((path,), "file"))
    assert not left_out
    assert image.signal._lazy
    return image.signal


@pytest.fixture
def frames(rng):
    return rng.integers(0, 255, (3, 24, 32), dtype=np.uint8)


def save_animated(path, frames):
    pictures = [Image.fromarray(frame) for frame in frames]
    lossless = {"lossless": True, "exact": True} if path.suffix == ".webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **lossless)


@pytest.mark.parametrize("shape", [(24, 32), (3, 24, 32), (2, 3, 24, 32)])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "float16", ">f4", "float64"])
@pytest.mark.parametrize("order", "CF")
def test_numpy_arrays(tmp_path, rng, shape, dtype, order):
    data = np.asarray(rng.integers(0, 255, shape), dtype, order=order)
    np.save(tmp_path / "a.npy", data)
    signal = load(tmp_path / "a.npy")
    assert signal.axes_manager.navigation_shape == shape[:-2][::-1]
    assert signal.axes_manager.signal_shape == (32, 24)
    np.testing.assert_array_equal(signal.data.compute(), data)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_all_frames_of_animated_pictures(tmp_path, frames, name):
    save_animated(tmp_path / name, frames)
    signal = load(tmp_path / name)
    assert signal.axes_manager.navigation_shape == (3,)
    np.testing.assert_array_equal(signal.data.compute(), frames)


def test_animated_pictures_in_colour(tmp_path, frames):
    colour = np.stack([frames, frames // 2, frames // 4], axis=-1)
    save_animated(tmp_path / "a.png", colour)
    data = load(tmp_path / "a.png").data.compute()
    assert data.shape == frames.shape
    for channel, name in enumerate("RGB"):
        np.testing.assert_array_equal(data[name], colour[..., channel])


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "I;16"])
def test_single_pictures(tmp_path, frames, mode):
    grey = frames[0]
    picture = Image.fromarray(grey)
    if mode == "I;16":
        grey = grey.astype(np.uint16) * 257
        picture = Image.fromarray(grey)
    picture.convert(mode).save(tmp_path / "a.png")
    signal = load(tmp_path / "a.png")
    assert signal.data.dtype == grey.dtype
    np.testing.assert_array_equal(signal.data.compute(), grey)


def test_frames_before_damage_are_kept(tmp_path, frames):
    path = tmp_path / "a.png"
    save_animated(path, frames)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.warns(UserWarning, match="of 3 frames, only the first 2"):
        signal = load(path)
    np.testing.assert_array_equal(signal.data.compute(), frames[:2])


class TestTIFF:
    @pytest.mark.parametrize("number", [2, 3, 4, 5])
    @pytest.mark.parametrize("dtype", [np.uint16, ">u2", np.float16, np.float32])
    def test_pages(self, tmp_path, rng, number, dtype):
        data = rng.integers(0, 99, (number, 24, 32)).astype(dtype)
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            for frame in data:
                file.write(frame, contiguous=False, metadata=None)
        signal = load(tmp_path / "a.tif")
        np.testing.assert_array_equal(signal.data.compute(), data)

    def test_hyperstack_of_imagej(self, tmp_path, rng):
        data = rng.integers(0, 99, (3, 2, 24, 32), dtype=np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", data, imagej=True)
        signal = load(tmp_path / "a.tif")
        assert signal.axes_manager.navigation_shape == (2, 3)
        np.testing.assert_array_equal(signal.data.compute(), data)

    @pytest.mark.parametrize("number", [3, 4])
    def test_series_written_as_planes_of_colour(self, tmp_path, rng, number):
        data = rng.integers(0, 99, (number, 24, 32), dtype=np.uint16)
        separate = {"photometric": "rgb", "planarconfig": "separate"}
        tifffile.imwrite(tmp_path / "a.tif", data, **separate)
        with pytest.warns(UserWarning, match=f"{number} planes .* taken as frames"):
            signal = load(tmp_path / "a.tif")
        np.testing.assert_array_equal(signal.data.compute(), data)

    def test_equal_planes_are_one_grey_image(self, tmp_path, frames):
        planes = np.stack([frames[0]] * 3)
        separate = {"photometric": "rgb", "planarconfig": "separate"}
        tifffile.imwrite(tmp_path / "a.tif", planes, **separate)
        np.testing.assert_array_equal(load(tmp_path / "a.tif").data, frames[0])

    def test_compressed_by_lzw(self, tmp_path, frames):
        pytest.importorskip("imagecodecs")
        tifffile.imwrite(tmp_path / "a.tif", frames[0], compression="lzw")
        np.testing.assert_array_equal(load(tmp_path / "a.tif").data, frames[0])

    def test_package_for_lzw_is_named(self, tmp_path, frames):
        pytest.importorskip("imagecodecs")
        tifffile.imwrite(tmp_path / "a.tif", frames[0], compression="lzw")
        code = (
            "import sys; sys.modules['imagecodecs'] = None\n"
            "from hyperspy_stem_enhance.cli import main\n"
            "sys.exit(main(['calibrate', 'a.tif', '--out', 'out']))"
        )
        run = [sys.executable, "-c", code]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 1
        assert "pip install 'hyperspy_stem_enhance[formats]'" in done.stderr


def test_unreadable_files_are_named_with_a_remedy(tmp_path, capsys, make_image):
    folder = tmp_path / "in"
    folder.mkdir()
    make_image().save(folder / "Größe 1 µm.hspy")
    data = np.ones((3, 64, 64), dtype=np.float32)
    np.save(folder / "short.npy", data)
    short = (folder / "short.npy").read_bytes()[:5000]
    (folder / "short.npy").write_bytes(short)
    np.save(folder / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (folder / "text.tif").write_text("hello")
    (folder / "text.png").write_text("hello")
    (folder / "empty.gif").touch()
    assert main(["calibrate", str(folder), "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert "1 done, 5 failed" in printed.out
    for name, remedy in {
        "short.npy": "copy the file again",
        "objects.npy": "save an array of numbers",
        "text.tif": "another format",
        "text.png": "another format",
        "empty.gif": "the file is empty",
    }.items():
        [line] = [line for line in printed.err.splitlines() if name in line]
        assert remedy in line
