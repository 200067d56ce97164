"""Simulated images as HyperSpy signals, eager or lazy."""

from dataclasses import dataclass, field

import numpy as np

from ..noise.distribution import NoiseDistribution, distribution_of
from ..noise.parameters import check_mode
from .frames import NODE, frame_columns, frame_table
from .lattice import INVENTED, resolve_structures
from .noise import TERMS
from .scene import check_noise, draw_recipe, draw_scene

TRUTH_COLUMNS = ("y", "x", "intensity", "sigma")
_IMAGES = ("noisy", "clean", "background", "label")
SIGNALS = (*_IMAGES, "positions")
_CHUNK_BYTES = 2**23


@dataclass(frozen=True)
class SimulatedDataset:
    """Simulated images and their truth, all of one navigation shape.

    Attributes
    ----------
    noisy : hyperspy.api.signals.Signal2D
        What the microscope would record.
    clean : hyperspy.api.signals.Signal2D
        The columns alone, bright on zero in every mode: what
        ``enhance_sfin`` ought to return.
    background : hyperspy.api.signals.Signal2D
        What remains without columns and noise.
    label : hyperspy.api.signals.Signal2D
        A dot at each column of `positions`: a Gaussian of height 1 with
        0.4 of the column's standard deviation and at least 1 pixel; where
        dots overlap, their sum is cut at 1.
    positions : hyperspy_stem_enhance.AtomPositions
        The columns inside each frame: y, x, intensity (height in the
        units of the images), sigma.
    terms : dict of str to hyperspy.api.signals.Signal2D
        Each term of the noise by itself, if it was asked for; see
        `FrameNoise.terms`. Empty otherwise.
    """

    noisy: object
    clean: object
    background: object
    label: object
    positions: object
    terms: dict = field(default_factory=dict)

    def to_dataframe(self):
        """Table of what each frame is; see `frame_table`."""
        return frame_table(self.noisy)

    def signals(self):
        """Return all signals by name; the terms as ``"noise_<term>"``."""
        named = {name: getattr(self, name) for name in SIGNALS}
        return named | {f"noise_{name}": s for name, s in self.terms.items()}


