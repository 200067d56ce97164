"""Store what every public method returns, and compare two such files.

A change of structure must not change a result.  ``store`` runs the methods of
signals and the command line on real and simulated images of all modes, shapes and
defects; ``compare`` lists every value that differs by more than the rounding of
float32, every text, refusal and warning that is another.

    python tools/golden.py store before.npz
    python tools/golden.py store after.npz --only large
    python tools/golden.py compare before.npz after.npz

Real images are looked for in the folder ``HSE_TEST_DATA``, and left out where they
are absent.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

DATA = Path(os.environ.get("HSE_TEST_DATA", "../shared/data"))
RELATIVE, ABSOLUTE = 1e-4, 1e-5  # of a value, and of the largest one of an array


def signal_of(data, pixel_nm=None, lazy=False):
    """Signal with a pixel size, in memory or lazy."""
    import hyperspy.api as hs

    s = hs.signals.Signal2D(data)
    for axis in s.axes_manager.signal_axes if pixel_nm else ():
        axis.scale, axis.units = pixel_nm, "nm"
    return s.as_lazy() if lazy else s


def simulated(n, shape, mode="HAADF", kind="scanning", seed=5):
    """Noisy simulated frames, (n, h, w)."""
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    if mode == "HRTEM" and kind == "scanning":
        kind = "camera"
    return np.stack(
        [draw_scene(seed, i, shape, mode, kind).noisy for i in range(n)]
    ).astype(np.float32)


def lattice(shape, spacing=13.0, sigma=2.6, noise=6.0, seed=0, vacuum=0.25):
    """Counts of a lattice with an empty area to its right."""
    rng = np.random.default_rng(seed)
    y, x = (np.arange(n, dtype=np.float32) for n in shape)

    def row(values, phase):
        near = (values - phase + spacing / 2) % spacing - spacing / 2
        return np.exp(-(near**2) / (2 * sigma**2))

    image = 120 * np.outer(row(y, 4.2), row(x, 5.7))
    image[:, int(shape[1] * (1 - vacuum)) :] = 0
    return rng.normal(image + 20, noise).astype(np.float32)


def real(name, crop=None):
    """Signal of a real image, in a crop of its middle."""
    import hyperspy.api as hs

    options = {"file_format": "HSPY"} if name.endswith("hdf5") else {}
    s = hs.load(DATA / name, **options)
    s = s[0] if isinstance(s, list) else s
    if crop:
        h, w = s.data.shape[-2:]
        top, left = (max(0, (n - crop) // 2) for n in (h, w))
        s = s.isig[left : left + crop, top : top + crop]
    return s


def defects(movie):
    """A movie with a frame that is empty, one of a single value, missing pixels."""
    movie = movie.copy()
    movie[1] = np.nan
    movie[2] = 3.0
    movie[3, 10:20, 10:20] = np.nan
    movie[3, 40, 40] = movie.max() * 50
    return movie


def values_of(result):
    """Arrays and texts that a method's result consists of, by name."""
    if isinstance(result, tuple):
        parts = [values_of(part) for part in result]
        return {f"{i}.{k}": v for i, part in enumerate(parts) for k, v in part.items()}
    if hasattr(result, "metadata"):
        if result._lazy:
            result.compute(show_progressbar=False)
        record = result.metadata.get_item("STEM_enhance", default=None)
        found = {"record": _text(record.as_dictionary()) if record else ""}
        data = result.data
        if data.dtype == object:
            for index in np.ndindex(data.shape):
                found["data" + "".join(f"[{i}]" for i in index)] = data[index]
            found["shape"] = np.array(data.shape)
        else:
            found["data"] = data
        return found
    if hasattr(result, "summary"):
        return {"summary": np.array(result.summary())}
    return {"value": np.asarray(result)}


def _text(value):
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if k != "curves"}
    return np.array(json.dumps(value, sort_keys=True, default=_plain))


def _plain(value):
    return value.as_dictionary() if hasattr(value, "as_dictionary") else str(value)[:80]


def record(store, name, function):
    """Run a function; keep its values or its refusal, and its warnings."""
    started = time.monotonic()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            for key, value in values_of(function()).items():
                store[f"{name}/{key}"] = value
        except Exception as error:
            store[f"{name}/refused"] = np.array(f"{type(error).__name__}: {error}")
    texts = sorted(
        {str(w.message) for w in told if w.category is UserWarning or "Frame" in str(w)}
    )
    store[f"{name}/warnings"] = np.array("\n".join(texts))
    print(f"{time.monotonic() - started:7.1f} s  {name}", flush=True)


