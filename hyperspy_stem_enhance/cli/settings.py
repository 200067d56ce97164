"""Write down the settings of a run, and read them to repeat it."""

import hashlib
import json
import platform
import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .files import whole_files

# They name the parser's own things, or change no number in the results
_INTERNAL = {
    "module",
    "function",
    "command",
    "config",
    "config_weights",
    "overwrite",
    "quiet",
    "json",
}
_SAME_RESULTS = {"paths", "out", "device", "workers", "scheduler", "recursive"}
# In the names of the results already, or only in the table of all
_SAME_RESULTS |= {"format", "table", "detect", "output", "dark_level"}
_PACKAGES = (
    "hyperspy_stem_enhance",
    "hyperspy",
    "rosettasciio",
    "numpy",
    "scipy",
    "dask",
    "torch",
)


def settings_of(options):
    """Settings of a run, as they are written down.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    dict
        Without those that are not given; paths are absolute.
    """
    settings = {
        name: value
        for name, value in vars(options).items()
        if name not in _INTERNAL and value is not None and value is not False
    }
    settings["paths"] = [str(Path(path).absolute()) for path in options.paths]
    settings["out"] = str(Path(options.out).absolute())
    return settings


def digest(settings, weights):
    """Short hash of all that the numbers in a result depend on.

    Parameters
    ----------
    settings : dict
    weights : dict of str to str
        sha256 by the name of the model.

    Returns
    -------
    str
    """
    kept = {name: v for name, v in settings.items() if name not in _SAME_RESULTS}
    text = json.dumps([kept, weights], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_run(path, command, settings, weights):
    """Write ``COMMAND-run.toml``.

    Parameters
    ----------
    path : pathlib.Path
    command : str
    settings : dict
    weights : dict of str to str
    """
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    lines = [
        f"# Repeat this run: stem-enhance {command} --config {path.name}",
        f"command = {_toml(command)}",
    ]
    tables = {"settings": settings, "weights": weights, "versions": versions}
    for title, table in tables.items():
        if table:
            lines += ["", f"[{title}]"]
            lines += [f"{_key(name)} = {_toml(v)}" for name, v in table.items()]
    with whole_files(path, overwrite=True) as [part]:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _key(name):
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else _toml(name)


def _toml(value):
    # What JSON writes of texts, numbers, truth values and lists is TOML as well
    return json.dumps(value, ensure_ascii=False)


def read_config(path, command):
    """Settings of an earlier run, as arguments of the command line.

    Parameters
    ----------
    path : str
        A file that `write_run` wrote, or one of its kind.
    command : str

    Returns
    -------
    arguments : list of str
        All but the paths.
    paths : list of str
    weights : dict of str to str

    Raises
    ------
    ValueError
        If the file cannot be read, or is of another command.
    """
    try:
        with open(path, "rb") as file:
            config = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"--config {path} cannot be read: {error}") from None
    written = config.get("command", command)
    if written != command:
        raise ValueError(
            f"--config {path} is of the command {written!r}: stem-enhance {written} "
            f"--config {path}"
        )
    settings = dict(config.get("settings", {}))
    paths = settings.pop("paths", [])
    arguments = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif value is not False:
            # With "=" what begins with a minus is a value as well
            arguments.append(f"{flag}={value}")
    return arguments, [str(p) for p in paths], dict(config.get("weights", {}))


def check_weights(wanted, found, path):
    """Raise ValueError if a run would be repeated with other weights.

    Parameters
    ----------
    wanted, found : dict of str to str
        sha256 by the name of the model: of the file, and as installed.
    path : str
        The file.
    """
    for name, sha256 in wanted.items():
        if name in found and found[name] != sha256:
            raise ValueError(
                f"--config {path}: the weights of {name!r} are not those of that run "
                f"(sha256 {found[name][:12]}..., not {sha256[:12]}...), so results "
                "would differ; install them again, or remove [weights] from the file"
            )
