"""Mean and spread of noise parameters over images, as a table to read."""

from dataclasses import dataclass

import numpy as np

from .parameters import PARAMETER_NAMES, NoiseParameters

_LABELS = {
    "atom_brightness": "atom brightness",
    "background_min": "background, lowest",
    "background_max": "background, highest",
    "scan_slope": "scan noise, slope",
    "scan_intercept": "scan noise, intercept",
    "pointwise_slope": "pointwise noise, slope",
    "pointwise_intercept": "pointwise noise, intercept",
    "pointwise_lambda": "pointwise noise, lambda",
}


@dataclass(frozen=True, repr=False)
class NoiseSummary:
    """Mean and standard deviation of noise parameters over images.

    Prints as a table, also in notebooks.

    Attributes
    ----------
    mean, sd : NoiseParameters
        Over the images that identify a parameter; NaN where none does,
        and `sd` where fewer than two do.
    counts : dict of int
        How many images identify each parameter.
    n_images : int
    """

    mean: NoiseParameters
    sd: NoiseParameters
    counts: dict
    n_images: int

    def _rows(self):
        values = zip(self.mean.to_tuple(), self.sd.to_tuple(), strict=True)
        for name, (mean, sd) in zip(PARAMETER_NAMES, values, strict=True):
            yield _LABELS[name], f"{mean:.4g}", f"{sd:.3g}", str(self.counts[name])

    def __repr__(self):
        header = ("parameter", "mean", "SD", "images")
        rows = [header, *self._rows()]
        lines = [f"{r[0]:<28}{r[1]:>11}{r[2]:>11}{r[3]:>8}" for r in rows]
        return "\n".join([f"Noise of {self.n_images} image(s)", *lines])

    def _repr_html_(self):
        body = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        return (
            f"<table><caption>Noise of {self.n_images} image(s)</caption><tr>"
            "<th>parameter</th><th>mean</th><th>SD</th><th>images</th></tr>"
            f"{body}</table>"
        )


def summarise(values):
    """Mean and standard deviation over rows of noise parameters.

    Parameters
    ----------
    values : array-like, shape (n, 8)
        One row per image in the order of ``PARAMETER_NAMES``, NaN where
        an image does not identify a parameter.

    Returns
    -------
    NoiseSummary

    Examples
    --------
    >>> import numpy as np
    >>> summary = summarise(np.outer([1, 3], np.arange(8)))
    >>> summary.mean.background_min, summary.counts["scan_slope"]
    (2.0, 2)
    """
    values = np.asarray(values, float).reshape(-1, len(PARAMETER_NAMES))
    known = np.isfinite(values)
    counts = known.sum(0)
    filled = np.where(known, values, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(0) / counts
        square = (np.where(known, values - mean, 0) ** 2).sum(0)
        sd = np.sqrt(np.where(counts > 1, square / (counts - 1), np.nan))
    return NoiseSummary(
        mean=NoiseParameters(*mean.tolist()),
        sd=NoiseParameters(*sd.tolist()),
        counts=dict(zip(PARAMETER_NAMES, counts.tolist(), strict=True)),
        n_images=len(values),
    )
