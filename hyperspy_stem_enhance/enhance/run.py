"""Run an enhancement network on frames: arrays in, arrays out."""

from functools import partial

import numpy as np
from scipy.special import expit

from ..imaging import check_mode, imaging_mode
from .background import add_lowpass_background, add_residual_structure
from .echo import perturb_noise, sample_windows
from .echo import remove_echo as without_echo
from .normalise import (
    columns_of_eight_bit,
    eight_bit_frame,
    local_mean,
    normalise_frame,
)
from .order import network_input
from .parts import boxes, is_large, join_images, overview
from .scale import choose_factor, noise_gain, resample
from .tiling import cut, join

_TILES_PER_BATCH = 8
# Values below these parts of the noise of a pixel are not told from nothing:
# where columns stand side by side, and where there is hardly anything else.
_INSIGNIFICANT, _INSIGNIFICANT_ALONE = 0.02, 0.5
_CROWDED = 0.01  # local mean of the values, in SD of the noise
MINIMUM_SIZE = 16  # pixels per side
_AS_IT_IS = ((),)  # axes to flip
COLUMNS = "columns"
"""The enhanced image before anything is added to it or taken from it."""
_MIRROR_IMAGES = ((), (-1,), (-2,), (-2, -1))  # scan lines stay along the rows


def enhance_frames(
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
):
    """Remove noise and background from frames with a trained network.

    Parameters
    ----------
    frames : array-like, shape (n, h, w)
        Real images of any dtype; pixels that are not finite are filled
        before, lone hot pixels replaced by their neighbours.
    model : str, default "auto"
        Name of a model, see `models.list_models`.
    mode : {"HAADF", "BF", "HRTEM"}
        Bright columns, dark ones, or images of a camera with bright ones;
        give dark ones by `imaging.invert_contrast`.
    device : str, default "auto"
        A PyTorch device such as "cpu" or "cuda:0"; "auto" takes a GPU
        where there is one.
    keep_background : bool, default False
        Keep what is smooth and slow beside the columns (see `background`),
        and the structure that the network has missed (see `recovery`), both
        as far as they are stronger than the noise; columns of BF images are
        then dark, as they were.
    allow_negative : bool, default False
        Leave all values as the network gives them. By default those that
        are negative or below 0.02 SD of the noise of a pixel (0.5 SD where
        there is hardly anything else), which no column is told from, are
        zero, and those up to twice as high are lowered.
    scale : float or "auto", default "auto"
        Factor by which frames are resampled for the network, and back
        after it. By default 1 where the lattice that shows has the
        spacings that the network serves best, otherwise the factor that
        leads there; see `scale.choose_factor`.
    pixel_size : float, optional
        In nanometres; tells the scale where no lattice shows.
    output : str or tuple of str, default "enhanced"
        Which output of the network, see `models.registry.outputs`:
        "enhanced"; "super-resolution", the columns as high but narrower;
        or "detection", the probability that a column is centred there.
        Several are computed at the cost of one.
    self_ensemble : bool, default False
        Average what the network gives for the frame and its three mirror
        images, in four times the time [1]_.
    remove_echo : bool, default False
        Enhance the frame a second time, with more of its own noise, and take
        away what goes with the noise, in twice the time, of frames above 512
        pixels in a third more, as four parts of them tell; see `echo`. Of
        scanned images alone. At few electrons lattices that lack columns
        may be completed in part, where the background is kept.

    Returns
    -------
    numpy.ndarray of float32, shape (n, h, w), or a tuple of them
        One for each output. Enhanced and super-resolution in the units of
        the input: without background, columns are bright on zero in both
        modes, in BF images the value is the depth below the background.
        Detection from 0 to 1.

    Raises
    ------
    ValueError
        If an argument is unknown, the model has not that output, a frame
        is too small, constant or without finite pixels.

    References
    ----------
    .. [1] Lim et al., "Enhanced Deep Residual Networks for Single Image
       Super-Resolution", CVPR Workshops 2017.

    Examples
    --------
    >>> from hyperspy_stem_enhance.simulate.scene import draw_scene
    >>> scene = draw_scene(seed=0, index=3, shape=(128, 128))
    >>> enhance_frames(scene.noisy[None]).shape
    (1, 128, 128)
    """
    frames = np.asarray(frames)
    _check_frames(frames)
    check_mode(mode)
    outputs = (output,) if isinstance(output, str) else tuple(output)
    model = check_settings(
        model,
        mode,
        outputs,
        scale,
        keep_background=keep_background,
        remove_echo=remove_echo,
    )
    results = enhance_checked(
        frames,
        model,
        mode,
        device,
        outputs,
        keep_background=keep_background,
        allow_negative=allow_negative,
        scale=scale,
        pixel_size=pixel_size,
        self_ensemble=self_ensemble,
        remove_echo=remove_echo,
    )
    return results[0] if isinstance(output, str) else results


