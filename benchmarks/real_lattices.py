"""Columns of real crystals: all found, none invented, how far from the lattice.

    python benchmarks/real_lattices.py --sto 16_STOimage_1.ser --out FOLDER

The SrTiO3 image is of github.com/ercius/openNCEM (a = 390.5 pm), the pair of ADF
and ABF images comes with Atomap.  Ours is `detect_atoms` with default arguments,
as it is and after `AtomPositions.refine` on the raw image.  Atomap's workflow is
`get_atom_positions` with its defaults and the separation that comes closest to
the lattice, of all that are tried, then centre of mass and 2-D Gaussians.

The sites are those of the lattice fitted to `detect_atoms`, if it has as many
columns per cell as the crystal, a third of the nearest distance inside the
frame.  Residuals are RMS per axis, each from the lattice fitted to the same
positions, over columns that all have found with all four neighbours.
"""

import argparse
import warnings
from importlib.util import find_spec
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

import hyperspy_stem_enhance as hse

ATOMAP = Path(find_spec("atomap").origin).parent / "tests" / "datasets"
STO = 390.5  # pm
MARGIN, NEAR = 1 / 3, 0.3  # of the nearest distance


def load(path):
    """First image of a file, with the pixel size in pm."""
    loaded = hs.load(
        path, **({"file_format": "HSPY"} if path.suffix == ".hdf5" else {})
    )
    s = loaded[0] if isinstance(loaded, list) else loaded
    s.change_dtype("float32")
    return s


def expected_sites(lattice, shape):
    """Places of the lattice well inside the frame, and whether each is taken."""
    low, high = lattice.cell_index.min(0) - 2, lattice.cell_index.max(0) + 3
    cells = np.stack(np.mgrid[low[0] : high[0], low[1] : high[1]], -1).reshape(-1, 2)
    on = lattice.on_lattice
    tree = cKDTree(lattice.positions[on])
    places, taken = [], []
    for site in range(len(lattice.sites)):
        place = lattice.fitted_positions(cells, site)
        for _ in range(2):  # bent lattices: as the nearest columns are displaced
            near = tree.query(place, k=4)[1]
            shift = lattice.displacement[on][near].mean(axis=1)
            place = lattice.fitted_positions(cells, site) + shift
        have = {tuple(c) for c in lattice.cell_index[lattice.site == site]}
        places.append(place)
        taken.append([tuple(cell) in have for cell in cells])
    places, taken = np.concatenate(places), np.concatenate(taken)
    inside = _inside(places, shape, MARGIN * lattice.spacing)
    return places[inside], taken[inside]


def _inside(positions, shape, margin):
    return np.all((positions > margin) & (positions < np.array(shape) - margin), axis=1)


def fit(positions, image):
    """Lattice of columns, told apart by the same measure of intensity for all."""
    smooth = gaussian_filter(image, 2.0)
    return hse.lattice.fit_lattice(
        positions, map_coordinates(smooth, positions.T, mode="nearest")
    )


def count(positions, places, shape, spacing):
    """Column at each site (-1: missing), and columns that are at none."""
    distance, column = cKDTree(positions).query(places)
    column = np.where(distance < NEAR * spacing, column, -1)
    inside = _inside(positions, shape, MARGIN * spacing)
    far = cKDTree(places).query(positions)[0] > NEAR * spacing
    return column, positions[inside & far]


def atomap_positions(s, places, spacing):
    """Atomap's positions by the separation that counts best, and that."""
    import atomap.api as am

    best = None
    for separation in np.unique(np.rint(spacing * np.arange(0.3, 1.01, 0.1))):
        positions = np.array(am.get_atom_positions(s, separation=int(separation)))
        if len(positions) < 6:
            continue
        column, wrong = count(positions[:, ::-1], places, s.data.shape, spacing)
        errors = np.sum(column < 0) + len(wrong)
        if best is None or errors < best[0]:
            best = errors, positions, int(separation)
    sublattice = am.Sublattice(best[1], image=s.data, fix_negative_values=True)
    sublattice.find_nearest_neighbors()
    sublattice.refine_atom_positions_using_center_of_mass(show_progressbar=False)
    sublattice.refine_atom_positions_using_2d_gaussian(show_progressbar=False)
    return np.array(sublattice.atom_positions)[:, ::-1], best[2]


