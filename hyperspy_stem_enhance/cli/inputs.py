"""Find the files that a command was given, and name their results."""

import glob
import re
from dataclasses import dataclass, field
from pathlib import Path

# Readers claim them for tables and settings of single instruments, never images
_NO_IMAGES = {"csv", "xml"}


@dataclass
class Source:
    """What is loaded at once: a file, or several as one series.

    Parameters
    ----------
    paths : tuple of pathlib.Path
        More than one for a series of files.
    label : str
        Start of the names of its results.
    instead : tuple of pathlib.Path
        Files that hold the same images, to be used if it cannot be loaded.
    """

    paths: tuple
    label: str
    instead: tuple = ()

    def __str__(self):
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0]}{more}"

    @property
    def size(self):
        """Bytes on the disk, as a measure of the work."""
        return sum(_size(path) for path in self.paths) or 1

    def fingerprint(self):
        """What tells whether the files are still those of an earlier run.

        Returns
        -------
        list of [str, int, int]
            Path, size and time of the last change, in nanoseconds.
        """
        stats = [(path.resolve(), path.stat()) for path in self.paths]
        return [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]


@dataclass
class Found:
    """Sources of a run, and what was found out about the arguments.

    Parameters
    ----------
    sources : list of Source
    problems : list of (str, str)
        Argument that leads nowhere, and why.
    notes : list of str
        What a user should know.
    """

    sources: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def find_sources(
    arguments,
    file_format=None,
    *,
    recursive=False,
    stack=False,
    out=None,
    endings=(),
):
    """Find files, patterns and folders.

    Parameters
    ----------
    arguments : sequence of str
        Files, patterns (``**`` stands for any folders), or folders, of
        which all files with an extension that HyperSpy reads are taken.
    file_format : str, optional
        Name of HyperSpy's reader for all of them.
    recursive : bool, default False
        Whether to look into the folders inside folders.
    stack : bool, default False
        Whether the files are one series.
    out : pathlib.Path, optional
        Folder of results, whose files are no input if they are named so.
    endings : sequence of str, optional
        Of the names of results.

    Returns
    -------
    Found

    Raises
    ------
    ValueError
        If the file format is unknown.
    """
    _check_format(file_format)
    found = Found()
    paths = []
    for argument in arguments:
        paths += _find(str(argument), recursive, found.problems)
    paths = _drop_results(list(dict.fromkeys(paths)), out, tuple(endings), found)
    paths, data_of = _drop_data_files(paths, found)
    if stack and paths:
        found.sources = [Source(tuple(paths), f"{paths[0].stem}_stack")]
        return found
    labels = make_labels(paths)
    found.sources = [
        Source((path,), labels[path], tuple(data_of.get(path, ()))) for path in paths
    ]
    return found


def _find(argument, recursive, problems):
    path = Path(argument)
    if path.is_dir() and path.suffix[1:].lower() not in _extensions():
        inside = path.rglob("*") if recursive else path.iterdir()
        readable = [p for p in sorted(inside) if _is_readable(p, path)]
        if not readable:
            problems.append((argument, "no file that HyperSpy reads is in this folder"))
        return readable
    if path.exists():
        return [path]
    if glob.has_magic(argument):
        matches = [Path(p) for p in sorted(glob.glob(argument, recursive=True))]
        matches = [p for p in matches if p.is_file() or _is_readable(p, p.parent)]
        if not matches:
            problems.append((argument, "no file matches this pattern"))
        return matches
    problems.append((argument, "there is no such file"))
    return []


def _drop_results(paths, out, endings, found):
    """Leave out what an earlier run wrote."""
    if out is None:
        return paths
    own = [
        path
        for path in paths
        if path.name.endswith(endings) and path.parent.resolve() == Path(out).resolve()
    ]
    if own:
        found.notes.append(f"{len(own)} result(s) of this command in {out} left out")
    return [path for path in paths if path not in own]


def _drop_data_files(paths, found):
    """Leave out `.ser` files whose `.emi` is there: it loads them itself."""
    data_of = {}
    for path in paths:
        if path.suffix.lower() == ".emi":
            own = re.compile(re.escape(path.stem) + r"_\d+\.ser", re.IGNORECASE)
            data_of[path] = sorted(
                other
                for other in paths
                if other.parent == path.parent and own.fullmatch(other.name)
            )
    dropped = {other for others in data_of.values() for other in others}
    for path, others in data_of.items():
        if others:
            names = ", ".join(other.name for other in others)
            found.notes.append(f"{path} and {names} are the same data: taken once")
    return [path for path in paths if path not in dropped], data_of


def make_labels(paths):
    """Start of the names of the results of each path, no two alike.

    Parameters
    ----------
    paths : sequence of pathlib.Path

    Returns
    -------
    dict of pathlib.Path to str

    Examples
    --------
    >>> from pathlib import Path
    >>> list(make_labels([Path("a.tif"), Path("b.tif"), Path("b.dm4")]).values())
    ['a', 'b_tif', 'b_dm4']
    """
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
    }.difference(_NO_IMAGES)


def _is_readable(path, folder):
    inside = path.relative_to(folder).parts
    if any(part.startswith(".") or part.endswith(".zspy") for part in inside[:-1]):
        return False
    hidden = path.name.startswith(".")
    whole = path.is_file() or path.suffix.lower() == ".zspy"
    return whole and not hidden and path.suffix[1:].lower() in _extensions()


def _size(path):
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size if path.exists() else 0
