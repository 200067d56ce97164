"""
Lattices of two grains
======================

A twin: one crystal in two orientations. The columns are found in a simulated image, and
a lattice is fitted to each grain.
"""

# %%
# The image
# ---------
# Columns 20 and 24.4 pixels apart, turned by 12° to either side of a boundary that is
# a little off the middle, 60 electrons at a column and 10 between them.

import hyperspy.api as hs
import numpy as np

import hyperspy_stem_enhance as hse

hs.preferences.General.show_progressbar = False

size, boundary = 384, 220
cells = np.stack(np.mgrid[-40:40, -40:40], axis=-1).reshape(-1, 2)
y, x = np.mgrid[:size, :size]


def grain(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return cells @ [[20 * c, 20 * s], [-24.4 * s, 24.4 * c]] + size / 2


left, right = grain(12), grain(-12)
columns = np.concatenate(
    [left[left[:, 1] < boundary - 6], right[right[:, 1] > boundary + 6]]
)
columns = columns[np.all((columns > 4) & (columns < size - 4), axis=1)]
image = sum(np.exp(-((y - i) ** 2 + (x - j) ** 2) / 2 / 3**2) for i, j in columns)
s = hs.signals.Signal2D(np.random.default_rng(1).poisson(60 * image + 10))

atoms = s.detect_atoms()

# %%
# The lattices
# ------------
# How many grains there are is left to the columns.

grains = atoms.fit_lattice(grains="all")
figure = grains.plot(s.data)

# %%
# A row for each grain. Its angle is that of the vector a from the x axis.

grains.summary()[["share", "angle", "a", "a_error", "b", "b_error", "gamma"]].round(3)

# %%
# Each column knows its grain, or that it has none (-1):

np.unique(grains.label, return_counts=True)

# %%
# ``atoms.fit_lattice()`` alone gives the larger of the two, and warns that there is
# another one. The array function takes positions from anywhere:

hse.lattice.fit_lattice(columns, grains=2)
