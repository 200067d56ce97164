"""Give HyperSpy's Signal2D the methods of this package.

HyperSpy registers classes, not methods of classes that exist. So that a
plain image has the methods without a change of its type, they are set on
``Signal2D``; lazy signals and subclasses inherit them. HyperSpy loads
``Signal2D`` when it is used first, and the methods are loaded then too.
"""

import functools
import importlib
import sys
import warnings
from importlib.util import find_spec
from inspect import getattr_static

METHODS = (
    "calibrate_noise",
    "enhance_sfin",
    "enhance_scgn",
    "detect_atoms",
    "residual_report",
    "reconstruct_tomogram",
)

_HOME = "hyperspy._signals.signal2d"


def register():
    """Set the methods on Signal2D, now or when HyperSpy loads it.

    Calling it again changes nothing. An attribute of the same name that
    comes from elsewhere is kept.

    Warns
    -----
    UserWarning
        For each attribute of the same name that comes from elsewhere.
    """
    if _HOME in sys.modules:
        _set_methods(sys.modules[_HOME].Signal2D)
    elif not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


class _Method:
    """A function of the mixin, loaded with its module when it is looked up."""

    def __init__(self, name):
        self._name = name

    def __get__(self, instance, owner=None):
        module = importlib.import_module("hyperspy_stem_enhance.signals.stem_image")
        function = getattr(module.STEMImageMixin, self._name)
        if instance is None or instance.data.dtype.names is None:
            return function.__get__(instance, owner)
        colour = importlib.import_module("hyperspy_stem_enhance.signals._colour")

        @functools.wraps(function)
        def of_grey(*args, **kwargs):
            equal = colour.is_colour(instance) and colour.has_equal_channels(instance)
            images = colour.to_grey(instance) if equal else instance
            return function(images, *args, **kwargs)

        return of_grey


class _Remedy:
    """What signals that are no images have in the place of a method."""

    def __init__(self, name):
        self._name = name

    def __get__(self, instance, owner=None):
        kind = (owner or type(instance)).__name__
        text = f"{kind!r} has no attribute {self._name!r}, which is one of images"
        if instance is not None:
            axes = instance.axes_manager
            if instance.data.dtype.kind == "c":
                text += "; take `s.real`, `s.imag`, `s.amplitude` or `s.phase`"
            elif axes.signal_dimension + axes.navigation_dimension >= 2:
                text += (
                    " (`Signal2D`); `s.transpose(signal_axes=2)` makes images of it, "
                    "or `s.T` where all its axes are for navigation"
                )
        raise AttributeError(text)


class _Waiting:
    """Finder that leaves modules to the others, but knows when one is loaded."""

    def find_spec(self, name, path=None, target=None):
        if name != _HOME:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        load = spec.loader.exec_module

        def load_and_register(module):
            load(module)
            _set_methods(module.Signal2D)

        spec.loader.exec_module = load_and_register
        return spec


def _set_methods(signal_class):
    base = next(c for c in signal_class.__mro__ if c.__name__ == "BaseSignal")
    for name in METHODS:
        if getattr_static(base, name, None) is None:
            setattr(base, name, _Remedy(name))
        existing = getattr_static(signal_class, name, None)
        if existing is None or _is_ours(existing):
            setattr(signal_class, name, _Method(name))
        else:
            owner = getattr(existing, "__module__", type(existing).__name__)
            warnings.warn(
                f"Signal2D.{name} exists already (from {owner}) and is kept. For "
                f"the method of hyperspy_stem_enhance, use "
                "`s.set_signal_type('STEM_image')` first.",
                UserWarning,
                stacklevel=3,
            )


def _is_ours(attribute):
    # By name: after a reload, what was set before is of another class
    return getattr(attribute, "__module__", "").startswith("hyperspy_stem_enhance.")
