"""
From my own images to matching training data
============================================

Calibrate the noise of recorded images, read what it says about the recording,
simulate images with the same noise, and look at both side by side.
"""

# %%
# My own image
# ------------
# An annular dark-field image of a perovskite, which comes with Atomap, stands for
# it. One image says nothing about how much noise differs between images; its four
# quarters say something, and a series of your own says more. All that follows is
# the same for a series, a movie or a lazy signal.

from importlib.util import find_spec
from pathlib import Path

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_stem_enhance as hse

hs.preferences.General.show_progressbar = False

folder = Path(find_spec("atomap").origin).parent / "tests" / "datasets"
image = hs.load(folder / "test_ADF_cropped.hdf5", file_format="HSPY")
image.change_dtype("float32")
quarters = hs.stack(
    [image.isig[x : x + 190, y : y + 200] for y in (0, 200) for x in (0, 190)]
)

# %%
# Calibrate
# ---------
# Had the image been turned by 90 degrees, the fast scan axis would be the vertical
# one, and a warning would ask for ``fast_axis="y"``. Here is another warning: this
# image was filtered, resampled or drift-corrected before it was saved.

calibration = quarters.calibrate_noise()
calibration

# %%
# The table has mean and spread over the images, and below it what is in doubt, and
# why a value is not known. ``calibration.to_dataframe()`` has one row per image,
# ``calibration.standard_errors()`` and ``calibration.reasons()`` the same for errors
# and reasons.

calibration.to_dataframe().transpose()

# %%
# Read the gain
# -------------
# Where electrons are counted, the variance of the noise rises with intensity, and
# its slope is the intensity per electron. Filters undo that, hence NaN above. This
# image, which is simulated, was recorded at 20 units of intensity per electron,
# above a dark level of 50.

scene = hse.simulate.draw_scene(
    4, 0, (256, 256), noise="published", structures=["SrTiO3 [001]"], pixel_size=0.15
)
ideal = scene.clean + scene.background
counting = hse.simulate.FrameNoise(electrons_per_unit=1 / 20, scan_slope=0.03)
recorded = counting.apply(np.random.default_rng(0), ideal) + 50
counted = hs.signals.Signal2D(recorded).calibrate_noise()
counted.to_dataframe()[
    ["gain", "gain_error", "electrons_per_pixel", "electrons_per_pixel_error"]
]

# %%
# What was put in is

print(f"gain 20, {ideal.mean() / 20:.2f} electrons per pixel")

# %%
# The dark level was found where the variance meets zero. If yours is known, say so:
# ``to_dataframe(dark_level=50)`` counts more exactly, and where readout noise is left
# at zero intensity it is the only way to count at all.
#
# Simulate
# --------
# Each simulated image has noise like that of one of the quarters. Tukey's lambda,
# which no image identifies, is replaced, with a warning. Structure and pixel size are
# those of the specimen, seen along [110]. Without ``arrangement``, ``structures`` and
# ``pixel_size``, lattices of all structures, scales and defects are drawn, particles,
# amorphous films and empty fields: what a network for any specimen is trained on.

data = hse.simulate.make_dataset(
    8,
    shape=(200, 190),
    noise=calibration,
    arrangement="perfect",
    structures=["SrTiO3 [110]"],
    pixel_size=0.0933,
    seed=5,
)
data.noisy

# %%
# Look
# ----
# Recorded above, simulated below, in the same grey levels.

figure, panels = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
limits = np.quantile(quarters.data, [0.001, 0.999])
for column in range(3):
    for row, signal in zip(panels, (quarters, data.noisy), strict=True):
        style = {"cmap": "gray", "vmin": limits[0], "vmax": limits[1]}
        row[column].imshow(signal.inav[column].data, **style)
        row[column].set(xticks=[], yticks=[])
panels[0, 0].set_ylabel("recorded")
panels[1, 0].set_ylabel("simulated")
plt.show()

# %%
# From nearby they differ. The noise of the recorded image was smeared in all
# directions; the calibration, which knows noise of single pixels and noise along the
# lines alone, takes most of it for the latter, and so does the simulation. That is
# what the warning is about: calibrate images as they were recorded. The page on
# :doc:`simulation </user_guide/simulation>` shows such images beside simulated ones.

figure, panels = plt.subplots(1, 2, figsize=(9, 4.7), layout="constrained")
for panel, signal, title in (
    (panels[0], quarters, "recorded"),
    (panels[1], data.noisy, "simulated"),
):
    panel.imshow(signal.inav[1].data[60:140, 60:140], cmap="gray", vmax=limits[1])
    panel.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# Numbers say it too: the simulated images, calibrated in turn.

again = data.noisy.calibrate_noise().to_dataframe()
names = ["atom_brightness", "noise_sd", "snr", "scan_slope", "scan_intercept"]
comparison = calibration.to_dataframe()[names].mean().to_frame("recorded")
comparison["simulated"] = again[names].mean()
comparison

# %%
# Train
# -----
# ``data.clean`` is what a network ought to make of ``data.noisy``, ``data.positions``
# are the columns that it ought to find, and ``lazy=True`` simulates a data set that
# is larger than memory when it is used. Save them, and train on them with what you
# like, or see :doc:`/user_guide/training`.
#
# .. code-block:: python
#
#    data.noisy.save("noisy.hspy")
#    data.clean.save("clean.hspy")
