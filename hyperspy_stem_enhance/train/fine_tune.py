"""Go on training a network on the noise of a user's own images."""

from pathlib import Path

import numpy as np

from ..models import install_model, list_models, models_folder, resolve, resolve_device
from ..models.export import check_own_name
from ..models.registry import takes_eight_bit
from ..noise.distribution import NoiseDistribution, distribution_of
from ..noise.parameters import (
    HRTEMNoiseParameters,
    NoiseParameters,
    check_mode,
    parameter_class,
)
from .loop import train

_PEAK_RATE = 1e-3


def fine_tune(
    noise,
    name,
    *,
    mode="HAADF",
    model="auto",
    n_steps=1000,
    own_share=0.75,
    seed=0,
    folder=None,
    device="auto",
    n_workers=1,
    report=print,
    show_progressbar=False,
):
    """Make a network of one's own from one of the package.

    Most of the simulated images it goes on learning from carry the noise
    of one's own, the others the mixture that the network was trained on,
    so that it does not unlearn what it knew.

    Parameters
    ----------
    noise : Signal2D, NoiseCalibration, NoiseDistribution, NoiseParameters \
or HRTEMNoiseParameters
        One's own images, which are calibrated, or what came of that. To
        calibrate with further arguments (``fast_axis``, areas without
        atoms of HRTEM images), do so before and give the result.
    name : str
        Of the model that comes out: ``enhance_sfin(model=name)``, of HRTEM
        images ``enhance_scgn(model=name)``.
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
        Of the images, or of `NoiseParameters`. All others know theirs.
        HRTEM images may have bright or dark columns; both are learnt.
    model : str, default "auto"
        The network to begin with; by default that of the mode.
    n_steps : int, default 1000
        Batches of eight images of 128 x 128 pixels: about ten minutes on
        two processor cores with ``sfin-fast``, longer with ``scgn-fast``.
    own_share : float, default 0.75
        Part of the batches that carry the noise of one's own, above 0 and up
        to 1. At 1 the network becomes better for that noise, and decibels
        worse for any other.
    seed : int, default 0
        Of the images.
    folder : str or pathlib.Path, optional
        Where the training is kept, from where the same call goes on after
        an interruption. By default ``trainings/NAME`` beside the models.
    device : str, default "auto"
        A PyTorch device.
    n_workers : int, default 1
        Processes that simulate.
    report : callable, default print
        Receives one line of text per hundred steps.
    show_progressbar : bool, default False
        Whether to show a bar that advances with every step.

    Returns
    -------
    pathlib.Path
        The weights, in `models.models_folder`.

    Raises
    ------
    TypeError
        If `noise` is none of the above.
    ValueError
        If `own_share` is not in its range; if
        the noise is not known well enough, or is not of the mode; if
        the name is taken, the model is unknown, of another mode, or a
        published one, which takes other values; if the folder holds
        another training.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> from hyperspy_stem_enhance.train import fine_tune
    >>> s = hs.load("series.dm4", lazy=True)  # doctest: +SKIP
    >>> fine_tune(s, "my-microscope")  # doctest: +SKIP
    >>> e = s.enhance_sfin(model="my-microscope")  # doctest: +SKIP
    """
    check_own_name(name)
    if not 0 < own_share <= 1:
        raise ValueError(
            f"own_share={own_share!r} is no part of the images; give a number above 0 "
            "and up to 1."
        )
    own = _distribution(noise, mode)
    model = resolve(model, own.mode)
    if takes_eight_bit(model):
        raise ValueError(
            f"model={model!r} takes values from 0 to 255, unlike what is learnt from "
            "here; begin with model='auto', or one that was trained by this package."
        )
    start = list_models()[model]
    run = Path(folder) if folder else models_folder() / "trainings" / name
    train(
        run,
        start["architecture"],
        n_steps,
        seed=seed,
        peak_rate=_PEAK_RATE,
        loss="rms",  # as the shipped networks
        modes=start["modes"],
        own_noise=own,
        own_share=own_share,
        start=model,
        n_workers=n_workers,
        device=resolve_device(device),
        report=report,
        show_progressbar=show_progressbar,
    )
    return install_model(run, name, modes=start["modes"])


def _distribution(noise, mode):
    """Distribution of the noise, of the mode that it knows or is told."""
    if hasattr(noise, "calibrate_noise"):
        noise = noise.calibrate_noise(mode=mode)
    if getattr(noise, "_signal_type", None) == "NoiseCalibration":
        return distribution_of(noise.to_results(), noise.mode)
    if isinstance(noise, NoiseDistribution):
        return noise
    if isinstance(noise, HRTEMNoiseParameters):
        mode = "HRTEM"
    elif not isinstance(noise, NoiseParameters):
        raise TypeError(
            f"noise={noise!r} is not understood; give images, a NoiseCalibration, a "
            "NoiseDistribution, NoiseParameters or HRTEMNoiseParameters."
        )
    check_mode(mode)
    if not isinstance(noise, parameter_class(mode)):
        raise ValueError(
            f"noise={noise!r} is that of scanned images, not of mode={mode!r}; give "
            "HRTEMNoiseParameters."
        )
    return NoiseDistribution(np.array([noise.to_tuple()]), mode)
