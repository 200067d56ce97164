"""What a step is: settings that are checked once, and called with frames.

A step says what becomes of a frame (images, vectors, tables), what to tell a user
before it runs, and how a frame that is too large to be worked on as a whole is put
together again.  It is frozen and can be pickled, so that `mapping` can send it to
any worker; it knows neither dask nor HyperSpy.
"""

from dataclasses import dataclass, field

import numpy as np


class SetupError(ValueError):
    """What a step needs is missing or broken; no frame is to blame."""


@dataclass(frozen=True)
class Image:
    """An image of the shape of the frame.

    Attributes
    ----------
    dtype : numpy.dtype
    """

    dtype: np.dtype = np.float32

    def empty(self, shape):
        """What a frame of a shape has that cannot be used: NaN."""
        return np.full(shape, np.nan, self.dtype)


@dataclass(frozen=True)
class Vector:
    """A vector of `size` numbers.

    Attributes
    ----------
    size : int
    dtype : numpy.dtype
    """

    size: int
    dtype: np.dtype = np.float64

    def empty(self, shape):
        """What a frame has that cannot be used: NaN."""
        return np.full(self.size, np.nan, self.dtype)


@dataclass(frozen=True)
class Table:
    """A table of any number of rows.

    Attributes
    ----------
    size : int
        Number of its fields.
    dtype : numpy.dtype
    """

    size: int
    dtype: np.dtype = np.float32

    def empty(self, shape):
        """What a frame has that cannot be used: no rows."""
        return np.empty((0, self.size), self.dtype)


class Step:
    """Base of all steps, and what holds where a step says nothing else.

    Attributes
    ----------
    outputs : tuple of Image, Vector or Table
        What one frame becomes.
    refuse_constant : bool
        Whether a frame of one single value counts as a bad frame.
    masks_invalid : bool
        Whether pixels that tell nothing of the specimen
        (`noise.invalid_pixels`) come as NaN.
    works_in_parts : bool
        Whether frames that `enhance.parts` calls large are worked on in
        parts; the step then has `settle` and, for tables, `join`.
    """

    outputs = (Image(),)
    refuse_constant = False
    masks_invalid = False
    works_in_parts = False

    @property
    def name(self):
        """What the step is called in errors."""
        return type(self).__name__

    def __call__(self, frames, **per_frame):
        """Work on a batch of frames.

        Parameters
        ----------
        frames : numpy.ndarray, shape (n, h, w)
            In native byte order, contiguous.
        **per_frame
            Sequences of n values, one for each frame.

        Returns
        -------
        sequence
            n results; of a step with several outputs, n tuples of them.

        Raises
        ------
        ValueError
            For a frame that cannot be used.
        SetupError
            For what no frame is to blame for.
        """
        raise NotImplementedError

    def input_warnings(self, frame):
        """What a user should know of a frame, (h, w), before: text by kind."""
        return {}

    def settle(self, patches):
        """The step for the parts of one large frame: its choices are made.

        Parameters
        ----------
        patches : numpy.ndarray, shape (m, h, w)
            Patches all over the frame, as from `enhance.parts.overview`.

        Returns
        -------
        Step
        """
        return self

    def scale_warnings(self, patches):
        """What a user should know of the scale of a frame: text by kind."""
        return {}

    def join(self, tables, intervals):
        """Table of a frame from the tables of its parts.

        Parameters
        ----------
        tables : list of numpy.ndarray
            Row by row of the parts.
        intervals : tuple of list
            Of rows and of pixels of a row, as from `enhance.parts.split`.

        Returns
        -------
        numpy.ndarray
        """
        raise NotImplementedError


@dataclass(frozen=True)
class FunctionStep(Step):
    """A plain function of frames as a step.

    Parameters
    ----------
    function : callable
        Defined at the top of a module, so that it can be pickled.
    outputs : tuple
        As of `Step`.
    settings : dict, optional
        Further arguments of the function.
    refuse_constant : bool, default False

    Examples
    --------
    >>> import numpy as np
    >>> from hyperspy_stem_enhance.steps.base import FunctionStep
    >>> FunctionStep(np.negative)(np.ones((1, 2, 2))).max()
    np.float64(-1.0)
    """

    function: object
    outputs: tuple = (Image(),)
    settings: dict = field(default_factory=dict)
    refuse_constant: bool = False

    @property
    def name(self):
        """That of the function."""
        return self.function.__name__

    def __call__(self, frames, **per_frame):
        """Call the function; see `Step`."""
        return self.function(frames, **self.settings, **per_frame)
