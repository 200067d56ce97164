"""
First tour
==========

From a file to refined columns: load, calibrate, enhance, detect, refine. The
images are real, a perovskite recorded by an annular dark-field and an annular
bright-field detector at once, and come with Atomap.
"""

# %%
# Load
# ----
# Importing the package gives every ``Signal2D`` of HyperSpy its methods.

from importlib.util import find_spec
from pathlib import Path

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_stem_enhance  # noqa: F401

hs.preferences.General.show_progressbar = False

folder = Path(find_spec("atomap").origin).parent / "tests" / "datasets"
s = hs.load(folder / "test_ADF_cropped.hdf5", file_format="HSPY")
s.change_dtype("float32")  # it is float16, which Matplotlib cannot draw
for axis, name in zip(s.axes_manager.signal_axes, "xy", strict=True):
    axis.name, axis.units = name, "nm"  # the file has no more than the scale
s.metadata.General.title = "ADF"
s

# %%
s.plot(colorbar=False)

# %%
# Calibrate
# ---------
# What is the noise of this image? Eight parameters describe it: how bright
# the columns are, how far the background varies, and the scan and pointwise
# noise.

calibration = s.calibrate_noise()
calibration.summary()

# %%
# The SD of the two kinds of noise, and the distribution of the pointwise one:

_ = calibration.plot()

# %%
# Enhance
# -------
# One call removes noise and background. Axes, units and metadata stay, and
# the metadata tell how it was done.

e = s.enhance_sfin()
e.metadata.STEM_enhance

# %%
e.plot(colorbar=False)

# %%
# Detect
# ------
# There is no separation or threshold to tune. The result holds one table
# per image, with positions in pixels, intensity, width and a confidence.

atoms = e.detect_atoms()
atoms.to_dataframe().head()

# %%
# Drawn over the raw image:

s.plot(colorbar=False)
s.add_marker(atoms.to_markers(sizes=3, color="orange"))

# %%
# Refine in Atomap
# ----------------
# ``to_atomap`` gives a ``Sublattice`` that shows one image and refines on
# another: columns were found where there is no noise, and are measured on
# the raw image. To keep this page quick, Atomap's centre of mass alone is used;
# ``to_atomap(..., refine=True)`` adds its two-dimensional Gaussians.

lattice = atoms.inav[0].to_atomap(image=e, original_image=s)
lattice.find_nearest_neighbors()
lattice.refine_atom_positions_using_center_of_mass(show_progressbar=False)
found = atoms.inav[0].single_array()[:, :2]
moved = np.hypot(*(lattice.atom_positions[:, ::-1] - found).T) * lattice.pixel_size
print(f"{len(found)} columns, moved by {1000 * np.median(moved):.1f} pm (median)")

# %%
# Dark columns
# ------------
# For bright-field images, say so. Columns are bright in the enhanced image.

bf = hs.load(folder / "test_ABF_cropped.hdf5", file_format="HSPY")
bf_enhanced = bf.enhance_sfin(mode="BF")
bf_columns = bf_enhanced.detect_atoms(mode="BF").single_array()

figure, panels = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
panels[0].imshow(bf.data.astype(float), cmap="gray")
panels[1].imshow(bf_enhanced.data, cmap="gray")
panels[1].plot(bf_columns[:, 1], bf_columns[:, 0], "o", mfc="none", mec="orange", ms=5)
panels[0].set_title("ABF")
panels[1].set_title(f"enhanced, {len(bf_columns)} columns")
for panel in panels:
    panel.set(xticks=[], yticks=[], xlim=(90, 290), ylim=(290, 90))

# %%
# Movies, and files larger than memory
# ------------------------------------
# A lazy signal gives lazy results. Nothing has been computed here yet:

movie = hs.signals.Signal2D(np.stack([s.data[:128, :128]] * 6)).as_lazy()
movie_enhanced = movie.enhance_sfin()
movie_atoms = movie_enhanced.detect_atoms()
print(movie_enhanced)
print(movie_atoms)

# %%
# ``movie_enhanced.save("enhanced.hspy")`` would go through the movie block by
# block. Here, columns are counted:

movie_atoms.n_atoms
