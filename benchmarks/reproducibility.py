"""What of a frame's columns hangs on the processor, the threads and dask.

    python benchmarks/reproducibility.py [DATA] [--frames 200] [--settings ...]

Simulated frames of all modes and kinds of noise, and the real files of the tests
in the folder DATA (see tests/conftest.py), go through `detect_atoms` in a process
of its own for each setting: other instruction sets in PyTorch, oneDNN, OpenBLAS and
NumPy by their environment variables, one thread or two, and frames in dask's
threads.  "rounding" stands for any other processor: the image that the network
made is changed by parts in a million before columns are looked for.

For each pair of settings: columns that only one of them has (farther than half a
pixel from all of the other), positions that differ by more than 0.01 and 0.001
pixels, and intensities that differ by more than a part in a thousand.
"""

import argparse
import itertools
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

SEED = 27_027
SHAPES = ((128, 128), (128, 160), (160, 128), (192, 160), (256, 256))
NOISES = {
    "HAADF": ("published", "scanning", "low-dose"),
    "BF": ("published", "scanning", "low-dose"),
    "HRTEM": ("published", "camera", "low-dose"),
}
LARGEST = 512  # pixels per side of what is taken of real images
ROUNDING = 1e-6  # of the largest value of an enhanced image
NEAR = 0.5  # pixels
_ONE = {"OMP_NUM_THREADS": "1"}
SETTINGS = {
    "one thread": _ONE,
    "two threads": {"OMP_NUM_THREADS": "2"},
    "AVX2": {
        **_ONE,
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
    "oneDNN AVX2": {**_ONE, "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "oneDNN AVX512, no bfloat16": {**_ONE, "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "oneDNN bfloat16 allowed": {**_ONE, "ONEDNN_DEFAULT_FPMATH_MODE": "BF16"},
    "PyTorch avx2": {**_ONE, "ATEN_CPU_CAPABILITY": "avx2"},
    "PyTorch default": {**_ONE, "ATEN_CPU_CAPABILITY": "default"},
    "OpenBLAS Haswell": {**_ONE, "OPENBLAS_CORETYPE": "Haswell"},
    "OpenBLAS SkylakeX": {**_ONE, "OPENBLAS_CORETYPE": "SkylakeX"},
    "dask": {"OMP_NUM_THREADS": "1", "HSE_RUN": "dask"},
    "rounding": {**_ONE, "HSE_RUN": "rounding"},
}


def simulated_frames(count):
    """Yield mode and frame; the three modes, their noises and sizes in turn."""
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    for i in range(count):
        mode = list(NOISES)[i % 3]
        noise = NOISES[mode][i // 3 % 3]
        shape = SHAPES[i // 9 % len(SHAPES)]
        yield mode, draw_scene(SEED, i, shape, mode, noise).noisy


def real_frames(folder):
    """Yield mode and the middle of each real image of a folder."""
    import h5py
    import hyperspy.api as hs
    from PIL import Image

    for path in sorted(Path(folder).rglob("*")):
        kind = path.relative_to(folder).parts[0]
        if kind not in ("haadf", "abf", "hrtem", "labelled") or path.suffix in (
            *(".csv", ".emi", ".txt", ".md"),
            "",
        ):
            continue
        if path.is_dir():
            continue
        if path.suffix in (".png", ".tif"):
            data = np.asarray(Image.open(path))
        elif path.suffix == ".h5":
            with h5py.File(path) as file:
                found = []
                file.visititems(
                    lambda _, item, found=found: (
                        found.append(item[()])
                        if isinstance(item, h5py.Dataset) and item.ndim == 2
                        else None
                    )
                )
            data = found[0]
        else:
            options = {"file_format": "HSPY"} if path.suffix == ".hdf5" else {}
            data = hs.load(path, **options).data
        if data.ndim == 3:
            data = data[..., :3].mean(axis=2)
        mode = "BF" if "ABF" in path.name else "HRTEM" if kind == "hrtem" else "HAADF"
        corner = [max(n - LARGEST, 0) // 2 for n in data.shape]
        yield mode, data[tuple(slice(c, c + LARGEST) for c in corner)]


def detect_all(frames, how):
    """Tables of all frames."""
    import dask.array as da
    import hyperspy.api as hs

    import hyperspy_stem_enhance  # noqa: F401, gives the signals their methods
    from hyperspy_stem_enhance.detect import columns

    options = {"show_progressbar": False}
    if how == "rounding":
        columns.detect_columns = change_by_rounding(columns.detect_columns)
    if how != "dask":
        return [
            hs.signals.Signal2D(frame).detect_atoms(mode, **options).data[0]
            for mode, frame in frames
        ]
    tables = [None] * len(frames)
    groups = {}
    for i, (mode, frame) in enumerate(frames):
        groups.setdefault((mode, frame.shape, frame.dtype), []).append(i)
    for (mode, shape, _), index in groups.items():
        stack = np.stack([frames[i][1] for i in index])
        chunks = (2, shape[0] // 2, shape[1])
        lazy = hs.signals.Signal2D(da.from_array(stack, chunks=chunks)).as_lazy()
        found = lazy.detect_atoms(mode, **options).data.compute(scheduler="threads")
        for i, table in zip(index, found, strict=True):
            tables[i] = table
    return tables


def change_by_rounding(detect):
    """Find columns in enhanced images as another processor might have made them."""

    def changed(enhanced, *args, **kwargs):
        rng = np.random.default_rng(SEED)
        size = np.abs(enhanced) + np.nanmax(np.abs(enhanced), initial=0)
        change = ROUNDING * size * rng.uniform(-1, 1, enhanced.shape)
        return detect((enhanced + change).astype(np.float32), *args, **kwargs)

    return changed


def compare(tables, others):
    """Columns of one only, moved by 0.01, by 0.001 pixels, and other intensities."""
    from hyperspy_stem_enhance.metrics import match_columns

    counts = np.zeros(4, int)
    for table, other in zip(tables, others, strict=True):
        first, second = match_columns(table[:, :2], other[:, :2], NEAR)[:2]
        counts[0] += len(table) + len(other) - 2 * len(first)
        moved = np.hypot(*(table[first, :2] - other[second, :2]).T)
        change = np.abs(table[first, 2] / other[second, 2] - 1)
        counts[1:] += np.sum(moved > 0.01), np.sum(moved > 1e-3), np.sum(change > 1e-3)
    return counts


def run_setting(name, frames, folder):
    """Tables of all frames, from a process with the setting's environment."""
    given, result = folder / "frames", folder / name.replace(" ", "_")
    if not given.exists():
        given.write_bytes(pickle.dumps(frames))
    environment = {**os.environ, **SETTINGS[name]}
    subprocess.run(
        [sys.executable, __file__, "--work", str(given), str(result)],
        env=environment,
        check=True,
    )
    return pickle.loads(result.read_bytes())


def work(given, result):
    """What runs in the process of a setting."""
    warnings.simplefilter("ignore")
    frames = pickle.loads(Path(given).read_bytes())
    tables = detect_all(frames, os.environ.get("HSE_RUN", ""))
    Path(result).write_bytes(pickle.dumps(tables))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", nargs="?")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS))
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(*arguments.work)
        return
    sets = {"simulated": list(simulated_frames(arguments.frames))}
    if arguments.data:
        sets["real"] = list(real_frames(arguments.data))
    for title, frames in sets.items():
        if not frames:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = {
                name: run_setting(name, frames, Path(folder))
                for name in arguments.settings
            }
        total = sum(map(len, next(iter(found.values()))))
        print(f"\n{len(frames)} {title} frames, {total} columns\n")
        print("| settings | in one only | moved 0.01 | moved 0.001 | intensity 0.001 |")
        print("|---|---|---|---|---|")
        pairs = list(itertools.combinations(found, 2))
        counts = np.array([compare(found[a], found[b]) for a, b in pairs])
        for (a, b), row in zip(pairs, counts, strict=True):
            print(f"| {a}, {b} | {' | '.join(map(str, row))} |")
        print(
            f"| most of any two | {' | '.join(map(str, counts.max(0)))} |", flush=True
        )


if __name__ == "__main__":
    main()
