"""A lazy stack larger than memory, enhanced and detected to disk by one command.

    python benchmarks/scale_out.py [--gigabytes 0.25 0.5 1] [--bare 64]

A stack of 256 x 256 float32 images (simulated, SEED, 16 different ones, each with
noise of its own added when its chunk is read) is handed to `stem-enhance enhance
--detect`, in a process of its own for each size. Printed for each: the peak of its
memory, how often chunks were read, the time, and its ratio to that of the bare
network on as many frames, measured before and after on `--bare` of them in batches
of 8, in the same process, so that both meet the same load.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEED = 40_117
SIDE = 256
CHUNK = 64  # frames, 16 MiB


def measure(gigabytes, n_bare):
    """One size, in this process; returns what is printed."""
    import resource

    import dask.array as da
    import hyperspy.api as hs
    import numpy as np
    import torch

    from hyperspy_stem_enhance.cli import main
    from hyperspy_stem_enhance.models.registry import load_for_use
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    scenes = [draw_scene(SEED, i, (SIDE, SIDE)).noisy for i in range(16)]
    scenes = np.stack(scenes).astype(np.float32)
    n_chunks = max(1, round(gigabytes * 1e9 / (4 * SIDE**2) / CHUNK))
    read = []

    def make(block_info=None):
        number = block_info[None]["chunk-location"][0]
        read.append(number)
        rng = np.random.default_rng([SEED, number])
        frames = scenes[rng.integers(0, len(scenes), CHUNK)]
        return frames + rng.normal(0, 1, frames.shape).astype(np.float32)

    stack = da.map_blocks(
        make, chunks=((CHUNK,) * n_chunks, SIDE, SIDE), dtype=np.float32
    )
    read.clear()
    whole = hs.load

    def load(path, **options):
        if str(path).endswith("stack.hspy"):
            return hs.signals.Signal2D(stack).as_lazy()  # what the file would hold
        return whole(path, **options)

    hs.load = load
    network, _ = load_for_use("auto", "HAADF", "cpu")
    frames = torch.from_numpy(scenes[np.arange(8) % 16, None] / scenes.std())

    def run_bare():
        started = time.perf_counter()
        with torch.inference_mode():
            for _ in range(max(1, n_bare // 8)):
                network(frames)
        return (time.perf_counter() - started) / (max(1, n_bare // 8) * 8)

    run_bare()
    before = run_bare()
    n_frames = n_chunks * CHUNK
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "stack.hspy"
        source.write_text("made on the fly")
        out = Path(folder) / "out"
        arguments = [str(source), "--detect", "--scale", "1", "--out", str(out)]
        started = time.perf_counter()
        status = main(["enhance", *arguments, "--quiet"])
        seconds = time.perf_counter() - started
        hs.load = whole
        enhanced = hs.load(out / "stack_enhanced.hspy", lazy=True)
        [log] = [
            json.loads(line)
            for line in (out / "enhance-log.jsonl").read_text().splitlines()
            if '"event": "result"' in line
        ]
        assert enhanced.data.shape == (n_frames, SIDE, SIDE)
        disk = sum(path.stat().st_size for path in out.iterdir())
    bare = (before + run_bare()) / 2
    return {
        "status": status,
        "gigabytes": stack.nbytes / 1e9,
        "frames": n_frames,
        "columns": log["columns"],
        "read": len(read) / n_chunks,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "disk": disk / 1e9,
        "seconds": seconds,
        "bare": bare * n_frames,
    }


def print_table(sizes, n_bare):
    """A row for each size."""
    print(
        "| GB | frames | columns | reads per chunk | peak memory | on disk | time | "
        "of the bare network | ratio |\n|---|---|---|---|---|---|---|---|---|"
    )
    for size in sizes:
        command = [sys.executable, __file__, "--one", str(size), "--bare", str(n_bare)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        row = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {row['gigabytes']:.2f} | {row['frames']} | {row['columns']} "
            f"| {row['read']:.2f} | {row['peak']:.0f} MiB | {row['disk']:.2f} GB "
            f"| {row['seconds']:.0f} s | {row['bare']:.0f} s "
            f"| {row['seconds'] / row['bare']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.25, 0.5, 1])
    parser.add_argument("--bare", type=int, default=64, help="frames of the network")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(measure(arguments.one, arguments.bare)))
    else:
        print_table(arguments.gigabytes, arguments.bare)
