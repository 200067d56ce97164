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
data.noisy, data.clean, data.background, data.label, data.positions

# %%
# What each image is, and the parameters of its noise, stay with the signals,
# in their files too.

data.to_dataframe().iloc[:, :8]

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
# Crystals at their true scale
# ----------------------------
# With a pixel size in ångström, and one arrangement for all. Two rows of four
# images; with ``lazy=True`` they would be simulated when they are needed.

grains = hse.simulate.make_dataset(
    (2, 4), shape=(160, 160), noise="published", seed=2,
    arrangement="grain-boundary", structures=["Pt [110]", "SrTiO3 [001]"],
    pixel_size=0.2,
)  # fmt: skip
figure, panels = plt.subplots(2, 4, figsize=(10, 5.2), layout="constrained")
for index in np.ndindex(2, 4):
    panels[index].imshow(grains.noisy.data[index], cmap="gray")
    panels[index].set(xticks=[], yticks=[])
grains.noisy

# %%
# Each term of the noise
# ----------------------
# Together with the image without noise, the terms add up to the noisy one.

single = hse.simulate.make_dataset(
    1, shape=(160, 160), noise="low-dose", seed=5, arrangement="particle", terms=True
)
terms = {name: term.data[0] for name, term in single.terms.items() if term.data.any()}
figure, panels = plt.subplots(
    1, len(terms) + 1, figsize=(2.2 * len(terms) + 2.2, 2.6), layout="constrained"
)
panels[0].imshow(single.noisy.data[0], cmap="gray")
panels[0].set_title("noisy")
for panel, (name, term) in zip(panels[1:], terms.items(), strict=True):
    limit = np.percentile(abs(term), 99.5)
    panel.imshow(term, cmap="gray", vmin=-limit, vmax=limit)
    panel.set_title(name)
for panel in panels:
    panel.set(xticks=[], yticks=[])

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
