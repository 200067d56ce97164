"""Images with columns, and a stand-in for the network that is fast."""

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter


def draw_columns(rng, nav_shape=(), shape=(48, 56)):
    """Counts of square lattices at different phases, 9 pixels apart."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    n = int(np.prod(nav_shape))
    frames = []
    for phase in rng.uniform(0, 9, (n, 2)):
        dy = (y - phase[0] + 4.5) % 9 - 4.5
        dx = (x - phase[1] + 4.5) % 9 - 4.5
        frames.append(20 + 200 * np.exp(-(dy**2 + dx**2) / (2 * 1.8**2)))
    counts = rng.poisson(np.array(frames)).astype(np.float32)
    return counts.reshape((*nav_shape, *shape))


def smooth_frames(frames, model, mode, device, outputs=("enhanced",), **options):
    """Stand-in for `enhance_checked`: the same image for every output."""
    image = smooth(frames, mode, **options)
    plain = smooth(frames, mode)
    return tuple(image if name == "enhanced" else plain for name in outputs)


def smooth(frames, mode, **options):
    sign = -1 if mode == "BF" else 1
    out = []
    for frame in np.asarray(frames, np.float32):
        finite = np.isfinite(frame)
        if np.ptp(frame[finite]) > 1e6:
            raise ValueError("its range is too large")
        frame = np.where(finite, frame, np.median(frame[finite]))
        smooth = sign * gaussian_filter(frame, 1)
        smooth *= 0.5 if options.get("self_ensemble") else 1
        smooth *= 0.7 if options.get("remove_echo") else 1
        smooth -= 0 if options.get("keep_background") else np.median(smooth)
        out.append(smooth if options.get("allow_negative") else smooth.clip(0))
    return np.array(out, np.float32)


@pytest.fixture
def fake_network(monkeypatch):
    """Let the methods run without weights."""
    from hyperspy_stem_enhance.enhance import run
    from hyperspy_stem_enhance.models import registry

    constants = {kind: registry.constants(kind) for kind in registry.CONSTANTS}
    monkeypatch.setattr(registry, "constants", lambda kind, *args, **_: constants[kind])
    monkeypatch.setattr(registry, "resolve", lambda *args: "fake")
    monkeypatch.setattr(registry, "weights_sha256", lambda name: "0" * 64)
    monkeypatch.setattr(registry, "load_for_use", lambda *args: None)
    monkeypatch.setattr(registry, "check_outputs", lambda *args: None)
    monkeypatch.setattr(registry, "outputs", lambda name: ("enhanced",))
    monkeypatch.setattr(registry, "takes_eight_bit", lambda name: False)
    monkeypatch.setattr(registry, "ranges", lambda name: ((0, np.inf), (0, np.inf)))
    monkeypatch.setattr(run, "enhance_checked", smooth_frames)


@pytest.fixture
def make_images(rng):
    """Function that makes a calibrated signal of any navigation shape."""

    def make(nav_shape=(), shape=(48, 56), chunks=None, dtype=np.float32):
        data = draw_columns(rng, nav_shape, shape).astype(dtype)
        if chunks is not None:
            data = da.from_array(data, chunks=chunks)
        s = hs.signals.Signal2D(data)
        if chunks is not None:
            s = s.as_lazy()
        s.metadata.General.title = "columns"
        s.metadata.set_item("Acquisition_instrument.TEM.beam_energy", 200.0)
        for i, axis in enumerate(s.axes_manager.signal_axes):
            axis.name, axis.units = "xy"[i], "nm"
            axis.scale, axis.offset = 0.02 + 0.01 * i, -1.5 + i
        for i, axis in enumerate(s.axes_manager.navigation_axes):
            axis.name, axis.units, axis.scale = f"t{i}", "s", 0.5 + i
        return s

    return make
