"""What earlier runs wrote, as their log tells it."""

import json


class Results:
    """Results in a folder.

    Parameters
    ----------
    log_path : pathlib.Path
        Written by `report.Report`; it need not exist.
    endings : sequence of str
        Of the names of the results that are asked for.
    """

    def __init__(self, log_path, endings):
        self._endings = list(endings)
        self._owners, self._entries = {}, {}
        for entry in read_results(log_path):
            self._owners |= dict.fromkeys(entry["outputs"], entry)
            key = (_paths(entry["source"]), entry["image"], tuple(entry["endings"]))
            self._entries[key] = entry

    def find(self, source, index):
        """Last entry of results of these endings.

        Parameters
        ----------
        source : list of [str, int, int]
            As from `Source.fingerprint`; its size and time do not matter.
        index : int
            Of the image in the source.

        Returns
        -------
        dict or None
        """
        return self._entries.get((_paths(source), index, tuple(self._endings)))

    def objection(self, name, source, index, settings):
        """Why a result is not what would be computed now.

        Parameters
        ----------
        name : str
            Of a file in the folder.
        source : list of [str, int, int]
        index : int
        settings : str
            From `settings.digest`.

        Returns
        -------
        str or None
        """
        owner = self._owners.get(name)
        if owner is None or (_paths(owner["source"]), owner["image"]) != (
            _paths(source),
            index,
        ):
            return "and is not known to be of this file"
        if owner["settings"] != settings:
            return "made with other settings or weights (see ...-run.toml there)"
        if owner["source"] != source:
            return "of an earlier state of this file"
        return None


def read_results(log_path):
    """Entries of results in a log, in order.

    Parameters
    ----------
    log_path : pathlib.Path

    Returns
    -------
    list of dict
    """
    if not log_path.is_file():
        return []
    entries = []
    for line in log_path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # cut off when the machine went down
            continue
        if isinstance(entry, dict) and entry.get("event") == "result":
            entries.append(entry)
    return entries


def _paths(source):
    return tuple(path for path, *_ in source)
