"""Speed and memory of enhancement, as ratios measured side by side in one run.

    python benchmarks/inference.py [network] [stack] [memory] [tiles] [frame] [seams]
        [import] [--model scgn]

Without a name all parts are run.  Each ratio is the median over rounds in
which both sides take turns, so that a change of the machine's load meets
both.  "The plain module" is `models.sfin.SFIN` (or `models.scgn.SCGN`), the
published layers run one by one; weights of the full network are random, which
costs the same.  With ``--model scgn`` network, stack, memory and frame are those
of HRTEM images; the other parts are of `sfin-fast` alone.
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
from hyperspy_stem_enhance.models.scgn import SCGN

SEED = 90_251
# Of each name: the plain module, and the mode that is enhanced by it
NETWORKS = {"sfin": (SFIN, "HAADF"), "scgn": (SCGN, "HRTEM")}
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


def measure_networks(rounds, name):
    """Inference forms against the plain module; one output, as enhancement asks for."""
    torch.manual_seed(SEED)
    full, small = NETWORKS[name][0]().eval(), load_model(f"{name}-fast")
    fast_full, fast_small = InferenceNetwork(full), InferenceNetwork(small)
    print(
        f"\n| network | batch of 256² | plain `{name}` | this | times as fast | "
        "difference from its plain module |\n|---|---|---|---|---|---|"
    )
    for batch in (1, 8):
        x = torch.randn(batch, small.n_inputs, 256, 256)
        for row, fast, module in (
            (name, fast_full, full),
            (f"{name}-fast", fast_small, small),
        ):
            own = x[:, : module.n_inputs]
            with torch.inference_mode():
                expected = module(own)[:, :1]
                error = (fast(own, [0]) - expected).abs().max()
                error /= np.ptp(expected.numpy())
                ratio, slow, quick = compare(
                    lambda x=x[:, :1]: full(x),
                    lambda x=own, fast=fast: fast(x, [0]),
                    rounds,
                )
            print(
                f"| {row} | {batch} | {slow / batch:.2f} s | {quick / batch:.3f} s "
                f"| {ratio:.2f} | {error:.0e} of the range |",
                flush=True,
            )


def _simulated_frames(n, mode, side=256):
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    distinct = [draw_scene(SEED, i, (side, side), mode).noisy for i in range(16)]
    return np.stack([distinct[i % 16] for i in range(n)])


def measure_stack(rounds, name, n):
    """The method on a lazy stack against the bare network."""
    import dask.array as da
    import hyperspy.api as hs

    import hyperspy_stem_enhance as hse
    from hyperspy_stem_enhance.enhance.normalise import normalise_frame
    from hyperspy_stem_enhance.enhance.order import network_input

    mode = NETWORKS[name][1]
    frames = _simulated_frames(n, mode)
    lazy = hs.signals.Signal2D(da.from_array(frames, chunks=(16, 256, 256))).as_lazy()
    network = InferenceNetwork(load_model(f"{name}-fast"))
    values = [normalise_frame(frame, mode).values for frame in frames]
    given = [network_input(image, mode, network.n_inputs) for image in values]
    batches = torch.from_numpy(np.stack(given)).split(16)

    def bare():
        with torch.inference_mode():
            for batch in batches:
                network(batch)

    def whole():
        enhanced = getattr(lazy, f"enhance_{name}")(show_progressbar=False)
        enhanced.compute(show_progressbar=False)

    ratio, with_all, alone = compare(whole, bare, rounds)
    print(
        f"\nLazy stack of {n} frames of 256²: `enhance_{name}` {with_all:.1f} s, the "
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
    from hyperspy_stem_enhance.models import registry
    from hyperspy_stem_enhance.models.architectures import build_network
    from hyperspy_stem_enhance.models.inference import inference_form
    shape = {{"width": 4, "n_blocks": 1, "downscale": 2, "n_outputs": 3}}
    small = inference_form(build_network({{"name": "{name}", **shape}}))
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
    means = s.enhance_{name}(scale=1).data.mean(axis=(1, 2)).compute()
    assert np.isfinite(means).all()
"""
_FRAME = """
    import time
    rng = np.random.default_rng(0)
    data = np.empty(({side}, {side}), "uint16")
    columns = np.exp(-((np.arange({side}) % 14.6 - 7.3) ** 2) / (2 * 2.5**2))
    for row in range({side}):
        data[row] = rng.poisson(2 + 40 * columns[row] * columns)
    s = hs.signals.Signal2D(data)
    before = peak()
    start = time.perf_counter()
    one = s.enhance_{name}(show_progressbar=False).data
    print(f"{{time.perf_counter() - start:.1f}} {{peak() - before:.2f}}", end=" ")
    moved = hs.signals.Signal2D(data[{shift}:, {shift}:])
    other = moved.enhance_{name}(show_progressbar=False).data
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


def measure_memory(gigabytes, name):
    """Peak memory while lazy stacks of growing size go through.

    Of the largest the network is a very small one: all the rest is the same.
    """
    print("\n| lazy stack of 256², float64 | network | peak above the imports | time |")
    print("|---|---|---|---|")
    for part, row, before in (
        (0.025, f"{name}-fast", ""),
        (0.05, f"{name}-fast", ""),
        (0.1, "very small", _SMALL),
        (1.0, "very small", _SMALL),
    ):
        n_chunks = max(1, round(part * gigabytes * 1e9 / (64 * 8 * 256**2)))
        start = time.perf_counter()
        body = (before + _STACK).format(n_chunks=n_chunks, name=name)
        (peak,) = _run_apart(body)
        size, seconds = n_chunks * 64 * 8 * 256**2 / 1e9, time.perf_counter() - start
        print(
            f"| {size:.2f} GB | {row} | {peak:.2f} GB | {seconds:.0f} s |", flush=True
        )


def measure_tiles(n=6, side=1024):
    """Time, seams and quality by the size and overlap of tiles."""
    from hyperspy_stem_enhance.enhance.normalise import normalise_frame
    from hyperspy_stem_enhance.enhance.order import network_input
    from hyperspy_stem_enhance.metrics import psnr
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    settings = (
        (TILE, OVERLAP, 1),
        (TILE, OVERLAP, 2),
        (TILE, 96, 1),
        (TILE, 128, 1),
        (384, 64, 1),
        (512, 64, 1),
        (side, 0, 1),
    )
    network = InferenceNetwork(load_model("sfin-fast"))
    scenes = [
        draw_scene(SEED, i, (side, side), arrangement="lattice") for i in range(n)
    ]
    found = []
    for scene in scenes:
        frame = normalise_frame(scene.noisy)
        given = network_input(frame.values, n_inputs=network.n_inputs)
        found.append([])
        for setting in settings:
            shift = (setting[0] - setting[1]) // 4 * 2 if setting[1] else TILE // 2
            start = time.perf_counter()
            one = _enhance_tiles(network, given, *setting)
            seconds = time.perf_counter() - start
            other = _enhance_tiles(network, given[:, shift:, shift:], *setting)
            difference = frame.scale[shift:, shift:] * (one[shift:, shift:] - other)
            one = frame.scale * np.clip(one, 0, None)
            inside = np.abs(difference[160:-160, 160:-160]) / np.ptp(one)
            quality = psnr(one, scene.clean)
            found[-1].append((seconds, np.quantile(inside, 0.999), quality))
    seconds, seam, quality = np.mean(found, axis=0).T
    print(
        f"\n| tile | overlap | tilings averaged | time | two tilings differ | PSNR of "
        f"{n} lattices of {side}², mixed noise |\n|---|---|---|---|---|---|"
    )
    for i, (tile, overlap, tilings) in enumerate(settings):
        name = "whole frame" if tile == side else f"{tile}²"
        print(
            f"| {name} | {overlap} | {tilings} | {seconds[i] / seconds[0]:.2f} | "
            f"{seam[i]:.1%} | {quality[i]:.2f} dB |",
            flush=True,
        )


def _enhance_tiles(network, values, tile, overlap, tilings=1):
    """Run a network on tiles and blend them; the mean of shifted tilings."""
    from hyperspy_stem_enhance.enhance.tiling import blend_window

    total = 0
    for i in range(tilings):
        moved = i * (tile - overlap) // tilings
        padding = ((0, 0), (moved, 0), (moved, 0))
        padded = np.pad(values, padding, mode="symmetric")
        summed, weight = np.zeros((2, *padded.shape[1:]))
        sides = [min(tile, size) for size in padded.shape[1:]]
        window = blend_window(sides, max(overlap, 1))
        for top in tile_starts(padded.shape[1], tile, overlap):
            for left in tile_starts(padded.shape[2], tile, overlap):
                here = slice(top, top + sides[0]), slice(left, left + sides[1])
                x = np.ascontiguousarray(padded[(slice(None), *here)][None])
                with torch.inference_mode():
                    enhanced = network(torch.from_numpy(x), [0])[0, 0].numpy()
                summed[here] += enhanced * window
                weight[here] += window
        total = total + (summed / weight)[moved:, moved:]
    return total / tilings


def measure_frame(side, name):
    """Time and memory of one large frame, and whether its tiles show."""
    seconds, peak, highest, rms, _ = _run_apart(
        _FRAME.format(side=side, shift=_SHIFT, name=name)
    )
    print(
        f"\nFrame of {side}² with {name}-fast: {seconds:.0f} s, peak {peak:.2f} GB "
        f"above the image in memory. Two tilings differ by {highest:.1%} of the range "
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
    parser.add_argument("--frames", type=int, default=256, help="of the lazy stack")
    parser.add_argument("--gigabytes", type=float, default=1, help="of the stack")
    parser.add_argument("--side", type=int, default=4096, help="of the large frame")
    parser.add_argument("--model", choices=NETWORKS, default="sfin")
    arguments = parser.parse_args()
    chosen = arguments.parts or parts
    print(
        f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, median of "
        f"{arguments.rounds} rounds, seed {SEED}."
    )
    if "network" in chosen:
        measure_networks(arguments.rounds, arguments.model)
    if "stack" in chosen:
        measure_stack(max(1, arguments.rounds // 2), arguments.model, arguments.frames)
    if "memory" in chosen:
        measure_memory(arguments.gigabytes, arguments.model)
    if "tiles" in chosen:
        measure_tiles()
    if "frame" in chosen:
        measure_frame(arguments.side, arguments.model)
    if "seams" in chosen:
        measure_seams()
    if "import" in chosen:
        measure_import(arguments.rounds)


if __name__ == "__main__":
    main()