def small_cases():
    """Signals by name, with the mode and, for HRTEM, the contrast."""
    for mode in ("HAADF", "BF", "HRTEM"):
        for kind in ("published", "scanning", "low-dose"):
            data = simulated(1, (150, 128), mode, kind)[0]
            yield f"simulated {mode} {kind}", signal_of(data, 0.02), mode
        movie = defects(simulated(5, (80, 96), mode))
        yield f"movie {mode}", signal_of(movie), mode
        yield f"lazy movie {mode}", signal_of(movie, lazy=True), mode
    grid = simulated(4, (64, 80)).reshape(2, 2, 64, 80)
    yield "grid of uint16", signal_of((grid * 100).clip(0, 6e4).astype("u2")), "HAADF"
    coarse = lattice((100, 120), spacing=4.6, sigma=1.0)
    yield "coarse lattice", signal_of(coarse), "HAADF"
    yield "fine lattice", signal_of(lattice((400, 500), 55.0, 11.0)), "HAADF"
    dark = 255 - simulated(1, (128, 128), "HRTEM")[0]
    yield "dark columns", signal_of(dark), "HRTEM dark"
    if not DATA.is_dir():
        return
    for name, crop, mode in (
        ("haadf/16_STOimage_1.ser", 320, "HAADF"),
        ("haadf/hrstem_example.ser", 256, "HAADF"),
        ("haadf/AtomSegNet_Grain_boundry_gold_512px.png", 256, "HAADF"),
        ("haadf/BTO_crystal_1.dm4", 256, "HAADF"),
        ("abf/atomap_test_ABF_cropped.hdf5", None, "BF"),
        ("hrtem/graphene_flower_raw.tif", None, "HRTEM"),
    ):
        yield name, real(name, crop), mode


def run_small(store, wanted):
    """Run all methods on all small cases."""
    for name, s, mode in small_cases():
        if not wanted(name):
            continue
        mode, *dark = mode.split()
        contrast = {"contrast": "dark"} if dark else {}

        def enhance(s=s, mode=mode, contrast=contrast, **options):
            if mode == "HRTEM":
                return s.enhance_scgn(**contrast, **options)
            return s.enhance_sfin(mode=mode, **options)

        def detect(s=s, mode=mode, contrast=contrast, **options):
            return s.detect_atoms(mode=mode, **contrast, **options)

        def keep(label, function, name=name):
            record(store, f"{name}/{label}", function)

        if not dark:
            keep("calibrate", lambda s=s, m=mode: s.calibrate_noise(mode=m))
        keep("enhance", enhance)
        keep("detect", detect)
        keep("detect classically", lambda d=detect: d(method="classical"))
        keep("enhanced, then detect", lambda e=enhance: e().detect_atoms())
        keep("enhance keep_background", lambda e=enhance: e(keep_background=True))
        keep("enhance output", lambda e=enhance: e(output="detection", scale=1))
        if s.axes_manager.navigation_size < 2:
            keep("residual", lambda s=s, e=enhance: s.residual_report(e()))
        if mode != "HRTEM":
            keep("enhance echo", lambda e=enhance: e(remove_echo=True))
            keep("uncertainty", lambda e=enhance: e(return_uncertainty=True))
        elif s.axes_manager.navigation_size > 1:
            keep("neighbours", lambda e=enhance: e(neighbours=1))
        if "published" in name or "movie" in name:
            run_options(keep, s, mode, enhance, detect)


def run_options(keep, s, mode, enhance, detect):
    """Options that are rarely given."""
    region = np.zeros(s.data.shape[-2:], bool)
    region[10:60, 20:70] = True
    keep("detect region", lambda: detect(roi=region, separation=9, threshold=0.3))
    keep("detect keep", lambda: detect(support="keep", scale=1))
    keep("detect raw", lambda: detect(enhance=False))
    keep("allow_negative", lambda: enhance(allow_negative=True, scale=0.9))
    keep("self_ensemble", lambda: enhance(self_ensemble=True))
    if mode != "HRTEM":
        keep("paper", lambda: s.calibrate_noise(mode=mode, method="paper"))
    for method in ("gaussian", "elliptical", "center_of_mass"):
        keep(
            f"refine {method}",
            lambda method=method: detect().refine(s, method, mode=mode),
        )


