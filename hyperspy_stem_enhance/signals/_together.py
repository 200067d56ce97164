"""Enhance images and find their columns with one run of the network."""

import numpy as np

from hyperspy_stem_enhance.lazy import map_frames
from hyperspy_stem_enhance.signals import _workers

_DETECTION = {"enhance": True, "threshold": None, "scale": "auto"}


def enhance_and_detect(signal, enhancement, detection):
    """Enhance images, and find the columns of the raw ones, lazily.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    enhancement, detection : dict
        Arguments of `enhance_sfin` and of `detect_atoms`; both with
        ``model``, ``mode`` and ``device``.

    Returns
    -------
    enhanced : hyperspy.api.signals.LazySignal2D
    atoms : hyperspy_stem_enhance.LazyAtomPositions
        What the methods return by themselves. Computed together they read
        every frame once, and the network works on it once.
    """
    enhanced = signal.enhance_sfin(**enhancement, lazy_output=True)
    atoms = signal.detect_atoms(**detection, lazy_output=True)
    if not _enhances(signal, detection):
        return enhanced, atoms
    settings, _ = _workers.enhancement(
        signal, *(enhancement[name] for name in ("model", "mode", "device"))
    )
    enhancing = _workers.enhancing({**enhancement, **settings})
    detecting = _workers.detecting(signal, **{**_DETECTION, **detection})
    packed = map_frames(
        signal,
        _run_both,
        "ragged",
        size=detecting["size"],
        kwargs={"enhancing": enhancing["kwargs"], "detecting": detecting["kwargs"]},
        describe=enhancing["describe"],
        refuse_constant=True,
        lazy_output=True,
    )
    shape = enhanced.data.shape[-2:]
    images = packed.map_blocks(
        _unpack_images,
        shape,
        new_axis=[packed.ndim, packed.ndim + 1],
        chunks=(*packed.chunks, *((n,) for n in shape)),
        meta=np.empty((0,) * (packed.ndim + 2), np.float32),
    )
    enhanced.data = images.reshape(shape) if enhanced.data.ndim == 2 else images
    atoms.data = packed.map_blocks(
        _unpack_tables,
        shape,
        detecting["size"],
        meta=np.empty((0,) * packed.ndim, object),
    )
    return enhanced, atoms


def _enhances(signal, detection):
    enhance = detection.get("enhance", "auto")
    if enhance == "auto":
        return not signal.metadata.has_item("STEM_enhance.enhance_sfin")
    return enhance


def _run_both(frames, enhancing, detecting):
    """One vector for each frame: its enhanced image, then its columns."""
    with _workers.network_once():
        images = _workers.enhance(frames, **enhancing)
        tables = _workers.detect(frames, **detecting)
    return [
        np.concatenate([np.ravel(image), np.ravel(table)], dtype=np.float32)
        for image, table in zip(images, tables, strict=True)
    ]


def _unpack_images(block, shape):
    images = np.full((*block.shape, *shape), np.nan, np.float32)
    for index in np.ndindex(block.shape):
        if block[index].size:  # nothing of a frame that could not be used
            images[index] = block[index][: shape[0] * shape[1]].reshape(shape)
    return images


def _unpack_tables(block, shape, size):
    tables = np.empty(block.shape, object)
    for index in np.ndindex(block.shape):
        rest = block[index].ravel()[shape[0] * shape[1] :]
        tables[index] = rest.reshape((-1, size)).copy()
    return tables
