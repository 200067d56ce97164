"""A lazy stack larger than memory, enhanced and detected to disk by one command.

    python benchmarks/scale_out.py [--gigabytes 0.25 0.5 1] [--bare 64]
    python benchmarks/scale_out.py --known --gigabytes 2 20

A stack of 256 x 256 float32 images (simulated, SEED, 16 different ones, each with
noise of its own added when its chunk is read) is handed to `stem-enhance enhance
--detect`, in a process of its own for each size. Printed for each: the peak of its
memory, how often chunks were read, the time, and its ratio to that of the bare
network on as many frames, measured before and after on `--bare` of them in batches
of 8, in the same process, so that both meet the same load; the same ratio for the
time of processors, which other processes change less.

With `--known`, what network and detection return for the 16 images without the added
noise is computed before, and handed out for every frame: the command then reads,
moves and writes as much as it would, at a small part of the time. What is measured is
its memory, and what it costs beside network and detection.
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
DIFFERENT = 16


def measure(gigabytes, n_bare, known, threads):
    """One size, in this process; returns what is printed."""
    import resource

    import hyperspy.api as hs
    import numpy as np
    import torch

    from hyperspy_stem_enhance.cli import main
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    scenes = [draw_scene(SEED, i, (SIDE, SIDE)).noisy for i in range(DIFFERENT)]
    scenes = np.stack(scenes).astype(np.float32)
    stack, read = _make_stack(scenes, gigabytes)
    n_chunks, n_frames = stack.numblocks[0], len(stack)
    whole = hs.load

    def load(path, **options):
        if str(path).endswith("stack.hspy"):
            return hs.signals.Signal2D(stack).as_lazy()  # what the file would hold
        return whole(path, **options)

    bare = _Bare(scenes, n_bare)
    bare.run()
    if known:
        _hand_out_known(scenes)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "stack.hspy"
        source.write_text("made on the fly")
        out = Path(folder) / "out"
        arguments = [str(source), "--detect", "--scale", "1", "--out", str(out)]
        hs.load, by_default = load, torch.get_num_threads()
        torch.set_num_threads(threads or by_default)
        started = _now()
        status = main(["enhance", *arguments, "--quiet"])
        seconds = _now() - started
        hs.load = whole
        torch.set_num_threads(by_default)
        enhanced = hs.load(out / "stack_enhanced.hspy", lazy=True)
        [log] = [
            json.loads(line)
            for line in (out / "enhance-log.jsonl").read_text().splitlines()
            if '"event": "result"' in line
        ]
        assert enhanced.data.shape == (n_frames, SIDE, SIDE)
        disk = sum(path.stat().st_size for path in out.iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    bare.run()
    return {
        "status": status,
        "gigabytes": stack.nbytes / 1e9,
        "frames": n_frames,
        "columns": log["columns"],
        "read": len(read) / n_chunks,
        "peak": peak,
        "disk": disk / 1e9,
        "seconds": seconds[0],
        "ratios": list(seconds / (bare.per_frame * n_frames)),
    }


def _make_stack(scenes, gigabytes):
    """Lazy images, and the list of the chunks that were read."""
    import dask.array as da
    import numpy as np

    n_chunks = max(1, round(gigabytes * 1e9 / (4 * SIDE**2) / CHUNK))
    read = []

    def make(block_info=None):
        number = block_info[None]["chunk-location"][0]
        read.append(number)
        rng = np.random.default_rng([SEED, number])
        frames = scenes[np.arange(CHUNK) % DIFFERENT]
        return frames + rng.normal(0, 1, frames.shape).astype(np.float32)

    chunks = ((CHUNK,) * n_chunks, SIDE, SIDE)
    stack = da.map_blocks(make, chunks=chunks, dtype=np.float32)
    read.clear()
    return stack, read


class _Bare:
    """The network alone, as PyTorch runs it by default."""

    def __init__(self, scenes, n_frames):
        import torch

        from hyperspy_stem_enhance.models.registry import load_for_use

        self._network, _ = load_for_use("auto", "HAADF", "cpu")
        self._frames = torch.from_numpy(scenes[:8, None] / scenes.std())
        self._batches = max(1, n_frames // 8)
        self._seconds = []

    def run(self):
        import torch

        with torch.inference_mode():
            self._network(self._frames)
            started = _now()
            for _ in range(self._batches):
                self._network(self._frames)
        self._seconds.append((_now() - started) / (8 * self._batches))

    @property
    def per_frame(self):
        """Seconds by the clock, and of processors."""
        return sum(self._seconds) / len(self._seconds)


def _hand_out_known(scenes):
    """Have the command take network and detection from a table."""
    import hyperspy.api as hs
    import numpy as np

    from hyperspy_stem_enhance.signals.enhancement import enhance_and_detect
    from hyperspy_stem_enhance.steps import Detection, Enhancement

    signal = hs.signals.Signal2D(scenes).as_lazy()
    steps = Enhancement(device="cpu", scale=1), Detection()
    enhanced, atoms = enhance_and_detect(signal, *steps)
    enhanced.compute(show_progressbar=False)
    atoms.compute(show_progressbar=False)

    def which(frames):
        # The added noise has an SD of 1, the images differ by far more
        at = np.arange(0, SIDE, 32)
        few = frames[:, at[:, None], at].reshape(len(frames), -1)
        own = scenes[:, at[:, None], at].reshape(DIFFERENT, -1)
        return [int(np.argmin(((own - row) ** 2).sum(axis=1))) for row in few]

    def known_images(step, frames, outputs):
        return (enhanced.data[which(frames)],) * len(outputs)

    def known_tables(step, raw, *enhanced):
        return [atoms.data[i] for i in which(raw)]

    Enhancement.run, Detection.__call__ = known_images, known_tables


def _now():
    """Seconds by the clock, and of the processors for this process."""
    import numpy as np

    return np.array([time.perf_counter(), time.process_time()])


def print_table(options):
    """A row for each size."""
    print(
        "| GB | frames | columns | reads per chunk | peak memory | on disk | time "
        "| over the bare network's | by processor time |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for size in options.gigabytes:
        command = [sys.executable, __file__, "--one", str(size)]
        command += ["--bare", str(options.bare), *["--known"] * options.known]
        if options.threads:
            command += ["--threads", str(options.threads)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        row = json.loads(done.stdout.splitlines()[-1])
        by_clock, by_processor = row["ratios"]
        print(
            f"| {row['gigabytes']:.2f} | {row['frames']} | {row['columns']} "
            f"| {row['read']:.2f} | {row['peak']:.0f} MiB | {row['disk']:.2f} GB "
            f"| {row['seconds']:.0f} s | {by_clock:.2f} | {by_processor:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.25, 0.5, 1])
    parser.add_argument("--bare", type=int, default=64, help="frames of the network")
    parser.add_argument(
        "--known", action="store_true", help="what network and detection find is known"
    )
    parser.add_argument(
        "--threads",
        type=int,
        help="of PyTorch for each frame in the command, which then works on several "
        "frames at a time; the bare network has those of its default",
    )
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        row = measure(arguments.one, arguments.bare, arguments.known, arguments.threads)
        print(json.dumps(row))
    else:
        print_table(arguments)
