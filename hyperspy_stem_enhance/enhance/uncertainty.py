"""How far an enhanced image may be from the truth, pixel by pixel.

Two things can be tried without knowing the truth.  A network should give the
same for an image that is mirrored or turned: what it gives for the eight
symmetries of the square differs by its own arbitrariness.  And it should give
the same for another recording of the same specimen: what was removed is added
again with other signs, row by row, which keeps how strong the noise is at
every pixel and how it hangs together along the scan (the wild bootstrap of
C. F. J. Wu, Ann. Stat. 14, 1261 (1986)).

Neither spread is an error bar by itself.  They are joined to one by
constants that were fitted on simulated images whose truth is known, such that
the interval ``enhanced ± uncertainty`` holds the truth for 68 % of the pixels
(``benchmarks/uncertainty.py``, which fits and tests them).  Each model has
constants of its own, in the registry.
"""

from functools import partial

import numpy as np

from .background import add_lowpass_background
from .normalise import local_mean, normalise_frame
from .parts import is_large
from .run import check_scale, enhance_frames
from .scale import choose_factor

N_RESAMPLES = 4
FEATURES = ("symmetry", "resampling", "surroundings")
_MIRRORED = ((0, True), (2, False), (2, True))  # quarters, mirrored or not
_QUARTER_TURNS = ((1, False), (1, True), (3, False), (3, True))
_FLOOR = 0.01  # SD of the noise below which no spread is taken for smaller


def enhance_with_uncertainty(
    frames,
    model="auto",
    mode="HAADF",
    device="auto",
    keep_background=False,
    allow_negative=False,
    scale="auto",
    pixel_size=None,
    output="enhanced",
    self_ensemble=False,
    remove_echo=False,
    seed=0,
    constants=None,
):
    """Enhance frames, and tell how far each pixel may be from the truth.

    Parameters
    ----------
    frames : array-like, shape (n, h, w)
    model, mode, device, keep_background, allow_negative, scale, pixel_size
        As of `run.enhance_frames`.
    self_ensemble, remove_echo : bool, default False
        As of `run.enhance_frames`; the interval stays that of enhancement
        without them, and is a little too wide.
    output : {"enhanced"}
        The intervals of other outputs have not been tested.
    seed : int, default 0
        Of the signs that noise is added again with.
    constants : dict, optional
        As for `join_spreads`. By default those of the model for the mode:
        :func:`.models.registry.constants`.

    Returns
    -------
    enhanced : numpy.ndarray of float32, shape (n, h, w)
        As of `run.enhance_frames`.
    uncertainty : numpy.ndarray of float32, shape (n, h, w)
        Half the width of an interval around `enhanced` that holds the
        truth for 68 % of the pixels of simulated images, in the units of
        the input. Never below a hundredth of the SD of the noise.

    Raises
    ------
    ValueError
        As of `run.enhance_frames`, or if the output is another.

    Notes
    -----
    It takes twelve times as long as enhancement alone. With
    `keep_background` the interval is that of the columns alone.

    Examples
    --------
    >>> from hyperspy_stem_enhance.simulate.scene import draw_scene
    >>> scene = draw_scene(seed=0, index=3, shape=(64, 64))
    >>> enhanced, uncertainty = enhance_with_uncertainty(scene.noisy[None])
    >>> uncertainty.shape, bool((uncertainty > 0).all())
    ((1, 64, 64), True)
    """
    check_output(output)
    check_scale(scale)
    if constants is None:
        from ..models import registry

        constants = registry.constants("interval", model, mode)
    frames = np.asarray(frames)
    enhance = partial(enhance_frames, model=model, mode=mode, device=device)
    columns = enhance(frames, scale=scale, pixel_size=pixel_size)
    shown = columns
    if allow_negative or keep_background or self_ensemble or remove_echo:
        shown = enhance(
            frames,
            scale=scale,
            pixel_size=pixel_size,
            allow_negative=allow_negative,
            keep_background=keep_background,
            self_ensemble=self_ensemble,
            remove_echo=remove_echo,
        )
    uncertainty = np.empty_like(columns)
    for index, (frame, own) in enumerate(zip(frames, columns, strict=True)):
        factor = _own_scale(frame, scale, model, pixel_size)
        spreads = measure_spreads(
            frame, own, mode, partial(enhance, scale=factor), seed
        )
        uncertainty[index] = join_spreads(spreads, **constants)
    return shown, uncertainty