def enhance_checked(
    frames,
    model,
    mode,
    device,
    outputs,
    *,
    keep_background=False,
    allow_negative=False,
    scale="auto",
    pixel_size=None,
    self_ensemble=False,
    remove_echo=False,
):
    """Enhance frames as `enhance_frames` does, with arguments that were checked.

    Parameters
    ----------
    frames : numpy.ndarray, shape (n, h, w)
    model : str
        A name, not "auto".
    outputs : tuple of str
        As of `enhance_frames`, and `COLUMNS`, the enhanced image as the
        network gives it, whatever else is asked for.
    mode, device, keep_background, allow_negative, scale, pixel_size, \
    self_ensemble, remove_echo
        As of `enhance_frames`.

    Returns
    -------
    tuple of numpy.ndarray of float32, shape (n, h, w)
        In the order of `outputs`.
    """
    scales = [choose_scale(frame, model, mode, scale, pixel_size) for frame in frames]
    if is_large(frames.shape[1:]):
        options = {
            "keep_background": keep_background,
            "allow_negative": allow_negative,
            "self_ensemble": self_ensemble,
            "remove_echo": remove_echo,
        }
        whole = [
            _enhance_in_parts(frame, model, mode, device, outputs, scale=own, **options)
            for frame, own in zip(frames, scales, strict=True)
        ]
        return tuple(np.stack(images) for images in zip(*whole, strict=True))
    names = tuple(
        dict.fromkeys("enhanced" if name == COLUMNS else name for name in outputs)
    )
    enhance = partial(
        _enhance_at,
        model=model,
        mode=mode,
        device=device,
        allow_negative=allow_negative,
        wanted=names,
    )
    flips = _MIRROR_IMAGES if self_ensemble else _AS_IT_IS
    results, repaired = enhance(frames, scales, flips=flips)
    found = dict(zip(names, results, strict=True))
    found[COLUMNS] = found.get("enhanced")
    if remove_echo:
        better = _without_echo(
            repaired,
            found[COLUMNS],
            mode,
            scales,
            # The echo is that of the enhanced image, the first of its outputs
            partial(enhance, flips=_AS_IT_IS, wanted=("enhanced",)),
            known=not self_ensemble,
        )
        if not (allow_negative or keep_background):  # no ripple where nothing was
            better = np.where(found[COLUMNS] > 0, np.maximum(better, 0), 0)
        found["enhanced"] = better
    if keep_background:
        kept = [
            add_residual_structure(frame, own, columns, mode)
            for frame, own, columns in zip(
                frames, repaired, found["enhanced"], strict=True
            )
        ]
        found["enhanced"] = np.stack(kept)
    return tuple(found[name] for name in outputs)


def choose_scale(frame, model, mode, scale="auto", pixel_size=None):
    """Factor by which a frame is resampled for a network.

    Parameters
    ----------
    frame : numpy.ndarray, shape (h, w) or (m, h, w)
        A frame, or patches of one.
    model, mode, scale, pixel_size
        As of `enhance_frames`.

    Returns
    -------
    float
    """
    from ..models import registry

    if scale != "auto":
        return scale
    if is_large(frame.shape[-2:]):
        frame = overview(frame)
    oriented = imaging_mode(mode).orient_noise_axis(frame)
    return choose_factor(oriented, *registry.ranges(model), pixel_size)


def enhance_parts(parts, model, mode, device, outputs, **options):
    """Enhance parts of frames, in some of which there may be nothing.

    Parameters
    ----------
    parts : numpy.ndarray, shape (n, h, w)
    model, mode, device, outputs, **options
        Of `enhance_checked`.

    Returns
    -------
    tuple of numpy.ndarray of float32, shape (n, h, w)
        In parts of one single value zero, or that value if the background
        is kept; NaN in those without a finite one.
    """
    results = np.full((len(outputs), *parts.shape), np.nan, np.float32)
    for index, part in enumerate(parts):
        finite = part[np.isfinite(part)]
        if not finite.size:
            continue
        for name, images in zip(outputs, results, strict=True):
            kept = name == "enhanced" and options.get("keep_background")
            images[index] = finite[0] if kept else 0
        if finite.min() < finite.max():
            found = enhance_checked(part[None], model, mode, device, outputs, **options)
            results[:, index] = [images[0] for images in found]
    return tuple(results)


