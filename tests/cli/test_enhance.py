"""Enhancement of files."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.cli import main, writers
from hyperspy_stem_enhance.enhance import run as run_module


def run(folder, out, *arguments, file="image.hspy"):
    return main(["enhance", str(folder / file), "--out", str(out), *arguments])


def test_matches_the_method(folder, out):
    assert run(folder, out) == 0
    enhanced = hs.load(out / "image_enhanced.hspy")
    expected = hs.load(folder / "image.hspy").enhance_sfin()
    np.testing.assert_allclose(enhanced.data, expected.data, atol=1e-3)
    assert enhanced.axes_manager[0].scale == 0.02
    assert enhanced.metadata.STEM_enhance.enhance_sfin.mode == "HAADF"


def test_takes_its_options(folder, out):
    options = ("--keep-background", "--self-ensemble", "--remove-echo", "--mode", "BF")
    assert run(folder, out, *options, "--scale", "0.8") == 0
    enhanced = hs.load(out / "image_enhanced.hspy")
    record = enhanced.metadata.STEM_enhance.enhance_sfin
    assert record.keep_background
    assert record.self_ensemble
    assert record.remove_echo
    assert record.mode == "BF"
    assert record.scale == 0.8


def test_echo_is_that_of_scanned_images(folder, out, capsys):
    options = ("--remove-echo", "--mode", "HRTEM")
    assert main(["enhance", str(folder), "--out", str(out), *options]) == 1
    assert "is for scanned images" in capsys.readouterr().err


def test_goes_on_after_a_broken_file(folder, out, capsys, names):
    assert main(["enhance", str(folder), "--out", str(out)]) == 1
    assert names(out) == [
        "enhance-log.jsonl",
        "enhance-run.toml",
        "image_enhanced.hspy",
        "movie_enhanced.hspy",
    ]
    assert hs.load(out / "movie_enhanced.hspy").data.shape == (2, 96, 96)
    error = capsys.readouterr().err
    assert "1 failed" in error
    assert f"{folder / 'broken.hspy'}: " in error


def test_keeps_files_of_others(folder, out, capsys):
    out.mkdir()
    existing = out / "image_enhanced.hspy"
    existing.write_text("mine")
    assert run(folder, out) == 1
    assert existing.read_text() == "mine"
    assert "--overwrite" in capsys.readouterr().err
    assert run(folder, out, "--overwrite") == 0
    assert hs.load(existing).data.shape == (96, 96)


@pytest.mark.parametrize(
    ("option", "value"), [("--model", "none-such"), ("--device", "none-such")]
)
def test_refuses_unknown_names_once(folder, out, capsys, option, value):
    assert main(["enhance", str(folder), "--out", str(out), option, value]) == 1
    assert capsys.readouterr().err.count(f"{option[2:]}='none-such'") == 1
    assert not out.exists()


def test_interrupted_leaves_nothing(folder, out, monkeypatch, capsys, names):
    def interrupt(self, path, **kwargs):
        path.write_text("half")
        assert names(out) == [path.name]
        raise KeyboardInterrupt

    monkeypatch.setattr(hs.signals.Signal2D, "save", interrupt)
    assert run(folder, out) == 130
    assert names(out) == []
    assert "interrupted" in capsys.readouterr().err


class TestFormats:
    def test_tif_keeps_the_scale(self, folder, out):
        assert run(folder, out, "--format", "tif") == 0
        assert run(folder, out) == 0
        image = hs.load(out / "image_enhanced.tif")
        expected = hs.load(out / "image_enhanced.hspy")
        np.testing.assert_array_equal(image.data, expected.data)
        assert image.axes_manager[0].scale == pytest.approx(0.02)
        assert image.axes_manager[0].units == "nm"

    def test_detect_knows_enhanced_files_of_every_format(self, folder, out, make_image):
        make_image(mode="BF").save(folder / "bf.hspy")
        tables = []
        for extension in ("hspy", "tif"):
            options = ("--mode", "BF", "--scale", "1", "--format", extension)
            enhanced = out / extension
            assert run(folder, enhanced, *options, file="bf.hspy") == 0
            path = str(enhanced / f"bf_enhanced.{extension}")
            found = ["detect", path, "--mode", "BF", "--out", str(enhanced)]
            assert main(found) == 0
            tables.append((enhanced / "bf_enhanced_atoms.csv").read_text())
        assert tables[0].count("\n") > 5
        assert tables[0] == tables[1]

    def test_tif_of_a_movie(self, folder, out, names):
        assert run(folder, out, "--format", "tif", file="movie.tif") == 0
        assert hs.load(out / "movie_enhanced.tif").data.shape == (2, 96, 96)
        assert not [name for name in names(out) if name.startswith(".")]

    def test_zspy(self, folder, out):
        zarr = pytest.importorskip("zarr")
        if not zarr.__version__.startswith("2."):
            pytest.skip("HyperSpy's .zspy needs zarr 2")
        for _ in range(2):
            options = ("--format", "zspy", "--overwrite")
            assert run(folder, out, *options, file="movie.tif") == 0
        assert run(folder, out, file="movie.tif") == 0
        image = hs.load(out / "movie_enhanced.zspy")
        expected = hs.load(out / "movie_enhanced.hspy")
        np.testing.assert_array_equal(image.data, expected.data)

    def test_zspy_without_zarr_2(self, folder, out, monkeypatch, capsys):
        monkeypatch.setitem(__import__("sys").modules, "zarr", None)
        assert run(folder, out, "--format", "zspy") == 1
        assert "zarr 2" in capsys.readouterr().err
        assert not out.exists()

    @pytest.mark.parametrize("shape", [(5, 7), (3, 64, 64), (2, 3, 4000, 300)])
    def test_stored_chunks(self, shape):
        chunks = writers._storage_chunks(shape)
        assert len(chunks) == len(shape)
        assert all(1 <= c <= n for c, n in zip(chunks, shape, strict=True))
        assert 4 * np.prod(chunks) <= 2**24


class TestDetectingAsWell:
    def test_results_are_those_of_both_commands(self, folder, out, tmp_path):
        assert run(folder, out, "--detect", file="movie.tif") == 0
        apart = tmp_path / "apart"
        assert run(folder, apart, file="movie.tif") == 0
        assert main(["detect", str(folder / "movie.tif"), "--out", str(apart)]) == 0
        images = [hs.load(d / "movie_enhanced.hspy").data for d in (out, apart)]
        np.testing.assert_allclose(*images, rtol=1e-4, atol=1e-3)
        tables = [hs.load(d / "movie_atoms.hspy").data for d in (out, apart)]
        for together, alone in zip(*tables, strict=True):
            np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-3)
        assert (out / "movie_atoms.csv").is_file()

    def test_run_the_network_once_for_both(self, folder, out, monkeypatch):
        enhance, ran = run_module.enhance_checked, []

        def count(frames, *args, **kwargs):
            ran.append(len(frames))
            return enhance(frames, *args, **kwargs)

        monkeypatch.setattr(run_module, "enhance_checked", count)
        assert run(folder, out, "--detect", "--scale", "1", file="movie.tif") == 0
        assert sum(ran) == 2
