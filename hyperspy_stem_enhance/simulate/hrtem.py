"""One simulated HRTEM frame: columns, phase contrast, noise, and the truth.

Columns look as in the paper (Li et al., CVPR 2026): bright spots on a smooth
background; or as phase contrast shows them (`phase_contrast`): bright or dark
peaks with rings around them, on the speckle of an amorphous support seen by the
same microscope, with Fresnel fringes at its edge. Contrast and intensity change
slowly over the frame. Which it is is drawn for each frame.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.fft import fftfreq, irfft2, next_fast_len, rfft2, rfftfreq

from .background import draw_smooth_background
from .hrtem_noise import choose_hrtem_noise
from .nuclei import arrange_hrtem_columns, choose_hrtem_arrangement
from .phase_contrast import draw_transfer
from .render import render_columns
from .truth import Recipe, Scene

APPEARANCES = {"spots": 0.3, "bright": 0.45, "dark": 0.25}
_POINT = 0.8  # SD in pixels of what is drawn for a point
_REACH = 4.0  # SDs of a column beyond the frame from which rings still come
_LARGEST_MARGIN = 56  # pixels
_QUANTILES = (0.01, 0.99)  # that get the ends of the range of intensity


def draw_hrtem_recipe(rng, noise="mixed", arrangement=None, structures=None):
    """Draw what an HRTEM frame is to be.

    Parameters
    ----------
    rng : numpy.random.Generator
    noise, arrangement, structures
        As of `scene.draw_scene`.

    Returns
    -------
    Recipe
    """
    arrangement, chosen = choose_hrtem_arrangement(rng, arrangement, structures)
    appearance = str(rng.choice(list(APPEARANCES), p=list(APPEARANCES.values())))
    kind, parameters, frame_noise = choose_hrtem_noise(rng, noise)
    contrast = parameters.intensity_max - parameters.intensity_min
    if arrangement == "empty" and kind != "given":
        contrast *= rng.uniform(0, 1)  # down to vacuum, which has none at all
        highest = parameters.intensity_min + contrast
        parameters = replace(parameters, intensity_max=highest)
    return Recipe(
        arrangement, chosen, kind, contrast, parameters, frame_noise, appearance
    )


def draw_hrtem_scene(rng, recipe, shape, pixel_size=None, terms=False):
    """Simulate the frame of a recipe.

    Parameters
    ----------
    rng : numpy.random.Generator
        In the state in which `draw_hrtem_recipe` left it.
    recipe : Recipe
    shape : tuple of int
        (rows, columns).
    pixel_size, terms
        As of `scene.draw_scene`.

    Returns
    -------
    Scene
    """
    columns = arrange_hrtem_columns(
        rng, shape, recipe.arrangement, recipe.structures, pixel_size
    )
    if recipe.appearance == "spots":
        seen = _draw_spots(rng, columns, shape)
    else:
        seen = _draw_phase_contrast(rng, columns, shape)
    sign = -1 if recipe.appearance == "dark" else 1
    image = seen.image * np.float32(sign) + seen.shading
    # the ends of the range, as the calibration measures it
    low, high = np.quantile(image[::2, ::2], _QUANTILES)
    gain = recipe.contrast / max(float(high - low), 1e-6)
    if len(columns):
        sigma = float(np.median(columns.sigmas))
        image = recipe.probe.apply(image, sigma)
    ideal = (image - np.float32(low)) * np.float32(gain)
    ideal += np.float32(recipe.parameters.intensity_min)
    heights = columns.heights * seen.contrast * gain
    clean = render_columns(columns.positions, heights, columns.sigmas, shape)
    background = ideal - np.float32(sign) * clean
    if terms:
        noisy, kept = recipe.noise.apply_with_terms(rng, ideal)
    else:
        noisy, kept = recipe.noise.apply(rng, ideal), {}
    table = np.column_stack([columns.positions, heights, columns.sigmas])
    return Scene(
        noisy.astype(np.float32),
        clean,
        background,
        table.astype(np.float32),
        recipe.noise,
        recipe.kind,
        recipe.arrangement,
        recipe,
        kept,
    )


@dataclass(frozen=True)
class _Seen:
    """What the microscope shows, in units of the peak of a column.

    Attributes
    ----------
    image : numpy.ndarray of float32, shape (h, w)
        Columns and all that is imaged with them.
    contrast : numpy.ndarray, shape (n,)
        Factor of the height of each column.
    shading : numpy.ndarray of float32, shape (h, w)
        Slow changes of the intensity.
    """

    image: np.ndarray
    contrast: np.ndarray
    shading: np.ndarray


def _draw_spots(rng, columns, shape):
    """Gaussian spots on a smooth background."""
    image = render_columns(columns.positions, columns.heights, columns.sigmas, shape)
    shading = draw_smooth_background(rng, shape, 0.0, rng.uniform(0, 0.8))
    if columns.region is not None:
        support = columns.region(*_coordinates(shape)).astype(np.float32)
        shading += np.float32(rng.uniform(0, 1)) * support
    return _Seen(image, np.ones(len(columns)), shading)


def _draw_phase_contrast(rng, columns, shape):
    """Columns and their support, as the transfer of the microscope shows them."""
    transfer = draw_transfer(rng)
    sigma = columns.sigmas[0] if len(columns) else rng.uniform(1.5, 4.0)
    scale = float(sigma / transfer.peak_sigma())  # pixels per reduced length
    margin = min(round(_REACH * sigma) + 8, _LARGEST_MARGIN)
    padded = tuple(next_fast_len(n + 2 * margin, real=True) for n in shape)
    peak = transfer.point_image()[1][0] / scale**2
    points = columns.heights / (2 * np.pi * _POINT**2 * peak)
    potential = render_columns(
        columns.positions + margin, points, np.full(len(columns), _POINT), padded
    )
    square = _squared_frequency(padded)
    passed = transfer(square * scale**2) * np.exp(2 * (np.pi * _POINT) ** 2 * square)
    support = _draw_support(rng, columns, padded, margin, passed)
    spectrum = rfft2(potential + support) * passed
    image = irfft2(spectrum, padded)[margin:, margin:][: shape[0], : shape[1]]
    slow = draw_smooth_background(rng, shape, rng.uniform(0.5, 1), 1.0)
    shading = draw_smooth_background(rng, shape, 0.0, rng.uniform(0, 1.0))
    y, x = np.round(columns.positions).astype(int).T
    at = np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1)
    return _Seen(image * slow, slow[at], shading)


def _draw_support(rng, columns, padded, margin, passed):
    """Potential of an amorphous support, and of its edge against vacuum."""
    speckle = rng.uniform(0, 0.3) if len(columns) else 1.0  # SD, in columns
    gain = np.sqrt(np.mean(np.square(passed), dtype=float))
    support = rng.standard_normal(padded, np.float32)
    support *= np.float32(speckle / gain)
    if columns.region is not None:
        y, x = _coordinates(padded)
        inside = columns.region(y - margin, x - margin).astype(np.float32)
        # only the edge of a step of potential is seen: Fresnel fringes
        step = rng.uniform(0, 2) / np.abs(passed).max()
        support = inside * (support + np.float32(step))
    return support


@lru_cache(maxsize=64)
def _squared_frequency(shape):
    rows, columns = fftfreq(shape[0]), rfftfreq(shape[1])
    return np.add.outer(rows**2, columns**2).astype(np.float32)


def _coordinates(shape):
    rows, columns = shape
    return (
        np.arange(rows, dtype=np.float32)[:, None],
        np.arange(columns, dtype=np.float32)[None],
    )
