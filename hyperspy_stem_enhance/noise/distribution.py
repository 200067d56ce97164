"""Draw noise parameters like those of calibrated images.

Parameters of real images hang together: where columns are bright, their
noise is strong.  Each draw starts from one of the images and moves part of
the way towards, or away from, one of the images most like it, as in
N. V. Chawla et al., "SMOTE", J. Artif. Intell. Res. 16, 321 (2002).
"""

import hashlib
import warnings
from dataclasses import dataclass

import numpy as np

from .parameters import HRTEMNoiseParameters, NoiseParameters, parameter_names

_NEIGHBOURS = 5  # images most like one
_REACH = 0.5  # largest part of the way to one of them
_GAUSSIAN = 0.14  # lambda of nearly Gaussian noise
_SHAPES = (-0.45, 2.0)  # of lambda: noise below has no finite variance
_LEAST_CONTRAST = 0.5  # of the smallest atom brightness
_LEAST_SD = 0.05  # of the pointwise noise, relative to the largest in the image


@dataclass(frozen=True)
class NoiseDistribution:
    """Parameters of calibrated images, to draw others from.

    Attributes
    ----------
    rows : numpy.ndarray of float, shape (n, k)
        Of each image, in the order of ``parameter_names(mode)``; all known.
    mode : {"HAADF", "BF", "HRTEM"}
    """

    rows: np.ndarray
    mode: str = "HAADF"

    def draw(self, rng):
        """Draw the parameters of one image.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        NoiseParameters or HRTEMNoiseParameters
            Of a single image, exactly its own.

        Examples
        --------
        >>> import numpy as np
        >>> rows = np.outer([1.0, 1.1, 1.2], [90, 10, 50, 0.1, 5, 0.07, 11, 0.2])
        >>> drawn = NoiseDistribution(rows).draw(np.random.default_rng(0))
        >>> 80 < drawn.atom_brightness < 120
        True
        """
        index = int(rng.integers(len(self.rows)))
        row = self.rows[index]
        near = self._most_alike(index)
        if len(near):
            other = self.rows[rng.choice(near)]
            row = row + rng.uniform(-_REACH, _REACH) * (other - row)
        return self._bounded(row)

    def _most_alike(self, index):
        """Indices of the images whose parameters are most alike."""
        spread = self.rows.std(axis=0)
        scale = np.where(spread > 0, spread, 1)
        distance = (((self.rows - self.rows[index]) / scale) ** 2).sum(1)
        order = np.argsort(distance, kind="stable")
        return order[order != index][:_NEIGHBOURS]

    def _bounded(self, row):
        """Parameters within what an image can have."""
        values = dict(zip(parameter_names(self.mode), row.tolist(), strict=True))
        if self.mode == "HRTEM":
            return _bounded_hrtem(values)
        column = parameter_names(self.mode).index("atom_brightness")
        return _bounded_scanned(values, self.mode, self.rows[:, column].min())


def _bounded_scanned(values, mode, least_brightness):
    brightness = max(values["atom_brightness"], _LEAST_CONTRAST * least_brightness)
    low, high = sorted((values["background_min"], values["background_max"]))
    darkest = low - brightness if mode == "BF" else low
    brightest = high if mode == "BF" else high + brightness
    values |= {
        "atom_brightness": brightness,
        "background_min": low,
        "background_max": high,
        "scan_slope": max(values["scan_slope"], 0.0),
        "scan_intercept": max(values["scan_intercept"], 0.0),
        "pointwise_intercept": _raised_intercept(values, darkest, brightest),
        "pointwise_lambda": float(np.clip(values["pointwise_lambda"], *_SHAPES)),
    }
    return NoiseParameters(**values)


def _bounded_hrtem(values):
    low, high = sorted((values["intensity_min"], values["intensity_max"]))
    values |= {
        "intensity_min": low,
        "intensity_max": high,
        "column_sd": max(values["column_sd"], 0.0),
        "pointwise_intercept": _raised_intercept(values, low, high),
    }
    return HRTEMNoiseParameters(**values)


