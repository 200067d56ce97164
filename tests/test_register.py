"""Importing the package, and what it puts on HyperSpy's Signal2D."""

import subprocess
import sys
import warnings

import hyperspy.api as hs
import numpy as np
import pytest

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance._register import METHODS, register
from hyperspy_stem_enhance.signals.stem_image import STEMImageMixin


def run_python(code):
    """Run code in a new interpreter, return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_no_heavy_package():
    heavy = ["torch", "atomap", "abtem", "ase", "pandas", "matplotlib.pyplot"]
    base = run_python(
        "import sys; from hyperspy.signals import LazySignal2D;"
        f"print(' '.join(m for m in {heavy} if m in sys.modules))"
    )
    with_package = run_python(
        "import sys, hyperspy_stem_enhance;"
        f"print(' '.join(m for m in {heavy} if m in sys.modules))"
    )
    assert with_package == base
    assert not {"torch", "atomap", "abtem"} & set(with_package.split())


def test_import_without_hyperspy():
    out = run_python(
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'hyperspy':\n"
        "            raise ModuleNotFoundError(name)\n"
        "import importlib.util as u\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda n, p=None: None if n == 'hyperspy' else real(n, p)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "import hyperspy_stem_enhance.models, hyperspy_stem_enhance.mapping\n"
        "import hyperspy_stem_enhance.noise.parameters\n"
        "print('hyperspy' in sys.modules)"
    )
    assert out == "False"


def test_signals_have_methods_after_import_only():
    code = (
        "import hyperspy.api as hs, numpy as np;"
        "s = hs.signals.Signal2D(np.zeros((2, 16, 16)));"
        "before = hasattr(s, 'enhance_sfin');"
        "import hyperspy_stem_enhance;"
        "print(before, hasattr(s, 'enhance_sfin'),"
        " hasattr(s.as_lazy(), 'detect_atoms'))"
    )
    assert run_python(code) == "False True True"


@pytest.mark.parametrize("used", ["", "; hs.signals.Signal2D"])
def test_methods_are_loaded_when_they_are_used(used):
    out = run_python(
        "import sys\n"
        f"import hyperspy.api as hs{used}\n"
        "import hyperspy_stem_enhance\n"
        "hs.signals.Signal2D\n"
        "name = 'hyperspy_stem_enhance.signals.stem_image'\n"
        "print(name in sys.modules, end=' ')\n"
        "hs.signals.LazySignal2D.enhance_sfin\n"
        "print(name in sys.modules, len([f for f in sys.meta_path\n"
        "    if type(f).__module__.startswith('hyperspy_stem_enhance.')]))"
    )
    assert out == "False True 0"


def test_signal_type_imports_the_package():
    code = (
        "import hyperspy.api as hs, numpy as np;"
        "s = hs.signals.Signal2D(np.zeros((2, 16, 16)));"
        "s.set_signal_type('STEM_image');"
        "print(type(s).__name__, hasattr(hs.signals.Signal2D, 'enhance_sfin'))"
    )
    assert run_python(code) == "STEMImage True"


def test_loading_a_file_imports_the_package(tmp_path):
    s = hs.signals.Signal2D(np.zeros((2, 16, 16)))
    s.set_signal_type("STEM_image")
    s.save(tmp_path / "images.hspy")
    code = (
        "import hyperspy.api as hs;"
        f"s = hs.load(r'{tmp_path / 'images.hspy'}');"
        "print(type(s).__name__, hasattr(hs.signals.Signal2D, 'enhance_sfin'))"
    )
    assert run_python(code) == "STEMImage True"


@pytest.mark.parametrize("name", METHODS)
def test_plain_signals_share_the_mixin_method(name):
    method = getattr(STEMImageMixin, name)
    assert getattr(hs.signals.Signal2D, name) is method
    lazy = hs.signals.Signal2D(np.zeros((2, 16, 16))).as_lazy()
    assert getattr(type(lazy), name) is method
    assert not hasattr(hs.signals.Signal1D, name)
    assert not hasattr(hs.signals.ComplexSignal2D, name)


def test_register_twice_changes_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register()
        register()
    for name in METHODS:
        assert getattr(hs.signals.Signal2D, name) is getattr(STEMImageMixin, name)


def test_register_replaces_own_function_of_before_a_reload(monkeypatch):
    def before_reload(self):
        pass

    before_reload.__module__ = STEMImageMixin.__module__
    monkeypatch.setattr(hs.signals.Signal2D, "enhance_sfin", before_reload)
    register()
    assert hs.signals.Signal2D.enhance_sfin is STEMImageMixin.enhance_sfin


@pytest.mark.parametrize("owner", ["Signal2D", "BaseSignal"])
def test_register_keeps_attributes_of_others(monkeypatch, owner):
    def theirs(self):
        return "theirs"

    theirs.__module__ = "other_package"
    monkeypatch.delattr(hs.signals.Signal2D, "enhance_sfin")
    monkeypatch.setattr(
        getattr(hs.signals, owner), "enhance_sfin", theirs, raising=False
    )
    with pytest.warns(UserWarning, match="from other_package.*STEM_image") as record:
        register()
    assert len(record) == 1
    s = hs.signals.Signal2D(np.zeros((16, 16)))
    assert s.enhance_sfin() == "theirs"
    s.set_signal_type("STEM_image")
    assert type(s).enhance_sfin is STEMImageMixin.enhance_sfin


def test_lazy_exports():
    for name in hse.__all__:
        assert name in dir(hse)
    assert hse.models.__name__ == "hyperspy_stem_enhance.models"
    assert hse.LazySTEMImage._lazy is True
    assert issubclass(hse.STEMImage, hs.signals.Signal2D)
    with pytest.raises(AttributeError, match="'enhanced'"):
        hse.enhanced  # noqa: B018