def run_large(store, wanted):
    """Frames that are worked on in parts, in memory and lazy."""
    mean = lattice((2200, 2100), 40, 5).clip(0) / 100
    counts = np.random.default_rng(1).poisson(mean).astype("u2")
    for name, data in (
        ("large 300 x 2100", lattice((300, 2100))),
        ("large, coarse", lattice((2300, 200), 4.6, 1.0)),
        ("large 3000 x 3000", lattice((3000, 3000), 31.0, 5.0)),
        ("large, of counts", counts),
    ):
        for lazy in (False, True):
            label = f"{name}{', lazy' if lazy else ''}"
            if wanted(label):
                s = signal_of(data, lazy=lazy)
                record(store, f"{label}/enhance", s.enhance_sfin)
                record(store, f"{label}/detect", s.detect_atoms)


def run_commands(store, wanted):
    """The command line on files of three modes."""
    from hyperspy_stem_enhance.cli import main

    for mode in ("HAADF", "BF", "HRTEM"):
        name = f"command {mode}"
        if not wanted(name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "movie.hspy"
            signal_of(defects(simulated(5, (80, 96), mode)), 0.02).save(path)
            for command in (
                ["enhance"],
                ["enhance", "--detect"],
                ["enhance", "--detect", "--keep-background"],
                ["detect"],
                ["calibrate"],
            ):
                run_command(store, name, main, command, mode, path, folder)


def run_command(store, name, main, command, mode, path, folder):
    """Run one command; keep what is in its files."""
    import hyperspy.api as hs

    out = Path(folder) / "-".join(command)
    label = f"{name}/{' '.join(command)}"
    store[f"{label}/exit"] = np.array(
        main([*command, str(path), "--mode", mode, "--out", str(out), "--quiet"])
    )
    for file in sorted(out.iterdir()):
        if file.suffix == ".hspy":
            record(store, f"{label}/{file.name}", lambda file=file: hs.load(file))
        elif file.suffix == ".csv":
            store[f"{label}/{file.name}"] = np.array(file.read_text())


def compare(first, second, wanted):
    """Print what differs between two files; return the number of it."""
    before, after = (np.load(path) for path in (first, second))
    names = sorted(filter(wanted, {*before.files, *after.files}))
    differing = 0
    for name in names:
        if name not in before.files or name not in after.files:
            told = "only in " + (first if name in before.files else second)
        else:
            told = difference(before[name], after[name])
        if told:
            differing += 1
            print(f"{name}: {told}")
    print(f"{differing} of {len(names)} differ")
    return differing


def difference(one, other):
    """Text on how two arrays differ, or None."""
    if one.shape != other.shape:
        return f"shape {one.shape} -> {other.shape}"
    if one.dtype.kind not in "fiub" or other.dtype.kind not in "fiub":
        return None if _told(one) == _told(other) else f"{str(one)!r} -> {str(other)!r}"
    if one.dtype != other.dtype:
        return f"dtype {one.dtype} -> {other.dtype}"
    one, other = one.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return f"finite in {finite.sum()} -> {np.isfinite(other).sum()} places"
    error = np.abs(one - other)[finite]
    if not error.size:
        return None
    # Columns of a table and parameters have units of their own
    largest = np.abs(np.where(finite, one, 0))
    largest = largest.max(axis=0) if one.shape[-1:] < (50,) else largest.max()
    limit = np.broadcast_to(
        RELATIVE * np.abs(np.where(finite, one, 0)) + ABSOLUTE * largest, one.shape
    )[finite]
    beyond = error > limit
    if not beyond.any():
        return None
    return f"{beyond.mean():.2%} of the values, by up to {error.max():.3g}"


def _told(text):
    """A text without the frame that has a defect: threads come to another first."""
    lines = str(text).splitlines()
    return sorted({re.sub(r"[\d.,]+", "", s) if " has " in s else s for s in lines})


def main():
    """Store or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("store", "compare"))
    parser.add_argument("files", nargs="+")
    parser.add_argument("--only", default="", help="part of the names of cases")
    options = parser.parse_args()

    def wanted(name):
        return any(part in name for part in options.only.split(","))

    if options.what == "compare":
        sys.exit(bool(compare(*options.files, wanted)))
    import hyperspy.api as hs

    import hyperspy_stem_enhance  # noqa: F401

    hs.preferences.General.show_progressbar = False
    store = {}
    for run in (run_commands, run_small, run_large):
        run(store, wanted)
        np.savez_compressed(options.files[0], **store)


if __name__ == "__main__":
    main()
