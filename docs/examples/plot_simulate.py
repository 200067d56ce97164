"""
Simulate images
===============

Lattices, particles, interfaces and single atoms, with the noise of scanned
images, of electron counting, or of your own microscope.
"""

# %%
# A data set
# ----------
# Any number of images with their truth. Image *i* depends on the seed and *i*
# alone.

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_stem_enhance as hse

hs.preferences.General.show_progressbar = False

data = hse.simulate.make_dataset(8, shape=(192, 192), seed=11)
data.noisy, data.clean, data.positions

# %%
figure, panels = plt.subplots(2, 8, figsize=(14, 3.7), layout="constrained")
for index in range(8):
    panels[0, index].imshow(data.noisy.inav[index].data, cmap="gray")
    panels[1, index].imshow(data.clean.inav[index].data, cmap="gray")
panels[0, 0].set_ylabel("noisy")
panels[1, 0].set_ylabel("clean")
for panel in panels.flat:
    panel.set(xticks=[], yticks=[])

# %%
# Kinds of noise
# --------------
# The same seed with each kind, in both modes.

kinds = ("published", "scanning", "low-dose")
figure, panels = plt.subplots(2, 3, figsize=(8.5, 5.9), layout="constrained")
for row, mode in zip(panels, ("HAADF", "BF"), strict=True):
    for panel, kind in zip(row, kinds, strict=True):
        scene = hse.simulate.draw_scene(
            seed=4, index=3, shape=(160, 160), mode=mode, noise=kind,
            arrangement="lattice", structures=["SrTiO3 [001]"],
        )  # fmt: skip
        panel.imshow(scene.noisy, cmap="gray")
        panel.set(xticks=[], yticks=[], title=f"{mode}, {kind}")

# %%
# The noise of your images
# ------------------------
# Calibrate images of your own, and simulate with what was found. Here, the
# first data set stands for the experiment.

calibration = data.noisy.calibrate_noise()
calibration.summary()

# %%
# On a clean image of your own, for example from a multislice simulation:

clean = data.clean.inav[0]
counting = hse.simulate.FrameNoise(
    electrons_per_unit=20 / float(clean.data.max()), row_jitter=0.4
)
noisy = hse.simulate.add_noise(clean + 0.2 * clean.data.max(), counting, seed=3)

figure, panels = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
for panel, image, title in zip(
    panels, (clean, noisy), ("clean", "20 electrons per pixel, rows displaced"),
    strict=True,
):  # fmt: skip
    panel.imshow(np.asarray(image.data), cmap="gray")
    panel.set(xticks=[], yticks=[], title=title)
plt.show()
