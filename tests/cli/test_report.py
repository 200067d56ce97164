"""What a run says, and how it estimates the time that is left."""

import io
import sys

import pytest

from hyperspy_stem_enhance.cli import report
from hyperspy_stem_enhance.cli.report import Report, format_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.2, "3 s"), (89, "89 s"), (91, "2 min"), (5000, "83 min"), (5460, "1 h 31 min")],
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


def test_time_left_goes_by_the_size_of_what_was_computed(tmp_path, capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(report.time, "monotonic", lambda: clock[0])
    told = Report("enhance", tmp_path, [100, 300, 600])
    told.begin_source("kept", 100)
    told.kept("there already: a")
    told.end_source(computed=False)
    told.begin_source("computed", 300)
    clock[0] = 30.0
    told.done("an image", 30.0)
    told.end_source(computed=True)
    assert "about 60 s left" in capsys.readouterr().out
    told.begin_source("last", 600)
    told.end_source(computed=True)
    assert "left" not in capsys.readouterr().out
    assert told.end() == 0
    assert "1 done, 1 there already" in capsys.readouterr().out


def test_bars_on_a_terminal(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    from hyperspy.defaults_parser import preferences

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(preferences.General, "show_progressbar", True)
    told = Report("enhance", tmp_path, [10, 30])
    for size in (10, 30):
        told.begin_source("file", size)
        told.begin_images(4)
        told.advance(4, 1)
        told.done("4 images", 1.0)
        told.end_source(computed=True)
    told.end()
    shown = terminal.getvalue()
    assert "this file" in shown
    assert "all files:  25%" in shown
    assert "left" in shown
    assert "all files: 100%" in shown
    monkeypatch.setattr(preferences.General, "show_progressbar", False)
    assert not Report("enhance", tmp_path, [10])._wants_bars()


def test_log_is_written_once_there_are_results(tmp_path):
    told = Report("enhance", tmp_path, [1])
    told.event("start")
    assert not told.log_path.exists()
    told.event("result", source=[], image=0, outputs=[])
    told.event("end")
    assert len(told.log_path.read_text().splitlines()) == 3
