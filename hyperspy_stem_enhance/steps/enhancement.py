"""The steps that run a network on frames."""

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from ..enhance import run
from ..imaging import imaging_mode, invert_contrast
from ..noise.checks import describe_defects
from .base import Image, SetupError, Step

_logger = logging.getLogger(__name__)
INTERVAL = 0.68  # share of the pixels that the interval of an uncertainty holds


@dataclass(frozen=True)
class Enhancement(Step):
    """Remove noise and background from frames with a network.

    Parameters
    ----------
    model : str, default "auto"
        The attribute is the name of the model that it stands for.
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
    device : str, default "auto"
        The attribute stays "auto": each worker takes a GPU of its own.
    contrast : {"bright", "dark"}, default "bright"
        Of HRTEM images: how columns look.
    output, keep_background, allow_negative, scale, pixel_size, self_ensemble, \
remove_echo : optional
        As of :func:`.enhance.run.enhance_frames`; one output.

    Raises
    ------
    ValueError
        If an argument is unknown, or does not go with another one.

    Examples
    --------
    >>> from hyperspy_stem_enhance.simulate.scene import draw_scene
    >>> from hyperspy_stem_enhance.steps import Enhancement
    >>> step = Enhancement(scale=1)
    >>> step.model
    'sfin-fast'
    >>> step(draw_scene(seed=0, index=3, shape=(64, 64)).noisy[None]).shape
    (1, 64, 64)
    """

    model: str = "auto"
    mode: str = "HAADF"
    device: str = "auto"
    contrast: str = "bright"
    output: str = "enhanced"
    keep_background: bool = False
    allow_negative: bool = False
    scale: object = "auto"
    pixel_size: float | None = None
    self_ensemble: bool = False
    remove_echo: bool = False
    refuse_constant = True
    masks_invalid = True
    works_in_parts = True
    of_parts = False

    def __post_init__(self):
        from ..models import registry

        imaging_mode(self.mode, self.contrast)
        name = run.check_settings(
            self.model,
            self.mode,
            (self.output,),
            self.scale,
            keep_background=self.keep_background,
            remove_echo=self.remove_echo,
        )
        device = registry.resolve_device(self.device)
        if "auto" in (self.model, self.device):
            _logger.info("model %r on device %r", name, device)
        object.__setattr__(self, "model", name)

    @property
    def weights(self):
        """The sha256 of the model's weights by its name."""
        from ..models import registry

        return {self.model: registry.weights_sha256(self.model)}

    def record(self):
        """What is to be written down of the step: settings, model, weights."""
        imaging = imaging_mode(self.mode, self.contrast)
        record = {
            "model": self.model,
            "weights_sha256": self.weights[self.model],
            "mode": self.mode,
            "output": self.output,
            "keep_background": self.keep_background,
            "allow_negative": self.allow_negative,
            "scale": self.scale,
            "self_ensemble": self.self_ensemble,
        }
        if imaging.fixed_contrast:
            return {**record, "remove_echo": self.remove_echo}
        return {**record, "contrast": self.contrast}

    def __call__(self, frames):
        """Enhanced frames, (n, h, w)."""
        return self.run(frames, (self.output,))[0]

    def run(self, frames, outputs):
        """Run the network once for several outputs.

        Parameters
        ----------
        frames : numpy.ndarray, shape (n, h, w)
        outputs : tuple of str
            As of `enhance.run.enhance_checked`.

        Returns
        -------
        tuple of numpy.ndarray of float32, shape (n, h, w)
            Columns bright on zero; with `keep_background` "enhanced" has
            them as they were.
        """
        dark = self.contrast == "dark"
        with prepared_network(self.model, self.mode, self.device):
            enhance = run.enhance_parts if self.of_parts else run.enhance_checked
            results = enhance(
                invert_contrast(frames) if dark else frames,
                self.model,
                self.mode,
                self.device,
                outputs,
                keep_background=self.keep_background,
                allow_negative=self.allow_negative,
                scale=self.scale,
                pixel_size=self.pixel_size,
                self_ensemble=self.self_ensemble,
                remove_echo=self.remove_echo,
            )
        if not (dark and self.keep_background):
            return results
        white = 255 if frames.dtype == np.uint8 else 0
        return tuple(
            white - images if name == "enhanced" else images
            for name, images in zip(outputs, results, strict=True)
        )

    def plain(self):
        """The same network and scale, without what is asked for beside it."""
        names = ("keep_background", "allow_negative", "self_ensemble", "remove_echo")
        plain = {**vars(self), "output": "enhanced", **dict.fromkeys(names, False)}
        return type(self)(**plain)

    def input_warnings(self, frame):
        """What a user should know of a frame before it is enhanced."""
        return {**describe_defects(frame), **self.scale_warnings(frame)}

    def scale_warnings(self, patches):
        """What a user should know of the scale of a frame, or of patches of one."""
        from ..enhance.scale import choose_factor, lattice_frequencies
        from ..models import registry

        if self.scale != "auto":
            return {}
        patches = imaging_mode(self.mode).orient_noise_axis(patches)
        factor = choose_factor(patches, *registry.ranges(self.model), self.pixel_size)
        if factor != 1:
            text = (
                f"columns of another scale than the model {self.model!r} serves best: "
                f"it is resampled by {factor:.3g} for the network, and back"
            )
        elif self.pixel_size is None and np.isnan(lattice_frequencies(patches)[0]):
            text = (
                "neither a lattice that shows nor a pixel size, and is taken at the "
                "scale it has; calibrate the axes, or give `scale`"
            )
        else:
            return {}
        return {"scale": text}

    def settle(self, patches):
        """The step for the parts of a large frame: they have one scale."""
        scale = run.choose_scale(
            patches, self.model, self.mode, self.scale, self.pixel_size
        )
        return EnhancementOfParts(**{**vars(self), "scale": scale})


