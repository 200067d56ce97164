"""A command that is killed, and the same command again."""

import os
import signal
import subprocess
import sys
import time

import h5py
import hyperspy.api as hs
import numpy as np
import pytest

N_FILES = 50


@pytest.fixture
def folder(tmp_path, rng):
    """Many small images of a lattice in noise."""
    y, x = np.mgrid[:32, :40]
    lattice = 20 * (2 + np.cos(2 * np.pi * x / 8) + np.cos(2 * np.pi * y / 8))
    for index in range(N_FILES):
        image = hs.signals.Signal2D(rng.poisson(lattice).astype("uint16"))
        image.save(tmp_path / f"image_{index:02}.hspy")
    return tmp_path


def start(folder):
    arguments = [str(folder), "--detect", "--scale", "1", "--out", str(folder / "out")]
    return subprocess.Popen(
        [sys.executable, "-m", "hyperspy_stem_enhance", "enhance", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def siblings(table):
    """All results of the image that a table is of."""
    return list(table.parent.glob(table.name.replace("_atoms.csv", "_*")))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills a process")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_half_written_and_a_rerun_does_the_rest(folder, sign):
    out = folder / "out"
    process = start(folder)
    while len(list(out.glob("*_enhanced.hspy"))) < N_FILES // 2:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, sign)
    process.communicate(timeout=120)
    assert process.returncode in (-sign, 130)
    # Of one image at most, some of its three files may have their names already
    written = {path: path.stat().st_mtime_ns for path in out.glob("image*")}
    whole = [p for p in written if p.suffix == ".csv" and len(siblings(p)) == 3]
    assert N_FILES // 2 - 1 <= len(whole) < N_FILES
    for path in written:
        if path.suffix == ".hspy":
            with h5py.File(path) as file:
                assert next(iter(file["Experiments"].values()))["data"].shape
    if sign == signal.SIGINT:
        assert not list(out.glob(".*"))

    process = start(folder)
    printed, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    assert printed.count("there already: ") == len(whole)
    for table in whole:
        for path in siblings(table):
            assert path.stat().st_mtime_ns == written[path]
    assert not list(out.glob(".*"))
    for index in range(N_FILES):
        image = hs.load(folder / f"image_{index:02}.hspy")
        enhanced = hs.load(out / f"image_{index:02}_enhanced.hspy")
        atoms = hs.load(out / f"image_{index:02}_atoms.hspy")
        expected = image.enhance_sfin(scale=1)
        np.testing.assert_allclose(enhanced.data, expected.data, rtol=1e-4, atol=1e-3)
        columns = image.detect_atoms(scale=1).data[0]
        np.testing.assert_allclose(atoms.data[0], columns, rtol=1e-3, atol=1e-3)
        assert (out / f"image_{index:02}_atoms.csv").read_text().startswith("frame,")
