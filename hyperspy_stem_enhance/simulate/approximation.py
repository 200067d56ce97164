"""How columns look, estimated from their atoms alone.

Dark field scatters incoherently, by the sum of ``Z**1.7`` over the column
(Pennycook, Ultramicroscopy 30, 58 (1989); Krivanek et al., Nature 464, 571
(2010), measured an exponent of 1.64).  The contrast of thin columns in bright
field grows more slowly with Z; its exponent is the one that suits the
multislice table of this package best.  Channelling, which moves intensity
between columns as the specimen gets thicker, is left out.
"""

import numpy as np

EXPONENTS = {"HAADF": 1.7, "BF": 0.7}
# Standard deviation of the Gaussian nearest to a diffraction-limited probe of
# 24 mrad at 200 kV, and of the source, in ångström
PROBE_WIDTH = float(np.hypot(0.23, 0.35))


def approximate_appearance(columns, displacements=0.08):
    """Estimate relative heights and widths of columns.

    Parameters
    ----------
    columns : sequence of str
        The atoms of one repeat of each column, such as "Ti O"; all columns
        have the same repeat length.
    displacements : float or dict of str to float, default 0.08
        Root mean square thermal displacement along one axis, in ångström,
        for all or for each element.

    Returns
    -------
    heights, widths : dict of str to numpy.ndarray, shape (n,)
        For each mode, relative as in `structures.ProjectedStructure`.

    Raises
    ------
    ValueError
        If an atom is no chemical element, or `displacements` lacks one.

    Examples
    --------
    >>> heights, _ = approximate_appearance(["Sr", "Ti O", "O"])
    >>> heights["HAADF"].round(2).tolist()
    [1.0, 0.47, 0.07]
    """
    all_heights, all_widths = {}, {}
    for mode, exponent in EXPONENTS.items():
        strengths, spreads = np.array(
            [_strength_and_spread(c.split(), exponent, displacements) for c in columns]
        ).T
        widths = np.sqrt(PROBE_WIDTH**2 + spreads)
        heights = strengths / widths**2  # of a Gaussian with that integral
        all_heights[mode], all_widths[mode] = relative(heights, widths)
    return all_heights, all_widths


def relative(heights, widths):
    """Heights relative to the strongest, widths to their weighted mean.

    Parameters
    ----------
    heights, widths : array-like, shape (n,)

    Returns
    -------
    heights, widths : numpy.ndarray of float64, shape (n,)
    """
    heights, widths = np.asarray(heights, float), np.asarray(widths, float)
    return heights / heights.max(), widths / np.average(widths, weights=heights)


def _strength_and_spread(atoms, exponent, displacements):
    """Scattering of one repeat and the mean square displacement in it."""
    from ase.data import atomic_numbers

    unknown = [atom for atom in atoms if atom not in atomic_numbers]
    if unknown or not atoms:
        raise ValueError(f"columns hold {unknown}; give chemical symbols.")
    strengths = np.array([float(atomic_numbers[a]) ** exponent for a in atoms])
    squares = [displacement_of(atom, displacements) ** 2 for atom in atoms]
    return strengths.sum(), np.average(squares, weights=strengths)


def displacement_of(symbol, displacements):
    """Displacement of an element.

    Parameters
    ----------
    symbol : str
    displacements : float or dict of str to float

    Returns
    -------
    float
        In ångström.

    Raises
    ------
    ValueError
        If the dictionary lacks the element, or the value is negative.
    """
    value = displacements
    if isinstance(displacements, dict):
        if symbol not in displacements:
            raise ValueError(
                f"displacements={displacements} lacks {symbol}; give a value in "
                "ångström for each element."
            )
        value = displacements[symbol]
    if not value >= 0:
        raise ValueError(f"displacements={displacements!r} must not be negative.")
    return value
