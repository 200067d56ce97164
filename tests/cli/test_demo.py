"""The demo."""

import hyperspy.api as hs
import numpy as np
import pandas as pd

from hyperspy_stem_enhance.cli import demo, main


class TestDemo:
    def test_on_a_part_of_the_pair(self, out, monkeypatch, capsys, names):
        whole = demo.load_image
        monkeypatch.setattr(
            demo, "load_image", lambda *args: whole(*args).isig[100:196, 100:196]
        )
        assert main(["demo", "--out", str(out)]) == 0
        kinds = ("atoms.hspy", "columns.csv", "enhanced.hspy", "noise.hspy")
        expected = [f"{name}_{kind}" for name in ("abf", "adf") for kind in kinds]
        assert names(out) == [*expected, "details.png", "overview.png"]
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

    def test_whole(self, out):
        """The perovskite's rows are 390 pm/2 apart; ABF shows oxygen too."""
        assert main(["demo", "--out", str(out)]) == 0
        adf = pd.read_csv(out / "adf_columns.csv")
        abf = pd.read_csv(out / "abf_columns.csv")
        assert 230 < len(adf) < 300
        assert len(abf) > 1.3 * len(adf)
