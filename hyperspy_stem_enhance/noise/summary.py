"""Noise parameters and readings over images, as a table to read."""

import re
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from html import escape

import numpy as np

from .parameters import (
    HRTEMNoiseParameters,
    NoiseParameters,
    parameter_class,
    parameter_names,
)
from .readings import (
    describe_notes,
    read_errors,
    read_reasons,
    read_values,
    reading_names,
)
from .record import from_record

_LABELS = {
    "atom_brightness": "atom brightness",
    "background_min": "background, lowest",
    "background_max": "background, highest",
    "scan_slope": "scan noise, slope",
    "scan_intercept": "scan noise, intercept",
    "intensity_min": "intensity, 1st percentile",
    "intensity_max": "intensity, 99th percentile",
    "column_sd": "column noise, SD",
    "pointwise_slope": "pointwise noise, slope",
    "pointwise_intercept": "pointwise noise, intercept",
    "pointwise_lambda": "pointwise noise, lambda",
    "noise_sd": "noise, SD of a pixel",
    "snr": "signal-to-noise ratio",
    "column_snr": "atom brightness / noise SD",
    "gain": "gain, per electron",
    "electrons_per_pixel": "electrons per pixel",
}


_NUMBERS = re.compile(r" \([^)]*\)")  # in brackets, and of one image alone


@dataclass(frozen=True, repr=False)
class NoiseSummary:
    """Mean and spread of noise parameters and readings over images.

    Prints as a table, also in notebooks.

    Attributes
    ----------
    mean, sd : NoiseParameters or HRTEMNoiseParameters
        Over the images that identify a parameter; NaN where none does,
        and `sd` where fewer than two do.
    counts : dict of int
        How many images identify each parameter or reading.
    n_images : int
    readings : dict of (float, float)
        Mean and SD of each of `reading_names`; the standard error instead
        of the SD for a single image.
    notes : tuple of str
        What puts images in doubt, and which.
    reasons : dict of str
        Why parameters and readings are NaN, the most frequent reason of
        each.
    """

    mean: NoiseParameters | HRTEMNoiseParameters
    sd: NoiseParameters | HRTEMNoiseParameters
    counts: dict
    n_images: int
    readings: dict = field(default_factory=dict)
    notes: tuple = ()
    reasons: dict = field(default_factory=dict)

    def _header(self):
        if self.n_images == 1:
            return "", "value", "error", "images"
        return "", "mean", "SD", "images"

    def _rows(self):
        for name, (mean, spread) in self.readings.items():
            known = "" if np.isnan(spread) else f"{spread:.3g}"
            yield _LABELS[name], f"{mean:.4g}", known, str(self.counts[name])

    def _remarks(self):
        """What is to be said below the table."""
        yield from self.notes
        names = {}
        for name, reason in self.reasons.items():
            names.setdefault(reason, []).append(_LABELS[name])
        for reason, labels in names.items():
            yield f"NaN for {'; '.join(labels)}: {reason}"

    def __repr__(self):
        rows = [self._header(), *self._rows()]
        lines = [f"{r[0]:<28}{r[1]:>11}{r[2]:>11}{r[3]:>8}" for r in rows]
        remarks = [
            textwrap.fill(remark, 78, initial_indent="- ", subsequent_indent="  ")
            for remark in self._remarks()
        ]
        return "\n".join([f"Noise of {self.n_images} image(s)", *lines, *remarks])

    def _repr_html_(self):
        body = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        head = "".join(f"<th>{cell}</th>" for cell in self._header())
        remarks = "".join(f"<li>{escape(remark)}</li>" for remark in self._remarks())
        return (
            f"<table><caption>Noise of {self.n_images} image(s)</caption>"
            f"<tr>{head}</tr>{body}</table>"
            + (f"<ul>{remarks}</ul>" if remarks else "")
        )


def summarise(rows, names=(), dark_level=None, mode="HAADF"):
    """Mean and spread over rows of calibrated images.

    Parameters
    ----------
    rows : array-like, shape (n, k)
        One row per image, as of `record.to_record`, or the parameters
        alone. NaN where an image does not identify a parameter.
    names : sequence of str, optional
        Of the images, for the notes.
    dark_level : float, optional
        Intensity without electrons, as of `gain.estimate_gain`.
    mode : {"HAADF", "BF", "HRTEM"}

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
    results = [from_record(row, mode) for row in rows]
    values = np.array([read_values(result, dark_level) for result in results])
    n_parameters = len(parameter_names(mode))
    alone = np.shape(rows)[-1] == n_parameters
    if alone:
        values = values[:, :n_parameters]
    mean, sd, counts = _mean_and_sd(values)
    spread = read_errors(results[0], dark_level) if len(results) == 1 else sd
    shown = reading_names(mode)[: values.shape[1]]
    make = parameter_class(mode)
    return NoiseSummary(
        mean=make(*mean[:n_parameters].tolist()),
        sd=make(*sd[:n_parameters].tolist()),
        counts=dict(zip(shown, counts.tolist(), strict=True)),
        n_images=len(results),
        readings={
            name: (float(a), float(b))
            for name, a, b in zip(shown, mean, spread, strict=False)
        },
        notes=tuple(describe_notes(results, names).values()),
        reasons={} if alone else _common_reasons(results, dark_level),
    )


def _mean_and_sd(values):
    """Mean, SD and number of the values that are known, by column."""
    known = np.isfinite(values)
    counts = known.sum(0)
    filled = np.where(known, values, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(0) / counts
        square = (np.where(known, values - mean, 0) ** 2).sum(0)
        sd = np.sqrt(np.where(counts > 1, square / (counts - 1), np.nan))
    return mean, sd, counts


def _common_reasons(results, dark_level):
    """Most frequent reason of each reading that is NaN in some image."""
    found = {}
    for result in results:
        for name, reason in read_reasons(result, dark_level).items():
            if len(results) > 1:
                reason = _NUMBERS.sub("", reason)
            found.setdefault(name, Counter())[reason] += 1
    texts = {}
    for name, counter in found.items():
        [(reason, n)] = counter.most_common(1)
        share = f" ({n} of {len(results)} images)" if len(results) > 1 else ""
        texts[name] = reason + share
    return texts
