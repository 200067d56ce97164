"""Write files that are whole or not there, whatever ends the command."""

import os
import re
import shutil
import socket
import sys
from contextlib import contextmanager

_HOST = re.sub(r"[^\w-]", "_", socket.gethostname())


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
        Files, or folders such as those of the format ``.zspy``.
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
        remove_abandoned(path)
        # The extension stays last: it is what writers choose the format by
        own = f".{path.stem}.{_HOST}-{os.getpid()}{path.suffix}"
        parts.append(path.with_name(own))
    try:
        yield parts
        for part, path in zip(parts, paths, strict=True):
            _to_disk(part)
            _replace(part, path)
    finally:
        for part in parts:
            remove(part)
            remove(beside(part))


def beside(part):
    """Name for what a writer needs beside its temporary file; removed with it."""
    return part.with_name(f"{part.name}.raw")


def remove_abandoned(path):
    """Remove what processes that were killed left of a file.

    Parameters
    ----------
    path : pathlib.Path
        The file that they were to write. Only processes of this machine
        are known to be gone.
    """
    name = re.compile(
        rf"\.{re.escape(path.stem)}\.{re.escape(_HOST)}-(\d+){re.escape(path.suffix)}(\.raw)?"
    )
    for other in path.parent.iterdir():
        match = name.fullmatch(other.name)
        if match and not _is_running(int(match[1])):
            remove(other)


def remove(path):
    """Remove a file, or a folder with all that is in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_running(pid):
    if os.name == "nt":  # there a signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _to_disk(part):
    """Have the system write a file out, so that a power cut finds it whole."""
    if part.is_file():
        with part.open("rb+") as file:
            os.fsync(file.fileno())


def _replace(part, path):
    if path.is_dir():  # no system renames over a folder that is not empty
        old = path.with_name(f".{path.stem}.{_HOST}-{os.getpid()}.old")
        os.replace(path, old)
        os.replace(part, path)
        remove(old)
    else:
        os.replace(part, path)


def progress_bars():
    """Value of ``show_progressbar``: the user's preference on a terminal."""
    return None if sys.stderr.isatty() else False
