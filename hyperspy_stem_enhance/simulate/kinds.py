"""Draw the noise of a frame: around the published values, or wider."""

from dataclasses import replace

import numpy as np

from ..noise.parameters import PUBLISHED_PARAMETERS
from .noise import FrameNoise

NOISE_KINDS = ("published", "scanning", "low-dose", "mixed")
# How often "mixed" draws each of the others
_MIXED_WEIGHTS = {"published": 0.15, "scanning": 0.35, "low-dose": 0.5}
# Electrons per pixel at the brightest columns, of the kind "low-dose"
_LOWEST_DOSE, _HIGHEST_DOSE = 0.2, 150.0
SPREAD = 0.15  # SD of the parameters between images, relative to their mean


def choose_kind(rng, kind):
    """Draw one of the kinds where "mixed" is asked for."""
    if kind != "mixed":
        return kind
    return str(rng.choice(list(_MIXED_WEIGHTS), p=list(_MIXED_WEIGHTS.values())))


def draw_parameters(rng, mean, spread=SPREAD):
    """Draw `NoiseParameters` around a mean, normally distributed.

    Parameters
    ----------
    rng : numpy.random.Generator
    mean : NoiseParameters or str
        The mean, or the mode ("HAADF", "BF") whose published mean to use.
    spread : float, default 0.15
        SD relative to the mean, clipped at three SDs.

    Returns
    -------
    NoiseParameters
    """
    if isinstance(mean, str):
        mean = PUBLISHED_PARAMETERS[mean]
    factors = 1 + spread * np.clip(rng.standard_normal(8), -3, 3)
    values = dict(zip(vars(mean), np.array(mean.to_tuple()) * factors, strict=True))
    values["pointwise_lambda"] = float(np.clip(values["pointwise_lambda"], -0.3, 2))
    return type(mean)(**values)


def draw_low_dose_noise(rng, contrast):
    """Draw the noise of a frame in which single electrons count.

    Parameters
    ----------
    rng : numpy.random.Generator
    contrast : float
        Height of the brightest columns over the background; the dose is
        0.2 to 150 electrons per pixel for this intensity, half of the
        time less than 3.

    Returns
    -------
    FrameNoise
    """
    dose = _LOWEST_DOSE * (_HIGHEST_DOSE / _LOWEST_DOSE) ** (rng.random() ** 1.3)
    electron = contrast / dose
    often = rng.random(5)
    noise = FrameNoise(
        scan_slope=rng.uniform(0, 0.06) if often[0] < 0.3 else 0.0,
        scan_intercept=contrast * rng.uniform(0, 0.08) if often[0] < 0.3 else 0.0,
        pointwise_intercept=contrast * rng.uniform(0, 0.15) if often[1] < 0.3 else 0.0,
        pointwise_lambda=rng.uniform(0, 0.4),
        electrons_per_unit=1 / electron,
        readout_sd=electron * rng.uniform(0, 0.5) if often[2] < 0.5 else 0.0,
        row_jitter=_draw_jitter(rng) if often[3] < 0.5 else 0.0,
        row_offset_sd=contrast * rng.uniform(0, 0.15) if often[3] > 0.8 else 0.0,
        correlation=rng.uniform(0.4, 1.1) if often[4] < 0.2 else 0.0,
    )
    return _with_faults(rng, noise, contrast)


def draw_scanning_noise(rng, mode, contrast):
    """Draw the paper's terms over a wide range, with displaced rows.

    Parameters
    ----------
    rng : numpy.random.Generator
    mode : {"HAADF", "BF"}
        Whose published parameters to draw around.
    contrast : float
        Height of the brightest columns over the background.

    Returns
    -------
    FrameNoise
    """
    mean = PUBLISHED_PARAMETERS[mode]
    scale = contrast / mean.atom_brightness
    # At more than that slope the noise beside a column would hide it
    scan = np.exp(rng.uniform(np.log(0.1), np.log([2.5, 5.0])))
    pointwise = np.exp(rng.uniform(np.log(0.05), np.log(2.5), 2))
    often = rng.random(4)
    noise = FrameNoise(
        scan_row_correlation=rng.uniform(0.7, 2.5) if often[3] < 0.25 else 0.0,
        scan_slant=rng.normal(0, 2) if often[3] < 0.25 else 0.0,
        scan_slope=mean.scan_slope * scan[0],
        scan_intercept=mean.scan_intercept * scale * scan[1],
        pointwise_slope=mean.pointwise_slope * pointwise[0],
        pointwise_intercept=mean.pointwise_intercept * scale * pointwise[1],
        pointwise_lambda=rng.uniform(0, 0.45),
        row_jitter=_draw_jitter(rng) if often[0] < 0.4 else 0.0,
        row_offset_sd=contrast * rng.uniform(0, 0.15) if often[1] < 0.2 else 0.0,
        correlation=rng.uniform(0.4, 1.1) if often[2] < 0.25 else 0.0,
    )
    return _with_faults(rng, noise, contrast)


def _draw_jitter(rng):
    """Mostly below a pixel; single atoms on films may look like combs."""
    return min(rng.exponential(0.4), 2.5)


def _with_faults(rng, noise, contrast):
    """Now and then what goes wrong with a scan or a detector."""
    often = rng.random(3)
    faults = {}
    if often[0] < 0.1:
        decay = np.exp(rng.uniform(np.log(4), np.log(30)))
        faults["flyback"] = rng.uniform(-0.7, 0.7) * min(decay, 6.0)
        faults["flyback_decay"] = decay
    if often[1] < 0.1:
        faults["hot_pixels"] = np.exp(rng.uniform(np.log(1e-5), np.log(2e-3)))
        faults["hot_level"] = contrast * np.exp(rng.uniform(np.log(0.5), np.log(8)))
    if often[2] < 0.3:
        faults["offset"] = contrast * rng.uniform(-0.5, 2)
    return replace(noise, **faults)
