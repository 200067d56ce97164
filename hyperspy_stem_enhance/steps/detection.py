"""The steps that find atom columns in frames."""

from dataclasses import dataclass, field, replace

import numpy as np

from ..detect import columns
from ..detect.parts import join_columns
from ..enhance import run
from ..imaging import imaging_mode, invert_contrast
from .base import Image, Step, Table
from .enhancement import Enhancement

METHODS = ("network", "classical")


@dataclass(frozen=True, eq=False)
class Detection(Step):
    """Find the atom columns of frames.

    Parameters
    ----------
    mode : {"HAADF", "BF", "HRTEM"}, default "HAADF"
    contrast : {"bright", "dark"}, default "bright"
        Of HRTEM images: how columns look.
    method : {"network", "classical"}, default "network"
        Whether columns are looked for in enhanced frames, or in the raw
        ones by filters alone.
    threshold, separation, region, support : optional
        As of :func:`.detect.columns.detect_columns`.
    refuse_constant : bool, default True
        Whether a frame of one single value counts as a bad frame; in an
        enhanced one there may be nothing.
    model : str, default "auto"
        The network that the frames are enhanced with.
    constants : dict, optional
        That the confidence follows from. By default those of the model for
        the mode: :func:`.models.registry.constants`.

    Raises
    ------
    ValueError
        If an argument is unknown or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.steps import Detection
    >>> y, x = np.mgrid[:48, :64]
    >>> image = np.exp(-((y - 20.5) ** 2 + (x - 40) ** 2) / (2 * 3**2))
    >>> Detection()(None, image[None])[0][:, :4].round(3)
    array([[20.5, 40. ,  1. ,  3. ]], dtype=float32)
    """

    mode: str = "HAADF"
    contrast: str = "bright"
    method: str = "network"
    threshold: float | None = None
    separation: float | None = None
    region: np.ndarray | None = field(default=None, repr=False)
    support: str = "auto"
    refuse_constant: bool = True
    model: str = "auto"
    constants: dict | None = field(default=None, repr=False)
    outputs = (Table(len(columns.COLUMN_NAMES)),)
    works_in_parts = True

    def __post_init__(self):
        imaging_mode(self.mode, self.contrast)
        if self.method not in METHODS:
            raise ValueError(
                f"method={self.method!r} is unknown; use one of "
                f"{', '.join(map(repr, METHODS))}."
            )
        columns.Selection.checked(
            self.threshold, self.separation, self.region, self.support
        )
        if self.method == "network" and self.constants is None:
            from ..models import registry

            constants = registry.constants("confidence", self.model, self.mode)
            object.__setattr__(self, "constants", constants)

    def __call__(self, raw, enhanced=None, probability=None):
        """Find the columns of frames.

        Parameters
        ----------
        raw : numpy.ndarray, shape (n, h, w), or None
            As recorded; None where only the enhanced ones are known.
        enhanced : numpy.ndarray, shape (n, h, w), optional
            Columns bright on about zero. Not for the method "classical".
        probability : numpy.ndarray, shape (n, h, w), optional
            What a network gives for a column being centred at each pixel.

        Returns
        -------
        list of numpy.ndarray of float32, shape (m, 5)
            As from :func:`.detect.columns.detect_columns`.
        """
        settings = {
            "mode": self.mode,
            "threshold": self.threshold,
            "separation": self.separation,
            "region": self.region,
            "support": self.support,
        }
        if raw is not None and self.contrast == "dark":
            raw = invert_contrast(raw)
        if self.method == "classical":
            return [columns.detect_classically(frame, **settings) for frame in raw]
        settings["constants"] = self.constants
        none = [None] * len(enhanced)
        return [
            columns.detect_columns(image, frame, probability=own, **settings)
            for image, frame, own in zip(
                enhanced,
                none if raw is None else raw,
                none if probability is None else probability,
                strict=True,
            )
        ]

    @property
    def masks_invalid(self):
        """Of recorded frames; what is flat in an enhanced one has no column."""
        return self.refuse_constant

    def settle(self, patches):
        """The step for the parts of a large frame."""
        # What is chosen when the parts are joined
        return replace(self, region=None, separation=None)

    def join(self, tables, intervals):
        """Columns of a frame from those of its parts."""
        return join_columns(tables, intervals, self.region, self.separation)


