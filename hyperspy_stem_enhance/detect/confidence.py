"""What share of columns like this one are real: the calibrated confidence.

A logistic regression of what is known of a candidate, fitted to simulated
images whose truth is known, by ``python benchmarks/confidence.py fit``. The
constants of a network are in the registry of models, those of filters in
``confidence.json``.
"""

import json
from functools import lru_cache
from importlib.resources import files

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import expit

EVIDENCE = (
    "raw",
    "enhanced",
    "probability",
    "peaked",
    "misfit",
    "height",
    "apart",
    "spacing",
)
"""What may be known of a candidate, see :func:`describe_evidence`."""

_LONE = 0.1  # lone columns of a frame that filters are expected to see
_NEAREST = 9  # candidates among which a higher one is sought
# Evidence is limited to these values: beyond them more says no more
_LIMITS = {
    "raw": (-4.0, 12.0),
    "enhanced": (-4.0, 12.0),
    "probability": (-6.0, 6.0),
    "peaked": (-6.0, 0.0),
    "misfit": (-3.5, 0.0),
    "height": (-4.5, 1.0),
    "apart": (0.5, 5.0),
    "spacing": (-1.5, 0.5),
}


def describe_evidence(
    fit,
    width,
    strong,
    raw_rate=None,
    enhanced_rate=None,
    probability=None,
    peaked=None,
):
    """Numbers that the confidence follows from.

    Parameters
    ----------
    fit : GaussianFit
        The candidates.
    width : float
        Typical sigma in pixels.
    strong : float
        Height of the strong ones among them.
    raw_rate, enhanced_rate : numpy.ndarray, shape (n,), optional
        How many maxima of noise there would be for each candidate, in the
        raw and in the enhanced image: :func:`.significance.measure_false_rate`.
    probability : numpy.ndarray, shape (n,), optional
        What the network gives for a column at each candidate.
    peaked : numpy.ndarray, shape (n,), optional
        From :func:`.curvature.measure_peaks`, in the raw image.

    Returns
    -------
    dict of str to numpy.ndarray, shape (n,)
        Limited logarithms: ``raw`` and ``enhanced`` of one over the rate,
        ``probability`` of the odds, ``misfit`` of the residual over the
        height, ``height`` of the height over the strong ones; ``apart``,
        the distance to the nearest higher candidate in widths, tells parts
        of one column from two; ``spacing`` is the logarithm of the same
        over what it usually is. ``peaked`` is taken as it is. Those that are not
        given are missing.
    """
    tiny = 1e-300
    evidence = {
        "misfit": np.log(np.maximum(fit.residual, tiny) / np.maximum(fit.height, tiny)),
        "height": np.log(np.maximum(fit.height, tiny) / max(strong, tiny)),
    }
    evidence |= describe_distances(fit, width)
    for name, rate in (("raw", raw_rate), ("enhanced", enhanced_rate)):
        if rate is not None:
            evidence[name] = -np.log(np.maximum(rate, tiny))
    if probability is not None:
        odds = np.clip(probability, 1e-6, 1 - 1e-6)
        evidence["probability"] = np.log(odds / (1 - odds))
    if peaked is not None:
        evidence["peaked"] = peaked
    return {name: np.clip(evidence[name], *_LIMITS[name]) for name in _order(evidence)}


def describe_distances(fit, width):
    """Distance of each candidate to the nearest higher one, in two units.

    Returns
    -------
    dict of str to numpy.ndarray, shape (n,)
        ``apart`` and ``spacing``, as of :func:`describe_evidence`.
    """
    n = len(fit)
    points = np.stack([fit.y, fit.x], axis=1)
    order = np.argsort(-fit.height, kind="stable")
    rank = np.empty(n, int)
    rank[order] = np.arange(n)
    distance, near = cKDTree(points).query(points, k=min(_NEAREST, n) if n > 1 else 1)
    distance, near = distance.reshape(n, -1), near.reshape(n, -1)
    higher = np.where(rank[near] < rank[:, None], distance, np.inf).min(axis=1)
    # The high ones among them know how far apart columns are
    tall = order[: max(n // 2, 2)]
    usual = np.inf
    if len(tall) > 2:
        usual = np.median(cKDTree(points[tall]).query(points[tall], k=2)[0][:, 1])
    return {
        "apart": higher / width,
        "spacing": np.log(np.minimum(higher, 1e6) / min(usual, 1e6)),
    }


def calibrated_confidence(evidence, method, constants):
    """Confidence of candidates from 0 to 1.

    Parameters
    ----------
    evidence : dict of str to numpy.ndarray, shape (n,)
        From :func:`describe_evidence`.
    method : {"network", "classical"}
        What found the candidates.
    constants : dict of str to sequence of float
        Of each set of evidence, its names joined by spaces, those of
        :func:`design_matrix`: from :func:`.models.registry.constants` or
        :func:`filter_constants`.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    # Constants that were fitted without what only some of the evidence tells
    for missing in ((), ("peaked",), ("probability",), ("peaked", "probability")):
        names = [name for name in _order(evidence) if name not in missing]
        if " ".join(names) in constants:
            break
    evidence = {name: evidence[name] for name in names}
    weights = constants[" ".join(names)]
    confidence = expit(design_matrix(evidence)[0] @ weights)
    return np.minimum(confidence, noise_limit(evidence, method))


def noise_limit(evidence, method):
    """One minus the share that noise alone would explain, from 0 to 1.

    Simulated images hold few maxima of pure noise, so what the regression
    learns does not guard against them: this is the highest confidence,
    whatever else speaks for a column. A network's own probability does not
    count here: at a vacancy of a faint lattice it is high too.

    Filters show all maxima of noise, of which the highest in a frame must not
    pass: for a column of theirs, noise is held against a chance of one lone
    column in so many frames (:data:`_LONE`).
    """
    least = np.min([evidence[k] for k in ("raw", "enhanced") if k in evidence], axis=0)
    limit = np.clip(1 - np.exp(-least), 0, 1)
    if method == "classical":
        limit = np.minimum(limit, expit(least + np.log(_LONE)))
    return limit


def design_matrix(evidence):
    """Terms of the regression, the first of them constant.

    ``raw`` and ``enhanced`` are cut into three at 1 and 4, each with a slope
    of its own.

    Parameters
    ----------
    evidence : dict of str to numpy.ndarray, shape (n,)

    Returns
    -------
    terms : numpy.ndarray, shape (n, k)
    signs : numpy.ndarray of int, shape (k,)
        Which sign a constant may have: more of it speaks for a column (1),
        against it (-1), or either (0).
    """
    terms, signs = [np.ones(len(evidence["misfit"]))], [0]
    for name in _order(evidence):
        value = evidence[name]
        if name in ("raw", "enhanced"):
            parts = [np.minimum(value, 1), np.clip(value - 1, 0, 3)]
            parts.append(np.maximum(value - 4, 0))
        else:
            parts = [value]
        terms += parts
        signs += [-1 if name == "misfit" else 1] * len(parts)
    return np.stack(terms, axis=1), np.array(signs)


def _order(evidence):
    return [name for name in EVIDENCE if name in evidence]


@lru_cache(maxsize=1)
def filter_constants():
    """Constants of columns that filters alone have found.

    Returns
    -------
    dict of str to list of float
        As for :func:`calibrated_confidence`.
    """
    return json.loads((files(__package__) / "confidence.json").read_text("utf-8"))
