"""What is simulated: the recipe of a frame, and the frame with its truth."""

from dataclasses import dataclass, field

import numpy as np

from ..noise.parameters import HRTEMNoiseParameters, NoiseParameters
from .noise import FrameNoise
from .probe import ROUND, Probe
from .render import render_columns

_NARROW = 0.4  # SD of dots and of narrow columns, relative to the column's
_LEAST_SIGMA = 1.0  # pixels


@dataclass(frozen=True)
class Recipe:
    """What a frame is to be, before it is simulated.

    Attributes
    ----------
    arrangement : str
        One of `arrangements.ARRANGEMENTS`, or of `nuclei.HRTEM_ARRANGEMENTS`.
    structures : tuple of ProjectedStructure
        None, one or two.
    kind : str
        Kind of noise: "published", "scanning", "camera", "low-dose" or
        "given".
    contrast : float
        Height of the brightest columns; of HRTEM frames, the range of the
        intensity.
    parameters : NoiseParameters, HRTEMNoiseParameters or None
        Background and noise, of the kinds "published" and "given". Of
        HRTEM frames always, with NaN for what has no such parameter.
    noise : FrameNoise
        The terms of the noise and their parameters.
    appearance : str
        How columns of HRTEM frames look: "spots", "bright" or "dark", the
        latter two by phase contrast. Empty for scanned frames.
    probe : Probe
        What the image of a column has beyond a circular Gaussian.
    artefact : str
        One of `artefacts.ARTEFACTS`; empty for a frame without any.
    """

    arrangement: str
    structures: tuple
    kind: str
    contrast: float
    parameters: NoiseParameters | HRTEMNoiseParameters | None
    noise: FrameNoise
    appearance: str = ""
    probe: Probe = ROUND
    artefact: str = ""

    @property
    def structure(self):
        """Names of the structures, joined by " | "; empty without any."""
        return " | ".join(structure.name for structure in self.structures)

    @property
    def zone_axis(self):
        """Zone axes of the structures as "[uvw]", joined by " | "."""
        axes = ("[" + " ".join(map(str, s.zone_axis)) + "]" for s in self.structures)
        return " | ".join("" if axis == "[]" else axis for axis in axes)


@dataclass
class Scene:
    """A simulated frame and its truth.

    Attributes
    ----------
    noisy : numpy.ndarray of float32, shape (h, w)
        What the microscope would record.
    clean : numpy.ndarray of float32, shape (h, w)
        The columns alone, bright on zero in every mode.
    background : numpy.ndarray of float32, shape (h, w)
        What remains without columns and noise.
    columns : numpy.ndarray of float32, shape (m, 4)
        y, x, intensity (height in the image's units) and sigma of all
        columns, those just outside of the frame among them; y, x and
        sigma in pixels.
    noise : FrameNoise
        The noise that was applied.
    kind, arrangement : str
        Kind of noise, and name of the arrangement.
    recipe : Recipe
        All that was drawn for the frame as a whole.
    terms : dict of str to numpy.ndarray of float32, shape (h, w)
        The terms of the noise (`noise.TERMS`) if they were asked for,
        else empty. With background and columns they add up to `noisy`, where the
        probe is round and nothing damaged.
    shown : numpy.ndarray of bool, shape (h, w), or None
        False where an artefact hides the specimen; None where all is shown.
    """

    noisy: np.ndarray
    clean: np.ndarray
    background: np.ndarray
    columns: np.ndarray
    noise: FrameNoise
    kind: str
    arrangement: str
    recipe: Recipe
    terms: dict = field(default_factory=dict)
    shown: np.ndarray | None = None

    @property
    def positions(self):
        """Those of `columns` whose centres are inside the frame and shown.

        Returns
        -------
        numpy.ndarray of float32, shape (n, 4)
        """
        y, x = self.columns[:, :2].T
        height, width = self.clean.shape
        inside = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)
        columns = self.columns[inside]
        if self.shown is None:
            return columns
        return columns[self.shown[tuple(np.rint(columns[:, :2]).astype(int).T)]]

    @property
    def label(self):
        """A dot at each column: what networks that find columns learn.

        Gaussian dots of height 1 at the columns of `positions`, with 0.4
        of the column's SD and at least 1 pixel, so that dots of columns
        that overlap stay apart; where dots overlap the sum is cut at 1.

        Returns
        -------
        numpy.ndarray of float32, shape (h, w)
        """
        dots = self._narrow_columns(self.positions, 1.0)
        return np.minimum(dots, 1, out=dots)

    @property
    def narrow(self):
        """The columns of `clean`, as high but narrower: super-resolution.

        They have 0.4 of their SD, and at least 1 pixel.

        Returns
        -------
        numpy.ndarray of float32, shape (h, w)
        """
        narrow = self._narrow_columns(self.columns, self.columns[:, 2])
        return narrow if self.shown is None else narrow * self.shown

    def _narrow_columns(self, columns, heights):
        sigmas = np.maximum(_NARROW * columns[:, 3], _LEAST_SIGMA)
        heights = np.broadcast_to(heights, sigmas.shape)
        return render_columns(columns[:, :2], heights, sigmas, self.clean.shape)
