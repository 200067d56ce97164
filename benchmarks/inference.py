"""Speed and memory of enhancement, as ratios measured side by side in one run.

    python benchmarks/inference.py [network] [stack] [memory] [tiles] [frame] [seams]
        [import]

Without a name all parts are run.  Each ratio is the median over rounds in
which both sides take turns, so that a change of the machine's load meets
both.  "The plain module" is `models.sfin.SFIN`, the published layers run one
by one; weights of the full network are random, which costs the same.
"""

import argparse
import subprocess
import sys
import textwrap
import time
from statistics import median

import numpy as np
import torch

from hyperspy_stem_enhance.enhance.tiling import OVERLAP, TILE, tile_starts
from hyperspy_stem_enhance.models import SFIN, load_model
from hyperspy_stem_enhance.models.inference import InferenceNetwork

SEED = 90_251
_SHIFT = (TILE - OVERLAP) // 2  # half of what separates neighbouring tiles


def compare(plain, fast, rounds):
    """Median ratio of the times of two functions, and the median times."""
    plain(), fast()
    times = []
    for _ in range(rounds):
        pair = []
        for function in (plain, fast):
            start = time.perf_counter()
            function()
            pair.append(time.perf_counter() - start)
        times.append(pair)
    ratio = median(a / b for a, b in times)
    return ratio, *(median(column) for column in zip(*times, strict=True))


def measure_networks(rounds):
    """Inference forms against the plain module; one output, as enhancement asks for."""
    torch.manual_seed(SEED)
    full, small = SFIN().eval(), load_model("sfin-fast")
    fast_full, fast_small = InferenceNetwork(full), InferenceNetwork(small)
    print(
        "\n| network | batch of 256² | plain `sfin` | this | times as fast | "
        "difference from its plain module |\n|---|---|---|---|---|---|"
    )
    for batch in (1, 8):
        x = torch.randn(batch, 1, 256, 256)
        for name, fast, module in (
            ("sfin", fast_full, full),
            ("sfin-fast", fast_small, small),
        ):
            with torch.inference_mode():
                expected = module(x)[:, :1]
                error = (fast(x, [0]) - expected).abs().max() / np.ptp(expected.numpy())
                ratio, slow, quick = compare(
                    lambda x=x: full(x), lambda x=x, fast=fast: fast(x, [0]), rounds
                )
            print(
                f"| {name} | {batch} | {slow / batch:.2f} s | {quick / batch:.3f} s "
                f"| {ratio:.2f} | {error:.0e} of the range |",
                flush=True,
            )


def _simulated_frames(n, side=256):
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    distinct = [draw_scene(SEED, i, (side, side)).noisy for i in range(16)]
    return np.stack([distinct[i % 16] for i in range(n)])


def measure_stack(rounds, n=256):
    """`enhance_sfin` on a lazy stack against the bare network."""
    import dask.array as da
    import hyperspy.api as hs

    import hyperspy_stem_enhance as hse
    from hyperspy_stem_enhance.enhance.normalise import normalise_frame

    frames = _simulated_frames(n)
    lazy = hs.signals.Signal2D(da.from_array(frames, chunks=(16, 256, 256))).as_lazy()
    network = InferenceNetwork(load_model("sfin-fast"))
    values = np.stack([normalise_frame(frame).values for frame in frames])
    batches = torch.from_numpy(values[:, None]).split(16)

    def bare():
        with torch.inference_mode():
            for batch in batches:
                network(batch)

    def whole():
        lazy.enhance_sfin(show_progressbar=False).compute(show_progressbar=False)

    ratio, with_all, alone = compare(whole, bare, rounds)
    print(
        f"\nLazy stack of {n} frames of 256²: `enhance_sfin` {with_all:.1f} s, the "
        f"bare network {alone:.1f} s, {ratio:.2f} times (version {hse.__version__})."
    )


