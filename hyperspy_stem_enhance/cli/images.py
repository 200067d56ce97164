"""The commands ``enhance`` and ``detect``."""

from ..signals._together import enhance_and_detect, enhance_by_mode
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


class _Network:
    """What both commands have in common."""

    def __init__(self, options):
        from ..enhance.contrast import check_contrast
        from ..models import resolve, resolve_device, weights_sha256

        check_contrast(options.contrast, options.mode)
        name = resolve(options.model, options.mode)
        resolve_device(options.device)
        self.weights = {name: weights_sha256(name)}
        self._settings = {
            "model": options.model,
            "mode": options.mode,
            "device": options.device,
            "scale": options.scale,
            "contrast": options.contrast,
        }
        self._detection = {**self._settings, "threshold": options.threshold}
        self._options = options

    def finish(self, report, entries):
        """Nothing is left to do at the end."""


class _Enhance(_Network):
    """Enhanced images, and their columns where asked for."""

    def __init__(self, options):
        from ..enhance.run import check_echo

        super().__init__(options)
        _check_neighbours(options)
        check_echo(options.remove_echo, options.model, options.mode)
        check_formats(options.format, options.table)
        self.endings = [f"_{options.output}.{options.format}"]
        if options.detect:
            self.endings += _atom_endings(options.table)

    def begin(self, signal):
        """Sinks of what is to be computed of images."""
        options = self._options
        enhancement = {
            **self._settings,
            "output": options.output,
            "keep_background": options.keep_background,
            "self_ensemble": options.self_ensemble,
        }
        if options.remove_echo:
            enhancement["remove_echo"] = True
        if options.neighbours:
            enhancement["neighbours"] = options.neighbours
        if not options.detect:
            enhanced = enhance_by_mode(signal, **enhancement, lazy_output=True)
            return [ImageSink(enhanced)]
        enhanced, atoms = enhance_and_detect(signal, enhancement, self._detection)
        return [ImageSink(enhanced), AtomSink(atoms)]


def _check_neighbours(options):
    from ..enhance.neighbours import check_neighbours

    # How many axes there are is told by each file
    check_neighbours(options.neighbours, navigation_dimension=1)
    if options.neighbours and options.mode != "HRTEM":
        raise ValueError(
            f"--neighbours {options.neighbours} belongs to --mode HRTEM, not to "
            f"--mode {options.mode}; leave it out"
        )


class _Detect(_Network):
    """Columns of raw or enhanced images."""

    def __init__(self, options):
        super().__init__(options)
        check_formats(table_format=options.table)
        self.endings = _atom_endings(options.table)

    def begin(self, signal):
        """Sinks of what is to be computed of images."""
        atoms = signal.detect_atoms(**self._detection, lazy_output=True)
        return [AtomSink(atoms)]


def _atom_endings(table):
    return ["_atoms.hspy", f"_atoms.{table}"]
