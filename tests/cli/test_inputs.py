"""What a command takes as its input."""

import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import h5py
import hyperspy.api as hs
import numpy as np
import pandas as pd
import pytest

from hyperspy_stem_enhance.cli import main
from hyperspy_stem_enhance.cli.inputs import Source, find_sources
from hyperspy_stem_enhance.cli.loading import as_images, load_signals, load_source


def paths_of(*arguments, **options):
    sources = find_sources([str(argument) for argument in arguments], **options).sources
    return [source.paths[0] for source in sources]


@pytest.mark.parametrize(
    ("argument", "cause"),
    [
        ("missing.dm4", "no such file"),
        ("*.dm4", "no file matches"),
        ("empty", "no file that HyperSpy reads"),
    ],
)
def test_nothing_found(folder, out, capsys, argument, cause):
    (folder / "empty").mkdir()
    arguments = ["calibrate", str(folder / argument), "--out", str(out)]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert cause in error
    assert argument in error
    assert not out.exists()


def test_pattern_and_file_count_once(folder):
    assert paths_of(folder / "*.tif", folder / "movie.tif") == [folder / "movie.tif"]


def test_brackets_in_names_are_no_pattern(folder):
    path = folder / "image [1].hspy"
    (folder / "image.hspy").rename(path)
    assert paths_of(path) == [path]
    [image] = load_signals(path)
    assert image.data.shape == (96, 96)


def test_folders_inside_folders(folder):
    inside = folder / "a" / "b"
    inside.mkdir(parents=True)
    (folder / "image.hspy").rename(inside / "deep.hspy")
    (folder / ".hidden").mkdir()
    (folder / "broken.hspy").rename(folder / ".hidden" / "broken.hspy")
    (folder / "table.csv").write_text("y,x")
    assert paths_of(folder) == [folder / "movie.tif"]
    deep = [inside / "deep.hspy", folder / "movie.tif"]
    assert paths_of(folder, recursive=True) == deep
    assert sorted(paths_of(folder / "**" / "*.[ht]*")) == deep


def test_results_of_equal_names_differ(folder, out, names):
    (folder / "image.hspy").rename(folder / "movie.hspy")
    arguments = [str(folder / "movie.hspy"), str(folder / "movie.tif")]
    assert main(["enhance", *arguments, "--out", str(out)]) == 0
    assert "movie_hspy_enhanced.hspy" in names(out)
    assert "movie_tif_enhanced.hspy" in names(out)


