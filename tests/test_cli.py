"""The command line: every command on small files, and what goes wrong."""

import os
import signal
import subprocess
import sys
import time

import hyperspy.api as hs
import numpy as np
import pandas as pd
import pytest

from hyperspy_stem_enhance import AtomPositions, __version__
from hyperspy_stem_enhance.cli import demo, files, main, simulate
from hyperspy_stem_enhance.models import list_models
from hyperspy_stem_enhance.noise.parameters import (
    PARAMETER_NAMES,
    PUBLISHED_PARAMETERS,
)
from hyperspy_stem_enhance.simulate import make_dataset
from hyperspy_stem_enhance.simulate.noise import TERMS
from hyperspy_stem_enhance.simulate.scene import draw_scene


def _image(index=0, mode="HAADF", side=96):
    scene = draw_scene(5, index, (side, side), mode, "published", "random")
    signal = hs.signals.Signal2D(scene.noisy)
    for axis in signal.axes_manager.signal_axes:
        axis.scale, axis.units = 0.02, "nm"
    return signal


@pytest.fixture
def folder(tmp_path):
    """A folder with an image, a movie of two frames, and a broken file."""
    _image().save(tmp_path / "image.hspy")
    frames = np.stack([_image(1).data, _image(2).data])
    hs.signals.Signal2D(frames.astype("float32")).save(tmp_path / "movie.tif")
    (tmp_path / "broken.hspy").write_bytes(b"not a file of HyperSpy")
    return tmp_path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results"


def _names(out):
    return sorted(path.name for path in out.iterdir())


class TestEnhance:
    def test_matches_the_method(self, folder, out):
        assert main(["enhance", str(folder / "image.hspy"), "--out", str(out)]) == 0
        enhanced = hs.load(out / "image_enhanced.hspy")
        expected = hs.load(folder / "image.hspy").enhance_sfin()
        np.testing.assert_allclose(enhanced.data, expected.data, atol=1e-3)
        assert enhanced.axes_manager[0].scale == 0.02
        assert enhanced.metadata.STEM_enhance.enhance_sfin.mode == "HAADF"

    def test_keeps_the_background(self, folder, out):
        arguments = ["enhance", str(folder / "image.hspy"), "--out", str(out)]
        assert main([*arguments, "--keep-background", "--mode", "BF"]) == 0
        enhanced = hs.load(out / "image_enhanced.hspy")
        record = enhanced.metadata.STEM_enhance.enhance_sfin
        assert record.keep_background
        assert record.mode == "BF"

    def test_goes_on_after_a_broken_file(self, folder, out, capsys):
        assert main(["enhance", str(folder), "--out", str(out)]) == 1
        assert _names(out) == ["image_enhanced.hspy", "movie_enhanced.hspy"]
        assert hs.load(out / "movie_enhanced.hspy").data.shape == (2, 96, 96)
        error = capsys.readouterr().err
        assert "1 failed" in error
        assert f"{folder / 'broken.hspy'}: " in error

    def test_keeps_existing_results(self, folder, out, capsys):
        arguments = ["enhance", str(folder / "image.hspy"), "--out", str(out)]
        out.mkdir()
        existing = out / "image_enhanced.hspy"
        existing.write_text("mine")
        assert main(arguments) == 1
        assert existing.read_text() == "mine"
        assert "--overwrite" in capsys.readouterr().err
        assert main([*arguments, "--overwrite"]) == 0
        assert hs.load(existing).data.shape == (96, 96)

    def test_takes_large_files_lazily(self, folder, out, monkeypatch):
        monkeypatch.setattr(files, "_LAZY_BYTES", 0)
        [image] = files.load_images(folder / "image.hspy")
        assert image._lazy
        for command in ("enhance", "detect", "calibrate"):
            assert main([command, str(folder / "image.hspy"), "--out", str(out)]) == 0
        assert np.isfinite(hs.load(out / "image_enhanced.hspy").data).all()

    @pytest.mark.parametrize(
        ("option", "value"), [("--model", "none-such"), ("--device", "none-such")]
    )
    def test_refuses_unknown_names_once(self, folder, out, capsys, option, value):
        arguments = ["enhance", str(folder), "--out", str(out), option, value]
        assert main(arguments) == 1
        assert capsys.readouterr().err.count(f"{option[2:]}='none-such'") == 1
        assert not out.exists()

    def test_interrupted_leaves_nothing(self, folder, out, monkeypatch, capsys):
        def interrupt(self, path, **kwargs):
            path.write_text("half")
            assert _names(out) == [path.name]
            raise KeyboardInterrupt

        monkeypatch.setattr(hs.signals.Signal2D, "save", interrupt)
        arguments = ["enhance", str(folder / "image.hspy"), "--out", str(out)]
        assert main(arguments) == 130
        assert _names(out) == []
        assert "interrupted" in capsys.readouterr().err