_MEMORY = """
    import resource, dask.array as da, numpy as np, hyperspy.api as hs
    import hyperspy_stem_enhance, torch
    torch.nn.functional.conv2d(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 3, 3))
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    before = peak()
    {body}
    print(f"{{peak() - before:.2f}}")
"""
_SMALL = """
    from hyperspy_stem_enhance.models import SFIN, registry
    from hyperspy_stem_enhance.models.inference import inference_form
    small = inference_form(SFIN(width=4, n_blocks=1, downscale=2, n_outputs=3))
    registry.load_for_use = lambda *arguments: (small, "cpu")
"""
_STACK = """
    def draw(block_info=None):
        shape = block_info[None]["chunk-shape"]
        rng = np.random.default_rng(block_info[None]["chunk-location"])
        return rng.normal(50, 5, shape)
    chunks = ((64,) * {n_chunks}, (256,), (256,))
    data = da.map_blocks(draw, chunks=chunks, dtype="float64")
    s = hs.signals.Signal2D(data).as_lazy()
    assert s.data.nbytes == {n_chunks} * 64 * 8 * 256**2
    means = s.enhance_sfin(scale=1).data.mean(axis=(1, 2)).compute()
    assert np.isfinite(means).all()
"""
_FRAME = """
    import time
    rng = np.random.default_rng(0)
    data = np.empty(({side}, {side}), "uint16")
    across = np.cos(np.arange({side}) / 3.1)
    for row in range({side}):
        data[row] = rng.poisson(20 * (np.cos(row / 2.7) * across + 1))
    s = hs.signals.Signal2D(data)
    before = peak()
    start = time.perf_counter()
    one = s.enhance_sfin(show_progressbar=False).data
    print(f"{{time.perf_counter() - start:.1f}} {{peak() - before:.2f}}", end=" ")
    moved = hs.signals.Signal2D(data[{shift}:, {shift}:])
    other = moved.enhance_sfin(show_progressbar=False).data
    inside = (slice(160, -160),) * 2
    difference = np.abs(one[{shift}:, {shift}:] - other)[inside] / np.ptp(one)
    rms = np.sqrt(np.mean(difference**2))
    print(np.quantile(difference, 0.999), rms, end=" ")
"""


def _run_apart(body):
    code = textwrap.dedent(_MEMORY).format(body=textwrap.dedent(body).strip())
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(number) for number in result.stdout.split()]


def measure_memory(gigabytes):
    """Peak memory while lazy stacks of growing size go through.

    Of the largest the network is a very small one: all the rest is the same.
    """
    print("\n| lazy stack of 256², float64 | network | peak above the imports | time |")
    print("|---|---|---|---|")
    for part, name, before in (
        (0.05, "sfin-fast", ""),
        (0.1, "sfin-fast", ""),
        (0.1, "very small", _SMALL),
        (1.0, "very small", _SMALL),
    ):
        n_chunks = max(1, round(part * gigabytes * 1e9 / (64 * 8 * 256**2)))
        start = time.perf_counter()
        (peak,) = _run_apart(before + _STACK.format(n_chunks=n_chunks))
        size, seconds = n_chunks * 64 * 8 * 256**2 / 1e9, time.perf_counter() - start
        print(
            f"| {size:.2f} GB | {name} | {peak:.2f} GB | {seconds:.0f} s |", flush=True
        )


def measure_tiles(n=12, side=512):
    """Quality of whole frames against tiles of several sizes and overlaps."""
    from hyperspy_stem_enhance.enhance.normalise import normalise_frame
    from hyperspy_stem_enhance.enhance.tiling import blend_window
    from hyperspy_stem_enhance.metrics import psnr
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    network = InferenceNetwork(load_model("sfin-fast"))

    def enhance(values, tile, overlap):
        total, weight = np.zeros((2, *values.shape))
        window = blend_window((tile, tile), overlap)
        starts = tile_starts(side, tile, overlap)
        for top in starts:
            for left in starts:
                here = (slice(top, top + tile), slice(left, left + tile))
                x = torch.from_numpy(np.ascontiguousarray(values[here])[None, None])
                with torch.inference_mode():
                    total[here] += network(x)[0, 0].numpy() * window
                weight[here] += window
        return np.clip(total / weight, 0, None)

    settings = ((128, 32), (256, 32), (256, 64), (256, 128), (384, 64), (512, 0))
    scenes = [
        draw_scene(SEED, i, (side, side), arrangement="lattice") for i in range(n)
    ]
    print(f"\n| tile | overlap | PSNR of {n} lattices of {side}², mixed noise |")
    print("|---|---|---|")
    for tile, overlap in settings:
        found = []
        for scene in scenes:
            frame = normalise_frame(scene.noisy)
            enhanced = enhance(frame.values, tile, max(overlap, 1)) * frame.scale
            found.append(psnr(enhanced, scene.clean))
        name = "whole frame" if tile == side else f"{tile}²"
        print(f"| {name} | {overlap} | {np.mean(found):.2f} dB |", flush=True)


