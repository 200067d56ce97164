"""One simulated frame: columns, background, noise, and the truth.

Arrays only; every frame depends on nothing but the seed and its index.
What a frame is to be is drawn first and costs little (`draw_recipe`), so
that a data set can be described before any of it is simulated.
"""

from dataclasses import replace

import numpy as np

from ..noise.parameters import check_mode, parameter_class
from .arrangements import arrange_columns, choose_arrangement
from .artefacts import ARTEFACTS, add_artefact, choose_artefact
from .background import draw_published_background, draw_strong_background
from .hrtem import draw_hrtem_recipe, draw_hrtem_scene
from .hrtem_noise import HRTEM_NOISE_KINDS
from .kinds import (
    NOISE_KINDS,
    choose_kind,
    draw_low_dose_noise,
    draw_parameters,
    draw_scanning_noise,
)
from .noise import frame_noise_from
from .probe import resolve_probe
from .render import render_columns
from .truth import Recipe, Scene

_MARGIN = 8  # pixels, so that displaced rows bring in what lies beside


def draw_scene(
    seed,
    index,
    shape=(256, 256),
    mode="HAADF",
    noise="mixed",
    arrangement=None,
    structures=None,
    pixel_size=None,
    terms=False,
    probe="round",
    artefact=None,
):
    """Simulate one frame.

    Parameters
    ----------
    seed, index : int
        The frame depends on both and on nothing else.
    shape : tuple of int, default (256, 256)
        (rows, columns).
    mode : {"HAADF", "BF", "HRTEM"}
        Bright columns, dark ones on a bright background, or phase contrast
        (`hrtem`).
    noise : str, NoiseParameters or HRTEMNoiseParameters, default "mixed"
        "published": drawn around the published table; "scanning": its
        terms over a wide range, displaced rows, strong backgrounds;
        "low-dose": electron counting at 0.2 to 150 electrons per pixel;
        "mixed": one of these per frame. `NoiseParameters`: exactly those,
        but for the height of columns that would be darker than black;
        few columns brighter than all others do not count. In HRTEM,
        "camera" stands for "scanning": the paper's terms over a wide
        range, blur between pixels; "low-dose" is up to 150 electrons per
        pixel, and as few as show columns at all.
    arrangement : str, optional
        One of `arrangements.ARRANGEMENTS`, in HRTEM of
        `nuclei.HRTEM_ARRANGEMENTS`; drawn by default.
    structures : sequence of str or ProjectedStructure, optional
        Names out of `structures.STRUCTURES`, structures of one's own, and
        "oblique" for lattices invented at random. By default all.
    pixel_size : float, optional
        Ångström per pixel, to draw structures at their true scale. By
        default the scale is random.
    terms : bool, default False
        Whether to keep each term of the noise by itself.
    probe : str or Probe, default "round"
        "round": columns are circular Gaussians; "random": tails, coma,
        astigmatism, drift (`probe.draw_probe`), round in a third of the frames;
        or one of your own. The truth does not change by it.
    artefact : str, optional
        One of `artefacts.ARTEFACTS`, or "random" for any of these. By default
        the whole field is recorded, and nothing burnt in.

    Returns
    -------
    Scene

    Raises
    ------
    ValueError
        If `mode`, `noise`, `arrangement`, a structure, `probe` or `artefact` is
        unknown.

    Examples
    --------
    >>> scene = draw_scene(seed=1, index=0, shape=(64, 64))
    >>> scene.noisy.shape, scene.clean.min() >= 0
    ((64, 64), np.True_)
    """
    rng = np.random.default_rng([seed, index])
    recipe = _draw_recipe(rng, mode, noise, arrangement, structures)
    recipe = _with_extras(recipe, seed, index, mode, probe, artefact)
    scene = _draw_scene(rng, recipe, shape, mode, pixel_size, terms)
    if recipe.artefact:
        damage = np.random.default_rng([seed, index, 6])
        damaged = add_artefact(damage, scene.noisy, recipe.artefact)
        scene.noisy, scene.shown = damaged.image, damaged.shown
        scene.clean *= damaged.shown
    return scene


def _draw_scene(rng, recipe, shape, mode, pixel_size, terms):
    if mode == "HRTEM":
        return draw_hrtem_scene(rng, recipe, shape, pixel_size, terms)
    padded = (shape[0] + 2 * _MARGIN, shape[1] + 2 * _MARGIN)
    columns = arrange_columns(
        rng, padded, recipe.arrangement, recipe.structures, mode, pixel_size
    )
    background = _draw_background(rng, recipe, columns, padded, mode)
    return _record(rng, recipe, columns, background, mode, terms)


def draw_recipe(
    seed,
    index,
    mode="HAADF",
    noise="mixed",
    arrangement=None,
    structures=None,
    probe="round",
    artefact=None,
):
    """Draw what `draw_scene` draws first, without simulating the frame.

    Parameters are those of `draw_scene`; takes about 0.1 ms.

    Returns
    -------
    Recipe

    Examples
    --------
    >>> draw_recipe(seed=1, index=0, structures=["Si [110]"]).zone_axis
    '[1 1 0]'
    """
    rng = np.random.default_rng([seed, index])
    recipe = _draw_recipe(rng, mode, noise, arrangement, structures)
    return _with_extras(recipe, seed, index, mode, probe, artefact)


