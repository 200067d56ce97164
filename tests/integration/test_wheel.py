"""What a wheel built from the sources holds, and that HyperSpy takes it."""

import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import hyperspy_stem_enhance

SOURCE = Path(os.environ.get("HSE_SOURCE_DIR", Path(__file__).parents[2]))
PARTS = ("pyproject.toml", "setup.cfg", "README.md", "LICENSE")
DATA_SUFFIXES = (".csv", ".json", ".md", ".npz", ".safetensors", ".yaml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if not (SOURCE / "setup.cfg").is_file():
        pytest.skip(f"no sources at {SOURCE}; set HSE_SOURCE_DIR to their folder")
    # A copy, so that the build leaves nothing in the sources
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        shutil.copy(SOURCE / part, source)
    shutil.copytree(
        SOURCE / "hyperspy_stem_enhance",
        source / "hyperspy_stem_enhance",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    run_pip("wheel", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def run_pip(command, *arguments):
    subprocess.run(
        [sys.executable, "-m", "pip", command, "--no-deps", "--no-index"]
        + [str(argument) for argument in arguments],
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_every_module_and_data_file_is_in_the_wheel(contents):
    package = SOURCE / "hyperspy_stem_enhance"
    files = {
        path.relative_to(SOURCE).as_posix(): path
        for path in package.rglob("*")
        if path.suffix in (".py", *DATA_SUFFIXES)
    }
    assert set(files) <= set(contents)
    for name, path in files.items():
        assert contents[name] == path.read_bytes()


def test_only_the_package_is_in_the_wheel(contents):
    folders = {name.split("/")[0] for name in contents}
    (metadata,) = (folder for folder in folders if folder.endswith(".dist-info"))
    assert folders == {"hyperspy_stem_enhance", metadata}


def test_metadata(contents):
    (name,) = (name for name in contents if name.endswith("/METADATA"))
    metadata = message_from_string(contents[name].decode())
    assert metadata["Version"] == hyperspy_stem_enhance.__version__
    assert metadata["License-Expression"] == "GPL-3.0-or-later"
    assert metadata["Requires-Python"] == ">=3.11"
    extras = {
        "abtem",
        "all",
        "benchmarks",
        "cluster",
        "dev",
        "docs",
        "formats",
        "parquet",
        "tests",
        "tomography",
        "tracking",
    }
    assert extras == set(metadata.get_all("Provides-Extra"))
    (licence,) = (name for name in contents if name.endswith("/LICENSE"))
    assert b"GNU GENERAL PUBLIC LICENSE" in contents[licence]


def test_hyperspy_finds_the_signals_of_the_wheel(wheel, tmp_path):
    run_pip("install", "--target", tmp_path, wheel)
    code = (
        "import hyperspy.api as hs, numpy as np\n"
        "s = hs.signals.Signal2D(np.zeros((16, 16)))\n"
        "s.set_signal_type('STEM_image')\n"
        "import hyperspy_stem_enhance as hse\n"
        "print(type(s).__name__, hse.__file__)\n"
        "hse.NoiseCalibration, hse.AtomPositions\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "STEMImage",
        str(tmp_path / "hyperspy_stem_enhance" / "__init__.py"),
    ]
