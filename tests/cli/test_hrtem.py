"""Files of HRTEM images."""

import hyperspy.api as hs
import numpy as np
import pandas as pd
import pytest

from hyperspy_stem_enhance.cli import main, stream
from hyperspy_stem_enhance.enhance.neighbours import average_neighbours
from hyperspy_stem_enhance.noise.parameters import parameter_names
from hyperspy_stem_enhance.simulate import draw_scene, make_dataset

HRTEM = ("--mode", "HRTEM")


@pytest.fixture
def movie(tmp_path):
    """File of two simulated frames with dark columns."""
    frames = [
        100 - draw_scene(3, i, (48, 56), "HRTEM", "published").noisy for i in range(2)
    ]
    path = tmp_path / "movie.hspy"
    hs.signals.Signal2D(np.stack(frames)).save(path)
    return path


def run(command, movie, out, *arguments):
    return main([command, str(movie), "--out", str(out), *HRTEM, *arguments])


@pytest.mark.usefixtures("small_scgn")
class TestNetwork:
    def test_enhance_matches_the_method(self, movie, out):
        assert run("enhance", movie, out, "--contrast", "dark", "--scale", "1") == 0
        enhanced = hs.load(out / "movie_enhanced.hspy")
        expected = hs.load(movie).enhance_scgn(contrast="dark", scale=1)
        np.testing.assert_allclose(enhanced.data, expected.data, atol=1e-4)
        assert enhanced.metadata.STEM_enhance.enhance_scgn.contrast == "dark"

    def test_enhance_and_detect_at_once(self, movie, out):
        assert run("enhance", movie, out, "--detect", "--contrast", "dark") == 0
        expected = hs.load(movie).detect_atoms(mode="HRTEM", contrast="dark")
        found = hs.load(out / "movie_atoms.hspy")
        np.testing.assert_array_equal(found.n_atoms, expected.n_atoms)

    def test_detect_matches_the_method(self, movie, out):
        assert run("detect", movie, out, "--contrast", "dark", "--threshold", "0") == 0
        options = {"mode": "HRTEM", "contrast": "dark", "threshold": 0}
        expected = hs.load(movie).detect_atoms(**options)
        table = pd.read_csv(out / "movie_atoms.csv")
        assert len(table) == expected.n_atoms.sum()

    @pytest.mark.parametrize("frames_per_chunk", [1, 3])
    def test_neighbours_across_chunks(
        self, frames_per_chunk, out, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(stream, "UNIT_BYTES", 4 * 48 * 56 * frames_per_chunk)
        scenes = [draw_scene(3, i, (48, 56), "HRTEM", "published") for i in range(7)]
        s = hs.signals.Signal2D(np.stack([scene.noisy for scene in scenes]))
        s.data[4] = np.nan
        path = tmp_path / "long.hspy"
        s.save(path, chunks=(frames_per_chunk, 48, 56))
        expected = s.enhance_scgn(neighbours=2)
        averaged = s._deepcopy_with_new_data(average_neighbours(s.data, 2))
        atoms = averaged.detect_atoms(mode="HRTEM")
        assert run("enhance", path, out, "--neighbours", "2", "--detect") == 0
        enhanced = hs.load(out / "long_enhanced.hspy")
        tolerance = 1e-4 * np.nanmax(expected.data)
        np.testing.assert_allclose(enhanced.data, expected.data, atol=tolerance)
        assert np.isnan(enhanced.data).all(axis=(1, 2)).tolist() == [
            index == 4 for index in range(7)
        ]
        assert enhanced.metadata.STEM_enhance.enhance_scgn.neighbours == 2
        found = hs.load(out / "long_atoms.hspy")
        np.testing.assert_array_equal(found.n_atoms, atoms.n_atoms)

    def test_a_run_is_repeated_from_its_settings(self, movie, out, tmp_path):
        assert run("enhance", movie, out, "--contrast", "dark") == 0
        again = tmp_path / "again"
        config = ["--config", str(out / "enhance-run.toml"), "--out", str(again)]
        assert main(["enhance", *config]) == 0
        first, second = (hs.load(f / "movie_enhanced.hspy") for f in (out, again))
        np.testing.assert_array_equal(second.data, first.data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--neighbours", "1"), "--neighbours 1 belongs to --mode HRTEM"),
        ((*HRTEM, "--neighbours=-1"), "neighbours=-1 is not a number of frames"),
    ],
)
def test_neighbours_that_cannot_be(arguments, message, movie, out, capsys):
    assert main(["enhance", str(movie), "--out", str(out), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_contrast_without_hrtem_is_refused(movie, out, capsys):
    arguments = ["enhance", str(movie), "--out", str(out), "--contrast", "dark"]
    assert main(arguments) == 1
    assert "belongs to mode='HRTEM'" in capsys.readouterr().err
    assert not out.exists()


def test_calibrate(movie, out, capsys):
    assert run("calibrate", movie, out) == 0
    table = pd.read_csv(out / "noise_calibration.csv")
    expected = hs.load(movie).calibrate_noise(mode="HRTEM").to_dataframe()
    for name in parameter_names("HRTEM"):
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-6)
    assert "column noise" in capsys.readouterr().out


def test_simulate_with_the_noise_of_a_table(movie, out, tmp_path):
    assert run("calibrate", movie, out) == 0
    simulated = tmp_path / "simulated"
    size = ["--images", "2", "--shape", "48", "48"]
    noise = ["--noise", str(out / "noise_calibration.csv")]
    assert main(["simulate", "--out", str(simulated), *HRTEM, *size, *noise]) == 0
    assert list(pd.read_csv(simulated / "frames.csv")["kind"]) == ["given"] * 2


def test_simulate_kinds_of_noise(out):
    size = ["--images", "2", "--shape", "48", "48", "--seed", "3"]
    assert (
        main(["simulate", "--out", str(out), *HRTEM, *size, "--noise", "camera"]) == 0
    )
    expected = make_dataset(2, (48, 48), "HRTEM", "camera", seed=3)
    np.testing.assert_array_equal(hs.load(out / "noisy.hspy").data, expected.noisy.data)