def draw(path, s, lattice, missing, invented, title):
    """Columns by site, what is missing and invented, and the displacements."""
    figure, panels = plt.subplots(1, 2, figsize=(15, 7.6), layout="constrained")
    for panel in panels:
        panel.imshow(s.data, "gray", vmax=np.percentile(s.data, 99.8))
        panel.set(xticks=[], yticks=[])
    for site in range(len(lattice.sites)):
        y, x = lattice.positions[lattice.site == site].T
        panels[0].plot(x, y, "o", mfc="none", ms=4, mew=0.8, color=f"C{site}")
    for places, mark in ((missing, "ws"), (invented, "rx")):
        panels[0].plot(places[:, 1], places[:, 0], mark, mfc="none", ms=9)
    panels[0].set_title(title)
    on = lattice.on_lattice
    (y, x), (v, u) = lattice.positions[on].T, lattice.displacement[on].T
    panels[1].quiver(x, y, u, v, np.hypot(u, v), angles="xy", cmap="plasma")
    panels[1].set_title("displacement from the lattice")
    figure.savefig(path, dpi=75)
    plt.close(figure)


def compare(name, path, mode, per_cell, out):
    """Rows of the table for one image."""
    s = load(path)
    pm = 1000 * s.axes_manager.signal_axes[0].scale
    atoms = s.detect_atoms(mode=mode)
    bright = s if mode == "HAADF" else s.deepcopy()
    if mode == "BF":
        bright.data = bright.data.max() - bright.data
    found = {"detect_atoms": atoms, "and refine": atoms.refine(s, mode=mode)}
    found = {by: a.single_array()[:, :2].astype(float) for by, a in found.items()}
    reference = fit(found["detect_atoms"], bright.data)
    assert len(reference.sites) == per_cell, "not the crystal that this is"
    places, _ = expected_sites(reference, s.data.shape)
    positions, separation = atomap_positions(bright, places, reference.spacing)
    found[f"Atomap, separation {separation}"] = positions
    if name == "SrTiO3":
        pm = STO / np.sqrt(abs(np.linalg.det(reference.vectors)))
    lattices = {by: fit(columns, bright.data) for by, columns in found.items()}
    counts = {
        by: count(columns, places, s.data.shape, reference.spacing)
        for by, columns in found.items()
    }
    # Residuals of the same columns for all
    common = np.all(
        [
            (column >= 0)
            & np.isfinite(lattices[by].local_displacement[column]).all(axis=1)
            for by, (column, _) in counts.items()
        ],
        axis=0,
    )
    for number, (by, columns) in enumerate(found.items()):
        column, invented = counts[by]
        lattice, missing = lattices[by], places[column < 0]
        rigid = lattice.displacement[column[common]]
        local = lattice.local_displacement[column[common]]
        print(
            f"| {name} | {by} | {len(columns)} | {len(places)} | {len(missing)} "
            f"| {len(invented)} | {common.sum()} "
            f"| {pm * np.sqrt(np.mean(rigid**2)):.1f} pm "
            f"| {pm * np.sqrt(np.mean(local**2)):.1f} pm |",
            flush=True,
        )
        file = out / f"{path.stem}_{number}.png"
        draw(file, s, lattice, missing, invented, f"{name}, {by}")
    if name == "SrTiO3":
        print(f"\n{pm:.3f} pm per pixel by the lattice, {reference!r} in pixels")


def main():
    """Print the table, draw each row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sto", type=Path, help="16_STOimage_1.ser")
    parser.add_argument("--out", type=Path, default=Path("real_lattices"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    hs.preferences.General.show_progressbar = False
    arguments.out.mkdir(exist_ok=True, parents=True)
    print(
        "| image | by | columns | sites | missing | invented | compared | from the "
        "lattice | from the neighbours |"
    )
    print("|" + "---|" * 9)
    images = [
        ("ADF of the pair", ATOMAP / "test_ADF_cropped.hdf5", "HAADF", 2),
        ("ABF of the pair", ATOMAP / "test_ABF_cropped.hdf5", "BF", 3),
    ]
    if arguments.sto:
        images.append(("SrTiO3", arguments.sto, "HAADF", 2))
    for image in images:
        compare(*image, arguments.out)


if __name__ == "__main__":
    main()