class TestDetect:
    def test_table_and_signal_agree(self, folder, out, capsys):
        assert main(["detect", str(folder / "movie.tif"), "--out", str(out)]) == 0
        assert _names(out) == ["movie_atoms.csv", "movie_atoms.hspy"]
        atoms = hs.load(out / "movie_atoms.hspy")
        table = pd.read_csv(out / "movie_atoms.csv")
        assert atoms.n_atoms.shape == (2,)
        assert len(table) == atoms.n_atoms.sum() > 10
        assert f"{len(table)} columns" in capsys.readouterr().out
        np.testing.assert_allclose(
            table.loc[table["frame"] == 1, ["y", "x"]], atoms.data[1][:, :2], rtol=1e-5
        )

    def test_enhanced_files_are_not_enhanced_again(self, folder, out, monkeypatch):
        assert main(["enhance", str(folder / "image.hspy"), "--out", str(out)]) == 0
        enhanced = out / "image_enhanced.hspy"
        expected = hs.load(enhanced).detect_atoms(enhance=False).single_array()
        assert main(["detect", str(enhanced), "--out", str(out)]) == 0
        found = hs.load(out / "image_enhanced_atoms.hspy").single_array()
        np.testing.assert_allclose(found, expected, rtol=1e-5)


class TestCalibrate:
    def test_one_table_for_all_files(self, folder, out, capsys):
        paths = [str(folder / name) for name in ("image.hspy", "movie.tif")]
        assert main(["calibrate", *paths, "--out", str(out)]) == 0
        table = pd.read_csv(out / "noise_calibration.csv")
        assert list(table.columns[:10]) == ["file", "frame", *PARAMETER_NAMES]
        assert list(table.columns[-2:]) == ["notes", "reasons"]
        assert list(table["file"]) == ["image", "movie", "movie"]
        assert list(table["frame"]) == [0, 0, 1]
        expected = hs.load(paths[0]).calibrate_noise().data[:8]
        found = table.loc[0, list(PARAMETER_NAMES)].to_numpy(float)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert "Noise of 3 image(s)" in capsys.readouterr().out

    def test_calibrate_takes_its_options(self, folder, out, capsys):
        path = str(folder / "image.hspy")
        image = hs.load(path)
        options = ["--fast-axis", "y", "--dark-level", "1", "--method", "unbiased"]
        assert main(["calibrate", path, "--out", str(out), *options]) == 0
        [row] = pd.read_csv(out / "noise_calibration.csv").to_dict("records")
        expected = image.calibrate_noise(fast_axis="y").to_dataframe(dark_level=1)
        for name in ("noise_sd", "gain", "electrons_per_pixel", "scan_intercept"):
            np.testing.assert_allclose(row[name], expected[name][0], rtol=1e-6)

    def test_nothing_to_calibrate_writes_nothing(self, folder, out):
        path = str(folder / "broken.hspy")
        assert main(["calibrate", path, "--out", str(out)]) == 1
        assert not out.exists()

    def test_keeps_an_existing_table(self, folder, out, capsys):
        out.mkdir()
        (out / "noise_calibration.csv").write_text("mine")
        path = str(folder / "image.hspy")
        assert main(["calibrate", path, "--out", str(out)]) == 1
        assert "--overwrite" in capsys.readouterr().err
        assert (out / "noise_calibration.csv").read_text() == "mine"