def _enhance_in_parts(frame, *network, **options):
    """Enhance one large frame part by part; one image for each output."""
    parts = [
        enhance_parts(frame[np.newaxis][(..., *box)], *network, **options)
        for box in boxes(frame.shape)
    ]
    return [
        join_images([part[0] for part in images], frame.shape)
        for images in zip(*parts, strict=True)
    ]


def _enhance_at(frames, scales, model, mode, device, allow_negative, wanted, flips):
    """Enhance each frame at its scale.

    Returns the outputs, (k, n, h, w), and the frames repaired, less their medians.
    """
    from ..models import registry

    network, device = registry.load_for_use(model, mode, device)
    eight_bit = registry.takes_eight_bit(model)
    normalise = eight_bit_frame if eight_bit else normalise_frame
    prepared = [
        _prepare(frame, mode, factor, normalise, network.n_inputs)
        for frame, factor in zip(frames, scales, strict=True)
    ]
    pieces = [cut(given, network.downscale) for _, given in prepared]
    channels = [registry.outputs(model).index(name) for name in wanted]
    tiles_out = _run(network, device, [tiles for tiles, _ in pieces], channels, flips)
    results = np.empty((len(wanted), *frames.shape), np.float32)
    for index, ((frame, _), (tiles, corners)) in enumerate(
        zip(prepared, pieces, strict=True)
    ):
        own = np.stack([next(tiles_out) for _ in tiles], axis=1)
        for name, values, result in zip(wanted, own, results, strict=True):
            joined = _join(name, values, corners, frame.values.shape)
            if eight_bit:
                joined = columns_of_eight_bit(joined, mode)
            if name != "detection":
                joined = _in_units(joined, frame, allow_negative)
            result[index] = _at_shape(name, joined, frames.shape[1:], allow_negative)
    return results, [frame.repaired for frame, _ in prepared]


def _prepare(frame, mode, factor, normalise, n_inputs):
    """Normalise a frame at the scale of the network; repaired at its own.

    With it what the network is given, (n_inputs, h, w).
    """
    own = normalise(frame, mode)
    given = network_input(own.values, mode, n_inputs)
    shape = tuple(max(MINIMUM_SIZE, round(n * factor)) for n in frame.shape)
    if shape == frame.shape:
        return own, given
    # Order stands out of noise that is white, as it is before it is resampled
    order = [resample(image * own.scale, shape, noisy=True) for image in given[1:]]
    # Resampled noise is no longer white: its SD is what is known of it
    noise = resample(own.noise * own.scale, shape) * np.float32(noise_gain(factor))
    repaired = own.repaired
    own = normalise(resample(repaired, shape, noisy=True), mode)
    own.noise, own.repaired = np.maximum(noise, 0) / own.scale, repaired
    return own, np.stack([own.values, *(image / own.scale for image in order)])


def _check_frames(frames):
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


def check_settings(
    model, mode, outputs, scale, *, keep_background=False, remove_echo=False
):
    """Raise ValueError unless a model can give what is asked of it.

    Parameters
    ----------
    model, mode, scale, keep_background, remove_echo
        As of `enhance_frames`; `mode` is known.
    outputs : tuple of str

    Returns
    -------
    str
        Name of the model.
    """
    from ..models import registry

    check_scale(scale)
    name = registry.resolve(model, mode)
    registry.check_outputs(outputs, name)
    check_additions(outputs, keep_background=keep_background, remove_echo=remove_echo)
    check_echo(remove_echo, name, mode)
    return name


def check_scale(scale):
    """Raise ValueError unless `scale` is "auto" or a factor to resample by."""
    if isinstance(scale, str) and scale == "auto":
        return
    number = isinstance(scale, int | float | np.number) and not isinstance(scale, bool)
    if not number or not 1 / 16 <= scale <= 16:
        raise ValueError(
            f"scale={scale!r} cannot be used; give 'auto', or a factor between 1/16 "
            "and 16 by which frames are resampled for the network (1: not at all)."
        )


def check_additions(outputs=("enhanced",), **settings):
    """Raise ValueError where what is for enhanced images is wanted of others.

    Parameters
    ----------
    outputs : sequence of str
    **settings
        `keep_background` and `remove_echo`.
    """
    for name, value in settings.items():
        if value and tuple(outputs) != ("enhanced",):
            raise ValueError(
                f"{name}={value!r} belongs to output='enhanced', not to "
                f"{', '.join(map(repr, outputs))}; leave it out."
            )


def check_echo(remove_echo, model="auto", mode="HAADF"):
    """Raise ValueError where there is no telling what the noise does."""
    from ..models import registry

    if not remove_echo:
        return
    if mode == "HRTEM":  # spots are not what the image has, less its noise
        raise ValueError(
            f"remove_echo={remove_echo!r} is for scanned images, not for mode='HRTEM'; "
            "leave it out."
        )
    if registry.takes_eight_bit(model):
        raise ValueError(
            f"remove_echo={remove_echo!r} cannot be used with model={model!r}, which "
            "takes values from 0 to 255; leave it out."
        )


