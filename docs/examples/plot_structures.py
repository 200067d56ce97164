"""
Structures, and crystals of your own
====================================

The fifteen tabulated structures in both modes, and images of any other crystal
along any zone axis.
"""

# %%
# The table
# ---------
# Where the columns of a structure are, and how high and wide the Gaussian of each
# is in an image: simulated by multislice, once, and kept with the package.

import tempfile
from pathlib import Path

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
from ase.build import bulk

import hyperspy_stem_enhance as hse
from hyperspy_stem_enhance.simulate.render import render_columns

hs.preferences.General.show_progressbar = False

structure = hse.simulate.STRUCTURES["SrTiO3 [001]"]
for mode in ("HAADF", "BF"):
    heights, widths = structure.appearance(mode)
    print(mode, dict(zip(structure.columns, heights.round(2), strict=True)))

# %%
# Each at 0.1 Å per pixel, without noise; dark columns in bright field.


def draw(structure, mode, size=120, pixel_size=0.1, sigma=0.45):
    """A patch of the perfect crystal."""
    heights, widths = structure.appearance(mode)
    steps = np.stack(np.meshgrid(np.arange(-9, 19), np.arange(-9, 19)), -1)
    places = (structure.sites + steps.reshape(-1, 1, 2)) @ structure.cell
    n = places.shape[0]
    image = render_columns(
        places.reshape(-1, 2) / pixel_size,
        np.tile(heights, n),
        np.tile(widths, n) * sigma / pixel_size,
        (size, size),
    )
    return -image if mode == "BF" else image


figure, panels = plt.subplots(6, 5, figsize=(10, 12.6), layout="constrained")
for index, structure in enumerate(hse.simulate.STRUCTURES.values()):
    row, column = 2 * (index // 5), index % 5
    panels[row, column].imshow(draw(structure, "HAADF"), cmap="gray", vmin=0)
    panels[row + 1, column].imshow(draw(structure, "BF"), cmap="gray", vmax=0)
    panels[row, column].set_title(structure.name)
for panel, mode in zip(panels[:, 0], ("HAADF", "BF") * 3, strict=True):
    panel.set_ylabel(mode)
for panel in panels.flat:
    panel.set(xticks=[], yticks=[])

# %%
# Any crystal
# -----------
# Atoms and a zone axis are enough. With a pixel size, in ångström, images are at
# true scale and their axes calibrated.

gold = bulk("Au", cubic=True)
data = hse.simulate.from_atoms(
    gold, zone_axis=(1, 1, 0), n=3, shape=(192, 192), pixel_size=0.15,
    arrangement="particle", noise="low-dose", seed=2,
)  # fmt: skip
data.noisy, data.noisy.axes_manager.signal_axes[0]

# %%
figure, panels = plt.subplots(2, 3, figsize=(8.5, 5.7), layout="constrained")
for index, (top, bottom) in enumerate(panels.T):
    top.imshow(data.noisy.inav[index].data, cmap="gray")
    bottom.imshow(data.clean.inav[index].data, cmap="gray")
panels[0, 0].set_ylabel("noisy")
panels[1, 0].set_ylabel("clean")
for panel in panels.flat:
    panel.set(xticks=[], yticks=[])

# %%
# A CIF file
# ----------
# Strontium ruthenate, written here to stand for a file of yours. The columns of
# ruthenium and oxygen, of strontium, and of oxygen alone:

cif = """data_SrRuO3
_cell_length_a 3.93
_cell_length_b 3.93
_cell_length_c 3.93
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Sr1 Sr 0.5 0.5 0.5
Ru1 Ru 0 0 0
O1 O 0.5 0 0
"""
path = Path(tempfile.mkdtemp()) / "SrRuO3.cif"
path.write_text(cif)

structure = hse.simulate.structure_from_atoms(path, zone_axis=(0, 0, 1))
structure.columns, structure.brightness.round(3)

# %%
figure, panels = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for panel, mode in zip(panels, ("HAADF", "BF"), strict=False):
    panel.imshow(draw(structure, mode), cmap="gray")
    panel.set_title(f"{mode}, columns")
for panel, mode in zip(panels[2:], ("HAADF", "BF"), strict=True):
    data = hse.simulate.from_atoms(
        path, (0, 0, 1), n=1, shape=(192, 192), pixel_size=0.12,
        mode=mode, noise="published", seed=5,
    )  # fmt: skip
    panel.imshow(data.noisy.data[0], cmap="gray")
    panel.set_title(f"{mode}, noisy")
for panel in panels:
    panel.set(xticks=[], yticks=[])
plt.show()
