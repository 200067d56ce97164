"""Enhancement and detection with one run of the network."""

from dataclasses import fields
from inspect import signature

import dask
import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

from hyperspy_stem_enhance.enhance import run
from hyperspy_stem_enhance.signals.enhancement import enhance_and_detect
from hyperspy_stem_enhance.simulate.scene import draw_scene
from hyperspy_stem_enhance.steps import Detection, Enhancement

NETWORK = {"model": "auto", "mode": "HAADF", "device": "cpu", "scale": 1}


def frames(*shape):
    n = int(np.prod(shape))
    scenes = [draw_scene(3, i, (64, 80), "HAADF", "published") for i in range(n)]
    return np.stack([scene.noisy for scene in scenes]).reshape((*shape, 64, 80))


def both(signal, **detection):
    step = Enhancement(**NETWORK)
    enhanced, atoms = enhance_and_detect(signal, step, Detection(**detection))
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


@pytest.mark.parametrize(
    "addition", ["keep_background", "remove_echo", "self_ensemble", "allow_negative"]
)
def test_what_is_added_to_enhanced_images_does_not_reach_detection(addition):
    data, options = frames(2), NETWORK | {addition: True}
    signal = hs.signals.Signal2D(data).as_lazy()
    enhanced, atoms = enhance_and_detect(signal, Enhancement(**options), Detection())
    images, tables = dask.compute(enhanced.data, atoms.data)
    expected = hs.signals.Signal2D(data).enhance_sfin(**options)
    np.testing.assert_allclose(images, expected.data, rtol=1e-4, atol=1e-3)
    columns = hs.signals.Signal2D(data).detect_atoms(**NETWORK)
    for found, table in zip(tables, columns.data, strict=True):
        np.testing.assert_allclose(found, table, rtol=1e-4, atol=1e-3)


def test_defaults_are_those_of_the_function():
    parameters = dict(signature(run.enhance_frames).parameters)
    del parameters["frames"]
    defaults = {field.name: field.default for field in fields(Enhancement)}
    assert defaults.pop("contrast") == "bright"
    assert {name: p.default for name, p in parameters.items()} == defaults


@pytest.mark.parametrize(
    "settings", [{}, {"keep_background": True}, {"output": "super-resolution"}]
)
def test_frames_are_read_and_enhanced_once(settings, monkeypatch):
    """Whatever of it is shown."""
    data, read, ran = frames(4), [], []
    whole = run.enhance_checked

    def read_chunk(block, block_info=None):
        read.append(block_info[0]["chunk-location"])
        return block

    def count(batch, *args, **kwargs):
        ran.append(len(batch))
        return whole(batch, *args, **kwargs)

    monkeypatch.setattr(run, "enhance_checked", count)
    lazy = da.from_array(data, chunks=(2, 64, 80)).map_blocks(
        read_chunk, meta=np.empty((0, 0, 0), data.dtype)
    )
    signal = hs.signals.Signal2D(lazy).as_lazy()
    step = Enhancement(**NETWORK, **settings)
    enhanced, atoms = enhance_and_detect(signal, step, Detection())
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