@dataclass(frozen=True)
class EnhancementOfParts(Enhancement):
    """Enhance parts of large frames, in some of which there may be nothing."""

    of_parts = True

    def __post_init__(self):
        """Nothing is left to be checked of what `settle` gives."""


@dataclass(frozen=True)
class EnhancementWithUncertainty(Enhancement):
    """Enhance frames, and tell how far each pixel may be from the truth.

    Parameters are those of `Enhancement`; see
    :func:`.enhance.uncertainty.enhance_with_uncertainty`.
    `constants` are by default those of the model.
    """

    constants: dict | None = field(default=None, repr=False, compare=False)
    outputs = (Image(), Image())
    works_in_parts = False  # the network sees each frame in several orientations

    def __post_init__(self):
        from ..enhance.uncertainty import check_output
        from ..models import registry

        super().__post_init__()
        check_output(self.output)
        if self.constants is None:
            constants = registry.constants("interval", self.model, self.mode)
            object.__setattr__(self, "constants", constants)

    def __call__(self, frames):
        """Pairs of the enhanced frame and its uncertainty, each (h, w)."""
        from ..enhance.uncertainty import enhance_with_uncertainty

        with prepared_network(self.model, self.mode, self.device):
            both = enhance_with_uncertainty(
                frames,
                self.model,
                self.mode,
                self.device,
                keep_background=self.keep_background,
                allow_negative=self.allow_negative,
                scale=self.scale,
                pixel_size=self.pixel_size,
                self_ensemble=self.self_ensemble,
                remove_echo=self.remove_echo,
                constants=self.constants,
            )
        return list(zip(*both, strict=True))


@contextmanager
def prepared_network(model, mode, device):
    """Wait for a place with a network; errors of its loading blame no frame."""
    from ..models import registry
    from ..models.semaphores import preparation_semaphore

    with preparation_semaphore():
        try:
            registry.load_for_use(model, mode, device)
        except ValueError as error:
            raise SetupError(str(error)) from error
        yield
