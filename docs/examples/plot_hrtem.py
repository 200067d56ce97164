"""
HRTEM: nuclei in noise
======================

Frames of a camera, too short to count many electrons: their noise measured, the noise
removed, and the columns found, ordered or not.
"""

# %%
# Simulated frames
# ----------------
# Ordered nuclei of platinum in disordered surroundings, with the noise that is
# published for rapid HRTEM. As these are simulated, the truth is known.

import hyperspy.api as hs
import matplotlib.pyplot as plt

import hyperspy_stem_enhance as hse

hs.preferences.General.show_progressbar = False

data = hse.simulate.make_dataset(
    4,
    (192, 192),
    mode="HRTEM",
    noise="published",
    arrangement="nuclei",
    structures=["Pt [001]"],
    pixel_size=0.18,  # ångström
    seed=8,
)
table = data.to_dataframe()
table[["arrangement", "structure", "appearance", "column_offset_sd"]]

# %%
# Whether columns look bright or dark is up to the defocus. It was drawn for each frame
# here; in a movie it stays, and one call does for all frames.

numbers = {look: list(table["appearance"]).index(look) for look in ("bright", "dark")}
images = {look: data.noisy.inav[number] for look, number in numbers.items()}

# %%
# Noise
# -----
# The offsets that the pixels of a column share, and the noise of each pixel:

calibration = images["bright"].calibrate_noise(mode="HRTEM")
print(calibration.summary())
axes = calibration.plot(image=images["bright"])

# %%
# Enhance, detect
# ---------------
# Of dark columns the depth is returned: both results are bright on zero.

found = {}
figure, panels = plt.subplots(2, 3, figsize=(10, 6.8), layout="constrained")
for row, (contrast, image) in zip(panels, images.items(), strict=True):
    enhanced = image.enhance_scgn(contrast=contrast)
    atoms = image.detect_atoms(mode="HRTEM", contrast=contrast)
    found[contrast] = columns = atoms.single_array()
    row[0].imshow(image.data, cmap="gray")
    row[1].imshow(enhanced.data, cmap="gray")
    row[2].imshow(image.data, cmap="gray")
    row[2].plot(columns[:, 1], columns[:, 0], "o", c="tab:orange", mfc="none", ms=5)
    titles = (f"as recorded, {contrast}", "enhanced", f"{len(columns)} columns")
    for panel, title in zip(row, titles, strict=True):
        panel.set(xticks=[], yticks=[], title=title)

# %%
# Against the truth
# -----------------

for contrast, number in numbers.items():
    true = data.positions.inav[number].single_array()
    score = hse.metrics.score_columns(found[contrast], true, radius=4)
    print(
        f"{contrast}: {len(true)} columns, precision {score.precision:.2f}, recall "
        f"{score.recall:.2f}, RMS {score.rms:.2f} pixels"
    )
plt.show()
