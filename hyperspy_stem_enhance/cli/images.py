"""The commands ``enhance`` and ``detect``."""

from pathlib import Path

from .files import Inputs, progress_bars, whole_files


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
    _check_network(options)

    def enhance(signal, label):
        path = Path(options.out) / f"{label}_enhanced.hspy"
        with whole_files(path, overwrite=options.overwrite) as [part]:
            enhanced = signal.enhance_sfin(
                model=options.model,
                mode=options.mode,
                device=options.device,
                keep_background=options.keep_background,
                show_progressbar=progress_bars(),
            )
            enhanced.save(part, overwrite=True)
        return f"{describe(signal)} -> {path}"

    return _run(options, enhance)


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
    _check_network(options)

    def detect(signal, label):
        stem = Path(options.out) / f"{label}_atoms"
        paths = stem.with_name(stem.name + ".hspy"), stem.with_name(stem.name + ".csv")
        with whole_files(*paths, overwrite=options.overwrite) as [part, part_csv]:
            atoms = signal.detect_atoms(
                model=options.model,
                mode=options.mode,
                device=options.device,
                show_progressbar=progress_bars(),
            )
            if atoms._lazy:
                atoms.compute()
            atoms.save(part, overwrite=True)
            atoms.to_dataframe().to_csv(part_csv, index=False)
        count = int(atoms.n_atoms.sum())
        return f"{describe(signal)}: {count} columns -> {paths[0]}, {paths[1].name}"

    return _run(options, detect)


def _run(options, process):
    inputs = Inputs(options.files, options.file_format)
    inputs.for_each_image(process)
    return inputs.status()


def _check_network(options):
    """Raise once for all files if the model or device cannot be used."""
    from hyperspy_stem_enhance.models import resolve, resolve_device

    resolve(options.model, options.mode)
    resolve_device(options.device)


def describe(signal):
    """Title, number and size of the images of a signal, for a line of text."""
    width, height = signal.axes_manager.signal_shape
    number = signal.axes_manager.navigation_size or 1
    images = "1 image" if number == 1 else f"{number} images"
    title = signal.metadata.General.title
    return f"{title + ': ' if title else ''}{images} of {width} x {height}"
