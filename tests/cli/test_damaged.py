"""Damaged files of many formats: every one named with its cause, none lost."""

import contextlib
import shutil

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.cli import main
from hyperspy_stem_enhance.noise.record import RECORD_NAMES

REAL = (
    "haadf/16_STOimage.emi",
    "haadf/16_STOimage_1.ser",
    "haadf/BTO_crystal_1.dm4",
    "haadf/Cropped_PTO-SRO_Aligned.hspy",
    "haadf/NSMO110_registered.tif",
    "haadf/AtomSegNet_Si110_5nmX25us_03_none_none.png",
    "abf/atomap_test_ADF_cropped.hdf5",
)


@pytest.fixture(autouse=True)
def _measure_nothing(monkeypatch):
    """Only read the images: what they hold is not looked at."""
    from hyperspy_stem_enhance.noise import calibration

    def read(frames, **settings):
        assert frames.mean(axis=(1, 2)).shape == (len(frames),)
        return np.full((len(frames), len(RECORD_NAMES)), np.nan)

    monkeypatch.setattr(calibration, "calibrate_records", read)


def damaged(content):
    """Contents of a file after what happens to files, by name."""
    n = len(content)
    yield "empty", b""
    for part in (0.001, 0.1, 0.5, 0.9, 0.999):
        yield f"truncated_{part}", content[: int(n * part)]
    yield "zeros", bytes(n)
    yield "no_head", bytes(512) + content[512:]
    yield "hole", content[: n // 4] + bytes(n // 2) + content[n - n // 4 :]
    yield "text", b"This was an image once.\n" * 40


def is_read(path):
    """Whether HyperSpy makes an image of a file, be it of zeros."""
    with contextlib.suppress(Exception):
        loaded = hs.load(path, file_format="HSPY" if path.suffix == ".hdf5" else None)
        return isinstance(loaded, hs.signals.Signal2D) and loaded.data.ndim >= 2
    return False


def write_corpus(folder, sources):
    names = []
    for source in sources:
        for kind, content in damaged(source.read_bytes()):
            name = f"{source.suffix[1:]}_{kind}{source.suffix}"
            (folder / name).write_bytes(content)
            names.append(name)
    for a, b in zip(sources, sources[1:] + sources[:1], strict=True):
        name = f"{a.suffix[1:]}_as{b.suffix}"
        shutil.copy(a, folder / name)
        names.append(name)
    return names


def check(folder, names, out, capsys):
    """Work on all; each has its result, or is named with the cause."""
    status = main(["calibrate", str(folder), "--out", str(out)])
    error = capsys.readouterr().err
    assert status == 1
    listed = error[error.index(" failed:") :].splitlines()[1:]
    failed = {}
    for line in listed:
        path, cause = line.split(": ", 1)
        failed[path.split("/")[-1].split(",")[0]] = cause
    for name in names:
        stem = name.rsplit(".", 1)[0]
        done = (out / f"{stem}_noise.hspy").exists()
        assert done != (name in failed), name
        if name in failed:
            assert len(failed[name]) > 5, name
            assert "Traceback" not in failed[name]
        else:
            assert is_read(folder / name), name
    return failed


def test_files_of_hyperspy(tmp_path, make_image, capsys):
    sources = []
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    for extension in ("hspy", "tif", "png"):
        path = tmp_path / "good" / f"image.{extension}"
        image = make_image(side=64)
        if extension == "png":
            image.change_dtype("uint8")
        image.save(path)
        sources.append(path)
    names = write_corpus(tmp_path / "bad", sources)
    shutil.copy(sources[0], tmp_path / "bad" / "whole.hspy")
    failed = check(tmp_path / "bad", names, tmp_path / "out", capsys)
    assert (tmp_path / "out" / "whole_noise.hspy").exists()
    assert len(failed) > 15
    assert failed["tif_empty.tif"] == "the file is empty"


@pytest.mark.slow
def test_real_files(data_dir, tmp_path, capsys):
    sources = [data_dir / name for name in REAL]
    (tmp_path / "bad").mkdir()
    names = write_corpus(tmp_path / "bad", sources)
    failed = check(tmp_path / "bad", names, tmp_path / "out", capsys)
    assert len(failed) > 30


@pytest.mark.slow
def test_random_damage(tmp_path, make_image, rng, capsys):
    """Bytes changed and lost anywhere, in 120 files.

    Not in HDF5 files: its library reads some damaged attributes for ever.
    """
    folder = tmp_path / "bad"
    folder.mkdir()
    source = tmp_path / "image.tif"
    make_image(side=48).save(source)
    whole = np.frombuffer(source.read_bytes(), "uint8")
    for index in range(120):
        content = whole.copy()
        where = rng.integers(0, len(whole), rng.integers(1, 30))
        content[where] = rng.integers(0, 256, where.size)
        if index % 3 == 0:
            content = content[: rng.integers(1, len(whole))]
        (folder / f"image_{index}.tif").write_bytes(content.tobytes())
    status = main(["calibrate", str(folder), "--out", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert status == 1
    n_failed = int(error[error.index("\n") :].split(" failed:")[0].split()[-1])
    written = len(list((tmp_path / "out").glob("*_noise.hspy")))
    assert n_failed + written == 120
