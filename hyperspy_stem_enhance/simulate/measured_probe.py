"""Probes of a real microscope: by its aberrations, or as an image shows them.

The intensity of a probe is the squared modulus of the Fourier transform of its
aperture, with the phase plate of the aberrations (O. L. Krivanek, N. Dellby and
A. R. Lupini, Ultramicroscopy 78, 1 (1999), whose names the coefficients have), and
blurred by the source and the column.
"""

import numpy as np
from scipy.constants import c, e, h, m_e
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from .probe import Probe

_SAMPLING = 0.1  # of the resolution, per pixel of a computed probe
_SIDE = 256  # pixels of a computed probe
_HALF = 25  # pixels around the column that a shape has on each side
_REACH = 5.0  # SDs around a column that a measured shape has
_FWHM_TO_SD = 1 / np.sqrt(8 * np.log(2))
_CORE = 0.75  # of its height, down to which a peak is compared with a Gaussian
_CORE_TO_SD = np.sqrt(-2 * np.log(_CORE))  # half the width there, in SDs


def probe_from_aberrations(
    energy,
    convergence,
    *,
    C10=0.0,
    C12=0.0,
    phi12=0.0,
    C21=0.0,
    phi21=0.0,
    C23=0.0,
    phi23=0.0,
    C30=0.0,
    source=0.08,
    column=0.03,
):
    """Make a probe of the aberrations of a microscope.

    Parameters
    ----------
    energy : float
        Of the electrons, in keV.
    convergence : float
        Semi-angle of the aperture, in mrad.
    C10, C12, C21, C23, C30 : float
        Defocus, two-fold astigmatism, axial coma, three-fold astigmatism and
        spherical aberration, in nm.
    phi12, phi21, phi23 : float
        Azimuths of those that have one, in radians from y to x.
    source : float, default 0.08
        Full width at half maximum of the image of the source, in nm.
    column : float, default 0.03
        SD of the potential and vibration of a column, in nm.

    Returns
    -------
    Probe
        Relative to what the same microscope shows without aberrations.

    Raises
    ------
    ValueError
        If `energy` or `convergence` is not positive.

    Examples
    --------
    >>> probe = probe_from_aberrations(200, 24, C21=800)
    >>> probe.is_round, probe_from_aberrations(200, 24).is_round
    (False, True)
    """
    if not energy > 0 or not convergence > 0:
        raise ValueError(
            f"energy={energy!r} keV and convergence={convergence!r} mrad must be "
            "positive."
        )
    length = _wavelength(energy)
    sampling = _SAMPLING * length / (convergence * 1e-3)  # nm per pixel
    k = np.fft.fftfreq(_SIDE, sampling)
    alpha = length * np.hypot(k[:, None], k)
    phi = np.arctan2(k[None], k[:, None])
    blur = source * _FWHM_TO_SD
    spread = np.exp(-2 * np.pi**2 * (blur**2 + column**2) * (k[:, None] ** 2 + k**2))
    chi = (
        C10 * alpha**2 / 2
        + C12 * alpha**2 / 2 * np.cos(2 * (phi - phi12))
        + C21 * alpha**3 / 3 * np.cos(phi - phi21)
        + C23 * alpha**3 / 3 * np.cos(3 * (phi - phi23))
        + C30 * alpha**4 / 4
    )
    aperture = (alpha < convergence * 1e-3).astype(float)

    def image(phase):
        wave = np.fft.ifft2(aperture * np.exp(-1j * phase))
        seen = np.fft.ifft2(np.fft.fft2(np.abs(wave) ** 2) * spread).real
        return np.fft.fftshift(seen)

    ideal = image(np.zeros_like(chi))
    sigma = _core_sigma(ideal, (_SIDE // 2, _SIDE // 2))
    if not any((C10, C12, C21, C23, C30)):
        return Probe()
    step = sigma * _REACH / _HALF
    seen = image(2 * np.pi / length * chi)
    middle = np.array([_SIDE // 2, _SIDE // 2])
    return Probe.from_shape(_patch(seen, middle, step), _HALF / _REACH)


def probe_from_image(image, positions, isolation=8.0):
    """Measure the probe as the mean shape of isolated columns.

    Parameters
    ----------
    image : array-like, shape (h, w)
        Bright columns; enhanced with their background kept, or of little noise.
    positions : array-like, shape (n, 2) or more columns
        (y, x) in pixels, such as a table of ``detect_atoms``.
    isolation : float, default 8
        Distance to the next column, in SDs of a column, from which one counts
        as isolated.

    Returns
    -------
    Probe
        Relative to circular Gaussians as narrow as the columns are at their top,
        where they are narrowest.

    Raises
    ------
    ValueError
        If no column is isolated and whole in the image.

    Examples
    --------
    >>> from hyperspy_stem_enhance.simulate.render import render_columns
    >>> where = np.array([[40.0, 40.0], [40.0, 100.0], [100.0, 70.0]])
    >>> image = render_columns(where, np.ones(3), np.full(3, 3.0), (140, 140))
    >>> seen = Probe(tail=0.3, tail_width=2.0).apply(image, 3.0)
    >>> probe = probe_from_image(seen, where)
    >>> probe.is_round
    False
    """
    image = np.asarray(image, float)
    positions = np.asarray(positions, float)[:, :2]
    sigmas = [_core_sigma(image, np.rint(p).astype(int)) for p in positions]
    sigma = float(np.nanmedian(sigmas)) if len(sigmas) else np.nan
    nearest = np.full(len(positions), np.inf)
    if len(positions) > 1:
        nearest = cKDTree(positions).query(positions, 2)[0][:, 1]
    edge = np.minimum(positions, np.array(image.shape) - 1 - positions).min(axis=1)
    isolated = (nearest > isolation * sigma) & (edge > _REACH * sigma)
    if not isolated.any():
        raise ValueError(
            f"none of the {len(positions)} columns is {isolation:g} SDs from all "
            "others and whole in the image; give an image with single atoms, or a "
            "lower isolation."
        )
    step = sigma * _REACH / _HALF
    shape = np.mean([_patch(image, p, step) for p in positions[isolated]], axis=0)
    rim = np.concatenate([shape[0], shape[-1], shape[:, 0], shape[:, -1]])
    return Probe.from_shape(shape - np.median(rim), _HALF / _REACH)


def _wavelength(energy):
    """Of electrons, in nm, relativistic."""
    volts = energy * 1e3
    momentum = np.sqrt(2 * m_e * e * volts * (1 + e * volts / (2 * m_e * c**2)))
    return 1e9 * h / momentum


def _patch(image, centre, step):
    """Square of ``2 * _HALF + 1`` values around a place, `step` pixels apart."""
    axis = step * np.arange(-_HALF, _HALF + 1)
    y, x = np.meshgrid(centre[0] + axis, centre[1] + axis, indexing="ij")
    return map_coordinates(image, [y, x], order=3, mode="nearest")


def _core_sigma(image, place):
    """SD of the Gaussian that falls as a peak does where it falls fastest.

    Down to `_CORE` of the height, so that tails and lobes hardly widen it; NaN
    where there is no peak.
    """
    y, x = place
    if not (0 <= y < image.shape[0] and 0 <= x < image.shape[1]):
        return np.nan
    low, height = np.median(image), image[y, x] - np.median(image)
    widths = []
    for line in (image[y:, x], image[y::-1, x], image[y, x:], image[y, x::-1]):
        below = np.flatnonzero(line - low < _CORE * height)
        if height <= 0 or not len(below) or below[0] == 0:
            return np.nan
        i = below[0]
        beyond = (line[i - 1] - low - _CORE * height) / (line[i - 1] - line[i])
        widths.append(i - 1 + beyond)
    return min(widths[0] + widths[1], widths[2] + widths[3]) / 2 / _CORE_TO_SD
