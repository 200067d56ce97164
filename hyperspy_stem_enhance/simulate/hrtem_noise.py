"""Draw the noise of an HRTEM frame: around the published values, or wider."""

from dataclasses import replace

import numpy as np

from ..noise.parameters import PUBLISHED_PARAMETERS, HRTEMNoiseParameters
from .kinds import SPREAD
from .noise import FrameNoise, frame_noise_from

HRTEM_NOISE_KINDS = ("published", "camera", "low-dose", "mixed")
# How often "mixed" draws each of the others
_MIXED_WEIGHTS = {"published": 0.2, "camera": 0.4, "low-dose": 0.4}
_CONTRASTS = (0.1, 0.8)  # range of intensity over its mean


def choose_hrtem_noise(rng, noise="mixed"):
    """Draw the noise of a frame and its range of intensity.

    Parameters
    ----------
    rng : numpy.random.Generator
    noise : str or HRTEMNoiseParameters
        One of `HRTEM_NOISE_KINDS`, or exactly those.

    Returns
    -------
    kind : str
    parameters : HRTEMNoiseParameters
        NaN for what the noise has no such parameter for.
    frame_noise : FrameNoise
    """
    if not isinstance(noise, str):
        return "given", noise, frame_noise_from(noise)
    if noise == "mixed":
        weights = list(_MIXED_WEIGHTS.values())
        noise = str(rng.choice(list(_MIXED_WEIGHTS), p=weights))
    if noise == "low-dose":
        return noise, *_draw_low_dose(rng)
    draw = _draw_published if noise == "published" else _draw_camera
    parameters, extra = draw(rng)
    return noise, parameters, replace(frame_noise_from(parameters), **extra)


def _draw_published(rng):
    """Around the published values, normally distributed."""
    mean = PUBLISHED_PARAMETERS["HRTEM"]
    factors = 1 + SPREAD * np.clip(rng.standard_normal(5), -3, 3)
    low, high, *noise = factors * mean.to_tuple()
    low, high = sorted((low, high))
    return HRTEMNoiseParameters(*map(float, (low, high, *noise))), {}


def _draw_camera(rng):
    """The same terms over a wide range, and what cameras add."""
    contrast = np.exp(rng.uniform(*np.log(_CONTRASTS)))
    mean = np.exp(rng.uniform(np.log(5), np.log(500)))
    span = contrast * mean
    sd = span * np.exp(rng.uniform(np.log(0.08), np.log(1.0)))  # at the mean
    rising = rng.uniform(0, 1)  # share of the SD that is proportional to intensity
    column = sd * np.exp(rng.uniform(np.log(0.02), np.log(0.5)))
    parameters = HRTEMNoiseParameters(
        mean - span / 2, mean + span / 2, column, rising * sd / mean, (1 - rising) * sd
    )
    return parameters, _draw_faults(rng, span)


def _draw_low_dose(rng):
    """Electrons counted in rapid frames, from few to 150 in a pixel."""
    contrast = np.exp(rng.uniform(*np.log(_CONTRASTS)))
    # with the least, the range of intensity is 2.5 SDs of 50 pixels, a column
    least = 2.5**2 / (50 * contrast**2)
    dose = np.exp(rng.uniform(np.log(least), np.log(150)))
    gain = np.exp(rng.uniform(np.log(0.5), np.log(50)))  # units per electron
    mean, span = dose * gain, contrast * dose * gain
    often = rng.random(2)
    noise = FrameNoise(
        column_offset_sd=rng.uniform(0, 0.3) * span if often[0] < 0.5 else 0.0,
        electrons_per_unit=1 / gain,
        readout_sd=rng.uniform(0, 0.5) * gain if often[1] < 0.5 else 0.0,
        pointwise_lambda=None,
        **_draw_faults(rng, span),
    )
    parameters = HRTEMNoiseParameters(
        mean - span / 2, mean + span / 2, noise.column_offset_sd, np.nan, np.nan
    )
    return parameters, noise


def _draw_faults(rng, span):
    """Now and then blur between pixels of the camera, and hot pixels."""
    often = rng.random(2)
    faults = {}
    if often[0] < 0.4:
        faults["correlation"] = rng.uniform(0.3, 1.2)
    if often[1] < 0.1:
        faults["hot_pixels"] = np.exp(rng.uniform(np.log(1e-5), np.log(1e-3)))
        faults["hot_level"] = span * np.exp(rng.uniform(0, np.log(20)))
    return faults