class TestSimulate:
    SHORT = ("--images", "2", "--shape", "48", "64", "--seed", "3")
    FILES = ["background", "clean", "label", "noisy", "positions"]

    def test_writes_the_signals(self, out, capsys):
        options = ("--structure", "Si [110]", "--pixel-size", "0.2", "--mode", "BF")
        assert main(["simulate", "--out", str(out), *self.SHORT, *options]) == 0
        assert _names(out) == sorted(
            [*(f"{name}.hspy" for name in self.FILES), "frames.csv"]
        )
        expected = make_dataset(
            2, (48, 64), "BF", seed=3, structures=["Si [110]"], pixel_size=0.2
        )
        loaded = hs.load(out / "noisy.hspy")
        np.testing.assert_array_equal(loaded.data, expected.noisy.data)
        assert loaded.axes_manager["x"].scale == pytest.approx(0.02)
        positions = hs.load(out / "positions.hspy")
        np.testing.assert_array_equal(positions.data[1], expected.positions.data[1])
        table = pd.read_csv(out / "frames.csv")
        assert list(table["kind"]) == list(expected.to_dataframe()["kind"])
        assert "2 images of 64 x 48" in capsys.readouterr().out

    def test_large_sets_are_simulated_while_they_are_written(self, out, monkeypatch):
        monkeypatch.setattr(simulate, "_LAZY_BYTES", 0)
        assert main(["simulate", "--out", str(out), *self.SHORT, "--terms"]) == 0
        assert len(_names(out)) == len(self.FILES) + len(TERMS) + 1
        expected = make_dataset(2, (48, 64), seed=3, terms=True)
        for name, images in expected.signals().items():
            if name != "positions":
                loaded = hs.load(out / f"{name}.hspy")
                np.testing.assert_array_equal(loaded.data, images.data)

    def test_noise_of_a_table(self, out, tmp_path):
        table = tmp_path / "noise_calibration.csv"
        values = vars(PUBLISHED_PARAMETERS["HAADF"])
        pd.DataFrame([{"file": "mine", "frame": 0, **values}]).to_csv(table)
        options = ("--noise", str(table), "--arrangement", "empty")
        assert main(["simulate", "--out", str(out), *self.SHORT, *options]) == 0
        frames = pd.read_csv(out / "frames.csv")
        assert list(frames["kind"]) == ["given"] * 2
        for name in ("pointwise_intercept", "scan_intercept", "background_max"):
            np.testing.assert_allclose(frames[name], values[name])

    @pytest.mark.parametrize(
        "option",
        [
            ("--noise", "none-such"),
            ("--arrangement", "none-such"),
            ("--structure", "none-such"),
        ],
    )
    def test_refuses_unknown_names(self, out, capsys, option):
        assert main(["simulate", "--out", str(out), *self.SHORT, *option]) == 1
        assert "none-such" in capsys.readouterr().err
        assert not out.exists()

    def test_keeps_existing_files(self, out, capsys):
        out.mkdir()
        (out / "clean.hspy").write_text("mine")
        arguments = ["simulate", "--out", str(out), *self.SHORT]
        assert main(arguments) == 1
        assert "--overwrite" in capsys.readouterr().err
        assert _names(out) == ["clean.hspy"]
        assert main([*arguments, "--overwrite"]) == 0
        assert hs.load(out / "clean.hspy").data.shape == (2, 48, 64)

    def test_writes_all_or_nothing(self, out, monkeypatch, capsys):
        def fail(self, *args, **kwargs):
            raise OSError("disk full")

        monkeypatch.setattr(AtomPositions, "save", fail)
        assert main(["simulate", "--out", str(out), *self.SHORT]) == 1
        assert "disk full" in capsys.readouterr().err
        assert _names(out) == []


