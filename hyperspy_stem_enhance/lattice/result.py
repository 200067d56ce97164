"""What is known of columns once a lattice is fitted to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .neighbours import nearest_shell

_STEPS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


@dataclass(frozen=True)
class Lattice:
    """A lattice fitted to columns, and where each column is on it.

    Attributes
    ----------
    positions : numpy.ndarray of float64, shape (n, 2)
        The columns, (y, x).
    units : str
        Units of all lengths.
    vectors : numpy.ndarray of float64, shape (2, 2)
        The vectors a and b of the primitive cell, one (y, x) per row. The
        shorter one is a, or that along x if they are equal within 10 %;
        b is clockwise from a on the screen, where y points down.
    vectors_error : numpy.ndarray of float64, shape (2, 2)
        Their standard errors.
    origin : numpy.ndarray of float64, shape (2,)
        Position of the first site in the cell (0, 0).
    sites : numpy.ndarray of float64, shape (m, 2)
        Fractional coordinates (along a, b) of the m columns of a cell.
    site : numpy.ndarray of int, shape (n,)
        Site of each column; -1 for columns that are not of the lattice.
    cell_index : numpy.ndarray of int, shape (n, 2)
        Cell of each column along a and b.
    displacement : numpy.ndarray of float64, shape (n, 2)
        Position minus fitted position; NaN for columns not of the lattice.
    neighbours : numpy.ndarray of int, shape (n, 4)
        Index of the columns at +a, +b, -a and -b; -1 where there is none.
    spacing : float
        Median distance of nearest columns.
    lengths_error : tuple of float
        Standard errors of :attr:`a`, :attr:`b` and, in degrees,
        :attr:`gamma`.
    probability : float
        Of this cell among those that were compared.
    """

    positions: np.ndarray
    units: str
    vectors: np.ndarray
    vectors_error: np.ndarray
    origin: np.ndarray
    sites: np.ndarray
    site: np.ndarray
    cell_index: np.ndarray
    displacement: np.ndarray
    neighbours: np.ndarray
    spacing: float
    lengths_error: tuple
    probability: float = 1.0

    @property
    def a(self):
        """Length of the first vector."""
        return float(np.hypot(*self.vectors[0]))

    @property
    def b(self):
        """Length of the second vector."""
        return float(np.hypot(*self.vectors[1]))

    @property
    def gamma(self):
        """Angle between the vectors, in degrees."""
        return cell_lengths(self.vectors)[2]

    @property
    def on_lattice(self):
        """Mask of the columns that are on a site of the lattice."""
        return self.site >= 0

    @property
    def rms_displacement(self):
        """Root mean square length of :attr:`displacement`."""
        kept = self.displacement[self.on_lattice]
        return float(np.sqrt(np.mean(np.sum(kept**2, axis=1))))

    @property
    def local_displacement(self):
        """Position minus the mean of the neighbours of the same site.

        Returns
        -------
        numpy.ndarray of float64, shape (n, 2)
            NaN unless all four neighbours are there. Free of distortions
            over many cells; of independent errors of positions it has
            sqrt(5/4) times the size.
        """
        mean = self.positions[self.neighbours].mean(axis=1)
        complete = np.all(self.neighbours >= 0, axis=1) & self.on_lattice
        return np.where(complete[:, np.newaxis], self.positions - mean, np.nan)

    def fitted_positions(self, cell_index, site):
        """Positions of sites on the fitted lattice.

        Parameters
        ----------
        cell_index : array-like of int, shape (k, 2)
        site : array-like of int, shape (k,) or scalar

        Returns
        -------
        numpy.ndarray of float64, shape (k, 2)
        """
        return (np.asarray(cell_index) + self.sites[site]) @ self.vectors + self.origin

    def empty_sites(self):
        """Sites without a column although at least three neighbours have one.

        Returns
        -------
        numpy.ndarray of float64, shape (k, 2)
            Where a column would be, by its neighbours.
        """
        empty = []
        for number in range(len(self.sites)):
            of_site = self.site == number
            index = self.cell_index[of_site]
            low = index.min(axis=0) - 1
            shape = np.ptp(index, axis=0) + 3
            full = np.zeros(shape, bool)
            shift = np.zeros((*shape, 2))
            full[tuple((index - low).T)] = True
            shift[tuple((index - low).T)] = self.displacement[of_site]
            near = sum(np.roll(full, step, (0, 1)).astype(int) for step in _STEPS)
            total = sum(np.roll(shift, step, (0, 1)) for step in _STEPS)
            free = np.argwhere(~full & (near >= 3))
            at = tuple(free.T)
            mean = total[at] / near[at][:, np.newaxis]
            empty.append(self.fitted_positions(free + low, number) + mean)
        return np.concatenate(empty)

    def summary(self):
        """Main figures as a dictionary of plain values.

        Returns
        -------
        dict
            ``n_columns``, ``n_on_lattice``, ``n_empty_sites``,
            ``columns_per_cell``, ``probability``; ``a``, ``b`` and ``gamma``
            (degrees) with their standard errors ``a_error``, ...; ``spacing``,
            ``rms_displacement``, ``mean_displacement`` (mean length);
            ``units``.
        """
        kept = self.displacement[self.on_lattice]
        errors = zip(("a", "b", "gamma"), self.lengths_error, strict=True)
        return {
            "n_columns": len(self.positions),
            "n_on_lattice": int(self.on_lattice.sum()),
            "n_empty_sites": len(self.empty_sites()),
            "columns_per_cell": len(self.sites),
            "probability": self.probability,
            "a": self.a,
            "b": self.b,
            "gamma": self.gamma,
            **{f"{name}_error": float(error) for name, error in errors},
            "spacing": self.spacing,
            "rms_displacement": self.rms_displacement,
            "mean_displacement": float(np.mean(np.hypot(*kept.T))),
            "units": self.units,
        }

    def to_dataframe(self):
        """Table with a row per column, in their order.

        Returns
        -------
        pandas.DataFrame
            ``y``, ``x``, ``site``, ``cell_a``, ``cell_b``,
            ``displacement_y``, ``displacement_x``,
            ``local_displacement_y``, ``local_displacement_x``,
            ``nearest_distance`` and ``n_neighbours`` (neighbours up to
            1.25 times as far as the nearest), lengths in :attr:`units`.
        """
        import pandas as pd

        local = self.local_displacement
        nearest, count = nearest_shell(self.positions)
        return pd.DataFrame(
            {
                "y": self.positions[:, 0],
                "x": self.positions[:, 1],
                "site": self.site,
                "cell_a": self.cell_index[:, 0],
                "cell_b": self.cell_index[:, 1],
                "displacement_y": self.displacement[:, 0],
                "displacement_x": self.displacement[:, 1],
                "local_displacement_y": local[:, 0],
                "local_displacement_x": local[:, 1],
                "nearest_distance": nearest,
                "n_neighbours": count,
            }
        )

    def plot(self, image=None):
        """Columns that are on the lattice, and its cell.

        Parameters
        ----------
        image : array-like, shape (h, w), optional
            Shown below, for positions in pixels.

        Returns
        -------
        matplotlib.figure.Figure
            The cell is drawn three times as large.
        """
        from .plot import plot_lattices

        return plot_lattices([self], image)

    def __repr__(self):
        a, b, gamma = self.a, self.b, self.gamma
        a_error, b_error, gamma_error = self.lengths_error
        return (
            f"<Lattice, a = {a:.5g} ± {a_error:.1g} {self.units}, "
            f"b = {b:.5g} ± {b_error:.1g} {self.units}, "
            f"gamma = {gamma:.2f} ± {gamma_error:.1g}°, {len(self.sites)} columns per "
            f"cell, {self.on_lattice.sum()} of {len(self.positions)} columns>"
        )


def cell_lengths(vectors):
    """Lengths a and b, and the angle gamma between them in degrees.

    Parameters
    ----------
    vectors : numpy.ndarray, shape (2, 2)
        One per row.

    Returns
    -------
    tuple of float
    """
    a, b = np.hypot(*vectors.T)
    gamma = np.degrees(np.arccos(np.clip(vectors[0] @ vectors[1] / (a * b), -1, 1)))
    return float(a), float(b), float(gamma)


@dataclass(frozen=True, repr=False)
class Grains(Sequence):
    """Lattices of the grains of an image, the one with the most columns first.

    A sequence: ``grains[0]`` is a `Lattice`, ``len(grains)`` their number.

    Attributes
    ----------
    lattices : tuple of Lattice
    """

    lattices: tuple

    def __getitem__(self, index):
        return self.lattices[index]

    def __len__(self):
        return len(self.lattices)

    @property
    def label(self):
        """Number of the grain of each column, -1 for columns of none.

        Returns
        -------
        numpy.ndarray of int, shape (n,)
        """
        label = np.full(len(self.lattices[0].positions), -1)
        for number, lattice in enumerate(self.lattices):
            label[lattice.on_lattice] = number
        return label

    def summary(self):
        """Table with a row for each grain, see :meth:`Lattice.summary`.

        Returns
        -------
        pandas.DataFrame
            With the share of the columns, ``share``, and the direction of
            a from the x axis, ``angle``, in degrees clockwise on the screen.
        """
        import pandas as pd

        rows = []
        for lattice in self.lattices:
            y, x = lattice.vectors[0]
            rows.append(
                {
                    "share": float(lattice.on_lattice.mean()),
                    "angle": float(np.degrees(np.arctan2(y, x))),
                    **lattice.summary(),
                }
            )
        return pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="grain"))

    def plot(self, image=None):
        """Map of the grains: columns in the colour of their grain, and cells.

        Parameters
        ----------
        image : array-like, shape (h, w), optional
            Shown below, for positions in pixels.

        Returns
        -------
        matplotlib.figure.Figure
            Cells are drawn three times as large.
        """
        from .plot import plot_lattices

        return plot_lattices(self.lattices, image)

    def __repr__(self):
        rows = "".join(f"\n  {lattice!r}" for lattice in self.lattices)
        return f"<Grains, {len(self)} lattices:{rows}>"
