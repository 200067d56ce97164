"""The tables of the paper, with networks and trainings of almost no size."""

import csv
import json

import numpy as np
import pytest
from paper_tables import BenchmarkSettings, run_benchmark, stem
from paper_tables.report import table_lines, write_report

from hyperspy_stem_enhance.simulate.structures import HELD_OUT_STRUCTURES
from hyperspy_stem_enhance.train import stream

TINY = BenchmarkSettings(n_images=1, n_steps=2, size="tiny", side=64)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(stream, "CROPS", ((32, 2),))
    networks = {
        "U-Net": {"name": "unet", "width": 4},
        "SFIN": {"width": 4, "n_blocks": 1, "downscale": 2},
    }
    monkeypatch.setitem(stem.SIZES, "tiny", networks)
    few = {name: stem.FILTERS[name] for name in ("Gaussian", "Wiener")}
    monkeypatch.setattr(stem, "FILTERS", few)


def run(folder, settings=TINY, **options):
    lines = []
    results = run_benchmark(
        folder, settings, n_workers=0, report=lines.append, **options
    )
    return results, lines


@pytest.mark.filterwarnings("ignore:.*autocast")
def test_rows_are_trained_measured_and_written(tmp_path):
    results, _ = run(tmp_path)
    rows = results["rows"]
    assert list(rows)[-2:] == ["U-Net", "SFIN"]
    for name in ("U-Net", "SFIN"):
        assert set(rows[name]) == {
            "enhanced",
            "super-resolution",
            "detection",
            "training",
        }
        assert np.isfinite(rows[name]["detection"]["BF"]).all()
    assert rows["Gaussian"]["enhanced"]["HAADF"] > rows["input"]["enhanced"]["HAADF"]
    shipped, tiny = rows["sfin-fast as shipped"], rows["SFIN"]
    assert shipped["enhanced"]["HAADF"] > tiny["enhanced"]["HAADF"]
    written = list(csv.DictReader((tmp_path / "tables.csv").open()))
    assert {line["table"] for line in written} == {"1", "5", "6", "7"}
    of_sfin = [w for w in written if w["method"] == "SFIN" and w["mode"] == "BF"]
    assert of_sfin[0]["published_psnr"] == "33.24"
    text = (tmp_path / "tables.md").read_text()
    assert "measured on other data" in text
    assert "## Table 7: Ablation" in text
    kept = json.loads((tmp_path / "tables.json").read_text())
    assert kept["settings"]["n_steps"] == 2


def test_it_goes_on_where_it_stopped(tmp_path, monkeypatch):
    results, lines = run(tmp_path, minutes=0)
    assert "SFIN" not in results["rows"]
    assert any("stopped at step 0" in line for line in lines)
    complete, _ = run(tmp_path)
    # Nothing is measured or trained again
    monkeypatch.setattr(stem, "draw_scene", stem.draw_scene)
    for name in ("_score", "normalise_frame"):
        monkeypatch.setattr(stem, name, None)
    again, _ = run(tmp_path)
    assert again["rows"] == complete["rows"]
    with pytest.raises(ValueError, match="other settings"):
        run(tmp_path, BenchmarkSettings(n_images=2, n_steps=2, size="tiny"))


def test_a_line_that_was_cut_off_is_measured_again(tmp_path):
    first, _ = run(tmp_path)
    path = tmp_path / "scores" / "gaussian.jsonl"
    path.write_text(path.read_text()[:-9])
    again, _ = run(tmp_path)
    assert again["rows"]["Gaussian"] == first["rows"]["Gaussian"]


def test_test_images_are_of_structures_held_out():
    for _, scene in stem.held_out_scenes(BenchmarkSettings(n_images=5, side=64), "BF"):
        names = scene.recipe.structure.split(" | ")
        assert all(name in HELD_OUT_STRUCTURES for name in names if name)
        assert scene.clean.any()
    assert not set(HELD_OUT_STRUCTURES) & set(stream.TRAINING_STRUCTURES)


def test_tables_hold_the_rows_they_are_named_after(tmp_path):
    scores = {"HAADF": [[30.0, 0.9], [20.0, 0.8]]}
    rows = {
        name: dict.fromkeys(("enhanced", "detection", "assisted"), scores)
        for name in ("Gaussian", "SFIN, spatial only", "SFIN")
    }
    lines = list(table_lines(rows))
    assert {(x["table"], x["method"]) for x in lines} == {
        ("1", "Gaussian"),
        ("1", "Gaussian, assisted"),
        ("1", "SFIN"),
        ("1", "SFIN, assisted"),
        ("5", "SFIN"),
        ("7", "SFIN, spatial only"),
        ("7", "SFIN"),
    }
    assert lines[0]["psnr"] == 25
    assert lines[0]["psnr_worst_decile"] == 21
    settings = {"n_images": 2, "side": 64, "noise": "mixed", "size": "small"}
    settings |= {"n_steps": 3, "batch_factor": 1, "seed": 0}
    write_report(tmp_path, {"settings": settings, "rows": rows})
    assert (
        "25.00 / 0.8500 (21.0) | 38.48 / 0.9582" in (tmp_path / "tables.md").read_text()
    )


def test_command_passes_its_arguments_on(tmp_path, monkeypatch, capsys, make_tables):
    monkeypatch.setitem(stem.SIZES, "small", stem.SIZES["tiny"])
    arguments = ["--images", "1", "--steps", "1", "--size", "small", "--side", "64"]
    arguments += ["--workers", "0", "--device", "cpu", "--seed", "3"]
    make_tables(["--out", str(tmp_path), *arguments])
    assert "tables.md" in capsys.readouterr().out
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert kept["n_steps"] == 1
    assert kept["seed"] == 3
    with pytest.raises(ValueError, match="n_images=0"):
        make_tables(["--out", str(tmp_path / "none"), "--images", "0"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_images": 0}, "n_images=0"),
        ({"size": "huge"}, "size='huge'"),
        ({"noise": "snow"}, "noise='snow'"),
    ],
)
def test_bad_settings_are_named(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        run_benchmark(tmp_path, BenchmarkSettings(**settings))
