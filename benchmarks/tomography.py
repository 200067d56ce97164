"""Tomograms of simulated and real tilt series by all methods, against the truth.

python benchmarks/tomography.py phantoms [--size 64] [--views 15] [--counts 40] ...
python benchmarks/tomography.py ablation | gains | needle | wedge | speed | slices

`phantoms` has simulated series and compares volumes; SIRT, total variation and svmbir
are given the parameters that are best by the truth, the Gaussians choose theirs by
left-out views. `needle` (real) compares views that were left out, `wedge` (real) the
views beyond ±60°. Results are written to benchmarks/results/tomography-*.json, too.
"""

import argparse
import json
import resource
import time
from functools import partial
from pathlib import Path

import numpy as np

from hyperspy_stem_enhance.simulate.tilt_series import make_tilt_series
from hyperspy_stem_enhance.tomography import project_volume, qggmrf, reconstruct
from hyperspy_stem_enhance.tomography.denza import fit_denza
from hyperspy_stem_enhance.tomography.fit import Terms
from hyperspy_stem_enhance.tomography.geometry import SliceProjector

RESULTS = Path(__file__).parent / "results"
DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "tomography"
PHANTOMS = ("core-shell", "graded", "porous-catalyst", "nanocrystal")
SIRT_ITERATIONS = (10, 20, 40, 80)
NEEDLE_ITERATIONS = (100, 300)
TV_STRENGTHS = (0.3, 0.6, 1.2, 2.4)
SHARPNESS = (-2.0, -1.0, 0.0)
SNR_DB = (20.0, 25.0, 30.0)
# Up to the Nyquist frequency; those of its lower half are compared
SHELLS = 16


