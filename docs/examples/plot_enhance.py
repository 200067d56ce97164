"""
Enhance at low dose
===================

Images with known truth, from tens of electrons per pixel to less than one:
what comes back, what is missed, and how to look at what was removed.
"""

# %%
# A clean image of SrTiO\ :sub:`3` along [001], and electrons counted at four
# doses.

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

import hyperspy_stem_enhance as hse

hs.preferences.General.show_progressbar = False

SPACING, SIGMA, SIZE = 26.0, 3.2, 208
sr = np.mgrid[0:8, 0:8].reshape(2, -1).T * SPACING + 13.3
ti = sr[(sr < SIZE - SPACING).all(1)] + SPACING / 2
y, x = np.mgrid[:SIZE, :SIZE]


def spots(positions, height):
    """Sum of Gaussian spots."""
    image = np.zeros((SIZE, SIZE))
    for row, column in positions:
        squared = (y - row) ** 2 + (x - column) ** 2
        image += height * np.exp(-squared / (2 * SIGMA**2))
    return image


background = 0.15 + 0.2 * x / SIZE
clean = hs.signals.Signal2D(spots(sr, 1.0) + spots(ti, 0.45) + background)
doses = [50, 10, 3, 1]  # electrons per pixel on the brightest columns
frames = [
    hse.simulate.add_noise(clean, hse.simulate.FrameNoise(electrons_per_unit=dose))
    for dose in doses
]
noisy = hs.stack(frames)
noisy.data *= np.array(doses)[:, None, None]  # counts
noisy

# %%
# One call for the series. Counts in, counts out:

enhanced = noisy.enhance_sfin()
atoms = noisy.detect_atoms()
atoms.n_atoms, len(sr) + len(ti)

# %%
figure, panels = plt.subplots(2, 4, figsize=(11, 5.8), layout="constrained")
for index, dose in enumerate(doses):
    columns = atoms.inav[index].single_array()
    raw, result = noisy.inav[index].data, enhanced.inav[index].data
    panels[0, index].imshow(raw, cmap="gray", vmax=np.percentile(raw, 99.8))
    panels[1, index].imshow(result, cmap="gray", vmin=0, vmax=1.1 * dose)
    panels[1, index].plot(
        columns[:, 1], columns[:, 0], "o", mfc="none", mec="orange", ms=4, mew=0.8
    )
    panels[0, index].set_title(f"{dose} electrons per pixel")
    panels[1, index].set_title(f"{len(columns)} columns")
for panel in panels.flat:
    panel.set(xticks=[], yticks=[])

# %%
# Against the truth
# -----------------
# Recall is the share of true columns that were found, precision the share of
# found ones that are true.

true = np.concatenate([sr, ti])
for index, dose in enumerate(doses):
    found = atoms.inav[index].single_array()
    score = hse.metrics.score_columns(found, true, radius=SPACING / 4)
    print(
        f"{dose:3} electrons: precision {score.precision:.2f}, recall "
        f"{score.recall:.2f}, RMS {score.rms:.2f} pixels"
    )

# %%
# What was removed
# ----------------
# With the background kept, the difference to the raw image should be noise
# alone. A lattice in it would mean that intensity was lost.

kept = noisy.inav[1].enhance_sfin(keep_background=True)
removed = noisy.inav[1].data - kept.data
figure, panels = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
titles = ("raw, 10 electrons per pixel", "enhanced, with background", "removed")
for panel, image, title in zip(
    panels, (noisy.inav[1].data, kept.data, removed), titles, strict=True
):
    panel.imshow(image, cmap="gray")
    panel.set(xticks=[], yticks=[], title=title)

# %%
# The same in numbers: as strong as the noise, and no structure in it.

report = noisy.inav[1].residual_report(enhanced.inav[1])
print(report.summary())

# %%
# What only follows the noise
# ---------------------------
# Few electrons leave columns ragged. Enhanced once more, with a part of its own noise
# added, an image tells at which spatial frequencies it follows the noise; these are
# lowered. It takes up to twice the time.

faint = noisy.inav[3]
plain = faint.enhance_sfin(keep_background=True)
better = faint.enhance_sfin(keep_background=True, remove_echo=True)
figure, panels = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
titles = ("raw, 1 electron per pixel", "enhanced", "echo removed", "truth")
signals = (faint, plain, better, clean)
for panel, title, signal in zip(panels, titles, signals, strict=True):
    panel.imshow(signal.data, cmap="gray", vmin=0, vmax=1.3)
    panel.set(xticks=[], yticks=[], title=title)
    if signal is not clean:
        print(f"{title}: RMS error {np.std(signal.data - clean.data):.3f} counts")

# %%
# How certain is a pixel?
# -----------------------
# A second signal with the half width of an interval that holds the truth for
# about 68 % of the pixels. It takes twelve times as long, so here is a part:

part, uncertainty = noisy.inav[2].isig[:128, :128].enhance_sfin(return_uncertainty=True)
figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.4), layout="constrained")
for panel, signal, title in zip(
    panels, (part, uncertainty), ("enhanced", "uncertainty"), strict=True
):
    shown = panel.imshow(signal.data, cmap="magma", vmin=0)
    panel.set(xticks=[], yticks=[], title=f"{title} (counts)")
    figure.colorbar(shown, ax=panel)

# %%
# Intensities
# -----------
# They are in counts, like the image. Against the truth, the two sorts of
# columns at 50 electrons per pixel, as detection fitted them:

heights = atoms.inav[0].single_array()[:, 2]
figure, panel = plt.subplots(figsize=(5, 3), layout="constrained")
panel.hist(heights, bins=40, color="0.5")
for truth in (1.0, 0.45):
    near = heights[abs(heights / doses[0] - truth) < 0.2]
    panel.axvline(truth * doses[0], color="tab:orange")
    print(f"true {truth * doses[0]:.1f}, median found {np.median(near):.1f} counts")
panel.set(xlabel="intensity (counts); truth in orange", ylabel="columns")
plt.show()