def _with_extras(recipe, seed, index, mode, probe, artefact):
    """Probe and artefact, from generators of their own: all else stays as it is."""
    if artefact == "random":
        artefact = choose_artefact(np.random.default_rng([seed, index, 5]))
    elif artefact is not None and artefact not in ARTEFACTS:
        raise ValueError(
            f"artefact={artefact!r} is unknown; use 'random' or one of "
            f"{', '.join(ARTEFACTS)}."
        )
    probe = resolve_probe(probe, seed, index, mode)
    return replace(recipe, probe=probe, artefact=artefact or "")


def _draw_recipe(rng, mode, noise, arrangement, structures):
    check_mode(mode)
    check_noise(noise, mode)
    if mode == "HRTEM":
        return draw_hrtem_recipe(rng, noise, arrangement, structures)
    arrangement, chosen = choose_arrangement(rng, arrangement, structures)
    kind = choose_kind(rng, noise) if isinstance(noise, str) else "given"
    if kind in ("published", "given"):
        parameters = draw_parameters(rng, mode) if kind == "published" else noise
        contrast = parameters.atom_brightness
        frame_noise = frame_noise_from(parameters, 255 if kind == "published" else None)
    else:
        parameters, contrast = None, rng.uniform(60, 220)
        if kind == "low-dose":
            frame_noise = draw_low_dose_noise(rng, contrast)
        else:
            frame_noise = draw_scanning_noise(rng, mode, contrast)
    return Recipe(arrangement, chosen, kind, contrast, parameters, frame_noise)


def _draw_background(rng, recipe, columns, shape, mode):
    if recipe.parameters is not None:
        low, high = recipe.parameters.background_min, recipe.parameters.background_max
        background = draw_published_background(rng, columns, shape, low, high, mode)
    else:
        film = recipe.arrangement in ("sparse", "empty")
        background = draw_strong_background(
            rng, columns, shape, recipe.contrast, mode, film
        )
    if columns.fringes is not None:
        y, x = np.ogrid[: shape[0], : shape[1]]
        background += np.float32(recipe.contrast) * columns.fringes(y, x)
    return background


def _record(rng, recipe, columns, background, mode, with_terms):
    frame_noise = recipe.noise
    clean = render_columns(
        columns.positions, columns.heights, columns.sigmas, background.shape
    )
    scale = _gain(columns, clean, recipe)
    seen = clean
    if len(columns):
        seen = recipe.probe.apply(clean, float(np.median(columns.sigmas)))
    if mode == "BF" and clean.max() > 0:  # no column is darker than black
        scale = min(scale, 0.95 * float((background / np.maximum(seen, 1e-3)).min()))
    clean, seen = np.float32(scale) * clean, np.float32(scale) * seen
    if frame_noise.levels is not None:
        brightest = background if mode == "BF" else background + seen
        # as an operator lowers the gain before digits run out
        fit = np.float32(min(1.0, 0.97 * frame_noise.levels / brightest.max()))
        clean, seen, background = fit * clean, fit * seen, fit * background
        scale = fit * scale
    ideal = background - seen if mode == "BF" else background + seen
    if with_terms:
        noisy, terms = frame_noise.apply_with_terms(rng, ideal, row_start=_MARGIN)
    else:
        noisy, terms = frame_noise.apply(rng, ideal, row_start=_MARGIN), {}
    table = np.column_stack(
        [columns.positions - _MARGIN, columns.heights * scale, columns.sigmas]
    ).astype(np.float32)
    return Scene(
        _crop(noisy),
        _crop(clean),
        _crop(background),
        table,
        frame_noise,
        recipe.kind,
        recipe.arrangement,
        recipe,
        {name: _crop(values) for name, values in terms.items()},
    )


def _crop(image):
    inner = image[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    return np.ascontiguousarray(inner, np.float32)


def _gain(columns, clean, recipe):
    """Factor that gives the columns their contrast."""
    if len(columns) == 0 or clean.max() == 0:
        return 1.0
    if recipe.noise.levels is not None:
        return recipe.contrast / float(clean.max())
    if columns.reference is not None and recipe.parameters is None:
        return recipe.contrast / columns.reference
    # A few adatoms or overlaps may exceed it: they must not set the scale
    bright = np.quantile(clean[::3, ::3], 0.995)
    return recipe.contrast / max(np.quantile(columns.heights, 0.98), bright)


def noise_kinds(mode="HAADF"):
    """Names of the kinds of noise that there are in a mode."""
    return HRTEM_NOISE_KINDS if mode == "HRTEM" else NOISE_KINDS


def check_noise(noise, mode="HAADF"):
    """Raise ValueError unless `noise` is a kind or parameters of noise."""
    kinds = noise_kinds(mode)
    if isinstance(noise, str) and noise in kinds:
        return
    if not isinstance(noise, parameter_class(mode)):
        raise ValueError(
            f"noise={noise!r} is not understood; use one of {', '.join(kinds)} or, "
            f"for mode={mode!r}, {parameter_class(mode).__name__}."
        )
