"""Columns of files."""

import sys

import hyperspy.api as hs
import numpy as np
import pandas as pd
import pytest

from hyperspy_stem_enhance import AtomPositions
from hyperspy_stem_enhance.cli import main, writers


class TestDetect:
    def test_table_and_signal_agree(self, folder, out, capsys, names):
        assert main(["detect", str(folder / "movie.tif"), "--out", str(out)]) == 0
        assert [name for name in names(out) if name.startswith("movie")] == [
            "movie_atoms.csv",
            "movie_atoms.hspy",
        ]
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

    def test_takes_its_threshold(self, folder, out, tmp_path):
        path, counts = str(folder / "image.hspy"), []
        for threshold in ("0", "1"):
            arguments = ["--out", str(tmp_path / threshold), "--threshold", threshold]
            assert main(["detect", path, *arguments]) == 0
            table = pd.read_csv(tmp_path / threshold / "image_atoms.csv")
            counts.append(len(table))
        assert counts[0] > counts[1]

    def test_images_in_colour(self, folder, out, tmp_path, capsys):
        tifffile = pytest.importorskip("tifffile")
        image = hs.load(folder / "image.hspy").data
        image = np.clip(image / image.max() * 255, 0, 255).astype("uint8")
        for name, colours in (("grey", (1, 1, 1)), ("red", (1, 0, 0))):
            data = np.stack([image * factor for factor in colours], axis=-1)
            path = tmp_path / f"{name}.tif"
            tifffile.imwrite(path, data.astype("uint8"), photometric="rgb")
        assert main(["detect", str(tmp_path / "grey.tif"), "--out", str(out)]) == 0
        red = str(tmp_path / "red.tif")
        assert main(["detect", red, "--out", str(out)]) == 1
        assert "--grey" in "".join(capsys.readouterr())
        assert main(["detect", red, "--grey", "--out", str(out)]) == 0
        counts = [
            len(pd.read_csv(out / f"{name}_atoms.csv")) for name in ("grey", "red")
        ]
        assert counts[0] == pytest.approx(counts[1], rel=0.1)

    def test_parquet(self, folder, out):
        pytest.importorskip("pyarrow")
        path = str(folder / "movie.tif")
        for table in ("csv", "parquet"):
            arguments = ["--out", str(out), "--table", table]
            assert main(["detect", path, *arguments]) == 0
        found = pd.read_parquet(out / "movie_atoms.parquet")
        expected = pd.read_csv(out / "movie_atoms.csv")
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5)

    def test_parquet_without_pyarrow(self, folder, out, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        path = str(folder / "movie.tif")
        assert main(["detect", path, "--out", str(out), "--table", "parquet"]) == 1
        assert "pip install pyarrow" in capsys.readouterr().err
        assert not out.exists()


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4), (2, 3, 2)])
def test_table_in_pieces_is_that_of_the_whole(shape, rng, monkeypatch):
    data = np.empty(shape, object)
    for index in np.ndindex(shape):
        data[index] = rng.normal(size=(rng.integers(0, 4), 3)).astype("float32")
    atoms = AtomPositions.from_arrays(data)
    for number, axis in enumerate(atoms.axes_manager.navigation_axes):
        axis.name = "tzw"[number] if number else axis.name
    monkeypatch.setattr(writers, "_ROWS_FRAMES", 5)
    pieces = list(writers._table_pieces(atoms))
    assert len(pieces) > 1 or data.size < 5
    pd.testing.assert_frame_equal(
        pd.concat(pieces, ignore_index=True), atoms.to_dataframe()
    )