def test_results_in_the_same_folder_are_no_input(folder, capsys):
    for _ in range(2):
        (folder / "broken.hspy").unlink(missing_ok=True)
        assert main(["detect", str(folder), "--out", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "left out" in printed
    assert not list(folder.glob("*atoms_atoms*"))


class TestDataFiles:
    """TIA's .emi and .ser files: the first loads the second."""

    def test_same_data_are_taken_once(self, tmp_path):
        for name in ("a.emi", "a_1.ser", "a_2.ser", "a_b_1.ser", "b_1.ser"):
            (tmp_path / name).touch()
        found = find_sources([str(tmp_path)])
        names = [source.paths[0].name for source in found.sources]
        assert names == ["a.emi", "a_b_1.ser", "b_1.ser"]
        assert [path.name for path in found.sources[0].instead] == [
            "a_1.ser",
            "a_2.ser",
        ]
        [note] = found.notes
        assert "a_1.ser, a_2.ser are the same data" in note

    def test_real_pair(self, data_dir, out, capsys, names):
        pattern = str(data_dir / "haadf" / "16_STO*")
        assert main(["calibrate", pattern, "--out", str(out)]) == 0
        assert "taken once" in capsys.readouterr().out
        assert [name for name in names(out) if name.endswith(".hspy")] == [
            "16_STOimage_noise.hspy"
        ]

    def test_data_without_a_readable_emi(self, data_dir, tmp_path, out, capsys):
        real = data_dir / "haadf" / "16_STOimage_1.ser"
        (tmp_path / "a_1.ser").write_bytes(real.read_bytes())
        (tmp_path / "a.emi").write_bytes(b"damaged")
        assert main(["calibrate", str(tmp_path / "a*"), "--out", str(out)]) == 0
        assert "a_1.ser instead" in capsys.readouterr().out


class TestSeveralSignals:
    def load(self, monkeypatch, path, *contents):
        monkeypatch.setattr(hs, "load", lambda *args, **kwargs: list(contents))
        return load_source(Source((path,), "file"))

    def test_images_are_taken_and_named(self, folder, out, monkeypatch, make_image):
        images = [make_image(index) for index in range(4)]
        for image, title in zip(images, ["HAADF", "BF / 2", "", ""], strict=True):
            image.metadata.General.title = title
        spectrum = hs.signals.Signal1D(np.ones(9))
        found, left_out = self.load(
            monkeypatch, folder / "image.hspy", spectrum, *images
        )
        labels = ["file_HAADF", "file_BF_2", "file_2", "file_3"]
        assert [image.label for image in found] == labels
        assert "image 1 (BF_2)" in found[1].name
        assert left_out == ["<LazySignal1D, title: , dimensions: (|9)>"]

    def test_each_has_its_results(self, folder, out, make_image, capsys):
        path = folder / "two.hspy"
        make_image(0, side=48).save(path)
        with h5py.File(path, "a") as file:
            experiments = file["Experiments"]
            experiments.copy(experiments["__unnamed__"], "second")
            experiments.copy(experiments["__unnamed__"], "third")
            del experiments["third/data"]
            experiments["third/data"] = np.full((48, 48), np.nan)
        assert main(["calibrate", str(path), "--out", str(out)]) == 1
        assert "two.hspy, image 2" in capsys.readouterr().err
        table = pd.read_csv(out / "noise_calibration.csv")
        assert list(table["file"]) == ["two_0", "two_1"]

    def test_spectra_alone_are_refused(self, folder, out, capsys):
        hs.signals.Signal1D(np.ones((4, 9))).save(folder / "spectra.hspy")
        path = str(folder / "spectra.hspy")
        assert main(["enhance", path, "--out", str(out)]) == 1
        error = capsys.readouterr().err
        assert "holds no images" in error
        assert "--maps" in error


class TestMaps:
    def test_spectrum_images_as_stacks(self, tmp_path, rng):
        cube = rng.normal(size=(3, 20, 24, 5))  # (time, y, x | energy)
        hs.signals.Signal1D(cube).save(tmp_path / "cube.hspy")
        [signal] = load_signals(tmp_path / "cube.hspy")
        assert as_images(signal) is None
        images = as_images(signal, maps=True)
        assert images._lazy
        assert images.axes_manager.signal_shape == (24, 20)
        np.testing.assert_array_equal(images.data.compute(), np.moveaxis(cube, -1, 1))

    def test_maps_of_elements(self, rng):
        values = rng.normal(size=(20, 24))
        element = hs.signals.BaseSignal(values).T
        assert element.axes_manager.navigation_shape == (24, 20)
        assert as_images(element) is None
        np.testing.assert_array_equal(as_images(element, maps=True).data, values)

    def test_line_scans_are_no_maps(self):
        assert as_images(hs.signals.Signal1D(np.ones((4, 9))), maps=True) is None

    def test_command(self, tmp_path, out, make_image):
        images = np.stack([make_image(index, side=48).data for index in range(3)], -1)
        hs.signals.Signal1D(images).save(tmp_path / "cube.hspy")
        path = str(tmp_path / "cube.hspy")
        assert main(["enhance", path, "--maps", "--out", str(out)]) == 0
        assert hs.load(out / "cube_enhanced.hspy").data.shape == (3, 48, 48)


class TestStack:
    def test_files_are_one_series(self, tmp_path, out, make_image):
        images = [make_image(index, side=48) for index in range(3)]
        for index, image in enumerate(images):
            image.save(tmp_path / f"{index}.hspy")
        pattern = str(tmp_path / "*.hspy")
        assert main(["enhance", pattern, "--stack", "--out", str(out)]) == 0
        stack = hs.load(out / "0_stack_enhanced.hspy")
        assert stack.data.shape == (3, 48, 48)
        expected = images[2].enhance_sfin().data
        np.testing.assert_allclose(stack.data[2], expected, rtol=1e-4, atol=1e-3)

    def test_of_different_shapes(self, tmp_path, out, make_image, capsys):
        for side in (48, 64):
            make_image(side=side).save(tmp_path / f"{side}.hspy")
        pattern = str(tmp_path / "*.hspy")
        assert main(["enhance", pattern, "--stack", "--out", str(out)]) == 1
        assert "48.hspy and 1 more" in capsys.readouterr().err


def test_frames_of_velox_files(tmp_path, rng, monkeypatch):
    """All frames recorded beside a spectrum image, not one of them."""
    frames = rng.integers(0, 100, (20, 24, 3)).astype("uint16")
    metadata = {
        "Core": {"MetadataDefinitionVersion": "7.9"},
        "Instrument": {},
        "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "0"}},
        "Optics": {},
        "Scan": {"FrameTime": "1.0"},
        "Detectors": {"Detector-0": {"DetectorName": "HAADF"}},
        "BinaryResult": {
            "DetectorIndex": "0",
            "Detector": "HAADF",
            "PixelSize": {"width": "2e-11", "height": "2e-11"},
            "PixelUnitX": "m",
            "Offset": {"x": "0", "y": "0"},
        },
        "Stage": {},
        "Sample": {},
        "CustomProperties": {},
    }
    path = tmp_path / "velox.emd"
    text = np.frombuffer(json.dumps(metadata).encode(), "uint8")[:, np.newaxis]
    with h5py.File(path, "w") as file:
        file["Version"] = np.array([b'{"format": "Velox", "version": "11"}'])
        file.create_group("Data/SpectrumImage")
        file.create_group("Displays/ImageDisplay")
        group = file.create_group("Data/Image/0123")
        group.create_dataset("Data", data=frames, chunks=(20, 24, 1))
        group["Metadata"] = np.repeat(text, 3, axis=1)
    # RosettaSciIO wants it there, also to leave the spectra alone
    sparse = ModuleType("sparse")
    sparse.__spec__ = ModuleSpec("sparse", None)
    sparse.SparseArray = type("SparseArray", (), {})
    monkeypatch.setitem(sys.modules, "sparse", sparse)
    [signal] = load_signals(path)
    assert signal._lazy
    assert signal.axes_manager.navigation_shape == (3,)
    np.testing.assert_array_equal(signal.data.compute(), np.moveaxis(frames, -1, 0))
    assert signal.axes_manager["x"].scale == pytest.approx(20)
    assert signal.axes_manager["x"].units == "pm"


def test_hdf5_of_hyperspy_is_read(folder):
    (folder / "image.hspy").rename(folder / "image.hdf5")
    [image] = load_signals(folder / "image.hdf5")
    assert image.data.shape == (96, 96)


def test_unknown_file_format(folder, out, capsys):
    arguments = ["enhance", str(folder / "image.hspy"), "--out", str(out)]
    assert main([*arguments, "--file-format", "none-such"]) == 1
    assert "none-such" in capsys.readouterr().err


def test_warnings_are_one_line_each_and_name_the_file(folder, out, capsys):
    image = hs.load(folder / "image.hspy")
    image.data[30:32, 40:60] = np.nan
    image.save(folder / "gaps.hspy")
    path = str(folder / "gaps.hspy")
    for command in ("calibrate", "enhance"):
        assert main([command, path, "--out", str(out)]) == 0
        lines = capsys.readouterr().err.splitlines()
        assert all(line.startswith(f"warning: {path}: ") for line in lines)
        assert any("40 pixels" in line for line in lines)
