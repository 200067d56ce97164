"""
Follow columns through a movie
==============================

Drift of each frame and vibration of each column, from a series of noisy frames. The
series is made from one real image, so that the drift is known.
"""

# %%
# A movie with known drift
# ------------------------
# Twelve noisy views of a perovskite (the dark-field image that comes with Atomap),
# each from a window that has moved on by parts of a pixel.

from importlib.util import find_spec
from pathlib import Path

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import shift

import hyperspy_stem_enhance  # noqa: F401

hs.preferences.General.show_progressbar = False
rng = np.random.default_rng(3)

folder = Path(find_spec("atomap").origin).parent / "tests" / "datasets"
image = hs.load(folder / "test_ADF_cropped.hdf5", file_format="HSPY")
scale = image.axes_manager.signal_axes[0].scale

steps = rng.normal((2.0, -1.0), 1.5, (12, 2))
drift = np.cumsum(steps, axis=0) - steps[0]
frames = [
    shift(image.data.astype("float32"), d, mode="nearest")[60:300, 60:300]
    for d in drift
]
frames += rng.normal(0, 400, np.shape(frames))
s = hs.signals.Signal2D(frames)
for axis in s.axes_manager.signal_axes:
    axis.scale, axis.units = scale, "nm"
s.axes_manager[0].name, s.axes_manager[0].units = "time", "s"
s

# %%
# Find, follow
# ------------
# Each frame has columns of its own; linked ones share a number.

atoms = s.detect_atoms()
tracks = atoms.link(min_frames=8)
tracks.to_dataframe().head()

# %%
# Drift
# -----
# From all columns of all frames at once, against what was put in:

found = tracks.drift()
pm = 1000 * scale
error = pm * (found[["drift_y", "drift_x"]] / scale - drift)
print(f"RMS error of the drift: {np.sqrt(np.mean(error.to_numpy() ** 2)):.1f} pm")

figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for k, name in enumerate(("drift_y", "drift_x")):
    panels[0].plot(found.index, scale * drift[:, k], color="0.7", lw=4)
    panels[0].plot(found.index, found[name], ".-", label=name)
panels[0].set(xlabel="time (s)", ylabel="drift (nm)")
panels[0].legend()

# How much each column moves around its mean position
means = tracks.mean_positions()
rms = pm * np.hypot(means.column("rms_y"), means.column("rms_x"))
panels[1].imshow(s.inav[0].data, cmap="gray")
y, x = means.single_array()[:, :2].T
shown = panels[1].scatter(
    x, y, c=rms, s=14, cmap="viridis", vmax=np.quantile(rms, 0.95)
)
panels[1].set(xticks=[], yticks=[], xlim=(0, 239), ylim=(239, 0))
figure.colorbar(shown, label="RMS displacement (pm)")

# %%
# What is left of each column is noise here: nothing vibrates in a single image.