class TestInputs:
    @pytest.mark.parametrize(
        ("argument", "cause"),
        [
            ("missing.dm4", "no such file"),
            ("*.dm4", "no file matches"),
            ("empty", "no file that HyperSpy reads"),
        ],
    )
    def test_nothing_found(self, folder, out, capsys, argument, cause):
        (folder / "empty").mkdir()
        arguments = ["calibrate", str(folder / argument), "--out", str(out)]
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert cause in error
        assert argument in error

    def test_pattern_and_file_count_once(self, folder):
        inputs = files.Inputs([str(folder / "*.tif"), str(folder / "movie.tif")])
        assert inputs.paths == [folder / "movie.tif"]

    def test_brackets_in_names_are_no_pattern(self, folder):
        path = folder / "image [1].hspy"
        (folder / "image.hspy").rename(path)
        assert files.Inputs([str(path)]).paths == [path]
        [image] = files.load_images(path)
        assert image.data.shape == (96, 96)

    def test_results_of_equal_names_differ(self, folder, out):
        (folder / "image.hspy").rename(folder / "movie.hspy")
        arguments = [str(folder / "movie.hspy"), str(folder / "movie.tif")]
        assert main(["enhance", *arguments, "--out", str(out)]) == 0
        assert _names(out) == ["movie_hspy_enhanced.hspy", "movie_tif_enhanced.hspy"]

    def test_images_beside_spectra_are_taken(self, folder, out, monkeypatch):
        contents = [hs.signals.Signal1D(np.ones(9)), _image(0), _image(1)]
        monkeypatch.setattr(hs, "load", lambda *args, **kwargs: contents)
        path = str(folder / "image.hspy")
        assert main(["calibrate", path, "--out", str(out)]) == 0
        table = pd.read_csv(out / "noise_calibration.csv")
        assert list(table["file"]) == ["image_0", "image_1"]

    def test_spectra_alone_are_refused(self, folder, out, capsys):
        hs.signals.Signal1D(np.ones((4, 9))).save(folder / "spectra.hspy")
        path = str(folder / "spectra.hspy")
        assert main(["enhance", path, "--out", str(out)]) == 1
        assert "holds no images" in capsys.readouterr().err

    def test_hdf5_of_hyperspy_is_read(self, folder):
        (folder / "image.hspy").rename(folder / "image.hdf5")
        [image] = files.load_images(folder / "image.hdf5")
        assert image.data.shape == (96, 96)

    def test_unknown_file_format(self, folder, out, capsys):
        arguments = ["enhance", str(folder / "image.hspy"), "--out", str(out)]
        assert main([*arguments, "--file-format", "none-such"]) == 1
        assert "none-such" in capsys.readouterr().err

    def test_warnings_are_one_line_each(self, folder, out, capsys):
        image = hs.load(folder / "image.hspy")
        image.data[30:32, 40:60] = np.nan
        image.save(folder / "gaps.hspy")
        path = str(folder / "gaps.hspy")
        assert main(["calibrate", path, "--out", str(out)]) == 0
        lines = capsys.readouterr().err.splitlines()
        assert all(line.startswith("warning: ") for line in lines)
        assert any("40 pixels" in line for line in lines)


