"""What a second run does: only what is missing, and with the same settings."""

import json
import tomllib

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance import __version__
from hyperspy_stem_enhance.cli import main
from hyperspy_stem_enhance.cli.results import read_results
from hyperspy_stem_enhance.models import weights_sha256

RESULT = "image_enhanced.hspy"


def run(folder, out, *arguments):
    return main(["enhance", str(folder / "*.hspy"), "--out", str(out), *arguments])


def test_only_what_is_missing(make_image, tmp_path, capsys):
    for index, name in enumerate(["image", "other"]):
        make_image(index, side=48).save(tmp_path / f"{name}.hspy")
    out = tmp_path / "out"
    assert run(tmp_path, out) == 0
    before = (out / RESULT).stat().st_mtime_ns
    expected = hs.load(out / "other_enhanced.hspy").data
    (out / "other_enhanced.hspy").unlink()
    capsys.readouterr()
    assert run(tmp_path, out) == 0
    printed = capsys.readouterr().out
    assert f"there already: {RESULT}" in printed
    assert "1 done, 1 there already" in printed
    assert (out / RESULT).stat().st_mtime_ns == before
    np.testing.assert_array_equal(hs.load(out / "other_enhanced.hspy").data, expected)
    assert run(tmp_path, out, "--overwrite") == 0
    assert (out / RESULT).stat().st_mtime_ns > before


def test_results_of_other_settings_are_not_mixed_in(make_image, tmp_path, capsys):
    make_image(side=48).save(tmp_path / "image.hspy")
    out = tmp_path / "out"
    assert run(tmp_path, out) == 0
    assert run(tmp_path, out, "--keep-background") == 1
    assert "other settings" in capsys.readouterr().err
    assert run(tmp_path, out, "--keep-background", "--overwrite") == 0
    record = hs.load(out / RESULT).metadata.STEM_enhance.enhance_sfin
    assert record.keep_background


def test_columns_are_added_to_enhanced_images(make_image, tmp_path, names):
    make_image(side=48).save(tmp_path / "image.hspy")
    out = tmp_path / "out"
    assert run(tmp_path, out) == 0
    assert run(tmp_path, out, "--detect") == 0
    assert "image_atoms.csv" in names(out)
    before = (out / RESULT).stat().st_mtime_ns
    assert run(tmp_path, out, "--detect") == run(tmp_path, out) == 0
    assert (out / RESULT).stat().st_mtime_ns == before


def test_a_changed_file_is_told(make_image, tmp_path, capsys):
    make_image(side=48).save(tmp_path / "image.hspy")
    out = tmp_path / "out"
    assert run(tmp_path, out) == 0
    make_image(1, side=48).save(tmp_path / "image.hspy", overwrite=True)
    assert run(tmp_path, out) == 1
    assert "earlier state" in capsys.readouterr().err


def test_results_of_another_file_of_that_name_are_not_taken(
    make_image, tmp_path, capsys
):
    out = tmp_path / "out"
    for index, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        make_image(index, side=48).save(tmp_path / name / "image.hspy")
    assert run(tmp_path / "a", out) == 0
    assert run(tmp_path / "b", out) == 1
    assert "not known to be of this file" in capsys.readouterr().err


def test_settings_are_written_and_repeated(make_image, tmp_path, monkeypatch):
    make_image(side=48).save(tmp_path / "image.hspy")
    monkeypatch.chdir(tmp_path)
    options = ["--mode", "BF", "--keep-background", "--scale", "1"]
    assert main(["enhance", "image.hspy", "--out", "out", *options]) == 0
    written = tomllib.loads((tmp_path / "out" / "enhance-run.toml").read_text())
    assert written["settings"]["paths"] == [str(tmp_path / "image.hspy")]
    assert written["settings"]["mode"] == "BF"
    assert written["weights"] == {"sfin-fast": weights_sha256("sfin-fast")}
    assert written["versions"]["hyperspy"] == hs.__version__
    expected = hs.load("out/image_enhanced.hspy")
    monkeypatch.chdir(tmp_path.parent)
    config = str(tmp_path / "out" / "enhance-run.toml")
    again = tmp_path / "again"
    assert main(["enhance", "--config", config, "--out", str(again)]) == 0
    repeated = hs.load(again / "image_enhanced.hspy")
    np.testing.assert_array_equal(repeated.data, expected.data)
    records = [s.metadata.STEM_enhance.as_dictionary() for s in (repeated, expected)]
    assert records[0] == records[1]
    assert records[0]["enhance_sfin"]["version"] == __version__


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("command = 'detect'", "detect"),
        ("not toml", "cannot be read"),
        (None, "cannot be read"),
        ("[weights]\nsfin-fast = '00'", "weights of 'sfin-fast'"),
    ],
)
def test_configs_that_cannot_be_used(make_image, tmp_path, capsys, content, cause):
    make_image(side=48).save(tmp_path / "image.hspy")
    config = tmp_path / "run.toml"
    if content:
        config.write_text(content)
    assert run(tmp_path, tmp_path / "out", "--config", str(config)) == 1
    assert cause in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unknown_settings_in_a_config(tmp_path, capsys):
    config = tmp_path / "run.toml"
    config.write_text("[settings]\nno-such = 1\n")
    with pytest.raises(SystemExit):
        main(["enhance", "x.tif", "--config", str(config)])
    assert "no-such" in capsys.readouterr().err


class TestLog:
    def test_has_every_event(self, make_image, tmp_path, capsys):
        make_image(side=48).save(tmp_path / "image.hspy")
        (tmp_path / "broken.hspy").write_text("broken")
        out = tmp_path / "out"
        assert run(tmp_path, out, "--json") == 1
        printed = capsys.readouterr().out
        assert printed == (out / "enhance-log.jsonl").read_text()
        events = [json.loads(line) for line in printed.splitlines()]
        kinds = [event["event"] for event in events if event["event"] != "warning"]
        assert kinds == ["start", "failed", "result", "end"]
        [result] = [event for event in events if event["event"] == "result"]
        assert result["shape"] == [48, 48]
        assert result["outputs"] == [RESULT]
        assert result["source"][0][0] == str(tmp_path / "image.hspy")

    def test_quiet_prints_only_what_failed(self, make_image, tmp_path, capsys):
        make_image(side=48).save(tmp_path / "image.hspy")
        out = tmp_path / "out"
        assert run(tmp_path, out, "--quiet") == 0
        assert capsys.readouterr() == ("", "")
        (tmp_path / "broken.hspy").write_text("broken")
        assert run(tmp_path, out, "--quiet") == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "broken.hspy" in captured.err

    def test_a_line_cut_off_is_passed_over(self, tmp_path):
        entry = {"event": "result", "source": [["a", 1, 2]], "image": 0}
        log = tmp_path / "log"
        log.write_text(json.dumps(entry) + '\n{"event": "resu')
        assert read_results(log) == [entry]
        assert read_results(tmp_path / "none") == []
