"""Noise added to the images of any HyperSpy signal."""

import numpy as np

from ..noise.parameters import HRTEMNoiseParameters, NoiseParameters
from .noise import FrameNoise, frame_noise_from


def add_noise(
    signal,
    noise,
    seed=0,
    *,
    fast_axis="x",
    lazy_output=None,
    show_progressbar=None,
):
    """Add noise to the images of any HyperSpy signal.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
        Images without noise, of any navigation shape; lazy or not.
    noise : FrameNoise, NoiseParameters or HRTEMNoiseParameters
        In the units of the images. Of parameters the terms of the noise
        are added, no background.
    seed : int, default 0
        The noise of a frame depends on the seed and its position in the
        series alone, however the data are chunked.
    fast_axis : {"x", "y"}, default "x"
        Axis along which the beam scans a line, as of ``calibrate_noise``.
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
    ValueError
        If `fast_axis` is neither "x" nor "y".

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
    from ..mapping import map_step, set_data
    from ..signals._checks import check_images
    from ..steps.base import FunctionStep

    check_images(signal)
    if isinstance(noise, NoiseParameters | HRTEMNoiseParameters):
        noise = frame_noise_from(noise)
    if not isinstance(noise, FrameNoise):
        raise TypeError(
            f"noise={noise!r} is not understood; give a FrameNoise, NoiseParameters "
            "or HRTEMNoiseParameters."
        )
    if fast_axis not in ("x", "y"):
        raise ValueError(f"fast_axis={fast_axis!r} is unknown; use 'x' or 'y'.")
    settings = {"noise": noise, "seed": seed, "turned": fast_axis == "y"}
    n = max(1, signal.axes_manager.navigation_size)
    numbers = np.arange(n).reshape(signal.data.shape[:-2] or (1,))
    data = map_step(
        FunctionStep(_noisy_frames, settings=settings),
        signal,
        per_frame={"numbers": numbers},
        lazy_output=lazy_output,
        show_progressbar=show_progressbar,
    )
    result = signal._deepcopy_with_new_data(data)
    set_data(result, data)
    return result


def _noisy_frames(frames, numbers, noise, seed, turned):
    noisy = []
    for frame, number in zip(frames, numbers, strict=True):
        rng = np.random.default_rng([seed, int(number)])
        noisy.append(noise.apply(rng, frame.T).T if turned else noise.apply(rng, frame))
    return noisy
