"""Files are whole or not there."""

import os
import subprocess
import sys

import pytest

from hyperspy_stem_enhance.cli import files


@pytest.fixture(scope="module")
def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_files_are_written_all_or_none(tmp_path):
    paths = tmp_path / "a.csv", tmp_path / "b.csv"

    def write_half():
        with files.whole_files(*paths) as parts:
            parts[0].write_text("half")
            files.beside(parts[0]).write_text("more")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert list(tmp_path.iterdir()) == []
    with files.whole_files(*paths) as parts:
        for part in parts:
            part.write_text("whole")
        assert not paths[0].exists()
    assert [path.read_text() for path in paths] == ["whole", "whole"]
    assert len(list(tmp_path.iterdir())) == 2


def test_existing_files_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("mine")
    with (
        pytest.raises(FileExistsError, match="--overwrite"),
        files.whole_files(path),
    ):
        pass
    assert path.read_text() == "mine"


def test_folders_are_replaced_whole(tmp_path):
    path = tmp_path / "a.zspy"
    for content in ("first", "second"):
        with files.whole_files(path, overwrite=True) as [part]:
            part.mkdir()
            (part / content).write_text(content)
    assert [p.name for p in path.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_processes_left_is_removed(tmp_path, dead_process):
    path = tmp_path / "a [1].hspy"
    host = files._HOST
    left = [
        tmp_path / f".a [1].{host}-{dead_process}.hspy",
        tmp_path / f".a [1].{host}-{dead_process}.hspy.raw",
    ]
    others = [
        tmp_path / f".a [1].{host}-{os.getppid()}.hspy",
        tmp_path / f".a [1].another_host-{dead_process}.hspy",
        tmp_path / f".a [12].{host}-{dead_process}.hspy",
    ]
    for other in (*left, *others):
        other.write_text("half")
    with files.whole_files(path) as [part]:
        part.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])