@dataclass(frozen=True)
class EnhancedDetection(Step):
    """Find the columns of frames that have been enhanced.

    Parameters
    ----------
    detection : Detection
    """

    detection: Detection
    outputs = Detection.outputs
    works_in_parts = True

    def __call__(self, frames):
        """Tables of frames (n, h, w) with bright columns on about zero."""
        return self.detection(None, frames)

    def settle(self, patches):
        """The step for the parts of a large frame."""
        return replace(self, detection=self.detection.settle(patches))

    def join(self, tables, intervals):
        """Columns of a frame from those of its parts."""
        return self.detection.join(tables, intervals)


@dataclass(frozen=True)
class EnhancementAndDetection(Step):
    """Enhance frames and find their columns with one run of the network.

    Parameters
    ----------
    enhancement : Enhancement
        Of the images that are returned. The columns are looked for in what
        the network gives by itself, without background or other additions.
    detection : Detection
        Of the method "network".
    with_images : bool, default True
        Whether the enhanced images are returned beside the tables.

    Examples
    --------
    >>> from hyperspy_stem_enhance.simulate.scene import draw_scene
    >>> from hyperspy_stem_enhance.steps import (
    ...     Detection,
    ...     Enhancement,
    ...     EnhancementAndDetection,
    ... )
    >>> step = EnhancementAndDetection(Enhancement(scale=1), Detection())
    >>> [(image, table)] = step(draw_scene(seed=0, index=3, shape=(64, 64)).noisy[None])
    >>> image.shape, table.shape[1]
    ((64, 64), 5)
    """

    enhancement: Enhancement
    detection: Detection
    with_images: bool = True
    refuse_constant = True
    masks_invalid = True
    works_in_parts = True

    @property
    def outputs(self):
        """An image and a table, or the table alone."""
        return (Image(), *Detection.outputs) if self.with_images else Detection.outputs

    def __call__(self, frames):
        """Tables, or pairs of image and table, of frames (n, h, w)."""
        images, *for_detection = self._enhance(frames)
        tables = self.detection(frames, *for_detection)
        return list(zip(images, tables, strict=True)) if self.with_images else tables

    def _enhance(self, frames):
        """Images to be returned, columns, and their probability if there is one."""
        from ..models import registry

        enhancement, images, shown = self.enhancement, None, ()
        if self.with_images:
            shown = (enhancement.output,)
            # What changes the output of the network itself is not for detection
            if enhancement.self_ensemble or enhancement.allow_negative:
                (images,) = enhancement.run(frames, shown)
                enhancement, shown = enhancement.plain(), ()
        known = registry.outputs(enhancement.model)
        wanted = (*shown, run.COLUMNS, *(name for name in known if name == "detection"))
        names = tuple(dict.fromkeys(wanted))
        found = dict(zip(names, enhancement.run(frames, names), strict=True))
        if shown:
            images = found[shown[0]]
        return images, found[run.COLUMNS], found.get("detection")

    def input_warnings(self, frame):
        """Those of the enhancement."""
        return self.enhancement.input_warnings(frame)

    def scale_warnings(self, patches):
        """Those of the enhancement."""
        return self.enhancement.scale_warnings(patches)

    def settle(self, patches):
        """The step for the parts of a large frame: they have one scale."""
        return replace(
            self,
            enhancement=self.enhancement.settle(patches),
            detection=self.detection.settle(patches),
        )

    def join(self, tables, intervals):
        """Columns of a frame from those of its parts."""
        return self.detection.join(tables, intervals)
