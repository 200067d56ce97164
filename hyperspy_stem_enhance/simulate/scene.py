"""One simulated frame: columns, background, noise, and the truth.

Arrays only; every frame depends on nothing but the seed and its index.
"""

from dataclasses import dataclass

import numpy as np

from ..noise.parameters import MODES, NoiseParameters
from .arrangements import draw_columns
from .background import draw_smooth_background, draw_strong_background
from .noise import (
    FrameNoise,
    draw_low_dose_noise,
    draw_parameters,
    draw_scanning_noise,
    frame_noise_from,
)
from .render import render_columns

NOISE_KINDS = ("published", "scanning", "low-dose", "mixed")
_MIXED_WEIGHTS = {"published": 0.15, "scanning": 0.35, "low-dose": 0.5}
_MARGIN = 4  # pixels, so that displaced rows bring in what lies beside


@dataclass
class Scene:
    """A simulated frame and its truth.

    Attributes
    ----------
    noisy : numpy.ndarray of float32, shape (h, w)
        What the microscope would record.
    clean : numpy.ndarray of float32, shape (h, w)
        The columns alone, bright on zero in every mode.
    background : numpy.ndarray of float32, shape (h, w)
        What remains without columns and noise.
    positions : numpy.ndarray of float32, shape (n, 4)
        y, x, intensity (height in the image's units) and sigma of the
        columns inside the frame; y, x and sigma in pixels.
    noise : FrameNoise
        The noise that was applied.
    kind, arrangement : str
        Kind of noise, and name of the structure or arrangement.
    """

    noisy: np.ndarray
    clean: np.ndarray
    background: np.ndarray
    positions: np.ndarray
    noise: FrameNoise
    kind: str
    arrangement: str


def draw_scene(
    seed,
    index,
    shape=(256, 256),
    mode="HAADF",
    noise="mixed",
    arrangement=None,
    structures=None,
):
    """Simulate one frame.

    Parameters
    ----------
    seed, index : int
        The frame depends on both and on nothing else.
    shape : tuple of int, default (256, 256)
        (rows, columns).
    mode : {"HAADF", "BF"}
        Bright columns, or dark ones on a bright background.
    noise : str or NoiseParameters, default "mixed"
        "published": drawn around the published table; "scanning": its
        terms over a wide range, displaced rows, strong backgrounds;
        "low-dose": electron counting at 0.2 to 150 electrons per pixel;
        "mixed": one of these per frame. `NoiseParameters`: exactly those.
    arrangement : str, optional
        One of `arrangements.ARRANGEMENTS`; drawn by default.
    structures : sequence of str, optional
        Names out of `structures.STRUCTURES` to draw from. By default all.

    Returns
    -------
    Scene

    Raises
    ------
    ValueError
        If `mode` or `noise` is unknown.

    Examples
    --------
    >>> scene = draw_scene(seed=1, index=0, shape=(64, 64))
    >>> scene.noisy.shape, scene.clean.min() >= 0
    ((64, 64), np.True_)
    """
    check_mode(mode)
    check_noise(noise)
    rng = np.random.default_rng([seed, index])
    padded = (shape[0] + 2 * _MARGIN, shape[1] + 2 * _MARGIN)
    columns = draw_columns(rng, padded, arrangement, structures)
    kind = noise if isinstance(noise, str) else "given"
    if kind == "mixed":
        kind = str(rng.choice(list(_MIXED_WEIGHTS), p=list(_MIXED_WEIGHTS.values())))
    if kind in ("published", "given"):
        parameters = draw_parameters(rng, mode) if kind == "published" else noise
        contrast = parameters.atom_brightness
        background = draw_smooth_background(
            rng, padded, parameters.background_min, parameters.background_max
        )
        frame_noise = frame_noise_from(parameters, 255 if kind == "published" else None)
    else:
        contrast = rng.uniform(60, 220)
        # Single atoms lie on amorphous films whose grain rivals them
        grain = 0.35 if columns.structure in ("sparse", "empty") else 0.12
        background = draw_strong_background(
            rng, padded, contrast, columns.region, grain
        )
        if kind == "low-dose":
            frame_noise = draw_low_dose_noise(rng, contrast)
        else:
            frame_noise = draw_scanning_noise(rng, mode, contrast)
        if mode == "BF":
            background += contrast * rng.uniform(1.0, 2.5)
    return _record(rng, columns, contrast, background, frame_noise, mode, kind)


def _record(rng, columns, contrast, background, frame_noise, mode, kind):
    clean = render_columns(
        columns.positions, columns.heights, columns.sigmas, background.shape
    )
    scale = _gain(columns.heights, clean, contrast, frame_noise.levels)
    if mode == "BF" and clean.max() > 0:  # no column is darker than black
        scale = min(scale, 0.95 * float((background / np.maximum(clean, 1e-3)).min()))
    clean *= np.float32(scale)
    if frame_noise.levels is not None:
        brightest = background if mode == "BF" else background + clean
        # as an operator lowers the gain before digits run out
        fit = np.float32(min(1.0, 0.97 * frame_noise.levels / brightest.max()))
        clean, background, scale = fit * clean, fit * background, fit * scale
    ideal = background - clean if mode == "BF" else background + clean
    noisy = frame_noise.apply(rng, ideal)
    crop = (slice(_MARGIN, -_MARGIN),) * 2
    positions = np.column_stack(
        [columns.positions - _MARGIN, columns.heights * scale, columns.sigmas]
    ).astype(np.float32)
    size = np.array(clean[crop].shape)
    inside = ((positions[:, :2] >= 0) & (positions[:, :2] <= size - 1)).all(1)
    return Scene(
        np.ascontiguousarray(noisy[crop], np.float32),
        np.ascontiguousarray(clean[crop]),
        np.ascontiguousarray(background[crop], np.float32),
        positions[inside],
        frame_noise,
        kind,
        columns.structure,
    )


def _gain(heights, clean, contrast, levels):
    """Factor that gives the columns their contrast."""
    if len(heights) == 0 or clean.max() == 0:
        return 1.0
    if levels is not None:
        return contrast / float(clean.max())
    # A few adatoms or overlaps may exceed it: they must not set the scale
    return contrast / max(np.quantile(heights, 0.98), np.quantile(clean, 0.995))


def check_mode(mode):
    """Raise ValueError unless `mode` is one this package simulates."""
    if mode not in MODES:
        raise ValueError(f"mode={mode!r} is unknown; use one of {', '.join(MODES)}.")


def check_noise(noise):
    """Raise ValueError unless `noise` is a kind or parameters of noise."""
    if isinstance(noise, str) and noise in NOISE_KINDS:
        return
    if not isinstance(noise, NoiseParameters):
        raise ValueError(
            f"noise={noise!r} is not understood; use one of "
            f"{', '.join(NOISE_KINDS)} or a NoiseParameters."
        )
