"""The probe of a frame: what the image of a column has beyond a circular Gaussian.

Tails, displaced lobes (coma has one, two-fold astigmatism two, three-fold three),
elongation by astigmatism or by a source that is not round, and drift while a
pixel is recorded.  Lengths are in units of the column's SD, so that one probe
suits columns of any width; the image is convolved in Fourier space, and the
truth stays as it is: the position of a column is where a symmetric probe would
show it.
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy.fft import fftfreq, irfft2, next_fast_len, rfft2, rfftfreq
from scipy.optimize import nnls

PROBES = ("round", "random")
# Shares of random probes that have each part, the rest of the frames is round.
# Ranges: what aberration-corrected and uncorrected microscopes show
_ROUND_SHARE = 1 / 3
_TAIL_SHARE, _LOBE_SHARE, _ELONGATED_SHARE, _DRIFT_SHARE = 0.7, 0.6, 0.6, 0.3
_TAIL_HEIGHT, _TAIL_WIDTH = (0.0, 0.45), (1.2, 4.0)
_HALO_SHARE = 0.4  # of the tails in BF: light fringes around dark columns
_HALO_HEIGHT, _HALO_WIDTH = (-0.3, 0.0), (1.5, 3.0)
_LOBES, _LOBE_DISTANCE = (0.0, 0.45), (0.7, 2.6)
_FOLDS = (1, 2, 3, 3)  # three-fold lobes can meet between columns as one more column
_ELONGATION = (0.0, 0.9)
_DRIFT_PIXELS = (0.0, 1.5)
_REACH = 3.0  # widths of the widest part by which a frame is continued
_GRID = np.linspace(-3, 3, 13)  # centres of the Gaussians of a measured shape, SDs
# What they add to the SD of the core, in quadrature
_WIDTHS = (0.0, 0.6, 1.2, 2.0, 3.2)


@dataclass(frozen=True)
class Probe:
    """How columns of a frame are seen, relative to circular Gaussians.

    Without arguments it is round, and changes nothing.

    Attributes
    ----------
    tail : float
        Height of a wide Gaussian under each column, relative to the column;
        negative for a halo of the opposite sign.
    tail_width : float
        SD of the tail, in SDs of the column.
    lobes : float
        Sum of the weights of displaced copies of the column.
    fold : int
        Number of these, evenly around: 1 for coma, 2 and 3 for astigmatism.
    lobe_distance : float
        Their distance from the column, in its SDs.
    lobe_angle : float
        Direction of the first of them, radians from y to x.
    elongation : float
        SD, in those of the column, of the Gaussian that smears it along one
        direction.
    elongation_angle : float
        Its direction, radians from y to x.
    drift : float
        Distance in pixels that the specimen moves while a pixel is recorded.
    drift_angle : float
        Direction of the drift, radians from y to x.
    measured : tuple of tuple of float
        Further Gaussians: weight, y, x (in SDs of the column) and the SD that
        each adds to the column's in quadrature; see `from_shape`.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.simulate.render import render_columns
    >>> column = render_columns([[16, 16]], [1.0], [2.0], (33, 33))
    >>> seen = Probe(tail=0.3, tail_width=3).apply(column, sigma=2)
    >>> bool(np.isclose(seen[16, 16], 1, atol=0.01)), bool(seen[16, 24] > 0.05)
    (True, True)
    """

    tail: float = 0.0
    tail_width: float = 2.0
    lobes: float = 0.0
    fold: int = 0
    lobe_distance: float = 1.5
    lobe_angle: float = 0.0
    elongation: float = 0.0
    elongation_angle: float = 0.0
    drift: float = 0.0
    drift_angle: float = 0.0
    measured: tuple = ()

    def __post_init__(self):
        if self.tail_width <= 1:
            raise ValueError(
                f"tail_width={self.tail_width!r} is not wider than the column; give "
                "its SD in units of the column's, above 1."
            )
        for name in ("lobes", "fold", "elongation", "drift"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is negative; give 0 or more."
                )

    @property
    def is_round(self):
        """Whether columns are circular Gaussians."""
        spread = (self.tail, self.lobes * self.fold, self.elongation, self.drift)
        return not any(spread) and not self.measured

    def components(self):
        """Gaussians that a point becomes, in units of the column's SD.

        Returns
        -------
        weights : numpy.ndarray, shape (n,)
        centres : numpy.ndarray, shape (n, 2)
            y, x.
        covariances : numpy.ndarray, shape (n, 2, 2)
            What each adds to the covariance of the column.
        """
        parts = list(self.measured) or [(1.0, 0.0, 0.0, 0.0)]
        if self.tail:
            weight = self.tail * self.tail_width**2
            parts.append((weight, 0.0, 0.0, np.sqrt(self.tail_width**2 - 1)))
        for i in range(self.fold):
            angle = self.lobe_angle + 2 * np.pi * i / self.fold
            y, x = (
                self.lobe_distance * np.cos(angle),
                self.lobe_distance * np.sin(angle),
            )
            parts.append((self.lobes / self.fold, y, x, 0.0))
        parts = np.array(parts)
        along = np.array([np.cos(self.elongation_angle), np.sin(self.elongation_angle)])
        smear = self.elongation**2 * np.outer(along, along)
        covariances = parts[:, 3, None, None] ** 2 * np.eye(2) + smear
        return parts[:, 0], parts[:, 1:3], covariances

    def apply(self, image, sigma):
        """Show an image of columns as this probe does.

        Parameters
        ----------
        image : numpy.ndarray, shape (h, w)
            Columns on zero, as circular Gaussians.
        sigma : float
            SD of the columns, in pixels.

        Returns
        -------
        numpy.ndarray of float32, shape (h, w)
            A lone column keeps its height at its position; the frame is
            continued by its mirror image.
        """
        if self.is_round:
            return image
        _, centres, covariances = self.components()
        widest = np.sqrt(1 + covariances[:, [0, 1], [0, 1]].max(initial=0))
        reach = np.abs(centres).max(initial=0) + _REACH * widest
        pad = [min(int(np.ceil(reach * sigma + self.drift)), n) for n in image.shape]
        padded = np.pad(image, [(p, p) for p in pad], mode="symmetric")
        size = tuple(next_fast_len(n, real=True) for n in padded.shape)
        spectrum = rfft2(padded.astype(np.float32, copy=False), size)
        seen = irfft2(spectrum * self._transfer(size, sigma), size)
        rows, columns = image.shape
        return seen[pad[0] : pad[0] + rows, pad[1] : pad[1] + columns]

    def _transfer(self, shape, sigma):
        """Fourier transform of the image of a point; a column keeps its height."""
        weights, centres, covariances = self.components()
        y = sigma * fftfreq(shape[0]).astype(np.float32)[:, None]
        x = sigma * rfftfreq(shape[1]).astype(np.float32)[None]
        transfer = np.zeros(np.broadcast_shapes(y.shape, x.shape), np.complex64)
        for weight, centre, cov in zip(weights, centres, covariances, strict=True):
            # The exponential of a sum, separable where nothing is oblique
            down = np.exp(-2 * np.pi * (np.pi * cov[0, 0] * y**2 + 1j * centre[0] * y))
            across = np.exp(
                -2 * np.pi * (np.pi * cov[1, 1] * x**2 + 1j * centre[1] * x)
            )
            part = (weight * down) * across
            if cov[0, 1]:
                part *= np.exp(-4 * np.pi**2 * cov[0, 1] * y * x)
            transfer += part
        if self.drift:
            along = np.cos(self.drift_angle) * y + np.sin(self.drift_angle) * x
            transfer *= np.sinc(along * (self.drift / sigma)).astype(np.float32)
        return transfer / np.float32(self._height(sigma))

    def _height(self, sigma):
        """Height of a column of unit height, at its position."""
        weights, centres, covariances = self.components()
        along = np.array([np.cos(self.drift_angle), np.sin(self.drift_angle)])
        # A uniform segment as a Gaussian of its variance: exact to second order
        drift = (self.drift / sigma) ** 2 / 12 * np.outer(along, along)
        total = np.eye(2) + covariances + drift
        inverse = np.linalg.inv(total)
        distance = np.einsum("ni,nij,nj->n", centres, inverse, centres)
        return np.sum(weights * np.exp(-distance / 2) / np.sqrt(np.linalg.det(total)))

    @classmethod
    def from_shape(cls, shape, sigma):
        """Make a probe of the image of one column.

        Parameters
        ----------
        shape : array-like, shape (n, n)
            Image of a lone column without background, its position at the
            centre of the middle pixel; `n` is odd.
        sigma : float
            SD, in pixels, of the circular Gaussian that a column would be.

        Returns
        -------
        Probe
            A sum of Gaussians of non-negative weights, fitted to the image.

        Raises
        ------
        ValueError
            If the image is not square with an odd side, or has nothing in it.
        """
        shape = np.asarray(shape, float)
        if shape.ndim != 2 or shape.shape[0] != shape.shape[1] or not len(shape) % 2:
            raise ValueError(
                f"shape is an array of {shape.shape}; give a square image with an odd "
                "number of rows, the column in its middle."
            )
        axis = (np.arange(len(shape)) - len(shape) // 2) / sigma
        candidates = [(y, x, width) for width in _WIDTHS for y in _GRID for x in _GRID]
        columns = [
            np.outer(
                np.exp(-((axis - y) ** 2) / 2 / (1 + width**2)),
                np.exp(-((axis - x) ** 2) / 2 / (1 + width**2)),
            ).ravel()
            / (1 + width**2)
            for y, x, width in candidates
        ]
        weights, _ = nnls(np.array(columns).T, shape.ravel())
        if not weights.any():
            raise ValueError(
                "shape has no positive values; give the image of a column."
            )
        kept = np.flatnonzero(weights > 1e-4 * weights.sum())
        total = weights[kept].sum()
        return cls(measured=tuple((weights[i] / total, *candidates[i]) for i in kept))


ROUND = Probe()
# Of the columns of a table of frames
PROBE_NAMES = tuple(f"probe_{f.name}" for f in fields(Probe) if f.name != "measured")


def draw_probe(rng, mode="HAADF"):
    """Draw what the probe of a microscope may be.

    Parameters
    ----------
    rng : numpy.random.Generator
    mode : {"HAADF", "BF", "HRTEM"}
        In BF some columns have a halo of the opposite sign, in HRTEM, whose
        columns have no probe, frames are smeared along one direction.

    Returns
    -------
    Probe
        Round in a third of the cases.

    Examples
    --------
    >>> draw_probe(np.random.default_rng(2)).is_round
    True
    """
    if rng.random() < _ROUND_SHARE:
        return ROUND
    parts = {}
    has_tail, has_lobes, has_elongation, has_drift = rng.random(4) < (
        _TAIL_SHARE,
        _LOBE_SHARE,
        _ELONGATED_SHARE,
        _DRIFT_SHARE,
    )
    if has_tail and mode != "HRTEM":
        halo = mode == "BF" and rng.random() < _HALO_SHARE
        parts["tail"] = rng.uniform(*(_HALO_HEIGHT if halo else _TAIL_HEIGHT))
        parts["tail_width"] = rng.uniform(*(_HALO_WIDTH if halo else _TAIL_WIDTH))
    if has_lobes and mode != "HRTEM":
        parts["fold"] = int(rng.choice(_FOLDS))
        parts["lobes"] = rng.uniform(*_LOBES)
        parts["lobe_distance"] = rng.uniform(*_LOBE_DISTANCE)
        parts["lobe_angle"] = rng.uniform(0, 2 * np.pi)
    if has_elongation:
        parts["elongation"] = rng.uniform(*_ELONGATION)
        parts["elongation_angle"] = rng.uniform(0, np.pi)
    if has_drift:
        parts["drift"] = rng.uniform(*_DRIFT_PIXELS)
        parts["drift_angle"] = rng.uniform(0, np.pi)
    return Probe(**parts)


def resolve_probe(probe, seed, index, mode):
    """Return the probe of a frame: that given, round, or drawn for it."""
    if isinstance(probe, Probe):
        return probe
    if probe == "round":
        return ROUND
    if probe == "random":
        return draw_probe(np.random.default_rng([seed, index, 4]), mode)
    raise ValueError(
        f"probe={probe!r} is not understood; use one of {', '.join(PROBES)}, or a "
        "Probe."
    )


def probe_columns(probes):
    """Columns of a table of probes, as arrays of floats by name."""
    return {
        name: np.array([getattr(p, name.removeprefix("probe_")) for p in probes], float)
        for name in PROBE_NAMES
    }
