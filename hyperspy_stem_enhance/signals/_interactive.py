"""Choose the lowest confidence of columns by eye, on the plotted images."""

import numpy as np

from hyperspy_stem_enhance.signals._ragged import map_ragged


class ThresholdChooser:
    """Columns of plotted images, shown from a confidence on that a user chooses.

    Parameters
    ----------
    image : hyperspy.api.signals.Signal2D
    atoms : hyperspy_stem_enhance.AtomPositions
        In memory, with all columns of any confidence.
    threshold : float

    Attributes
    ----------
    atoms : hyperspy_stem_enhance.AtomPositions
        The columns that are shown; the same object, whatever is chosen.
    """

    def __init__(self, image, atoms, threshold):
        self.atoms = atoms
        self._image, self._markers = image, None
        self._all = atoms.data
        self._confidence = atoms.column_names.index("confidence")
        self.choose(threshold)

    def choose(self, threshold):
        """Keep columns of at least this confidence.

        Parameters
        ----------
        threshold : float
        """
        self.atoms.data = map_ragged(self._all, _keep, self._confidence, threshold)
        self.draw()

    def draw(self):
        """Draw the columns over the image, if it is plotted."""
        plot = self._image._plot
        if plot is None or not plot.is_active:
            return
        if self._markers is not None:
            self._markers.close(render_figure=False)
        self._markers = self.atoms.to_markers()
        self._image.add_marker(self._markers)

    def widget(self, threshold):
        """Slider and number of columns.

        Parameters
        ----------
        threshold : float
            To begin with.

        Returns
        -------
        ipywidgets.HBox
        """
        import ipywidgets

        slider = ipywidgets.FloatSlider(
            threshold,
            min=0,
            max=1,
            step=0.01,
            description="Confidence",
            continuous_update=False,
        )
        label = ipywidgets.Label()

        def update(change):
            self.choose(slider.value)
            label.value = f"{int(self.atoms.n_atoms.sum())} columns"

        slider.observe(update, "value")
        update(None)
        return ipywidgets.HBox([slider, label])


def _keep(table, column, threshold):
    return table[table[:, column] >= np.float32(threshold)]


def check_interactive(lazy):
    """Raise unless columns can be chosen in a notebook.

    Parameters
    ----------
    lazy : bool
        Whether the result would be.

    Raises
    ------
    ValueError
        If it is, or ipywidgets is not installed.
    """
    if lazy:
        raise ValueError(
            "interactive=True shows columns that are in memory; give lazy_output=False"
        )
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        raise ValueError(
            "interactive=True needs ipywidgets, in a notebook (pip install ipywidgets)"
        ) from None


def choose_threshold(image, atoms, threshold):
    """Plot images with their columns, and a slider for the lowest confidence.

    Parameters
    ----------
    image : hyperspy.api.signals.Signal2D
    atoms : hyperspy_stem_enhance.AtomPositions
        All columns of any confidence.
    threshold : float
        To begin with.

    Returns
    -------
    hyperspy_stem_enhance.AtomPositions
        Follows the slider.
    """
    from IPython.display import display

    image.plot()
    chooser = ThresholdChooser(image, atoms, threshold)
    display(chooser.widget(threshold))
    return chooser.atoms
