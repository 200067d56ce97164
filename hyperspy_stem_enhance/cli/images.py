"""The commands ``enhance`` and ``detect``."""

from dataclasses import replace

from ..signals._provenance import pixel_size_nm
from ..signals.enhancement import apply_enhancement, enhance_and_detect
from ..steps import Detection, Enhancement
from .jobs import run_command
from .writers import AtomSink, ImageSink, check_formats


def run_enhance(options):
    """Write an enhanced copy of every image of the files.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    int
        Exit status.
    """
    return run_command(options, _Enhance(options))


def run_detect(options):
    """Write the atom columns of every image of the files.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    int
        Exit status.
    """
    return run_command(options, _Detect(options))


def _network_settings(options):
    names = ("model", "mode", "device", "contrast", "scale")
    return {name: getattr(options, name) for name in names}


class _Enhance:
    """Enhanced images, and their columns where asked for.

    All steps are made, and so checked, before a file is opened.
    """

    def __init__(self, options):
        _check_neighbours(options)
        self._step = Enhancement(
            **_network_settings(options),
            output=options.output,
            keep_background=options.keep_background,
            self_ensemble=options.self_ensemble,
            remove_echo=options.remove_echo,
        )
        self._detection = options.detect and Detection(
            options.mode,
            options.contrast,
            threshold=options.threshold,
            model=options.model,
        )
        self._neighbours = options.neighbours
        check_formats(options.format, options.table)
        self.weights = self._step.weights
        self.endings = [f"_{options.output}.{options.format}"]
        if options.detect:
            self.endings += _atom_endings(options.table)

    def begin(self, signal):
        """Sinks of what is to be computed of images."""
        step = replace(self._step, pixel_size=pixel_size_nm(signal))
        if not self._detection:
            return [ImageSink(apply_enhancement(signal, step, self._neighbours))]
        enhanced, atoms = enhance_and_detect(
            signal, step, self._detection, self._neighbours
        )
        return [ImageSink(enhanced), AtomSink(atoms)]

    def finish(self, report, entries):
        """Nothing is left to do at the end."""


def _check_neighbours(options):
    from ..enhance.neighbours import check_neighbours

    # How many axes there are is told by each file
    check_neighbours(options.neighbours, navigation_dimension=1)
    if options.neighbours and options.mode != "HRTEM":
        raise ValueError(
            f"--neighbours {options.neighbours} belongs to --mode HRTEM, not to "
            f"--mode {options.mode}; leave it out"
        )


class _Detect:
    """Columns of raw or enhanced images."""

    def __init__(self, options):
        self._settings = {
            **_network_settings(options),
            "threshold": options.threshold,
        }
        Detection(options.mode, options.contrast, threshold=options.threshold)
        self.weights = Enhancement(**_network_settings(options)).weights
        check_formats(table_format=options.table)
        self.endings = _atom_endings(options.table)

    def begin(self, signal):
        """Sinks of what is to be computed of images."""
        atoms = signal.detect_atoms(**self._settings, lazy_output=True)
        return [AtomSink(atoms)]

    def finish(self, report, entries):
        """Nothing is left to do at the end."""


def _atom_endings(table):
    return ["_atoms.hspy", f"_atoms.{table}"]
