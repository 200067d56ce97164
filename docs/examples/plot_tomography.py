"""
Tomography from fifteen views
=============================

A simulated tilt series becomes a volume, a sum of Gaussians, which gives slices,
views at tilts that were never recorded, and finer voxels.
"""

# %%
# Core-shell particles of 48 voxels, 15 views, 100 electrons in the brightest
# pixel, each view shifted at random. With a file of one's own this is
# ``series = hs.load("series.mrc")``.

import hyperspy.api as hs
import matplotlib.pyplot as plt

import hyperspy_stem_enhance as hse

hs.preferences.General.show_progressbar = False
data = hse.simulate.make_tilt_series(
    "core-shell", 48, n_views=15, counts=100, misalignment=1, pixel_size=10, seed=3
)

# %%
# One call finds the tilts, aligns the views and says so, and fits the Gaussians.

tomogram = data.series.reconstruct_tomogram()
tomogram

# %%
# Slices, and the maximum along each axis:

tomogram.plot_orthoslices()
tomogram.plot_orthoslices(kind="maximum")

# %%
# Does it explain the views? What is left should be noise, with no outline of
# the object.

tomogram.plot_views()
tomogram.plot_residuals()

# %%
# Views from the missing wedge, which no microscope recorded: the more they
# lie in it, the less they are worth.

tilts = [75, 80, 85, 90]
figure, panels = plt.subplots(1, 4, figsize=(10, 3), layout="constrained")
for panel, tilt, view in zip(panels, tilts, tomogram.project(tilts).data, strict=True):
    panel.imshow(view, cmap="gray")
    panel.set(xticks=[], yticks=[], title=f"{tilt}°")
plt.show()