def make_dataset(
    n,
    shape=(256, 256),
    mode="HAADF",
    noise="mixed",
    seed=0,
    *,
    arrangement=None,
    structures=None,
    pixel_size=None,
    probe="round",
    artefact=None,
    terms=False,
    lazy=False,
    show_progressbar=None,
    num_workers=None,
):
    """Simulate images of columns with noise and background.

    Parameters
    ----------
    n : int or tuple of int
        Number of images, or the navigation shape in the order of the
        array: ``(4, 5)`` is four rows of five images, ``()`` one image.
    shape : tuple of int, default (256, 256)
        (rows, columns) of the images, at least 16 each.
    mode : {"HAADF", "BF", "HRTEM"}
        Bright columns, dark ones on a bright background, or HRTEM: nuclei,
        disorder and crystals, as bright spots or by phase contrast.
    noise : str, parameters or NoiseCalibration, default "mixed"
        "published": drawn around the published table of Li et al.;
        "scanning": its terms over a wide range, displaced rows and strong
        backgrounds; "low-dose": electron counting at 0.2 to 150 electrons
        per pixel; "mixed": one of these for each image. In HRTEM,
        "camera" in the place of "scanning". `NoiseParameters`, or
        `HRTEMNoiseParameters` in HRTEM: exactly those. `NoiseCalibration`, from
        ``calibrate_noise`` on images of the same mode: drawn like those of
        its images, exactly those of a single one; see
        :func:`hyperspy_stem_enhance.noise.distribution.distribution_of`.
    seed : int, default 0
        Image i depends on the seed and i alone.
    arrangement : str, optional
        One of `arrangements.ARRANGEMENTS`, in HRTEM of
        `nuclei.HRTEM_ARRANGEMENTS`, for all images. Drawn for each by
        default.
    structures : sequence of str or ProjectedStructure, optional
        Names out of `STRUCTURES`, structures of `from_atoms`, and
        "oblique" for lattices invented at random. By default all names
        and "oblique".
    pixel_size : float, optional
        Ångström per pixel: structures are drawn at their true scale, and
        the axes are calibrated in nm. By default each image has a scale
        of its own, and the axes are in pixels.
    probe : str or Probe, default "round"
        "round": columns are circular Gaussians; "random": what microscopes have
        is drawn for each image, tails, coma, two-fold and three-fold
        astigmatism, an elongated source, drift (`probe.draw_probe`), a third of
        them round; or a :class:`hyperspy_stem_enhance.simulate.Probe`. The truth
        is that of a round probe: a column is where a symmetric probe shows it.
    artefact : str, optional
        One of `artefacts.ARTEFACTS` for all images ("border", "lines",
        "sparse", "annotation", ...), or "random" for one of them in each.
        Pixels that were not recorded are zero or NaN; columns that are hidden
        are not in the truth. By default there are none.
    terms : bool, default False
        Whether to return each term of the noise by itself as well.
    lazy : bool, default False
        Whether images are simulated when they are computed. Computing two
        of the signals together, by ``dask.compute``, simulates once.
    show_progressbar : bool, optional
        By default, HyperSpy's preference.
    num_workers : int, optional
        Threads. By default, dask's.

    Returns
    -------
    SimulatedDataset
        Signals whose metadata hold the settings and the table of what
        each frame is; read it by `frame_table`.

    Raises
    ------
    ValueError
        If an argument is out of its range or unknown.

    Examples
    --------
    >>> import hyperspy_stem_enhance as hse
    >>> data = hse.simulate.make_dataset(2, shape=(64, 64), seed=1)
    >>> data.noisy
    <Signal2D, title: Simulated HAADF, dimensions: (2|64, 64)>
    >>> data = hse.simulate.make_dataset(
    ...     (4, 5), (64, 64), structures=["Si [110]"], pixel_size=0.1, lazy=True
    ... )
    >>> data.clean
    <LazySignal2D, title: Simulated HAADF: clean, dimensions: (5, 4|64, 64)>
    """
    navigation = (int(n),) if isinstance(n, int | np.integer) else n
    shape = tuple(shape)
    _check_size(n, navigation, shape, pixel_size)
    check_mode(mode)
    structures = resolve_structures(structures)
    source = _NoiseSource.of(noise, seed, mode)
    options = {
        "mode": mode,
        "arrangement": arrangement,
        "structures": structures,
        "probe": probe,
        "artefact": artefact,
    }
    recipes = [
        draw_recipe(seed, index, noise=source.draw(index), **options)
        for index in range(int(np.prod(navigation)))
    ]
    arrays = _simulate(
        tuple(navigation),
        shape,
        terms,
        seed=seed,
        source=source,
        options=options | {"shape": shape, "pixel_size": pixel_size, "terms": terms},
    )
    if not lazy:
        arrays = _compute(arrays, show_progressbar, num_workers)
    record = {
        "mode": mode,
        "noise": noise if isinstance(noise, str) else type(noise).__name__,
        "seed": seed,
        "navigation_shape": [int(size) for size in navigation],
        "structures": [s if s == INVENTED else s.name for s in structures],
        "frames": frame_columns(recipes),
    }
    if arrangement is not None:
        record["arrangement"] = arrangement
    if probe != "round":
        record["probe"] = probe if isinstance(probe, str) else repr(probe)
    if artefact is not None:
        record["artefact"] = artefact
    if pixel_size is not None:
        record["pixel_size_angstrom"] = float(pixel_size)
    return _to_dataset(arrays, record)


@dataclass(frozen=True)
class _NoiseSource:
    """The noise argument of each frame; can be sent to workers."""

    given: object
    seed: int
    distribution: NoiseDistribution | None = None

    @classmethod
    def of(cls, noise, seed, mode):
        if getattr(noise, "_signal_type", None) != "NoiseCalibration":
            check_noise(noise, mode)
            return cls(noise, seed)
        if (noise.mode == "HRTEM") != (mode == "HRTEM"):
            raise ValueError(
                f"noise is a calibration of mode {noise.mode!r}, to simulate "
                f"mode={mode!r}; calibrate images of the mode that is simulated."
            )
        return cls(None, seed, distribution_of(noise.to_results(), noise.mode))

    def draw(self, index):
        if self.distribution is None:
            return self.given
        return self.distribution.draw(np.random.default_rng([self.seed, index, 1]))


