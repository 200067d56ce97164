"""The step that refines the columns of frames."""

from dataclasses import dataclass

import numpy as np

from ..detect.refinement import REFINED_NAMES, check_settings, refine_positions
from .base import Step, Table


@dataclass(frozen=True)
class Refinement(Step):
    """Refine the positions of columns on frames, all columns of one at once.

    Parameters
    ----------
    names : tuple of str
        Fields of the tables, starting with "y", "x".
    method, mode, contrast, background, sigma, mask_radius, variance : optional
        As of :func:`.detect.refinement.refine_positions`.

    Raises
    ------
    ValueError
        If an argument is unknown or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.steps import Refinement
    >>> y, x = np.mgrid[:32, :32]
    >>> frames = np.exp(-((y - 12.3) ** 2 + (x - 20) ** 2) / 9)[None]
    >>> [table] = Refinement()(frames, tables=[np.array([[12.0, 20.0]])])
    >>> table[0, :2].round(2)
    array([12.3, 20. ])
    """

    names: tuple = ("y", "x")
    method: str = "gaussian"
    mode: str = "HAADF"
    contrast: str = "bright"
    background: str = "constant"
    sigma: float | None = None
    mask_radius: float | None = None
    variance: tuple | None = None

    def __post_init__(self):
        check_settings(**self._settings())

    def _settings(self):
        return {name: value for name, value in vars(self).items() if name != "names"}

    @property
    def joined_names(self):
        """Fields of the tables before, and those that refining adds."""
        added = (n for n in REFINED_NAMES[self.method] if n not in self.names)
        return (*self.names, *added)

    @property
    def outputs(self):
        """One table with the fields `joined_names`."""
        return (Table(len(self.joined_names)),)

    def record(self):
        """What is to be written down of the step."""
        record = {k: v for k, v in self._settings().items() if v is not None}
        if self.mode != "HRTEM":  # other modes tell how columns look
            del record["contrast"]
        return record

    def __call__(self, frames, tables):
        """Refined tables of frames (n, h, w).

        Parameters
        ----------
        frames : numpy.ndarray, shape (n, h, w)
        tables : sequence of numpy.ndarray, shape (m, k)
            Columns of each frame, with the fields `names`.

        Returns
        -------
        list of numpy.ndarray, shape (m, len(joined_names))
        """
        joined, settings = self.joined_names, self._settings()
        places = [joined.index(name) for name in REFINED_NAMES[self.method]]
        results = []
        for frame, before in zip(frames, tables, strict=True):
            table = np.empty((len(before), len(joined)))
            table[:, : len(self.names)] = before
            table[:, places] = refine_positions(frame, before, **settings)
            results.append(table)
        return results