def _raised_intercept(values, darkest, brightest):
    """Intercept with which the SD is positive at all intensities."""
    slope, intercept = values["pointwise_slope"], values["pointwise_intercept"]
    sd = slope * np.array([darkest, brightest]) + intercept
    return intercept + max(0.0, _LEAST_SD * max(sd.max(), 0.0) - sd.min())


def describe_noise(distribution):
    """Short name of a distribution, the same for the same numbers alone."""
    rows = np.ascontiguousarray(distribution.rows, np.float64)
    return f"{distribution.mode} {hashlib.sha256(rows.tobytes()).hexdigest()[:16]}"


def distribution_of(results, mode="HAADF"):
    """Distribution of the parameters of calibrated images.

    Parameters
    ----------
    results : sequence of CalibrationResult
        Images that could not be used are left out.
    mode : {"HAADF", "BF", "HRTEM"}

    Returns
    -------
    NoiseDistribution

    Raises
    ------
    ValueError
        If no image identifies the background, the height of its columns,
        the range of an HRTEM image, or the level of a noise term.

    Warns
    -----
    UserWarning
        For parameters that no image identifies and that are replaced:
        slopes by zero with the level of the noise, lambda by 0.14.

    Notes
    -----
    A parameter that some images do not identify is taken from the others:
    a slope from their mean, such that the SD stays that of the image at
    its mean intensity, the rest from one image after the other.
    """
    names = parameter_names(mode)
    # what every usable image has
    always = "intensity_min" if mode == "HRTEM" else "background_min"
    results = [r for r in results if np.isfinite(getattr(r.parameters, always))]
    rows = np.array([r.parameters.to_tuple() for r in results]).reshape(-1, len(names))
    columns = dict(zip(names, rows.T, strict=True))
    _fill_lines(columns, results)
    missing = [n for n, values in columns.items() if not np.isfinite(values).any()]
    if missing:
        reason = next((r.reasons[missing[0]] for r in results if r.reasons), "")
        raise ValueError(
            f"noise holds no value of {', '.join(missing)} in any image"
            f"{f' ({reason})' if reason else ''}; calibrate images on which they can "
            "be measured."
        )
    for column in rows.T:
        known = np.isfinite(column)
        column[~known] = np.resize(column[known], np.count_nonzero(~known))
    return NoiseDistribution(rows, mode)


def _fill_lines(columns, results):
    """Fill slopes with the level of the noise, and lambda, in place."""
    replaced = {}
    for term in ("scan", "pointwise"):
        if f"{term}_slope" not in columns:
            continue
        slopes = columns[f"{term}_slope"]
        intercepts = columns[f"{term}_intercept"]
        unknown = np.isnan(slopes)
        if not unknown.any():
            continue
        usual = 0.0 if unknown.all() else float(np.mean(slopes[~unknown]))
        if unknown.all():
            replaced[f"{term}_slope"] = "zero, with the level of the noise"
        for i in np.nonzero(unknown)[0]:
            levels = results[i].levels
            if term == "scan":
                # its intercept is the level without gradients
                slopes[i] = usual
                intercepts[i] = np.nan_to_num(intercepts[i], nan=levels.scan_sd)
            else:
                slopes[i] = usual
                intercepts[i] = levels.pointwise_sd - usual * levels.mean
    shapes = columns.get("pointwise_lambda", ())
    if len(shapes) and np.isnan(shapes).all():
        shapes[:] = _GAUSSIAN
        replaced["pointwise_lambda"] = f"{_GAUSSIAN:g}, nearly Gaussian noise"
    if replaced:
        reasons = {n: r.reasons.get(n, "unknown") for r in results for n in replaced}
        texts = [
            f"no image identifies {name} ({reasons[name]}): taken as {value}"
            for name, value in replaced.items()
        ]
        warnings.warn("; ".join(texts), UserWarning, stacklevel=5)
