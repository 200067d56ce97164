"""Noise of files."""

import hyperspy.api as hs
import numpy as np
import pandas as pd

from hyperspy_stem_enhance.cli import main
from hyperspy_stem_enhance.noise.parameters import PARAMETER_NAMES


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

    def test_a_rerun_keeps_all_rows(self, folder, out, names):
        paths = [str(folder / name) for name in ("image.hspy", "movie.tif")]
        assert main(["calibrate", paths[0], "--out", str(out)]) == 0
        arguments = ["calibrate", *paths, "--out", str(out)]
        assert main([*arguments, "--dark-level", "1"]) == 0
        table = pd.read_csv(out / "noise_calibration.csv")
        assert list(table["file"]) == ["image", "movie", "movie"]
        expected = hs.load(paths[0]).calibrate_noise().to_dataframe(dark_level=1)
        gain = "electrons_per_pixel"
        np.testing.assert_allclose(table[gain][0], expected[gain][0], rtol=1e-6)
        assert {"image_noise.hspy", "movie_noise.hspy"} < set(names(out))
