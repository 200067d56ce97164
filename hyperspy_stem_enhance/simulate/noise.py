"""The noise of scanned images, term by term, as a forward model.

Scan noise and pointwise noise follow Li et al. (CVPR 2025, section 3);
electron counting, readout noise, displaced rows and correlated noise are
what low-dose frames show beyond them.  `FrameNoise` holds the parameters
of all terms for one frame and applies them in the order of the recording:
beam displaced, electrons counted, detector read, digitised.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, rfft, rfftfreq
from scipy.ndimage import gaussian_filter, gaussian_filter1d, sobel

from ..noise.parameters import PUBLISHED_PARAMETERS
from ..noise.tukey import draw_tukey_lambda

# Scan noise is the sum of two patterns along the row: correlation lengths
# (SD of a Gaussian, in pixels) and relative SDs.
SCAN_PATTERNS = ((4.0, 0.8), (16.0, 0.6))
SPREAD = 0.15  # SD of the parameters between images, relative to their mean


def gradient_magnitude(image):
    """Un-normalised Sobel gradient magnitude (gain 8 per pixel slope)."""
    return np.hypot(sobel(image, 0), sobel(image, 1))


def draw_scan_pattern(rng, shape, row_correlation=0.0, slant=0.0):
    """Noise of unit SD, correlated along the rows.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns).
    row_correlation : float, default 0
        SD, in rows, of a Gaussian that correlates neighbouring rows; by
        default rows are independent, as in the paper.
    slant : float, default 0
        Displacement of the pattern from row to row, in pixels.

    Returns
    -------
    numpy.ndarray of float32, shape `shape`
    """
    rows, columns = shape
    total = np.zeros(shape, np.float32)
    for length, weight in SCAN_PATTERNS:
        margin = int(3 * length)
        white = rng.standard_normal((rows, columns + 2 * margin), dtype=np.float32)
        smooth = gaussian_filter1d(white, length, axis=1, truncate=3)
        # a Gaussian filter of SD `length` leaves 1 / sqrt(2 sqrt(pi) length)
        gain = np.sqrt(2 * np.sqrt(np.pi) * length)
        total += weight * gain * smooth[:, margin : margin + columns]
    total /= np.float32(np.sqrt(sum(w**2 for _, w in SCAN_PATTERNS)))
    if row_correlation > 0:
        total = gaussian_filter1d(total, row_correlation, axis=0, mode="wrap")
        total /= max(float(total.std()), 1e-6)
    if slant:
        total = shift_rows(total, slant * np.arange(rows))
    return total


def shift_rows(image, displacement):
    """Displace every row along itself, by Fourier interpolation.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w)
    displacement : numpy.ndarray, shape (h,)
        In pixels, positive to the right; the rows are periodic.

    Returns
    -------
    numpy.ndarray of float32, shape (h, w)
    """
    width = image.shape[1]
    phase = -2j * np.pi * rfftfreq(width) * displacement[:, None]
    spectrum = rfft(image.astype(np.float32, copy=False), axis=1)
    return irfft(spectrum * np.exp(phase).astype(np.complex64), width, axis=1)


@dataclass(frozen=True)
class FrameNoise:
    """Noise of one frame, in the units of the image unless said otherwise.

    Attributes
    ----------
    scan_slope, scan_intercept : float
        SD of the scan noise against the gradient magnitude.
    scan_row_correlation, scan_slant : float
        Correlation of the scan noise between neighbouring rows (SD in
        rows), and displacement of its pattern per row (pixels): the
        streaks that slow interference draws. Zero in the paper.
    pointwise_slope, pointwise_intercept : float
        SD of the pointwise noise against intensity.
    pointwise_lambda : float
        Shape of Tukey's lambda distribution of the pointwise noise.
    electrons_per_unit : float
        Electrons counted per pixel and unit of intensity; infinite where
        counting statistics are not to be simulated.
    readout_sd : float
        SD of Gaussian readout noise.
    row_jitter : float
        SD of the displacement of the rows, in pixels.
    row_offset_sd : float
        SD of a constant offset of each row.
    correlation : float
        SD, in pixels, of a Gaussian that correlates the noise between
        neighbouring pixels, as in resampled or binned images.
    levels : float or None
        Highest level of a digitised image, for example 255; values are
        rounded and clipped to 0 ... `levels`. None: not digitised.
    """

    scan_slope: float = 0.0
    scan_intercept: float = 0.0
    scan_row_correlation: float = 0.0
    scan_slant: float = 0.0
    pointwise_slope: float = 0.0
    pointwise_intercept: float = 0.0
    pointwise_lambda: float = 0.14
    electrons_per_unit: float = np.inf
    readout_sd: float = 0.0
    row_jitter: float = 0.0
    row_offset_sd: float = 0.0
    correlation: float = 0.0
    levels: float | None = None

    def apply(self, rng, image):
        """Return a noisy copy of an image.

        Parameters
        ----------
        rng : numpy.random.Generator
        image : numpy.ndarray, shape (h, w)
            Intensity without noise, background included.

        Returns
        -------
        numpy.ndarray of float32, shape (h, w)
        """
        image = np.asarray(image, np.float32)
        if self.row_jitter > 0:
            image = shift_rows(image, self._draw_jitter(rng, image.shape[0]))
        noise = self._electronic_noise(rng, image)
        if np.isfinite(self.electrons_per_unit):
            expected = np.clip(image, 0, None) * self.electrons_per_unit
            counted = rng.poisson(expected) / self.electrons_per_unit
            noise += counted.astype(np.float32) - image
        if self.correlation > 0:
            sigma = self.correlation
            gain = 2 * np.sqrt(np.pi) * sigma if sigma > 0.6 else 1.0
            noise = gaussian_filter(noise, sigma) * np.float32(min(gain, 1.5))
        noisy = image + noise
        if self.levels is not None:
            noisy = np.clip(np.round(noisy), 0, self.levels)
        return noisy

    def _draw_jitter(self, rng, n_rows):
        """Displacements that remember half of the row before."""
        white = rng.normal(0, 1, n_rows)
        return self.row_jitter * (0.87 * white + 0.5 * np.roll(white, 1))

    def _electronic_noise(self, rng, image):
        noise = np.zeros_like(image)
        if self.scan_slope > 0 or self.scan_intercept > 0:
            sd = self.scan_slope * gradient_magnitude(image) + self.scan_intercept
            pattern = draw_scan_pattern(
                rng, image.shape, self.scan_row_correlation, self.scan_slant
            )
            noise += np.clip(sd, 0, None) * pattern
        if self.row_offset_sd > 0:
            noise += rng.normal(0, self.row_offset_sd, (len(image), 1)).astype("f4")
        sd = self.pointwise_slope * image + self.pointwise_intercept
        if np.any(sd > 0):
            tukey = draw_tukey_lambda(rng, self.pointwise_lambda, image.shape)
            noise += np.clip(sd, 0, None) * tukey
        if self.readout_sd > 0:
            noise += self.readout_sd * rng.standard_normal(image.shape, np.float32)
        return noise


def frame_noise_from(parameters, levels=None):
    """The noise terms of `NoiseParameters`, without its background."""
    return FrameNoise(
        scan_slope=parameters.scan_slope,
        scan_intercept=parameters.scan_intercept,
        pointwise_slope=parameters.pointwise_slope,
        pointwise_intercept=parameters.pointwise_intercept,
        pointwise_lambda=parameters.pointwise_lambda,
        levels=levels,
    )


def draw_parameters(rng, mean, spread=SPREAD):
    """Draw `NoiseParameters` around a mean, normally distributed.

    Parameters
    ----------
    rng : numpy.random.Generator
    mean : NoiseParameters or str
        The mean, or the mode ("HAADF", "BF") whose published mean to use.
    spread : float, default 0.15
        SD relative to the mean, clipped at three SDs.

    Returns
    -------
    NoiseParameters
    """
    if isinstance(mean, str):
        mean = PUBLISHED_PARAMETERS[mean]
    factors = 1 + spread * np.clip(rng.standard_normal(8), -3, 3)
    values = dict(zip(vars(mean), np.array(mean.to_tuple()) * factors, strict=True))
    values["pointwise_lambda"] = float(np.clip(values["pointwise_lambda"], -0.3, 2))
    return type(mean)(**values)


def draw_low_dose_noise(rng, contrast):
    """Draw the noise of a frame in which single electrons count.

    Parameters
    ----------
    rng : numpy.random.Generator
    contrast : float
        Height of the brightest columns over the background; the dose is
        0.2 to 150 electrons per pixel for this intensity.

    Returns
    -------
    FrameNoise
    """
    dose = np.exp(rng.uniform(np.log(0.2), np.log(150)))
    electron = contrast / dose
    often = rng.random(5)
    return FrameNoise(
        scan_slope=rng.uniform(0, 0.06) if often[0] < 0.3 else 0.0,
        scan_intercept=contrast * rng.uniform(0, 0.08) if often[0] < 0.3 else 0.0,
        pointwise_intercept=contrast * rng.uniform(0, 0.15) if often[1] < 0.3 else 0.0,
        pointwise_lambda=rng.uniform(0, 0.4),
        electrons_per_unit=1 / electron,
        readout_sd=electron * rng.uniform(0, 0.5) if often[2] < 0.5 else 0.0,
        row_jitter=rng.uniform(0, 0.8) if often[3] < 0.5 else 0.0,
        row_offset_sd=contrast * rng.uniform(0, 0.15) if often[3] > 0.8 else 0.0,
        correlation=rng.uniform(0.4, 1.1) if often[4] < 0.2 else 0.0,
    )


def draw_scanning_noise(rng, mode, contrast):
    """Draw the paper's terms over a wide range, with displaced rows.

    Parameters
    ----------
    rng : numpy.random.Generator
    mode : {"HAADF", "BF"}
        Whose published parameters to draw around.
    contrast : float
        Height of the brightest columns over the background.

    Returns
    -------
    FrameNoise
    """
    mean = PUBLISHED_PARAMETERS[mode]
    scale = contrast / mean.atom_brightness
    scan = np.exp(rng.uniform(np.log(0.1), np.log(5.0), 2))
    pointwise = np.exp(rng.uniform(np.log(0.05), np.log(2.5), 2))
    often = rng.random(4)
    return FrameNoise(
        scan_row_correlation=rng.uniform(0.7, 2.5) if often[3] < 0.25 else 0.0,
        scan_slant=rng.normal(0, 2) if often[3] < 0.25 else 0.0,
        scan_slope=mean.scan_slope * scan[0],
        scan_intercept=mean.scan_intercept * scale * scan[1],
        pointwise_slope=mean.pointwise_slope * pointwise[0],
        pointwise_intercept=mean.pointwise_intercept * scale * pointwise[1],
        pointwise_lambda=rng.uniform(0, 0.45),
        row_jitter=rng.uniform(0, 0.8) if often[0] < 0.4 else 0.0,
        row_offset_sd=contrast * rng.uniform(0, 0.15) if often[1] < 0.2 else 0.0,
        correlation=rng.uniform(0.4, 1.1) if often[2] < 0.25 else 0.0,
    )