def test_whole_files_are_written_all_or_none(tmp_path):
    paths = tmp_path / "a.csv", tmp_path / "b.csv"

    def write_half():
        with files.whole_files(*paths) as parts:
            parts[0].write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert list(tmp_path.iterdir()) == []
    with files.whole_files(*paths) as parts:
        for part in parts:
            part.write_text("whole")
        assert not paths[0].exists()
    assert [path.read_text() for path in paths] == ["whole", "whole"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.fixture(scope="class")
def training(tmp_path_factory):
    """Arguments of a training of two steps that has been run, and its folder."""
    run = tmp_path_factory.mktemp("training") / "run"
    arguments = ["train", "--out", str(run), *TestTrain.SHORT]
    assert main(arguments) == 0
    return arguments, run


class TestTrain:
    SHORT = ("--steps", "2", "--workers", "0", "--device", "cpu")

    def test_resumes(self, training, capsys):
        arguments, run = training
        before = (run / "log.jsonl").read_text()
        assert main(arguments) == 0
        assert (run / "log.jsonl").read_text() == before
        assert str(run / "checkpoint.pt") in capsys.readouterr().out

    def test_name_makes_it_a_model(self, training, capsys, tmp_path, monkeypatch):
        monkeypatch.setenv("HSE_MODELS", str(tmp_path))
        assert main([*training[0], "--name", "mine"]) == 0
        assert str(tmp_path / "mine.safetensors") in capsys.readouterr().out
        assert list_models()["mine"]["modes"] == ["HAADF", "BF"]

    def test_name_of_the_package_is_refused_before_training(self, tmp_path, capsys):
        run = tmp_path / "run"
        assert main(["train", "--out", str(run), *self.SHORT, "--name", "sfin-fast"])
        assert "a model of the package" in capsys.readouterr().err
        assert not run.exists()

    def test_refuses_another_training_in_the_folder(self, training, capsys):
        assert main([*training[0], "--seed", "7"]) == 1
        assert "other settings" in capsys.readouterr().err

    def test_needs_no_hyperspy(self, tmp_path):
        code = (
            "import sys\n"
            "sys.modules['hyperspy'] = None\n"
            "import importlib.util as util\n"
            "real = util.find_spec\n"
            "util.find_spec = lambda name, *a: "
            "None if name == 'hyperspy' else real(name, *a)\n"
            "from hyperspy_stem_enhance.cli import main\n"
            f"status = main(['train', '--out', {str(tmp_path)!r}, '--steps', '1', "
            "'--workers', '0', '--device', 'cpu'])\n"
            "sys.exit(status)\n"
        )
        command = [sys.executable, "-c", code]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        assert " min  step 1 of 1: loss" in result.stdout
        assert (tmp_path / "checkpoint.pt").exists()

    @pytest.mark.parametrize(
        "option", [("--steps", "0"), ("--minutes", "-1"), ("--batch-factor", "0")]
    )
    def test_refuses_numbers(self, tmp_path, capsys, option):
        arguments = ["train", "--out", str(tmp_path / "run"), *self.SHORT]
        assert main([*arguments, *option]) == 1
        assert " ".join(option) in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


class TestDemo:
    def test_on_a_part_of_the_pair(self, out, monkeypatch, capsys):
        whole = demo.load_image
        monkeypatch.setattr(
            demo, "load_image", lambda *args: whole(*args).isig[100:196, 100:196]
        )
        assert main(["demo", "--out", str(out)]) == 0
        kinds = ("atoms.hspy", "columns.csv", "enhanced.hspy", "noise.hspy")
        expected = [f"{name}_{kind}" for name in ("abf", "adf") for kind in kinds]
        assert _names(out) == [*expected, "details.png", "overview.png"]
        printed = capsys.readouterr().out
        assert str(out) in printed
        assert "nearest neighbour, median (pm)" in printed
        table = pd.read_csv(out / "adf_columns.csv")
        scale = hs.load(out / "adf_enhanced.hspy").axes_manager["x"].scale
        pixels = table.x_refined_calibrated / scale
        np.testing.assert_allclose(pixels, table.x_refined + 100)
        # Atomap found nothing to correct by as much as a fifth of a spacing
        moved = np.hypot(table.x_refined - table.x, table.y_refined - table.y)
        assert np.median(moved) < 2

    def test_missing_images(self, out, monkeypatch, capsys):
        monkeypatch.setattr(demo, "_PAIR", (("ADF", "HAADF", "none-such.hdf5"),))
        assert main(["demo", "--out", str(out)]) == 1
        assert "none-such.hdf5" in capsys.readouterr().err

    @pytest.mark.slow
    def test_whole(self, out):
        """The perovskite's rows are 390 pm/2 apart; ABF shows oxygen too."""
        assert main(["demo", "--out", str(out)]) == 0
        adf = pd.read_csv(out / "adf_columns.csv")
        abf = pd.read_csv(out / "abf_columns.csv")
        assert 230 < len(adf) < 300
        assert len(abf) > 1.3 * len(adf)


def test_module_runs():
    command = [sys.executable, "-m", "hyperspy_stem_enhance", "--version"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout.strip() == __version__


@pytest.mark.parametrize(
    "arguments", [[], ["enhance"], ["enhance", "a", "--mode", "x"]]
)
def test_arguments_not_understood(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_help_loads_no_heavy_module():
    code = (
        "import sys\n"
        "from hyperspy_stem_enhance.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'atomap', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_interrupt_from_the_terminal(tmp_path):
    arguments = ["train", "--out", str(tmp_path / "run"), "--steps", "100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hyperspy_stem_enhance", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "run" / "settings.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=600)
    # The second is CPython's own way, where the signal met code run from a string
    # (dataclasses, while PyTorch is imported): shells read both as an interrupt
    assert process.returncode in (130, -signal.SIGINT)
    assert "interrupted" in error
