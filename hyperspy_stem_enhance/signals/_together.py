"""Enhance images and find their columns with one run of the network."""

import numpy as np

from hyperspy_stem_enhance.enhance.neighbours import average_neighbours
from hyperspy_stem_enhance.enhance.parts import map_parts
from hyperspy_stem_enhance.lazy import map_frames
from hyperspy_stem_enhance.signals import _parts, _workers

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
    if _parts.in_parts(signal):
        enhanced.data, atoms.data = _run_on_parts(signal, enhancing, detecting)
    else:
        packed = map_frames(
            signal,
            _run_both,
            "ragged",
            size=detecting["size"],
            kwargs={"enhancing": enhancing["kwargs"], **detecting["kwargs"]},
            describe=enhancing["describe"],
            refuse_constant=True,
            lazy_output=True,
        )
        shape = signal.data.shape[-2:]
        images, atoms.data = _unpack(packed, shape, detecting["size"])
        enhanced.data = images.reshape(enhanced.data.shape)
    return enhanced, atoms


def _run_on_parts(signal, enhancing, detecting):
    """Images and tables of large frames, whose parts go through the network once."""
    import dask.array as da

    kwargs = {**detecting["kwargs"], "enhancing": enhancing["kwargs"]}
    detection = kwargs["detection"]
    options = {"size": detecting["size"], "describe": enhancing["describe"]}
    packed = iter(_parts.map_parts(signal, _run_both_on_parts, options, kwargs))
    tables = []

    def image(part):
        images, table = _unpack(next(packed), part.shape[-2:], detecting["size"])
        tables.append(table)
        return images.reshape(part.shape)

    images = map_parts(image, signal.data, da.concatenate)
    return images, _parts.join_tables(tables, signal, detection["separation"])


def _unpack(packed, shape, size):
    """Images and tables, with at least one navigation axis."""
    images = packed.map_blocks(
        _unpack_images,
        shape,
        new_axis=[packed.ndim, packed.ndim + 1],
        chunks=(*packed.chunks, *((n,) for n in shape)),
        meta=np.empty((0,) * (packed.ndim + 2), np.float32),
    )
    tables = packed.map_blocks(
        _unpack_tables, shape, size, meta=np.empty((0,) * packed.ndim, object)
    )
    return images, tables


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


def _run_both(frames, enhancing, detection, enhancement):
    """One vector for each frame: its enhanced image, then its columns."""
    outputs = [enhancing.get("output", "enhanced")]
    if enhancement:
        wanted = enhancement.get("output", "enhanced")
        outputs += [wanted] if isinstance(wanted, str) else wanted
    with _workers.network_once(dict.fromkeys(outputs)):
        images = _workers.enhance(frames, **enhancing)
        tables = _workers.detect(frames, detection=detection, enhancement=enhancement)
    return _pack(images, tables)


def _run_both_on_parts(parts, enhancing, detection, enhancement):
    """As `_run_both`, of parts in some of which there may be nothing."""
    packed = [None] * len(parts)
    for index, part in enumerate(parts):
        if _parts.is_flat(part):
            images = _workers.enhance_parts(part[None], **enhancing)
            [packed[index]] = _pack(images, [[]])
    busy = [index for index, vector in enumerate(packed) if vector is None]
    if busy:
        found = _run_both(parts[busy], enhancing, detection, enhancement)
        for index, vector in zip(busy, found, strict=True):
            packed[index] = vector
    return packed


def _pack(images, tables):
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