def main():
    """Run one comparison and print its table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = {
        "phantoms": phantoms,
        "ablation": ablation,
        "gains": gains,
        "needle": needle,
        "wedge": wedge,
        "speed": speed,
        "slices": slices,
    }
    parser.add_argument("command", choices=commands)
    parser.add_argument("--phantoms", nargs="+", default=list(PHANTOMS))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--views", type=int, nargs="+", default=[15])
    parser.add_argument("--counts", type=float, nargs="+", default=[40.0])
    # Seed 0 is what defaults were chosen on
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    started = time.process_time()
    rows = list(commands[arguments.command](arguments))
    settings = {k: str(v) if k == "data" else v for k, v in vars(arguments).items()}
    settings.pop("data")
    settings["cpu_seconds"] = round(time.process_time() - started, 1)
    RESULTS.mkdir(exist_ok=True)
    name = f"tomography-{arguments.command}-{arguments.size}"
    name += f"-{'-'.join(map(str, arguments.views))}"
    text = json.dumps({"settings": settings, "rows": rows}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def show(row):
    """Print a row, which is what a long run is watched by."""
    print("| " + " | ".join(str(value) for value in row.values()) + " |", flush=True)
    return row


# What is compared


def psnr(volume, truth):
    """Peak of the truth over the root mean square error, with the best factor."""
    volume = np.asarray(volume, float)
    factor = np.vdot(volume, truth) / max(np.vdot(volume, volume), 1e-30)
    error = np.mean((factor * volume - truth) ** 2)
    return float(10 * np.log10(truth.max() ** 2 / error))


def ssim(volume, truth):
    """SSIM of the slices along x, with the best factor."""
    from hyperspy_stem_enhance.metrics import ssim as of_images

    factor = np.vdot(volume, truth) / max(np.vdot(volume, volume), 1e-30)
    return of_images(factor * volume, truth, peak=float(truth.max()))


def view_psnr(images, views, fitted):
    """PSNR of recorded views; the peak is the largest intensity of all views.

    The factor of the images is that which is best for the fitted views: what was
    left out has no say. One mean square error over all pixels of the left-out views.
    """
    factor = np.vdot(images[fitted], views[fitted])
    factor /= np.vdot(images[fitted], images[fitted])
    left_out = np.setdiff1d(np.arange(len(views)), fitted)
    error = np.mean((factor * images[left_out] - views[left_out]) ** 2)
    return float(10 * np.log10(views.max() ** 2 / error))


def shell_correlation(volume, truth, max_tilt):
    """Fourier shell correlation below half of Nyquist, within and out of the wedge."""
    a, b = np.fft.fftn(volume), np.fft.fftn(truth)
    _, z, y = np.meshgrid(*(np.fft.fftfreq(n) for n in truth.shape), indexing="ij")
    radius = np.sqrt(
        sum(
            f**2
            for f in np.meshgrid(
                *(np.fft.fftfreq(n) for n in truth.shape), indexing="ij"
            )
        )
    )
    # A view at θ has the frequencies (y, z) along (cos θ, −sin θ)
    missing = np.abs(np.arctan2(np.abs(z), np.abs(y))) > np.deg2rad(max_tilt)
    found = []
    for region in (~missing, missing):
        values = []
        for shell in range(1, SHELLS // 2 + 1):
            inside = region & (np.round(radius * 2 * SHELLS) == shell)
            if inside.sum() > 20:
                top = np.real(np.vdot(b[inside], a[inside]))
                norm = np.linalg.norm(a[inside]) * np.linalg.norm(b[inside])
                values.append(top / max(norm, 1e-30))
        found.append(round(float(np.mean(values)), 4))
    return found


def best(candidates, score):
    """The volume with the highest score of (settings, volume) pairs."""
    return max(((s, v) for s, v in candidates), key=lambda pair: score(pair[1]))


def candidates_of(method, views, tilts, thickness, iterations=SIRT_ITERATIONS):
    """Volumes of a method by each of its parameters."""
    if method == "sirt":
        options = [{"iterations": n} for n in iterations]
    elif method == "tv":
        options = [{"regularisation": beta} for beta in TV_STRENGTHS]
    elif method == "svmbir":
        for sharpness in SHARPNESS:
            for snr_db in SNR_DB:
                volume, chosen = qggmrf.reconstruct(
                    views, tilts, None, thickness, sharpness, snr_db
                )
                yield chosen, volume.transpose(2, 0, 1)
        return
    else:
        options = [{}]
    for option in options:
        result = reconstruct(views, tilts, method=method, thickness=thickness, **option)
        yield option, result.volume


def series_of(arguments):
    """Simulated series by phantom, number of views, counts and seed."""
    for n_views in arguments.views:
        max_tilt = 70.0 if n_views <= 15 else 66.0
        for counts in arguments.counts:
            for phantom in arguments.phantoms:
                for seed in arguments.seeds:
                    data = make_tilt_series(
                        phantom,
                        arguments.size,
                        n_views=n_views,
                        max_tilt=max_tilt,
                        counts=counts,
                        seed=seed,
                    )
                    key = {
                        "phantom": phantom,
                        "views": n_views,
                        "counts": counts,
                        "seed": seed,
                    }
                    yield key, data, max_tilt


def phantoms(arguments):
    """All methods on simulated series."""
    print(
        "| phantom | views | counts | seed | method | PSNR | SSIM | FSC | in wedge "
        "| left-out views | CPU s | chosen |\n|" + "---|" * 12
    )
    for key, data, max_tilt in series_of(arguments):
        truth, tilts = data.volume, data.tilts
        between = (tilts[1:] + tilts[:-1]) / 2
        wanted = project_volume(truth, between)
        for method in ("wbp", "sirt", "tv", "svmbir", "denza"):
            started = time.process_time()
            tried = candidates_of(method, data.views, tilts, truth.shape[1])
            chosen, volume = best(tried, partial(psnr, truth=truth))
            seconds = time.process_time() - started
            seen = project_volume(volume, between)
            within, missing = shell_correlation(volume, truth, max_tilt)
            yield show(
                key
                | {
                    "method": method,
                    "psnr": round(psnr(volume, truth), 2),
                    "ssim": round(ssim(volume, truth), 4),
                    "fsc": within,
                    "fsc_wedge": missing,
                    "unseen_views_psnr": round(psnr(seen, wanted), 2),
                    "cpu_seconds": round(seconds, 1),
                    "chosen": chosen,
                }
            )


ABLATIONS = {
    "denza": {},
    "without gain": {"terms": Terms(gain=False)},
    "with the Fourier term": {"terms": Terms(fourier=0.05)},
    "without total variation": {"strength": 0.0},
    "L1 + DSSIM": {"terms": Terms(data="l1+dssim")},
}


def ablation(arguments):
    """What each term brings where views differ by 5 %."""
    print(
        "| phantom | views | counts | seed | terms | PSNR | FSC | in wedge |\n|"
        + "---|" * 8
    )
    for key, data, max_tilt in series_of(arguments):
        views = data.views * _gains(len(data.tilts), key["seed"])[:, None, None]
        projector = SliceProjector(data.tilts, views.shape[1], data.volume.shape[1])
        for name, options in ABLATIONS.items():
            fit = fit_denza(views, data.tilts, projector, **options)
            volume = fit.gaussians.voxelise()
            within, missing = shell_correlation(volume, data.volume, max_tilt)
            yield show(
                key
                | {
                    "terms": name,
                    "psnr": round(psnr(volume, data.volume), 2),
                    "fsc": within,
                    "fsc_wedge": missing,
                }
            )


def _gains(n, seed, sd=0.05):
    gains = np.exp(sd * np.random.default_rng([seed, 5]).normal(size=n))
    return gains / np.exp(np.log(gains).mean())


def gains(arguments):
    """Errors of the gains where they differ by 5 %."""
    print(
        "| phantom | views | counts | seed | SD of the gains | SD of their error |\n|"
        + "---|" * 6
    )
    for key, data, _ in series_of(arguments):
        true = _gains(len(data.tilts), key["seed"])
        result = reconstruct(data.views * true[:, None, None], data.tilts)
        yield show(
            key
            | {
                "sd": round(float(np.log(true).std()), 4),
                "error": round(float(np.log(result.gains / true).std()), 4),
            }
        )


def needle_part(folder):
    """The part of the aligned needle that is 64 × 128 × 128, views of equal sums."""
    import hyperspy.api as hs

    signal = hs.load(folder / "needle_aligned.hspy")
    views = np.asarray(signal.data, np.float32)
    _, height, width = views.shape
    top, left = (height - 128) // 2, (width - 64) // 2
    views = views[:, top : top + 128, left : left + 64]
    sums = views.sum(axis=(1, 2))
    return views * (sums.mean() / sums)[:, None, None], np.arange(-76, 77, 2.0)


def needle(arguments):
    """Left-out views of a real needle."""
    views, tilts = needle_part(arguments.data)
    print("| views | method | left-out views, PSNR | CPU s | chosen |\n|" + "---|" * 5)
    for n_views in arguments.views:
        fitted = np.round(np.linspace(0, 76, n_views)).astype(int)

        def score(volume, fitted=fitted):
            return view_psnr(project_volume(volume, tilts), views, fitted)

        yield from _on_real(views, tilts, fitted, score, {"views": n_views}, tilts)


def wedge(arguments):
    """Views beyond ±60° of a real needle of which all were recorded."""
    import hyperspy.api as hs

    signal = hs.load(arguments.data / "needle_full.dm3")
    views = np.asarray(signal.data, np.float32)
    tilts = np.linspace(-90, 90, len(views))
    views = views - np.median(views[:, :3])
    fitted = np.flatnonzero(np.abs(tilts) <= 60)
    print("| views | method | PSNR of the wedge | CPU s | chosen |\n|" + "---|" * 5)

    def score(volume):
        return view_psnr(project_volume(volume, tilts), views, fitted)

    yield from _on_real(views, tilts, fitted, score, {"views": len(fitted)}, tilts)


def _on_real(views, tilts, fitted, score, key, all_tilts):
    thickness = views.shape[1]
    for method in ("wbp", "sirt", "tv", "svmbir"):
        started = time.process_time()
        tried = candidates_of(
            method, views[fitted], tilts[fitted], thickness, NEEDLE_ITERATIONS
        )
        chosen, volume = best(tried, score)
        yield show(
            key
            | {
                "method": method,
                "psnr": round(score(volume), 2),
                "cpu_seconds": round(time.process_time() - started, 1),
                "chosen": chosen,
            }
        )
    started = time.process_time()
    result = reconstruct(views[fitted], tilts[fitted])
    seen = result.gaussians.project(all_tilts)
    yield show(
        key
        | {
            "method": "denza",
            "psnr": round(view_psnr(seen, views, fitted), 2),
            "cpu_seconds": round(time.process_time() - started, 1),
            "chosen": {
                k: result.settings[k] for k in ("n_gaussians", "regularisation")
            },
        }
    )


def speed(arguments):
    """Time and memory of one reconstruction, compiled before."""
    small = make_tilt_series("core-shell", 32, n_views=7)
    reconstruct(small.views, small.tilts)
    print(
        "| phantom | views | size | wall s | CPU s | peak memory, MB |\n|" + "---|" * 6
    )
    for key, data, _ in series_of(arguments):
        wall, cpu = time.perf_counter(), time.process_time()
        reconstruct(data.views, data.tilts)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield show(
            {
                "phantom": key["phantom"],
                "views": key["views"],
                "size": arguments.size,
                "wall_seconds": round(time.perf_counter() - wall, 1),
                "cpu_seconds": round(time.process_time() - cpu, 1),
                "peak_mb": round(peak),
            }
        )


def slices(arguments):
    """Central slices (z, y) of all methods side by side, to be looked at."""
    import matplotlib.pyplot as plt

    methods = ("wbp", "sirt", "tv", "svmbir", "denza")
    rows = list(series_of(arguments))
    figure, axes = plt.subplots(
        len(rows), 6, figsize=(12, 2 * len(rows)), squeeze=False, layout="constrained"
    )
    for row, (_key, data, _) in zip(axes, rows, strict=True):
        truth = data.volume
        show_slice(row[0], truth, truth, "truth")
        for axis, method in zip(row[1:], methods, strict=True):
            tried = candidates_of(method, data.views, data.tilts, truth.shape[1])
            _, volume = best(tried, partial(psnr, truth=truth))
            label = f"{method} {psnr(volume, truth):.1f} dB"
            show_slice(axis, volume, truth, label)
            yield {"method": method, "psnr": round(psnr(volume, truth), 2)}
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / "tomography-slices.png", dpi=110)


def show_slice(axis, volume, truth, label):
    """Draw the middle slice across the tilt axis."""
    factor = np.vdot(volume, truth) / np.vdot(volume, volume)
    middle = len(truth) // 2
    axis.imshow(factor * volume[middle], cmap="gray", vmin=0, vmax=truth.max())
    axis.set_title(label, fontsize=8)
    axis.set_axis_off()


if __name__ == "__main__":
    main()
