"""Enhance images and find their columns with one run of the network."""

import numpy as np

from hyperspy_stem_enhance.enhance.neighbours import average_neighbours
from hyperspy_stem_enhance.lazy import map_frames
from hyperspy_stem_enhance.signals import _workers

_DETECTION = {"enhance": True, "threshold": None, "scale": "auto"}


def enhance_and_detect(signal, enhancement, detection):
    """Enhance images, and find the columns of the raw ones, lazily.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    enhancement, detection : dict
        Arguments of `enhance_by_mode` and of `detect_atoms`; both with
        ``model``, ``mode`` and ``device``, and with the same ``contrast``
        if any. Frames that are averaged with ``neighbours`` are so for
        both.

    Returns
    -------
    enhanced : hyperspy.api.signals.LazySignal2D
    atoms : hyperspy_stem_enhance.LazyAtomPositions
        What the methods return by themselves. Computed together they read
        every frame once, and the network works on it once.
    """
    enhanced = enhance_by_mode(signal, **enhancement, lazy_output=True)
    enhancement = dict(enhancement)
    neighbours = enhancement.pop("neighbours", 0)
    if neighbours:
        averaged = average_neighbours(signal.data, neighbours)
        signal = signal._deepcopy_with_new_data(averaged)
    atoms = signal.detect_atoms(**detection, lazy_output=True)
    if not _enhances(signal, detection):
        return enhanced, atoms
    names = ("model", "mode", "device", "contrast")
    settings, _ = _workers.enhancement(
        signal, **{name: enhancement[name] for name in names if name in enhancement}
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


def enhance_by_mode(signal, mode, contrast="bright", **arguments):
    """Enhance images by the method that is for their mode.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
    mode : {"HAADF", "BF", "HRTEM"}
    contrast : {"bright", "dark"}
    **arguments
        That `enhance_sfin` and `enhance_scgn` have in common, and those
        of the one that is taken.

    Returns
    -------
    hyperspy.api.signals.Signal2D
    """
    if mode == "HRTEM":
        return signal.enhance_scgn(contrast=contrast, **arguments)
    return signal.enhance_sfin(mode=mode, **arguments)


def _enhances(signal, detection):
    enhance = detection.get("enhance", "auto")
    return not _workers.known_enhancement(signal) if enhance == "auto" else enhance


def _run_both(frames, enhancing, detecting):
    """One vector for each frame: its enhanced image, then its columns."""
    outputs = [enhancing.get("output", "enhanced")]
    if detecting["enhancement"]:
        wanted = detecting["enhancement"].get("output", "enhanced")
        outputs += [wanted] if isinstance(wanted, str) else wanted
    with _workers.network_once(dict.fromkeys(outputs)):
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
