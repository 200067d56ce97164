"""Find, load and write the files of a command, and report what failed."""

import glob
import logging
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

# Larger files are read frame by frame, not at once
_LAZY_BYTES = 2**29


class Inputs:
    """The files that a command was given, and what went wrong with them.

    Parameters
    ----------
    arguments : sequence of str
        Files, patterns, or folders, of which all files with an extension
        that HyperSpy reads are taken.
    file_format : str, optional
        Name of HyperSpy's reader for all of them.

    Attributes
    ----------
    problems : list of (str, str)
        Name of a file, pattern or folder, and the cause.
    paths : list of pathlib.Path

    Raises
    ------
    ValueError
        If the file format is unknown.
    """

    def __init__(self, arguments, file_format=None):
        _check_format(file_format)
        self._file_format = file_format
        self.problems = []
        found = [path for argument in arguments for path in self._find(argument)]
        self.paths = list(dict.fromkeys(found))
        self._labels = _label(self.paths)

    def _find(self, argument):
        path = Path(argument)
        if path.is_dir() and path.suffix[1:].lower() not in _extensions():
            inside = [p for p in sorted(path.iterdir()) if _is_readable(p)]
            if not inside:
                self._fail(argument, "no file that HyperSpy reads is in this folder")
            return inside
        if path.exists():
            return [path]
        if glob.has_magic(argument):
            matches = [Path(match) for match in sorted(glob.glob(argument))]
            if not matches:
                self._fail(argument, "no file matches this pattern")
            return matches
        self._fail(argument, "there is no such file")
        return []

    def for_each_image(self, process):
        """Call a function on every image or series; go on if one fails.

        Parameters
        ----------
        process : callable
            Called as ``process(signal, label)`` with a `Signal2D` and the
            start of its results' names. Returns a line of text to print.
        """
        for number, path in enumerate(self.paths, start=1):
            print(f"[{number}/{len(self.paths)}] {path}", flush=True)
            try:
                images = load_images(path, self._file_format)
            except Exception as error:
                self._fail(path, error)
                print("    failed")
                continue
            for index, image in enumerate(images):
                several = len(images) > 1
                name = f"{path}, image {index}" if several else path
                label = self._labels[path] + (f"_{index}" if several else "")
                started = time.monotonic()
                try:
                    done = process(image, label)
                except Exception as error:
                    self._fail(name, error)
                    print("    failed")
                else:
                    print(f"    {done} ({time.monotonic() - started:.1f} s)")

    def _fail(self, name, cause):
        text = " ".join(str(cause).split()) or type(cause).__name__
        self.problems.append((str(name), text))

    def status(self):
        """Print what failed; return the exit status, 0 or 1."""
        if not self.problems:
            return 0
        print(f"\n{len(self.problems)} failed:", file=sys.stderr)
        for name, text in self.problems:
            print(f"  {name}: {text}", file=sys.stderr)
        return 1


def load_images(path, file_format=None):
    """Load the images of a file, and leave out spectra and the like.

    Parameters
    ----------
    path : pathlib.Path
    file_format : str, optional
        Name of HyperSpy's reader. Files that several readers claim are
        tried as HyperSpy's own format by default.

    Returns
    -------
    list of hyperspy.api.signals.Signal2D
        Lazy if the file is large.

    Raises
    ------
    ValueError
        If nothing in the file is an image.
    """
    import hyperspy.api as hs

    # What cannot be read is reported once, by the command
    logging.getLogger("hyperspy.io").setLevel(logging.CRITICAL)
    lazy = path.is_file() and path.stat().st_size > _LAZY_BYTES
    try:
        loaded = hs.load(path, lazy=lazy, file_format=file_format)
    except ValueError as error:
        if file_format is not None or "multiple file readers" not in str(error):
            raise
        try:
            loaded = hs.load(path, lazy=lazy, file_format="HSPY")
        except Exception:
            raise ValueError(
                f"{error} On the command line: --file-format NAME."
            ) from None
    signals = loaded if isinstance(loaded, list) else [loaded]
    images = [signal for signal in signals if isinstance(signal, hs.signals.Signal2D)]
    if not images:
        raise ValueError(
            "it holds no images, but "
            + ", ".join(repr(signal) for signal in signals)
            + "; make images of it in Python with `s.transpose(signal_axes=2)`"
        )
    return images


def refuse_existing(*paths):
    """Raise FileExistsError if one of the paths exists."""
    for path in paths:
        if path.exists():
            raise FileExistsError(f"{path} exists; replace it with --overwrite")


@contextmanager
def whole_files(*paths, overwrite=False):
    """Write files under temporary names, renamed when all are whole.

    Parameters
    ----------
    *paths : pathlib.Path
    overwrite : bool, default False
        Whether files that exist may be replaced.

    Yields
    ------
    list of pathlib.Path
        Where to write, in the same order.

    Raises
    ------
    FileExistsError
        If a file exists and must not be replaced.
    """
    if not overwrite:
        refuse_existing(*paths)
    parts = []
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The extension stays last: it is what writers choose the format by
        parts.append(path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}"))
    try:
        yield parts
        for part, path in zip(parts, paths, strict=True):
            os.replace(part, path)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def progress_bars():
    """Value of ``show_progressbar``: the user's preference on a terminal."""
    return None if sys.stderr.isatty() else False


def _label(paths):
    """Start of the names of results: no two files share one."""
    labels, taken = {}, set()
    stems = [path.stem for path in paths]
    for path in paths:
        label = path.stem
        if stems.count(label) > 1:
            label = path.name.replace(".", "_")
        unique, number = label, 2
        while unique in taken:
            unique, number = f"{label}_{number}", number + 1
        taken.add(unique)
        labels[path] = unique
    return labels


def _check_format(name):
    from rsciio import IO_PLUGINS

    known = sorted({plugin["name"] for plugin in IO_PLUGINS}, key=str.lower)
    aliases = {alias for plugin in IO_PLUGINS for alias in plugin["name_aliases"]}
    if name is not None and name not in aliases.union(known):
        raise ValueError(
            f"--file-format {name} is unknown; use one of {', '.join(known)}"
        )


def _extensions():
    from rsciio import IO_PLUGINS

    return {
        extension.lower()
        for plugin in IO_PLUGINS
        for extension in plugin["file_extensions"]
    }


def _is_readable(path):
    return not path.name.startswith(".") and path.suffix[1:].lower() in _extensions()
