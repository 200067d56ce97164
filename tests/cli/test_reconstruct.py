"""A tilt series from a file to a volume with figures, whole or not at all."""

import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance import Tomogram
from hyperspy_stem_enhance.cli import main
from hyperspy_stem_enhance.simulate import make_tilt_series

SHORT = ("--iterations", "30", "--gaussians", "50", "--no-align")
SHORT += ("--regularisation", "0.1")  # not chosen by fits of left-out views
NAMES = [
    "maximum.png",
    "orthoslices.png",
    "residuals.png",
    "tomogram.hspy",
    "views.png",
]


@pytest.fixture(scope="module")
def data():
    return make_tilt_series("graded", (16, 24, 24), n_views=7, seed=1)


@pytest.fixture
def series(data, tmp_path):
    """A file that does not know its tilts, and one beside it, that does."""
    path = tmp_path / "series.hspy"
    hs.signals.Signal2D(data.views).save(path)
    np.savetxt(tmp_path / "angles.rawtlt", data.tilts)
    return path


def run(series, out, *options):
    tilts = ("--tilts", str(series.parent / "angles.rawtlt"))
    return main(["reconstruct", str(series), *tilts, "--out", str(out), *options])


def test_writes_volume_gaussians_and_figures(data, series, out, names, capsys):
    assert run(series, out, *SHORT) == 0
    assert names(out) == sorted(f"series_{name}" for name in [*NAMES, "gaussians.npz"])
    volume = hs.load(out / "series_tomogram.hspy")
    assert type(volume) is Tomogram
    assert volume.data.shape == data.volume.shape
    assert len(volume.gaussians) == 50
    printed = capsys.readouterr().out
    assert "7 views from -70° to 70°" in printed
    assert "50 Gaussians" in printed


def test_other_methods_and_formats(series, out, names):
    assert run(series, out, *SHORT, "--method", "sirt", "--format", "tif") == 0
    expected = [name.replace("hspy", "tif") for name in NAMES]
    assert names(out) == sorted(f"series_{name}" for name in expected)


def test_views_in_files_of_their_own(data, tmp_path, out):
    for index, view in enumerate(data.views):
        hs.signals.Signal2D(view).save(tmp_path / f"view{index}.hspy")
    np.savetxt(tmp_path / "angles.rawtlt", data.tilts)
    files = sorted(map(str, tmp_path.glob("view*.hspy")))
    arguments = ["--tilts", str(tmp_path / "angles.rawtlt"), "--out", str(out)]
    arguments += ["--method", "wbp", "--no-align"]
    assert main(["reconstruct", *files, *arguments]) == 0
    assert hs.load(out / "view0_tomogram.hspy").data.shape == data.volume.shape


def test_keeps_existing_files(series, out, names, capsys):
    out.mkdir()
    (out / "series_views.png").write_text("mine")
    assert run(series, out, *SHORT) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert names(out) == ["series_views.png"]
    assert run(series, out, *SHORT, "--overwrite", "--method", "wbp") == 0
    assert len(names(out)) == 5


def test_writes_all_or_nothing(series, out, names, monkeypatch, capsys):
    def fail(self):
        raise OSError("disk full")

    monkeypatch.setattr(Tomogram, "plot_residuals", fail)
    assert run(series, out, *SHORT, "--method", "wbp") == 1
    assert "disk full" in capsys.readouterr().err
    assert names(out) == []


def test_interruption_keeps_what_there_is(series, out, names, monkeypatch, capsys):
    from hyperspy_stem_enhance.signals import tomography

    def interrupt(self, step, total, error):
        raise KeyboardInterrupt

    monkeypatch.setattr(tomography._Progress, "__call__", interrupt)
    assert run(series, out, *SHORT) == 130
    assert "interrupted" in capsys.readouterr().err
    assert len(names(out)) == 6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tilts", "none.tlt"), "no file none.tlt"),
        (("--thickness", "0"), "thickness=0"),
        (("--binning", "0"), "binning=0"),
        (("--tilt-axis", "720"), "tilt_axis=720.0"),
    ],
)
def test_refused(series, out, options, words, capsys):
    assert run(series, out, *options) == 1
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_without_tilts(series, out, capsys):
    assert main(["reconstruct", str(series), "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert "no tilt angles are known" in error
    assert ".rawtlt" in error


def test_files_that_are_no_series(tmp_path, out, capsys):
    hs.signals.Signal1D(np.zeros((4, 9))).save(tmp_path / "spectra.hspy")
    (tmp_path / "broken.hspy").write_text("not a file of HyperSpy")
    for name in ("spectra.hspy", "broken.hspy", "missing.mrc"):
        assert main(["reconstruct", str(tmp_path / name), "--out", str(out)]) == 1
        assert name in capsys.readouterr().err
    assert not out.exists()
