"""Enhancement and detection with one run of the network."""

from inspect import signature

import dask
import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.enhance import run
from hyperspy_stem_enhance.signals import _workers
from hyperspy_stem_enhance.signals._together import enhance_and_detect
from hyperspy_stem_enhance.simulate.scene import draw_scene

_NETWORK_ARGUMENTS = ("frames", "model", "mode", "device", "output")
NETWORK = {"model": "auto", "mode": "HAADF", "device": "cpu", "scale": 1}


def frames(*shape):
    n = int(np.prod(shape))
    scenes = [draw_scene(3, i, (64, 80), "HAADF", "published") for i in range(n)]
    return np.stack([scene.noisy for scene in scenes]).reshape((*shape, 64, 80))


def both(signal, **detection):
    enhanced, atoms = enhance_and_detect(signal, NETWORK, {**NETWORK, **detection})
    return enhanced, atoms, dask.compute(enhanced.data, atoms.data)


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_results_are_those_of_the_methods(shape):
    data = frames(*shape)
    signal = hs.signals.Signal2D(data).as_lazy()
    enhanced, atoms, (images, tables) = both(signal)
    expected = hs.signals.Signal2D(data).enhance_sfin(**NETWORK)
    np.testing.assert_allclose(images, expected.data, rtol=1e-4, atol=1e-3)
    record = expected.metadata.STEM_enhance.as_dictionary()
    assert enhanced.metadata.STEM_enhance.as_dictionary() == record
    columns = hs.signals.Signal2D(data).detect_atoms(**NETWORK)
    assert tables.shape == atoms.data.shape == columns.data.shape
    for found, table in zip(tables.ravel(), columns.data.ravel(), strict=True):
        np.testing.assert_allclose(found, table, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("addition", ["keep_background", "remove_echo"])
def test_what_is_added_to_enhanced_images_does_not_reach_detection(addition):
    data, options = frames(2), NETWORK | {addition: True}
    signal = hs.signals.Signal2D(data).as_lazy()
    enhanced, atoms = enhance_and_detect(signal, options, NETWORK)
    images, tables = dask.compute(enhanced.data, atoms.data)
    expected = hs.signals.Signal2D(data).enhance_sfin(**options)
    np.testing.assert_allclose(images, expected.data, rtol=1e-4, atol=1e-3)
    columns = hs.signals.Signal2D(data).detect_atoms(**NETWORK)
    for found, table in zip(tables, columns.data, strict=True):
        np.testing.assert_allclose(found, table, rtol=1e-4, atol=1e-3)


def test_defaults_are_those_of_the_function():
    parameters = signature(run.enhance_frames).parameters
    assert {"contrast", *parameters} == {*_workers.DEFAULTS, *_NETWORK_ARGUMENTS}
    for name, value in _workers.DEFAULTS.items():
        if name != "contrast":
            assert parameters[name].default == value


@pytest.mark.parametrize(
    "settings", [{}, {"contrast": "bright"}, {"output": "super-resolution"}]
)
def test_frames_are_read_and_enhanced_once(settings, monkeypatch):
    """However much of the same is left to the defaults by one of both."""
    data, read, ran = frames(4), [], []
    whole = run.enhance_frames

    def read_chunk(block, block_info=None):
        read.append(block_info[0]["chunk-location"])
        return block

    def count(batch, *args, **kwargs):
        ran.append(len(batch))
        return whole(batch, *args, **kwargs)

    monkeypatch.setattr(run, "enhance_frames", count)
    lazy = da.from_array(data, chunks=(2, 64, 80)).map_blocks(
        read_chunk, meta=np.empty((0, 0, 0), data.dtype)
    )
    signal = hs.signals.Signal2D(lazy).as_lazy()
    enhanced, atoms = enhance_and_detect(signal, NETWORK | settings, NETWORK)
    dask.compute(enhanced.data, atoms.data)
    assert sorted(read) == [(0, 0, 0), (1, 0, 0)]
    assert sum(ran) == 4


def test_a_frame_that_cannot_be_used_loses_no_other():
    data = frames(2)
    data[0] = np.nan
    with pytest.warns(UserWarning, match=r"inav\[0\] cannot be used"):
        _, _, (images, tables) = both(hs.signals.Signal2D(data).as_lazy())
    assert np.isnan(images[0]).all()
    assert np.isfinite(images[1]).all()
    assert tables[0].shape == (0, tables[1].shape[1])
    assert len(tables[1])


def test_threshold_is_that_of_detection(rng):
    """Columns that are ever less certain, in noise of 20."""
    y, x = np.mgrid[:64, :160]
    heights = np.linspace(10, 120, 10)
    image = rng.normal(100, 20, (64, 160))
    for column, height in enumerate(heights):
        for row in range(4):
            square = (y - 8 - 16 * row) ** 2 + (x - 8 - 16 * column) ** 2
            image += height * np.exp(-square / (2 * 3**2))
    signal = hs.signals.Signal2D(image).as_lazy()
    _, _, (_, [many]) = both(signal, threshold=0.0)
    _, _, (_, [few]) = both(signal, threshold=1.0)
    assert len(many) > len(few)
