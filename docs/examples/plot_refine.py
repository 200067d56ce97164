"""
Positions of merged columns, with standard errors
=================================================

Pairs of columns that overlap, in a simulated image with counting noise: refined
together, and compared with the truth and with what the errors promise.
"""

# %%
# Simulate pairs of columns
# -------------------------
# Two and a half sigma apart: where the two meet, the sum of both hardly dips. The
# brightest pixel of a strong column has a hundred electrons, that of a weak one sixty.

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

from hyperspy_stem_enhance import AtomPositions
from hyperspy_stem_enhance.simulate.render import render_columns

hs.preferences.General.show_progressbar = False
rng = np.random.default_rng(0)

sigma, apart = 3.0, 2.5
middles = np.stack(np.mgrid[15:385:25, 18:385:28], axis=-1).reshape(-1, 2)
middles = middles + rng.uniform(-0.5, 0.5, middles.shape)
half = apart * sigma / 2 * np.array([0.28, 0.96])
true = np.concatenate([middles - half, middles + half])
heights = np.repeat([100.0, 60.0], len(middles))
clean = 10 + render_columns(true, heights, np.full(len(true), sigma), (400, 400))
s = hs.signals.Signal2D(rng.poisson(clean).astype("float32"))

# %%
# Refine
# ------
# Starting points are half a pixel off, as those of a detector may be.

start = true + rng.normal(0, 0.5, true.shape)
atoms = AtomPositions.from_arrays(start, image=s)
fine = atoms.refine(s)
fine

# %%
# The table has what was fitted, and the standard errors of the positions.

table = fine.to_dataframe()
table.head().round(3)

# %%
# Each position with its errors, thirty times as large as they are: along a pair,
# positions are known less well than across it.

fig, ax = plt.subplots(figsize=(6, 5), layout="constrained")
ax.imshow(s.data, cmap="gray")
ax.errorbar(
    table.x,
    table.y,
    xerr=30 * table.x_error,
    yerr=30 * table.y_error,
    fmt="none",
    color="tab:orange",
    linewidth=2,
)
ax.set(xlim=(110, 190), ylim=(190, 110), title="errors, thirty times")

# %%
# Compare with the truth
# ----------------------
# Where stated errors are right, deviations divided by them are normally distributed.
# Centres of mass cannot separate the columns: each is drawn to its neighbour.

masses = atoms.refine(s, "center_of_mass").to_dataframe()
deviation = np.concatenate([table.y - true[:, 0], table.x - true[:, 1]])
ratio = deviation / np.concatenate([table.y_error, table.x_error])
moved = np.concatenate([masses.y - true[:, 0], masses.x - true[:, 1]])

fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
bins = np.linspace(-1.5, 1.5, 61)
axes[0].hist(moved, bins, color="0.7", label="centres of mass")
axes[0].hist(deviation, bins, color="tab:orange", label="Gaussians")
axes[0].set(xlabel="deviation from the truth (px)", ylabel="coordinates")
axes[0].legend()
t = np.linspace(-4, 4, 200)
axes[1].hist(ratio, np.linspace(-4, 4, 33), density=True, color="tab:orange")
axes[1].plot(t, np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi), "k", label="normal")
axes[1].set(xlabel="deviation / standard error", ylabel="density")
axes[1].legend()

print(f"Gaussians: {np.sqrt(np.mean(deviation**2)):.3f} px")
print(f"centres of mass: {np.sqrt(np.mean(moved**2)):.3f} px")
print(f"true errors over stated ones: {np.sqrt(np.mean(ratio**2)):.2f}")
