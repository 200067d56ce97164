"""Simulated images as HyperSpy signals, and noise added to any signal."""

from dataclasses import dataclass

import numpy as np

from ..noise.parameters import PARAMETER_NAMES, NoiseParameters
from .noise import FrameNoise, frame_noise_from
from .scene import check_mode, check_noise, draw_scene

TRUTH_COLUMNS = ("y", "x", "intensity", "sigma")


@dataclass(frozen=True)
class SimulatedDataset:
    """Simulated images and their truth.

    Attributes
    ----------
    noisy : hyperspy.api.signals.Signal2D
        What the microscope would record.
    clean : hyperspy.api.signals.Signal2D
        The columns alone, bright on zero in every mode: what
        ``enhance_sfin`` ought to return.
    positions : hyperspy_stem_enhance.AtomPositions
        The columns inside each frame: y, x, intensity (height in the
        units of the images), sigma.
    """

    noisy: object
    clean: object
    positions: object


def make_dataset(n, shape=(256, 256), mode="HAADF", noise="mixed", seed=0):
    """Simulate images of columns with noise and background.

    Parameters
    ----------
    n : int
        Number of images.
    shape : tuple of int, default (256, 256)
        (rows, columns) of the images, at least 16 each.
    mode : {"HAADF", "BF"}
        Bright columns, or dark ones on a bright background.
    noise : str, NoiseParameters or NoiseCalibration, default "mixed"
        "published": drawn around the published table of Li et al.;
        "scanning": its terms over a wide range, displaced rows and strong
        backgrounds; "low-dose": electron counting at 0.2 to 150 electrons
        per pixel; "mixed": one of these for each image.
        `NoiseParameters`: exactly those. `NoiseCalibration`, from
        ``calibrate_noise`` on images of the same mode: drawn from the
        mean and spread over its images.
    seed : int, default 0
        Image i depends on the seed and i alone.

    Returns
    -------
    SimulatedDataset
        Signals with one navigation axis, in pixels.

    Raises
    ------
    ValueError
        If an argument is out of its range or unknown.

    Examples
    --------
    >>> import hyperspy_stem_enhance as hse
    >>> data = hse.simulate.make_dataset(2, shape=(64, 64), seed=1)
    >>> data.noisy
    <Signal2D, title: Simulated HAADF, dimensions: (2|64, 64)>
    """
    _check_size(n, shape)
    check_mode(mode)
    choose_noise = _noise_of_frames(noise, seed)
    scenes = [
        draw_scene(seed, index, shape, mode, choose_noise(index)) for index in range(n)
    ]
    record = {"mode": mode, "noise": _describe(noise), "seed": seed}
    noisy = _to_signal([s.noisy for s in scenes], f"Simulated {mode}", record)
    clean = _to_signal([s.clean for s in scenes], f"Simulated {mode}, truth", record)
    from ..signals.atom_positions import AtomPositions

    positions = AtomPositions.from_arrays(
        [scene.positions for scene in scenes], image=noisy, column_names=TRUTH_COLUMNS
    )
    return SimulatedDataset(noisy, clean, positions)


def add_noise(signal, noise, seed=0, *, lazy_output=None, show_progressbar=None):
    """Add noise to the images of any HyperSpy signal.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
        Images without noise, of any navigation shape; lazy or not.
    noise : FrameNoise or NoiseParameters
        In the units of the images. Of `NoiseParameters` the scan and
        pointwise terms are added, no background.
    seed : int, default 0
        The noise of a frame depends on the seed and its position in the
        series alone, however the data are chunked.
    lazy_output : bool, optional
        By default, lazy if the signal is.
    show_progressbar : bool, optional
        By default, HyperSpy's preference.

    Returns
    -------
    hyperspy.api.signals.Signal2D
        float32, axes and metadata kept.

    Raises
    ------
    TypeError
        If the images are not real, or `noise` is neither type.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.simulate import FrameNoise, add_noise
    >>> s = hs.signals.Signal2D(np.ones((3, 32, 32)))
    >>> counts = FrameNoise(electrons_per_unit=10)
    >>> add_noise(s, counts, show_progressbar=False)
    <Signal2D, title: , dimensions: (3|32, 32)>
    """
    from ..lazy import map_frames
    from ..signals._checks import check_images

    check_images(signal)
    if isinstance(noise, NoiseParameters):
        noise = frame_noise_from(noise)
    if not isinstance(noise, FrameNoise):
        raise TypeError(
            f"noise={noise!r} is not understood; give a FrameNoise or NoiseParameters."
        )
    data = map_frames(
        signal,
        _noisy_frames,
        kwargs={"noise": noise, "seed": seed},
        numbered=True,
        lazy_output=lazy_output,
        show_progressbar=show_progressbar,
    )
    result = signal._deepcopy_with_new_data(data)
    result._lazy = not isinstance(data, np.ndarray)
    result._assign_subclass()
    return result


def _noisy_frames(frames, numbers, noise, seed):
    return [
        noise.apply(np.random.default_rng([seed, int(number)]), frame)
        for frame, number in zip(frames, numbers, strict=True)
    ]


def _noise_of_frames(noise, seed):
    """Function that gives the noise argument of one frame."""
    if getattr(noise, "_signal_type", None) != "NoiseCalibration":
        check_noise(noise)
        return lambda index: noise
    rows = np.asarray(noise.data, float).reshape(-1, len(PARAMETER_NAMES))
    mean, spread = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
    if not np.isfinite(mean).all():
        missing = [p for p, m in zip(PARAMETER_NAMES, mean, strict=True) if np.isnan(m)]
        raise ValueError(
            f"noise holds no value of {', '.join(missing)} in any image; calibrate "
            "images on which they can be measured."
        )

    def choose(index):
        rng = np.random.default_rng([seed, index, 1])
        return NoiseParameters(*rng.normal(mean, spread))

    return choose


def _describe(noise):
    return noise if isinstance(noise, str) else type(noise).__name__


def _check_size(n, shape):
    if not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"n={n!r} is not a number of images; give at least 1.")
    if len(shape) != 2 or min(shape) < 16:
        raise ValueError(
            f"shape={shape!r} cannot be simulated; give (rows, columns), at least "
            "16 each."
        )


def _to_signal(frames, title, record):
    from hyperspy.signals import Signal2D

    from .. import __version__

    axes = [
        {"name": name, "size": size}
        for name, size in zip(
            ("image", "y", "x"), (len(frames), *frames[0].shape), strict=True
        )
    ]
    signal = Signal2D(np.stack(frames), axes=axes)
    signal.metadata.General.title = title
    signal.metadata.add_node("STEM_enhance.simulate")
    signal.metadata.STEM_enhance.simulate.add_dictionary(
        {**record, "version": __version__}
    )
    return signal