def measure_frame(side):
    """Time and memory of one large frame, and whether its tiles show."""
    seconds, peak, highest, rms, _ = _run_apart(_FRAME.format(side=side, shift=_SHIFT))
    print(
        f"\nFrame of {side}² with sfin-fast: {seconds:.0f} s, peak {peak:.2f} GB above "
        f"the image in memory. Two tilings differ by {highest:.1%} of the range "
        f"(99.9th percentile), {rms:.2%} RMS."
    )


def measure_seams(side=1024):
    """Whether the tiles of a large frame show, against what is wrong anyway."""
    from hyperspy_stem_enhance.enhance.run import enhance_frames
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    inside = (slice(160, -160),) * 2
    print(
        f"\n| lattice, {side}² | noise | two tilings differ: 99.9th percentile | RMS "
        "| RMS error inside tiles | in overlaps |\n|---|---|---|---|---|---|"
    )
    for structure, noise in (
        ("SrTiO3 [001]", "published"),
        ("SrTiO3 [001]", "low-dose"),
        ("Si [110]", "scanning"),
        ("Pt [001]", "published"),
    ):
        scene = draw_scene(
            SEED, 5, (side, side), "HAADF", noise, "lattice", [structure]
        )
        one = enhance_frames(scene.noisy[None], scale=1)[0]
        other = enhance_frames(scene.noisy[None, _SHIFT:, _SHIFT:], scale=1)[0]
        span = np.ptp(one)
        difference = np.abs(one[_SHIFT:, _SHIFT:] - other)[inside] / span
        error = (one - scene.clean)[inside] / span
        shared = _in_overlaps(side)[inside]
        errors = [np.sqrt(np.mean(error[where] ** 2)) for where in (~shared, shared)]
        print(
            f"| {structure} | {noise} | {np.quantile(difference, 0.999):.1%} | "
            f"{np.sqrt(np.mean(difference**2)):.2%} | "
            f"{errors[0]:.2%} | {errors[1]:.2%} |",
            flush=True,
        )


def _in_overlaps(side):
    """Where tiles of a frame overlap, shape (side, side)."""
    starts = np.array(tile_starts(side))[:, None]
    pixels = np.arange(side)
    twice = ((starts <= pixels) & (pixels < starts + TILE)).sum(0) > 1
    return twice[:, None] | twice


def measure_import(rounds):
    """What importing this package adds to importing HyperSpy."""

    def run(code):
        subprocess.run([sys.executable, "-c", code], check=True)

    ratio, ours, theirs = compare(
        lambda: run("import hyperspy.api as hs; import hyperspy_stem_enhance"),
        lambda: run("import hyperspy.api as hs"),
        rounds,
    )
    print(
        f"\n`import hyperspy_stem_enhance` after `hyperspy.api`: {ours:.2f} s against "
        f"{theirs:.2f} s, {ratio:.2f} times."
    )


def main():
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("network", "stack", "memory", "tiles", "frame", "seams", "import")
    parser.add_argument("parts", nargs="*", help=", ".join(parts))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=1, help="of the stack")
    parser.add_argument("--side", type=int, default=4096, help="of the large frame")
    arguments = parser.parse_args()
    chosen = arguments.parts or parts
    print(
        f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, median of "
        f"{arguments.rounds} rounds, seed {SEED}."
    )
    if "network" in chosen:
        measure_networks(arguments.rounds)
    if "stack" in chosen:
        measure_stack(max(1, arguments.rounds // 2))
    if "memory" in chosen:
        measure_memory(arguments.gigabytes)
    if "tiles" in chosen:
        measure_tiles()
    if "frame" in chosen:
        measure_frame(arguments.side)
    if "seams" in chosen:
        measure_seams()
    if "import" in chosen:
        measure_import(arguments.rounds)


if __name__ == "__main__":
    main()
