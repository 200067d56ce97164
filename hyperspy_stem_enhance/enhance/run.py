"""Run an enhancement network on frames: arrays in, arrays out."""

import numpy as np

from ..noise.parameters import MODES
from .normalise import local_mean, normalise_frame
from .tiling import cut, join

_TILES_PER_BATCH = 8
# Values below these parts of the noise of a pixel are not told from nothing:
# where columns stand side by side, and where there is hardly anything else.
_INSIGNIFICANT, _INSIGNIFICANT_ALONE = 0.15, 0.5
_CROWDED = 0.01  # local mean of the values, in SD of the noise
MINIMUM_SIZE = 16  # pixels per side


def enhance_frames(
    frames,
    model="auto",
    mode="HAADF",
    device="auto",
    keep_background=False,
    allow_negative=False,
):
    """Remove noise and background from frames with a trained network.

    Parameters
    ----------
    frames : array-like, shape (n, h, w)
        Real images of any dtype; pixels that are not finite are filled
        before, lone hot pixels replaced by their neighbours.
    model : str, default "auto"
        Name of a model, see `models.list_models`.
    mode : {"HAADF", "BF"}
        Bright columns, or dark ones.
    device : str, default "auto"
        A PyTorch device such as "cpu" or "cuda:0"; "auto" takes a GPU
        where there is one.
    keep_background : bool, default False
        Keep what is smooth and slow beside the columns; columns of BF
        images are then dark, as they were.
    allow_negative : bool, default False
        Leave all values as the network gives them. By default those that
        are negative or below 0.15 SD of the noise of a pixel (0.5 SD where
        there is hardly anything else), which no column is told from, are
        zero, and those up to twice as high are lowered.

    Returns
    -------
    numpy.ndarray of float32, shape (n, h, w)
        In the units of the input. Without background, columns are bright
        on zero in both modes: in BF images the value is the depth below
        the background.

    Raises
    ------
    ValueError
        If an argument is unknown, a frame is too small, constant or
        without finite pixels.

    Examples
    --------
    >>> from hyperspy_stem_enhance.simulate.scene import draw_scene
    >>> scene = draw_scene(seed=0, index=3, shape=(128, 128))
    >>> enhance_frames(scene.noisy[None]).shape
    (1, 128, 128)
    """
    frames = np.asarray(frames)
    _check_arguments(frames, mode)
    from ..models import registry

    network, device = registry.load_for_use(model, mode, device)
    normalised = [normalise_frame(frame, mode) for frame in frames]
    pieces = [cut(frame.values, network.downscale) for frame in normalised]
    tiles = np.concatenate([tiles for tiles, _ in pieces])
    outputs = _run(network, device, tiles)
    enhanced, first = np.empty(frames.shape, np.float32), 0
    for index, (frame, (own, corners)) in enumerate(
        zip(normalised, pieces, strict=True)
    ):
        joined = join(outputs[first : first + len(own)], corners, frame.values.shape)
        first += len(own)
        if not allow_negative:
            joined *= _significance(joined, frame.noise)
        enhanced[index] = joined * frame.scale
        if keep_background:
            enhanced[index] = _with_background(frames[index], enhanced[index], mode)
    return enhanced


def _check_arguments(frames, mode):
    if frames.ndim != 3 or frames.dtype.kind not in "buif":
        raise ValueError(
            f"frames has shape {frames.shape} and dtype {frames.dtype}; a stack of "
            "real images of shape (n, h, w) is needed."
        )
    if min(frames.shape[1:]) < MINIMUM_SIZE:
        raise ValueError(
            f"frames of {frames.shape[1]} x {frames.shape[2]} pixels are too small; "
            f"at least {MINIMUM_SIZE} x {MINIMUM_SIZE} are needed."
        )
    if mode not in MODES:
        raise ValueError(f"mode={mode!r} is unknown; use one of {', '.join(MODES)}.")


def _run(network, device, tiles):
    import torch

    outputs = np.empty(tiles.shape, np.float32)
    with torch.inference_mode():
        for start in range(0, len(tiles), _TILES_PER_BATCH):
            part = slice(start, start + _TILES_PER_BATCH)
            batch = torch.from_numpy(tiles[part, None]).to(device)
            outputs[part] = network(batch)[:, 0].float().cpu().numpy()
    return outputs


def _significance(values, noise):
    """0 up to the insignificant, 1 from twice that on, without a step."""
    ratio = values / np.maximum(noise, np.float32(1e-12))
    crowd = local_mean(np.clip(ratio, 0, None)) / _CROWDED
    alone = _INSIGNIFICANT_ALONE - _INSIGNIFICANT
    insignificant = _INSIGNIFICANT + alone / (1 + crowd**2)
    return np.clip(ratio / insignificant - 1, 0, 1)


def _with_background(frame, columns, mode):
    """Add what the columns leave behind, averaged over about 8 pixels."""
    sign = -1 if mode == "BF" else 1
    frame = np.asarray(frame, np.float64)
    finite = np.isfinite(frame)
    level = np.median(frame[finite])
    rest = np.where(finite, frame - level, 0).astype(np.float32) - sign * columns
    background = local_mean(rest, finite.astype(np.float32), block=4, reach=2.0)
    return sign * columns + background + np.float32(level)
