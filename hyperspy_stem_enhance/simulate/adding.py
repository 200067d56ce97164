"""Noise added to the images of any HyperSpy signal."""

import numpy as np

from ..noise.parameters import NoiseParameters
from .noise import FrameNoise, frame_noise_from


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
