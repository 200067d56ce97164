"""Classical filters with the best parameters that there are for an image.

The truth chooses the parameters, for every single image: more than any user
could do, so that what a network is ahead is ahead of the filter and not of
its settings.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.signal import wiener

from hyperspy_stem_enhance.metrics import psnr

_BACKGROUND_WIDTHS = (6, 9, 13, 20, 30, 45)  # SD of the Gaussian, pixels
_BUTTERWORTH_ORDER = 4
_PEAK = 2.0  # times the average of its radius: a Bragg peak


def gaussian_candidates(image):
    """Gaussian blurs over the widths that columns have."""
    for sigma in (0.5, 0.8, 1.2, 1.6, 2, 2.5, 3, 4, 5, 6):
        yield gaussian_filter(image, sigma)


def wiener_candidates(image):
    """Adaptive Wiener filters over windows (SciPy's)."""
    for size in (3, 5, 7, 9, 13, 17):
        yield wiener(image, size)


def fourier_wiener_candidates(image):
    """Wiener filters in the spectrum, see `filter_spectrum`."""
    yield from _spectral_candidates(image, 2)


def absf_candidates(image):
    """Average background subtraction filters, see `filter_spectrum`."""
    yield from _spectral_candidates(image, 1)


def bilateral_candidates(image):
    """Bilateral filters over widths in space and intensity."""
    denoise_bilateral = _restoration("denoise_bilateral")
    for sigma_space in (1.5, 3):
        for sigma_color in (0.1, 0.3, 0.6):
            yield _between_0_and_1(
                image, denoise_bilateral, 9, sigma_color, sigma_space
            )


def non_local_means_candidates(image):
    """Non-local means over strengths and sizes of patches."""
    denoise_nl_means = _restoration("denoise_nl_means")
    sd = _noise_sd(image)
    for patch in (5, 9):
        for strength in (0.5, 1.0, 2.0):
            yield denoise_nl_means(image, patch, 9, h=strength * sd, sigma=0.8 * sd)


def total_variation_candidates(image):
    """Total variation (Chambolle) over weights."""
    denoise_tv_chambolle = _restoration("denoise_tv_chambolle")
    for weight in (0.05, 0.1, 0.2, 0.4, 0.8):
        yield _between_0_and_1(image, denoise_tv_chambolle, weight)


FILTERS = {
    "ABSF": absf_candidates,
    "Wiener": wiener_candidates,
    "Wiener, Fourier": fourier_wiener_candidates,
    "bilateral": bilateral_candidates,
    "Gaussian": gaussian_candidates,
    "non-local means": non_local_means_candidates,
    "total variation": total_variation_candidates,
}


def filter_spectrum(image, power=1, strength=1.0, cutoff=0.5):
    """Wiener or average background subtraction filter of the spectrum.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
    power : {1, 2}, default 1
        1: average background subtraction, 2: Wiener.
    strength : float, default 1
        Multiplies the average background.
    cutoff : float, default 0.5
        Of a Butterworth low-pass of order 4, in cycles per pixel.

    Returns
    -------
    numpy.ndarray of float, shape (h, w)

    Notes
    -----
    The amplitude of what is not periodic is the average of the spectrum's
    amplitude over a ring, without the Bragg peaks; every amplitude is
    lowered by it, or, for Wiener, its square by the square [1]_.

    References
    ----------
    .. [1] R. Kilaas, "Optimal and near-optimal filters in high-resolution
       electron microscopy", J. Microsc. 190, 45 (1998),
       https://doi.org/10.1046/j.1365-2818.1998.3070861.x

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(5, 1, (64, 64))
    >>> float(filter_spectrum(noise).std()) < 0.5
    True
    """
    spectrum = np.fft.rfft2(image - image.mean())
    amplitude = np.abs(spectrum)
    k = np.hypot(
        np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])[None]
    )
    background = strength * _average_background(amplitude, k)
    ratio = background / np.maximum(amplitude, 1e-12)
    gain = np.clip(1 - ratio**power, 0, None)
    gain = gain / (1 + (k / cutoff) ** (2 * _BUTTERWORTH_ORDER))
    return np.fft.irfft2(gain * spectrum, s=image.shape) + image.mean()


def _average_background(amplitude, k):
    """Amplitude averaged over rings, without what stands far above it."""
    n = min(amplitude.shape)
    ring = np.minimum((k * 2 * n).astype(int), 2 * n - 1).ravel()
    kept = np.ones(ring.size, bool)
    for _ in range(3):
        counts = np.bincount(ring[kept], minlength=2 * n)
        sums = np.bincount(ring[kept], amplitude.ravel()[kept], minlength=2 * n)
        smooth = gaussian_filter1d(sums, 1) / np.maximum(
            gaussian_filter1d(counts.astype(float), 1), 1e-9
        )
        kept = amplitude.ravel() < _PEAK * smooth[ring]
    return smooth[ring].reshape(amplitude.shape)


def _spectral_candidates(image, power):
    for strength in (1.0, 1.5, 2.5):
        for cutoff in (0.08, 0.15, 0.3):
            yield filter_spectrum(image, power, strength, cutoff)


def _restoration(name):
    try:
        from skimage import restoration
    except ImportError:
        raise ValueError(
            "the classical filters need scikit-image; install it, for example by "
            "pip install hyperspy_stem_enhance[benchmarks]"
        ) from None
    return getattr(restoration, name)


def _between_0_and_1(image, function, *arguments):
    low, span = image.min(), np.ptp(image)
    return function((image - low) / span, *arguments) * span + low


def _noise_sd(image):
    """SD of white noise, from the finest differences; few counts too."""
    finest = image[1:, 1:] - image[:-1, 1:] - image[1:, :-1] + image[:-1, :-1]
    return float(np.sqrt(np.mean(finest**2)) / 2)


def assisted(candidates, truth):
    """Each candidate with every background removed, fitted to the truth.

    Parameters
    ----------
    candidates : iterable of numpy.ndarray, shape (h, w)
    truth : numpy.ndarray, shape (h, w)

    Yields
    ------
    numpy.ndarray of float, shape (h, w)
        What no user could have: the slope and offset that come closest.
    """
    for candidate in candidates:
        flat = [candidate]
        flat += [candidate - gaussian_filter(candidate, w) for w in _BACKGROUND_WIDTHS]
        for image in flat:
            deviation = image - image.mean()
            slope = np.vdot(deviation, truth) / max(np.vdot(deviation, deviation), 1e-9)
            yield slope * deviation + truth.mean()


def best_candidate(candidates, truth):
    """Image of the highest PSNR.

    Parameters
    ----------
    candidates : iterable of numpy.ndarray, shape (h, w)
    truth : numpy.ndarray, shape (h, w)

    Returns
    -------
    numpy.ndarray, shape (h, w)
    """
    return max(candidates, key=lambda image: psnr(image, truth))
