"""The noise of scanned and of HRTEM images, term by term, as a forward model.

Scan noise and pointwise noise follow Li et al. (CVPR 2025, section 3), offsets
of columns Li et al. (CVPR 2026); electron counting, readout noise, displaced
rows, the lag after flyback, correlated noise, hot pixels and the detector's
offset are what real frames show beyond them.  `FrameNoise` holds the parameters
of all terms for one frame and applies them in the order of the recording: beam
displaced, electrons counted, detector read, digitised.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from ..noise.parameters import HRTEMNoiseParameters
from ..noise.tukey import draw_tukey_lambda
from .scan import (
    draw_scan_pattern,
    gradient_magnitude,
    shift_rows,
    stretch_row_starts,
)

TERMS = (
    "row_jitter",
    "flyback",
    "scan",
    "row_offset",
    "column_offset",
    "pointwise",
    "readout",
    "counting",
    "hot_pixels",
    "offset",
    "digitisation",
)


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
    pointwise_lambda : float or None
        Shape of Tukey's lambda distribution of the pointwise noise; None
        for a normal distribution.
    electrons_per_unit : float
        Electrons counted per pixel and unit of intensity; infinite where
        counting statistics are not to be simulated.
    readout_sd : float
        SD of Gaussian readout noise.
    row_jitter : float
        SD of the displacement of the rows, in pixels.
    row_offset_sd : float
        SD of a constant offset of each row.
    column_offset_sd : float
        SD of a constant offset of each column.
    flyback, flyback_decay : float
        Displacement at the very start of each row, where the beam still
        comes back from the row before, and distance in which it falls to
        1/e; in pixels.
    hot_pixels : float
        Share of pixels that read far too much.
    hot_level : float
        Mean of what these read too much, exponentially distributed.
    offset : float
        Black level of the detector, added to every pixel.
    correlation : float
        SD, in pixels, of a Gaussian that correlates the noise between
        neighbouring pixels, as in resampled or binned images. Hot pixels
        stay single.
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
    pointwise_lambda: float | None = 0.14
    electrons_per_unit: float = np.inf
    readout_sd: float = 0.0
    row_jitter: float = 0.0
    row_offset_sd: float = 0.0
    column_offset_sd: float = 0.0
    flyback: float = 0.0
    flyback_decay: float = 10.0
    hot_pixels: float = 0.0
    hot_level: float = 0.0
    offset: float = 0.0
    correlation: float = 0.0
    levels: float | None = None

    def apply(self, rng, image, row_start=0):
        """Return a noisy copy of an image.

        Parameters
        ----------
        rng : numpy.random.Generator
        image : numpy.ndarray, shape (h, w)
            Intensity without noise, background included.
        row_start : int, default 0
            Column at which the beam starts its rows.

        Returns
        -------
        numpy.ndarray of float32, shape (h, w)
        """
        return self._record(rng, image, row_start, {})

    def terms(self, rng, image, row_start=0):
        """Return each term of the noise by itself.

        Parameters
        ----------
        rng : numpy.random.Generator
        image : numpy.ndarray, shape (h, w)
            Intensity without noise, background included.
        row_start : int, default 0
            Column at which the beam starts its rows.

        Returns
        -------
        dict of str to numpy.ndarray of float32, shape (h, w)
            For every name in `TERMS`; zeros where this noise lacks the
            term. With a generator in the same state, ``image`` and all
            terms add up to what `apply` returns. ``"row_jitter"`` and
            ``"flyback"`` are what the displacement changes in the image,
            ``"digitisation"`` is what rounding and clipping do last.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> noise = FrameNoise(offset=4, readout_sd=1)
        >>> terms = noise.terms(rng, np.zeros((32, 32)))
        >>> sorted(name for name in terms if terms[name].any())
        ['offset', 'readout']
        """
        return self.apply_with_terms(rng, image, row_start)[1]

    def apply_with_terms(self, rng, image, row_start=0):
        """Return what `apply` and `terms` do, of the same noise."""
        terms = {name: np.zeros(np.shape(image), np.float32) for name in TERMS}
        return self._record(rng, image, row_start, terms), terms

    def _record(self, rng, image, row_start, terms):
        """Return the noisy image, and put each term into `terms` if it has any."""
        image = np.asarray(image, np.float32)
        for name, displaced in self._displacements(rng, image, row_start):
            if terms:
                terms[name] = displaced - image
            image = displaced
        noise = np.zeros_like(image)
        for name, values in self._random_terms(rng, image):
            noise += values
            if terms:
                values = np.broadcast_to(values, image.shape)
                terms[name] = np.array(self._correlate(values))
        noisy = image + self._correlate(noise)
        for name, values in self._detector_terms(rng, image.shape):
            noisy += values
            if terms:
                terms[name] += values
        if self.levels is None:
            return noisy
        digitised = np.clip(np.round(noisy), 0, self.levels)
        if terms:
            terms["digitisation"] = digitised - noisy
        return digitised

    def _displacements(self, rng, image, row_start):
        if self.row_jitter > 0:
            image = shift_rows(image, self._draw_jitter(rng, image.shape[0]))
            yield "row_jitter", image
        if self.flyback != 0:
            yield (
                "flyback",
                stretch_row_starts(image, self.flyback, self.flyback_decay, row_start),
            )

    def _draw_jitter(self, rng, n_rows):
        """Displacements that remember half of the row before."""
        white = rng.normal(0, 1, n_rows)
        return self.row_jitter * (0.87 * white + 0.5 * np.roll(white, 1))

    def _random_terms(self, rng, image):
        """Yield what is random, before pixels are correlated."""
        shape = image.shape
        if self.scan_slope > 0 or self.scan_intercept > 0:
            sd = self.scan_slope * gradient_magnitude(image) + self.scan_intercept
            pattern = draw_scan_pattern(
                rng, shape, self.scan_row_correlation, self.scan_slant
            )
            yield "scan", np.clip(sd, 0, None) * pattern
        if self.row_offset_sd > 0:
            offsets = rng.normal(0, self.row_offset_sd, (shape[0], 1))
            yield "row_offset", offsets.astype(np.float32)
        if self.column_offset_sd > 0:
            offsets = rng.normal(0, self.column_offset_sd, (1, shape[1]))
            yield "column_offset", offsets.astype(np.float32)
        sd = self.pointwise_slope * image + self.pointwise_intercept
        if np.any(sd > 0):
            yield "pointwise", np.clip(sd, 0, None) * self._draw_pointwise(rng, shape)
        if self.readout_sd > 0:
            white = rng.standard_normal(shape, np.float32)
            yield "readout", np.float32(self.readout_sd) * white
        if np.isfinite(self.electrons_per_unit):
            expected = np.clip(image, 0, None) * self.electrons_per_unit
            counted = rng.poisson(expected) / self.electrons_per_unit
            yield "counting", counted.astype(np.float32) - image

    def _draw_pointwise(self, rng, shape):
        if self.pointwise_lambda is None:
            return rng.standard_normal(shape, np.float32)
        return draw_tukey_lambda(rng, self.pointwise_lambda, shape)

    def _correlate(self, noise):
        if self.correlation <= 0:
            return noise
        sigma = self.correlation
        gain = 2 * np.sqrt(np.pi) * sigma if sigma > 0.6 else 1.0
        return gaussian_filter(noise, sigma) * np.float32(min(gain, 1.5))

    def _detector_terms(self, rng, shape):
        """Yield what the detector adds to single pixels, and to all."""
        if self.hot_pixels > 0:
            spikes = np.zeros(shape, np.float32)
            n = rng.binomial(spikes.size, self.hot_pixels)
            where = rng.choice(spikes.size, n, replace=False, shuffle=False)
            spikes.flat[where] = rng.exponential(self.hot_level, n)
            yield "hot_pixels", spikes
        if self.offset != 0:
            yield "offset", np.float32(self.offset)


def frame_noise_from(parameters, levels=None):
    """The noise terms of parameters, without background or range."""
    if isinstance(parameters, HRTEMNoiseParameters):
        return FrameNoise(
            column_offset_sd=parameters.column_sd,
            pointwise_slope=parameters.pointwise_slope,
            pointwise_intercept=parameters.pointwise_intercept,
            pointwise_lambda=None,
            levels=levels,
        )
    return FrameNoise(
        scan_slope=parameters.scan_slope,
        scan_intercept=parameters.scan_intercept,
        pointwise_slope=parameters.pointwise_slope,
        pointwise_intercept=parameters.pointwise_intercept,
        pointwise_lambda=parameters.pointwise_lambda,
        levels=levels,
    )
