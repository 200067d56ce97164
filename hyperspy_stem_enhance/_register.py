"""Give HyperSpy's Signal2D the methods of this package.

HyperSpy registers classes, not methods of classes that exist. So that a
plain image has the methods without a change of its type, the functions of
the mixin are set on ``Signal2D``; lazy signals and subclasses inherit them.
"""

import warnings

METHODS = ("calibrate_noise", "enhance_sfin", "detect_atoms")


def register():
    """Set the methods on ``hyperspy.api.signals.Signal2D``.

    Calling it again changes nothing. An attribute of the same name that
    comes from elsewhere is kept.

    Warns
    -----
    UserWarning
        For each attribute of the same name that comes from elsewhere.
    """
    from hyperspy.signals import Signal2D

    from .signals.stem_image import STEMImageMixin

    for name in METHODS:
        method = getattr(STEMImageMixin, name)
        existing = getattr(Signal2D, name, None)
        if existing is None or _is_ours(existing):
            setattr(Signal2D, name, method)
        else:
            owner = getattr(existing, "__module__", type(existing).__name__)
            warnings.warn(
                f"Signal2D.{name} exists already (from {owner}) and is kept. For "
                f"the method of hyperspy_stem_enhance, use "
                "`s.set_signal_type('STEM_image')` first.",
                UserWarning,
                stacklevel=2,
            )


def _is_ours(attribute):
    # By name: after a reload, the function set before is another object
    return getattr(attribute, "__module__", "").startswith("hyperspy_stem_enhance.")
