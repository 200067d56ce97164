"""The tables of the SCGN paper, with networks and trainings of almost no size."""

import csv
import json

import numpy as np
import pytest
from paper_tables import BenchmarkSettings, hrtem, stem
from paper_tables.spots import bright_image, score_spots

from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.train import stream

TINY = BenchmarkSettings(n_images=2, n_steps=2, size="small", side=64)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(stream, "CROPS", ((32, 2),))
    networks = {
        "U-Net": {"name": "unet", "width": 4},
        "SCGN": {"name": "scgn", "width": 8, "n_blocks": 1, "downscale": 2},
    }
    monkeypatch.setitem(hrtem.SIZES, "small", networks)


def run(folder, settings=TINY, **options):
    lines = []
    options = {"n_workers": 0, "report": lines.append, **options}
    return hrtem.run_hrtem_benchmark(folder, settings, **options), lines


@pytest.mark.filterwarnings("ignore:.*autocast")
def test_rows_are_trained_for_each_set_and_written(tmp_path, monkeypatch):
    results, _ = run(tmp_path)
    rows = results["rows"]
    assert list(rows) == ["Gaussian", "Gaussian, assisted", "U-Net", "SCGN"]
    for name in rows:
        assert np.isfinite(rows[name]["HRTEM"]).all()
        assert np.shape(rows[name]["HAADF"]) == (2, 3)
    assert rows["Gaussian, assisted"]["HRTEM"] > rows["Gaussian"]["HRTEM"]
    for mode in ("hrtem", "haadf"):
        path = tmp_path / "trainings" / f"scgn-{mode}" / "settings.json"
        assert json.loads(path.read_text())["modes"] == [mode.upper()]
    written = list(csv.DictReader((tmp_path / "tables.csv").open()))
    [line] = [w for w in written if (w["method"], w["mode"]) == ("SCGN", "HRTEM")]
    assert line["published_psnr"] == "26.55"
    assert line["published_iou"] == "0.7317"
    text = (tmp_path / "tables.md").read_text()
    assert "measured on other data" in text
    assert "26.55 / 0.9717" in text
    assert "| SCGN, HAADF |" in text
    # Nothing is measured or trained again
    monkeypatch.setattr(hrtem, "score_spots", None)
    again, _ = run(tmp_path)
    assert again["rows"] == rows


def test_it_stops_in_time_and_keeps_its_settings(tmp_path):
    results, lines = run(tmp_path, minutes=0)
    assert list(results["rows"]) == ["Gaussian", "Gaussian, assisted"]
    assert any("stopped at step 0" in line for line in lines)
    with pytest.raises(ValueError, match="other settings"):
        run(tmp_path, BenchmarkSettings(n_images=3, n_steps=2, size="small"))
    with pytest.raises(ValueError, match="other settings"):
        stem.run_benchmark(tmp_path, TINY)


def test_noise_of_one_mode_alone_is_refused(tmp_path):
    settings = BenchmarkSettings(n_images=1, noise="scanning", size="small")
    with pytest.raises(ValueError, match="noise='scanning'"):
        run(tmp_path, settings)


@pytest.mark.filterwarnings("ignore:.*autocast")
def test_command(tmp_path, capsys, make_tables):
    arguments = ["--mode", "HRTEM", "--images", "1", "--steps", "1", "--side", "64"]
    arguments += ["--size", "small", "--workers", "0", "--device", "cpu"]
    make_tables(["--out", str(tmp_path), *arguments])
    assert "tables.md" in capsys.readouterr().out
    assert "# Tables of the SCGN paper" in (tmp_path / "tables.md").read_text()


class TestSpots:
    def test_columns_are_bright(self):
        looks = {}
        for index in range(12):
            scene = draw_scene(4, index, (96, 96), "HRTEM", "published", "ordered")
            image = bright_image(scene)
            slope = np.corrcoef(image.ravel(), scene.clean.ravel())[0, 1]
            looks.setdefault(scene.recipe.appearance, []).append(slope)
        assert set(looks) == {"spots", "bright", "dark"}
        assert min(np.mean(slopes) for slopes in looks.values()) > 0.1

    def test_perfect_and_empty(self):
        truth = draw_scene(4, 0, (96, 96), "HRTEM", "published", "ordered").clean
        assert score_spots(truth, truth)[1:] == pytest.approx([1, 1])
        psnr, ssim, iou = score_spots(np.zeros_like(truth), truth)
        assert iou == 0
        assert psnr < 20
        assert ssim < 0.9
