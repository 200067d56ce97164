"""
Find the columns of a perovskite
================================

Heavy columns in the dark-field image, light ones in the bright-field image of
the same place: found without tuning, told apart by intensity, and compared.
The pair of images comes with Atomap.
"""

# %%
# Load the pair
# -------------
# Both detectors recorded the same scan, so pixels correspond.

from importlib.util import find_spec
from pathlib import Path

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import cKDTree

import hyperspy_stem_enhance as hse

hs.preferences.General.show_progressbar = False

folder = Path(find_spec("atomap").origin).parent / "tests" / "datasets"
adf, abf = (
    hs.load(folder / f"test_{name}_cropped.hdf5", file_format="HSPY")
    for name in ("ADF", "ABF")
)
for s in (adf, abf):
    s.change_dtype("float32")
    for axis, name in zip(s.axes_manager.signal_axes, "xy", strict=True):
        axis.name, axis.units = name, "nm"

# %%
# Detect
# ------
# From the raw images, so that each column is checked against their noise.

adf_atoms = adf.detect_atoms(mode="HAADF")
abf_atoms = abf.detect_atoms(mode="BF")
adf_atoms.n_atoms, abf_atoms.n_atoms

# %%
# The table has pixels and calibrated coordinates, and a confidence.

adf_atoms.to_dataframe().head()

# %%
adf.plot(colorbar=False)
adf.add_marker(adf_atoms.to_markers(sizes=3, color="orange"))

# %%
# By filters alone, without a network, or in a part of the image:

roi = hs.roi.RectangularROI(left=1.0, top=1.0, right=2.5, bottom=2.5)  # nm
(
    adf.detect_atoms(method="classical").n_atoms,
    adf.detect_atoms(roi=roi).n_atoms,
)

# %%
# Two kinds of columns
# --------------------
# The intensities of the dark-field image fall into two groups.

table = adf_atoms.single_array()
intensity = table[:, 2]
limit = 0.5 * (np.quantile(intensity, 0.1) + np.quantile(intensity, 0.9))
heavy, light = table[intensity > limit], table[intensity <= limit]

figure, panel = plt.subplots(figsize=(5, 3), layout="constrained")
panel.hist(intensity, bins=40, color="0.5")
panel.axvline(limit, color="tab:orange")
panel.set(xlabel="intensity", ylabel="columns")
len(heavy), len(light)

# %%
# What only the bright-field image shows
# --------------------------------------
# Oxygen columns: in the bright-field image, and none in the dark-field one
# within a quarter of the distance between heavy columns.

spacing = np.median(cKDTree(heavy[:, :2]).query(heavy[:, :2], k=2)[0][:, 1])
bf_table = abf_atoms.single_array()
distance, _ = cKDTree(table[:, :2]).query(bf_table[:, :2])
oxygen = bf_table[distance > spacing / 4]

figure, panels = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
for panel, s, title in zip(panels, (adf, abf), ("ADF", "ABF"), strict=True):
    panel.imshow(s.data, cmap="gray")
    for columns, color in ((heavy, "orange"), (light, "deepskyblue"), (oxygen, "red")):
        panel.plot(columns[:, 1], columns[:, 0], "o", mfc="none", mec=color, ms=6)
    panel.set(xticks=[], yticks=[], xlim=(90, 290), ylim=(290, 90), title=title)

# %%
# How far from the lattice
# ------------------------
# Heavy columns form a lattice; its vectors are a least-squares fit to the
# positions. What remains is how well they are known, and how they are displaced.

start = heavy[np.argmin(np.hypot(*(heavy[:, :2] - table[:, :2].mean(0)).T)), :2]
steps = heavy[:, :2] - start
near = steps[np.argsort(np.hypot(*steps.T))[1:9]]
a = near[0]
b = near[np.argmin(abs(near @ a) / np.hypot(*near.T))]
index = np.rint(np.linalg.solve(np.stack([a, b], 1), steps.T)).T
design = np.column_stack([index, np.ones(len(index))])
fit, *_ = np.linalg.lstsq(design, heavy[:, :2], rcond=None)
residual = heavy[:, :2] - design @ fit
pm = 1000 * adf.axes_manager.signal_axes[0].scale
inside = np.hypot(*residual.T) < spacing / 4
rms = pm * np.sqrt(np.mean(residual[inside] ** 2, axis=0))
print(f"RMS from the lattice: {rms[0]:.1f} pm (y), {rms[1]:.1f} pm (x)")

# %%
# To Atomap
# ---------
# A ``Sublattice`` for each kind, found on the enhanced and refined on the raw
# image. Here the heavy columns, by centre of mass:

kind = hse.AtomPositions.from_arrays(heavy, image=adf)
sublattice = kind.to_atomap(image=adf)
sublattice.find_nearest_neighbors()
sublattice.refine_atom_positions_using_center_of_mass(show_progressbar=False)
sublattice