def check_output(output):
    """Raise ValueError unless there are intervals for an output."""
    if output != "enhanced":
        raise ValueError(
            f"output={output!r} has no uncertainty; it is calibrated for "
            "output='enhanced' alone."
        )


def measure_spreads(frame, columns, mode, enhance, seed=0):
    """Measure by how much an enhanced image changes where it should not.

    Parameters
    ----------
    frame : numpy.ndarray, shape (h, w)
    columns : numpy.ndarray of float32, shape (h, w)
        The frame enhanced, without background.
    mode : {"HAADF", "BF"}
    enhance : callable
        Enhances frames (n, h, w), always at the same scale.
    seed : int, default 0

    Returns
    -------
    dict of str to numpy.ndarray of float32, shape (h, w)
        For every name of `FEATURES`: SD over the symmetries; RMS change
        under resampled noise; both averaged over about 8 pixels. And
        ``"noise"``, the SD of the noise of a pixel.
    """
    background = add_lowpass_background(frame, columns, mode)
    removed = np.asarray(frame, np.float32) - background
    rng = np.random.default_rng(seed)
    signs = rng.choice(np.float32([-1, 1]), (N_RESAMPLES, frame.shape[0], 1))
    resampled = enhance(background + signs * removed)
    same = [columns]
    for turns in (_MIRRORED, _QUARTER_TURNS):
        results = enhance(np.stack([_turn(frame, *turn) for turn in turns]))
        same += [_turn_back(*pair) for pair in zip(results, turns, strict=True)]
    symmetry = np.std(same, axis=0, ddof=1)
    resampling = np.sqrt(np.mean((resampled - columns) ** 2, axis=0))
    both = np.maximum(local_mean(symmetry**2 + resampling**2, block=4, reach=2.0), 0)
    prepared = normalise_frame(frame, mode)
    noise = prepared.noise * prepared.scale
    spreads = np.float32([symmetry, resampling, np.sqrt(both), noise])
    return dict(zip((*FEATURES, "noise"), spreads, strict=True))


def join_spreads(spreads, log_factor, exponents):
    """Turn spreads into the half width of an interval of 68 %.

    Parameters
    ----------
    spreads : dict of str to numpy.ndarray, shape (...)
        As from `measure_spreads`.
    log_factor : float
    exponents : sequence of float
        Of `FEATURES`; their sum is 1, so that units stay.

    Returns
    -------
    numpy.ndarray of float32, shape (...)

    Examples
    --------
    >>> spreads = {**dict.fromkeys(FEATURES, 2.0), "noise": 5.0}
    >>> join_spreads(spreads, 0.0, (1, 0, 0))
    np.float32(2.0)
    """
    noise = spreads["noise"]
    floor = np.maximum(_FLOOR * noise, np.finfo(np.float32).tiny)
    logarithm = log_factor
    for name, exponent in zip(FEATURES, exponents, strict=True):
        logarithm = logarithm + exponent * np.log(np.maximum(spreads[name], floor))
    return np.maximum(np.exp(logarithm), floor).astype(np.float32)


def _own_scale(frame, scale, model, pixel_size):
    """Scale of a frame, the same for all its variants."""
    from ..models import registry

    if scale != "auto" or is_large(frame.shape):
        return scale
    return choose_factor(frame, *registry.ranges(model), pixel_size)


def _turn(frame, quarters, flip):
    """Turn a frame by quarters, then mirror it or not."""
    turned = np.rot90(frame, quarters)
    return np.ascontiguousarray(turned[:, ::-1] if flip else turned)


def _turn_back(frame, turn):
    quarters, flip = turn
    return np.rot90(frame[:, ::-1] if flip else frame, -quarters)
