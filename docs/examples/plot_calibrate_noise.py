"""
Calibrate noise
===============

Measure the noise of a recorded image, read the figure, and check on simulated images
that the noise that was put in comes out again.
"""

# %%
# A recorded image
# ----------------
# An annular dark-field image of a perovskite, which comes with Atomap.

from importlib.util import find_spec
from pathlib import Path

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_stem_enhance as hse

hs.preferences.General.show_progressbar = False

folder = Path(find_spec("atomap").origin).parent / "tests" / "datasets"
adf = hs.load(folder / "test_ADF_cropped.hdf5", file_format="HSPY")

calibration = adf.calibrate_noise()
calibration

# %%
# Dots are measured in bins of gradient and intensity, lines are the fit.

calibration.plot()
plt.show()

# %%
# The warning says that this image was filtered or resampled before it was saved: its
# noise is alike in neighbouring pixels. How much pointwise noise there was cannot be
# told from it any more, nor lambda or the gain, which are NaN. Each has its reason.

calibration.reasons().transpose().query("`0` != ''")

# %%
# Noise that is known
# -------------------
# Simulated images have the noise of the model. Each of these lattices has its own
# parameters, drawn around the published ones.

scenes = [
    hse.simulate.draw_scene(2, i, (256, 256), noise="published", arrangement="lattice")
    for i in range(12)
]
simulated = hs.signals.Signal2D(np.stack([scene.noisy for scene in scenes]))
calibration = simulated.calibrate_noise()
calibration

# %%
# With the images given, the dots are drawn again for a series.

calibration.plot(image=simulated)
plt.show()

# %%
# Each image against the noise it was made with: SD of the pointwise noise at an
# intensity of 100 and of the scan noise at a gradient of 100, and lambda.

found = calibration.to_noise_parameters()
true = [scene.noise for scene in scenes]
quantities = {
    "SD of pointwise noise": lambda p: 100 * p.pointwise_slope + p.pointwise_intercept,
    "SD of scan noise": lambda p: 100 * p.scan_slope + p.scan_intercept,
    "Tukey's lambda": lambda p: p.pointwise_lambda,
}
figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
for panel, (title, quantity) in zip(panels, quantities.items(), strict=True):
    put_in = [quantity(parameters) for parameters in true]
    panel.plot(put_in, [quantity(parameters) for parameters in found], "o")
    panel.axline((put_in[0], put_in[0]), slope=1, color="black", lw=0.8)
    panel.set(title=title, xlabel="put in", ylabel="measured")
plt.show()