def _simulate(navigation, shape, terms, **settings):
    """Dask arrays by name; each block simulates its own frames."""
    import dask.array as da

    numbers = np.arange(int(np.prod(navigation))).reshape(navigation or (1,))
    frame_bytes = 4 * int(np.prod(shape)) * (len(_IMAGES) + terms * len(TERMS))
    per_block = max(1, _CHUNK_BYTES // frame_bytes)
    chunks = (*(1,) * (numbers.ndim - 1), min(per_block, numbers.shape[-1]))
    empty = np.empty((0,) * numbers.ndim, object)
    scenes = da.from_array(numbers, chunks=chunks).map_blocks(
        _draw_block, dtype=object, meta=empty, **settings
    )
    images = {}
    for name in (*_IMAGES, *(TERMS if terms else ())):
        array = scenes.map_blocks(
            _stack_block,
            name,
            dtype=np.float32,
            meta=np.empty((0,) * (numbers.ndim + 2), np.float32),
            new_axis=[numbers.ndim, numbers.ndim + 1],
            chunks=(*scenes.chunks, *((size,) for size in shape)),
        )
        images[name] = array if navigation else array[0]
    positions = scenes.map_blocks(_positions_block, dtype=object, meta=empty)
    return images | {"positions": positions}


def _draw_block(numbers, seed, source, options):
    scenes = np.empty(numbers.shape, object)
    for place, index in np.ndenumerate(numbers):
        index = int(index)
        scenes[place] = draw_scene(seed, index, noise=source.draw(index), **options)
    return scenes


def _stack_block(scenes, name):
    frames = [
        scene.terms[name] if name in TERMS else getattr(scene, name)
        for scene in scenes.ravel()
    ]
    return np.stack(frames).reshape(*scenes.shape, *frames[0].shape)


def _positions_block(scenes):
    positions = np.empty(scenes.shape, object)
    for place in np.ndindex(scenes.shape):
        positions[place] = scenes[place].positions
    return positions


def _compute(arrays, show_progressbar, num_workers):
    import dask

    from ..mapping import progressbar

    options = {} if num_workers is None else {"num_workers": num_workers}
    with progressbar(show_progressbar, desc="simulate"):
        (arrays,) = dask.compute(arrays, scheduler="threads", **options)
    return arrays


def _to_dataset(arrays, record):
    from ..signals.atom_positions import AtomPositions

    positions = arrays.pop("positions")
    signals = {name: _to_signal(data, name, record) for name, data in arrays.items()}
    positions = AtomPositions.from_arrays(
        positions, image=signals["noisy"], column_names=TRUTH_COLUMNS
    )
    images = {name: signals.pop(name) for name in _IMAGES}
    return SimulatedDataset(**images, positions=positions, terms=signals)


def _to_signal(data, name, record):
    from hyperspy.signals import Signal2D

    from .. import __version__

    scale = record.get("pixel_size_angstrom")
    pixel = {"scale": 1.0, "units": "px"}
    if scale is not None:
        pixel = {"scale": scale / 10, "units": "nm"}
    names = [*(f"series_{i}" for i in range(data.ndim - 3)), "image"]
    axes = [
        {"name": axis, "size": size, "navigate": True}
        for axis, size in zip(names, data.shape[:-2], strict=False)
    ]
    axes += [
        {"name": axis, "size": size, "navigate": False, **pixel}
        for axis, size in zip("yx", data.shape[-2:], strict=True)
    ]
    signal = Signal2D(data, axes=axes)
    if not isinstance(data, np.ndarray):
        signal = signal.as_lazy()
    title = f"Simulated {record['mode']}"
    signal.metadata.General.title = title if name == "noisy" else f"{title}: {name}"
    signal.metadata.add_node(NODE)
    signal.metadata.get_item(NODE).add_dictionary({**record, "version": __version__})
    return signal


def _check_size(n, navigation, shape, pixel_size):
    sizes = (int, np.integer)
    if not (
        isinstance(navigation, tuple)
        and all(isinstance(size, sizes) and size > 0 for size in navigation)
    ):
        raise ValueError(
            f"n={n!r} is not a number of images; give at least 1, or a tuple of such."
        )
    if len(shape) != 2 or min(shape) < 16:
        raise ValueError(
            f"shape={shape!r} cannot be simulated; give (rows, columns), at least "
            "16 each."
        )
    if pixel_size is not None and not pixel_size > 0:
        raise ValueError(
            f"pixel_size={pixel_size!r} is not positive; give ångström per pixel."
        )
