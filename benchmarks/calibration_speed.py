"""How fast images are calibrated, and how much memory that takes.

Rates are of `calibrate_noise` on a lazy series of simulated 512 x 512 images
through dask's threads, processor time is of one thread; the huge image is
calibrated in a process of its own, whose peak memory is that of the whole
process less what it was before.  Numbers depend on what else the machine does.

    python benchmarks/calibration_speed.py [--frames 64] [--workers 2] [--side 4096]
"""

import argparse
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

SEED = 512


def simulate(n, side):
    """Images of all arrangements with the published noise."""
    from hyperspy_stem_enhance.simulate.scene import draw_scene

    shape = (side, side)
    return [draw_scene(SEED, i, shape, "HAADF", "published").noisy for i in range(n)]


def time_series(n_frames, workers):
    """Images per second through dask, and CPU seconds per image of one thread."""
    import dask.array as da
    import hyperspy.api as hs

    from hyperspy_stem_enhance.noise import calibrate_frames

    hs.preferences.General.show_progressbar = False
    some = np.stack(simulate(min(n_frames, 16), 512)).astype(np.uint8)
    calibrate_frames(some[:1])
    start = time.process_time()
    calibrate_frames(some)
    cpu = (time.process_time() - start) / len(some)
    stack = da.from_array(np.resize(some, (n_frames, 512, 512)), chunks=(4, 512, 512))
    signal = hs.signals.Signal2D(stack).as_lazy()
    start = time.perf_counter()
    signal.calibrate_noise(num_workers=workers).compute()
    return n_frames / (time.perf_counter() - start), cpu


def time_huge(side):
    """Calibrate one huge image; prints seconds and MB. Run in its own process."""
    from hyperspy_stem_enhance.noise import calibrate_image

    tile = simulate(1, 1024)[0].astype(np.uint8)
    image = np.tile(tile, (side // 1024 + 1,) * 2)[:side, :side]
    calibrate_image(tile[:128, :128])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    calibrate_image(image)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(seconds, peak / 1024)


def main():
    """Print rates, times and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--huge", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.huge:
        time_huge(arguments.huge)
        return
    rate, cpu = time_series(arguments.frames, arguments.workers)
    print(
        f"512 x 512: {rate:.1f} images per second, {arguments.workers} workers; "
        f"{1000 * cpu:.0f} ms of processor time per image"
    )
    command = [sys.executable, __file__, "--huge"]
    for side in (arguments.side // 2, arguments.side):
        result = subprocess.run(
            [*command, str(side)], check=True, capture_output=True, text=True
        )
        seconds, peak = map(float, result.stdout.split()[-2:])
        print(f"{side} x {side}: {seconds:.1f} s, {peak:.0f} MB more than before")


if __name__ == "__main__":
    main()
