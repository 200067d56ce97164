"""Simulated files."""

import hyperspy.api as hs
import numpy as np
import pandas as pd
import pytest

from hyperspy_stem_enhance import AtomPositions
from hyperspy_stem_enhance.cli import main, simulate
from hyperspy_stem_enhance.noise.parameters import (
    PUBLISHED_PARAMETERS,
)
from hyperspy_stem_enhance.simulate import make_dataset
from hyperspy_stem_enhance.simulate.noise import TERMS


class TestSimulate:
    SHORT = ("--images", "2", "--shape", "48", "64", "--seed", "3")
    FILES = ["background", "clean", "label", "noisy", "positions"]

    def test_writes_the_signals(self, out, capsys, names):
        options = ("--structure", "Si [110]", "--pixel-size", "0.2", "--mode", "BF")
        assert main(["simulate", "--out", str(out), *self.SHORT, *options]) == 0
        assert names(out) == sorted(
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

    def test_large_sets_are_simulated_while_they_are_written(
        self, out, monkeypatch, names
    ):
        monkeypatch.setattr(simulate, "_LAZY_BYTES", 0)
        assert main(["simulate", "--out", str(out), *self.SHORT, "--terms"]) == 0
        assert len(names(out)) == len(self.FILES) + len(TERMS) + 1
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
    def test_refuses_unknownnames(self, out, capsys, option):
        assert main(["simulate", "--out", str(out), *self.SHORT, *option]) == 1
        assert "none-such" in capsys.readouterr().err
        assert not out.exists()

    def test_keeps_existing_files(self, out, capsys, names):
        out.mkdir()
        (out / "clean.hspy").write_text("mine")
        arguments = ["simulate", "--out", str(out), *self.SHORT]
        assert main(arguments) == 1
        assert "--overwrite" in capsys.readouterr().err
        assert names(out) == ["clean.hspy"]
        assert main([*arguments, "--overwrite"]) == 0
        assert hs.load(out / "clean.hspy").data.shape == (2, 48, 64)

    def test_writes_all_or_nothing(self, out, monkeypatch, capsys, names):
        def fail(self, *args, **kwargs):
            raise OSError("disk full")

        monkeypatch.setattr(AtomPositions, "save", fail)
        assert main(["simulate", "--out", str(out), *self.SHORT]) == 1
        assert "disk full" in capsys.readouterr().err
        assert names(out) == []
