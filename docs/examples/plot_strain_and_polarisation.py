"""
Strain and polarisation by Atomap
=================================

From a file to a map of strain: find the columns, tell their kinds apart, hand them
to Atomap. And from a noisy image of a polar film to the shift of its columns.
"""

# %%
# From a file to strain
# ---------------------
# A perovskite recorded in the dark field, real, which comes with Atomap. Heavy and
# light columns become a sublattice each; the distance between planes of the heavy
# ones, against its median, is the strain.

from importlib.util import find_spec
from pathlib import Path

import atomap.api as am
import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_stem_enhance  # noqa: F401

hs.preferences.General.show_progressbar = False

folder = Path(find_spec("atomap").origin).parent / "tests" / "datasets"
s = hs.load(folder / "test_ADF_cropped.hdf5", file_format="HSPY")
s.change_dtype("float32")  # it is float16
for axis in s.axes_manager.signal_axes:
    axis.units = "nm"

atoms = s.detect_atoms()
lattice = atoms.to_atomap(s, classes=True)
heavy, light = lattice.sublattice_list

heavy.construct_zone_axes()
planes = heavy.zones_axis_average_distances[0]
distance = heavy.get_monolayer_distance_map([planes])
strain = distance / np.nanmedian(distance.data) * 100 - 100

figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
panels[0].imshow(s.data, cmap="gray")
for sublattice in (heavy, light):
    panels[0].plot(sublattice.x_position, sublattice.y_position, ".", ms=4)
shown = panels[1].imshow(strain.data, cmap="RdBu_r", vmin=-3, vmax=3)
figure.colorbar(shown, label="strain (%)")
for panel in panels:
    panel.set(xticks=[], yticks=[])

# %%
# Less than 30 lines with the imports. A single frame carries the distortions of its
# scan, which such a map cannot tell from strain. The lattice in one call, with the
# standard errors of its vectors:

atoms.fit_lattice()

# %%
# Polarisation
# ------------
# A film, simulated by Atomap, whose small columns are shifted from the middle of
# the large ones, the more the higher up in the upper half. It gets noise on top, in
# which the small columns are hard to see; the arrows lead from the middle to them.
# Three of the 225 are not found: there, Atomap takes one of the next cell, 19 pixels
# away, and the arrow is left out.

film = am.dummy_data.get_polarization_film_signal(image_noise=True)
film.data += np.random.default_rng(0).normal(0, 0.15, film.data.shape)

lattice = film.detect_atoms().to_atomap(film, classes=True)
large, small = lattice.sublattice_list
large.construct_zone_axes()
vectors = large.get_polarization_from_second_sublattice(
    *large.zones_axis_average_distances[:2], small
).metadata.vector_list

x, y, u, v = np.array([vector for vector in vectors if np.hypot(*vector[2:]) < 10]).T
figure, panel = plt.subplots(figsize=(5, 5), layout="constrained")
panel.imshow(film.data, cmap="gray")
panel.quiver(x, y, -u, -v, np.hypot(u, v), angles="xy", cmap="autumn")
panel.set(xticks=[], yticks=[])
