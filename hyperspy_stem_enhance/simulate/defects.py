"""Take columns out of a lattice, change them, and put others in."""

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

_MOST = 0.2  # share of the columns that a kind of defect may change


def remove_columns(rng, columns, share):
    """Vacancies: a share of the columns, drawn at random, is missing."""
    missing = rng.random(len(columns)) < share
    if len(columns) > 1 and not missing.any():
        missing[rng.integers(len(columns))] = True
    return columns.take(~missing)


def substitute_columns(rng, columns, share):
    """Columns of another brightness in the places of a share of them.

    One foreign species, twice to three times as bright or a fraction, or
    columns that hold any number of its atoms.
    """
    n = len(columns)
    foreign = rng.random(n) < share
    if n and not foreign.any():
        foreign[rng.integers(n)] = True
    factor = np.exp(rng.choice([-1, 1]) * rng.uniform(0.25, 1.1))
    if rng.random() < 0.4:  # from none to all atoms of the column
        factor = 1 + (factor - 1) * rng.random(n)
    heights = np.where(foreign, columns.heights * factor, columns.heights)
    return replace(columns, heights=heights)


def embed_columns(rng, shape, columns, share):
    """Interstitial columns, as far between the others as there is room.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    columns : Columns
    share : float
        Number of embedded columns relative to those of the lattice.

    Returns
    -------
    Columns
    """
    n = max(1, round(share * len(columns)))
    if len(columns) == 0:
        return columns
    candidates = rng.random((n, 12, 2)) * np.array(shape)
    distance, _ = cKDTree(columns.positions).query(candidates)
    if columns.region is not None:  # not in the vacuum
        y, x = np.moveaxis(candidates, -1, 0)
        distance = np.where(columns.region(y, x) > 0.5, distance, -1)
    best = distance.argmax(axis=1)
    room = distance.max(axis=1)
    positions = candidates[np.arange(n), best][room > 0]
    close = cKDTree(positions).query_pairs(np.median(room), output_type="ndarray")
    positions = np.delete(positions, close[:, 1], axis=0)
    n = len(positions)
    height = np.median(columns.heights) * np.exp(rng.uniform(-0.7, 0.7))
    return columns.join(
        positions,
        height * np.clip(rng.normal(1, 0.1, n), 0.3, 2),
        np.full(n, np.median(columns.sigmas)),
    )


def add_adatoms(rng, shape, columns, n, brightness):
    """Atoms on top of the specimen, each anywhere or all on its sites.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (rows, columns) of the frame.
    columns : Columns
        The support.
    n : int
        Number of adatoms.
    brightness : float
        Their mean height.

    Returns
    -------
    Columns
    """
    positions = rng.random((n, 2)) * np.array(shape)
    sigma = np.median(columns.sigmas)
    partners = positions[rng.random(n) < rng.uniform(0, 0.5)]
    partners = partners + rng.normal(0, 3 * sigma, partners.shape)
    positions = np.concatenate([positions, partners])
    n = len(positions)
    if n and rng.random() < 0.4:  # bound to columns of the support
        _, nearest = cKDTree(columns.positions).query(positions)
        nearest = np.unique(nearest)
        positions, n = columns.positions[nearest], len(nearest)
        positions = positions + rng.normal(0, 0.15 * sigma, (n, 2))
    return columns.join(
        positions,
        brightness * np.clip(rng.normal(1, rng.uniform(0.02, 0.2), n), 0.3, 2),
        np.full(n, sigma * rng.uniform(0.8, 1.2)),
    )


def draw_share(rng):
    """Draw the share of columns that defects change."""
    return np.exp(rng.uniform(np.log(0.01), np.log(_MOST)))


def draw_some_defects(rng, shape, columns):
    """Any mixture of the defects, or none: what training sees most."""
    if len(columns) == 0:
        return columns
    if rng.random() < 0.5:
        columns = remove_columns(rng, columns, rng.uniform(0, 0.15))
    if rng.random() < 0.25:
        columns = substitute_columns(rng, columns, draw_share(rng))
    if rng.random() < 0.2:
        columns = embed_columns(rng, shape, columns, draw_share(rng) / 2)
    if len(columns) and rng.random() < 0.15:
        n = rng.integers(1, max(2, len(columns) // 40) + 1)
        brightness = np.median(columns.heights) * np.exp(rng.uniform(0, 2.1))
        columns = add_adatoms(rng, shape, columns, n, brightness)
    return columns