def _run(network, device, stacks, channels, flips):
    """Yield outputs (k, h, w) of the network for every tile of all stacks, in order.

    Tiles of one size share a batch, whatever frame they are from. Outputs
    are averages over the flips, before the sigmoid of a detection.
    """
    start = 0
    while start < len(stacks):
        stop = start + 1
        while stop < len(stacks) and stacks[stop].shape[1:] == stacks[start].shape[1:]:
            stop += 1
        tiles = np.concatenate(stacks[start:stop])
        for first in range(0, len(tiles), _TILES_PER_BATCH):
            batch = tiles[first : first + _TILES_PER_BATCH]
            yield from sum(
                np.flip(
                    _run_batch(network, device, np.flip(batch, axes), channels), axes
                )
                for axes in flips
            ) / np.float32(len(flips))
        start = stop


def _run_batch(network, device, tiles, channels):
    """Run tiles (n, j, h, w) in turn; in halves where a device lacks the memory."""
    import torch

    from ..models.devices import free_memory, is_out_of_memory
    from ..models.inference import run_outputs
    from ..models.semaphores import inference_semaphore

    try:
        with inference_semaphore(), torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(tiles)).to(device)
            return run_outputs(network, batch, channels).float().cpu().numpy()
    except RuntimeError as error:
        if len(tiles) == 1 or not is_out_of_memory(error):
            raise
    free_memory(device)
    half = len(tiles) // 2
    return np.concatenate(
        [
            _run_batch(network, device, part, channels)
            for part in (tiles[:half], tiles[half:])
        ]
    )


def _join(name, tiles, corners, shape):
    """Blend what the network gave for the tiles of a frame."""
    return join(expit(tiles) if name == "detection" else tiles, corners, shape)


def _in_units(values, frame, allow_negative):
    """Bring an output to the units of the frame, by default without ripple."""
    if not allow_negative:
        values *= _significance(values, frame.noise)
    return values * frame.scale


def _at_shape(name, joined, shape, allow_negative):
    """Resample an output to a frame's own shape, within its range of values."""
    if joined.shape == shape:
        return joined
    joined = resample(joined, shape)
    if name == "detection":
        return np.clip(joined, 0, 1, out=joined)
    return joined if allow_negative else np.maximum(joined, 0, out=joined)


def _significance(values, noise):
    """0 up to the insignificant, 1 from twice that on, without a step."""
    ratio = values / np.maximum(noise, np.float32(1e-12))
    crowd = local_mean(np.clip(ratio, 0, None)) / _CROWDED
    alone = _INSIGNIFICANT_ALONE - _INSIGNIFICANT
    insignificant = _INSIGNIFICANT + alone / (1 + crowd**2)
    return np.clip(ratio / insignificant - 1, 0, 1)


def _without_echo(frames, columns, mode, scales, enhance, known):
    """Take away what of the columns goes with the noise of repaired frames.

    What an ensemble does to the noise is what each of its images does to it, so that
    `enhance` is for one of them; `known` tells that `columns` come of it as well.
    """
    rest = np.stack(
        [
            frame - add_lowpass_background(frame, own, mode)
            for frame, own in zip(frames, columns, strict=True)
        ]
    )
    added = np.stack([perturb_noise(image) for image in rest])
    frames, own = np.stack(frames), columns if known else None
    changes = _changes(frames, added, scales, enhance, own)
    sign = np.float32(imaging_mode(mode).sign)
    results = [
        without_echo(own, sign * left, sign * more, change)
        for own, left, more, change in zip(columns, rest, added, changes, strict=True)
    ]
    return np.stack(results)


def _changes(frames, added, scales, enhance, columns):
    """What of each frame changes with what is added: windows, and by how much there.

    `columns` are the frames enhanced, or None if that is not known.
    """
    windows = sample_windows(frames.shape[1:])
    if len(windows) == 1:
        (changed,), _ = enhance(frames + added, scales)
        if columns is None:
            (columns,), _ = enhance(frames, scales)
        return [[(windows[0], change)] for change in changed - columns]
    changes = [[] for _ in frames]
    for frame, more, factor, own in zip(frames, added, scales, changes, strict=True):
        for window in windows:
            pair = np.stack([frame[window], (frame + more)[window]])
            if np.ptp(pair[0]) > 0:
                ((before, after),), _ = enhance(pair, [factor, factor])
                own.append((window, after - before))
    return changes
