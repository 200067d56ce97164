"""Say how a run goes: lines of text, progress bars, and a log in JSON lines."""

import json
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

_working_for = threading.local()

# What readers say, and what to do about it
_REMEDIES = {
    "imagecodecs": "install it with `pip install 'hyperspy_stem_enhance[formats]'`",
    "sparse": "install it with `pip install 'hyperspy_stem_enhance[formats]'`",
    "mmap length is greater": "it is cut off; copy the file again from its source",
    "not fully written": "copy the file again from its source",
    "truncated": "copy the file again from its source",
    "Could not find a backend": (
        "no reader has this extension: name one with --file-format NAME"
    ),
    "Object arrays cannot be loaded": (
        "it holds Python objects: save an array of numbers, of shape (..., h, w)"
    ),
    "not a TIFF file": "it is of another format than its extension says",
}


def work_for(name):
    """Have warnings of this thread name a source."""
    _working_for.name = name


class Report:
    """What a user, and the log beside the results, learn of a run.

    Parameters
    ----------
    command : str
    out : pathlib.Path
        Folder of the results, where ``COMMAND-log.jsonl`` is continued
        once there are any.
    sizes : list of int
        Bytes of each source, for the time that is left.
    quiet : bool, default False
        Only say what failed.
    as_json : bool, default False
        Print the events of the log instead of text.
    """

    def __init__(self, command, out, sizes, quiet=False, as_json=False):
        self.command = command
        self.log_path = Path(out) / f"{command}-log.jsonl"
        self.problems = []
        self.n_done = self.n_kept = 0
        self._json, self._quiet = as_json, quiet or as_json
        self._number, self._n = 0, len(sizes)
        self._left, self._done, self._current = sum(sizes), 0, 0
        self._held, self._warned = [], set()
        self._started = None
        self._bars = _Bars(sum(sizes)) if self._wants_bars() else None

    def _wants_bars(self):
        from hyperspy.defaults_parser import preferences

        shown = preferences.General.show_progressbar
        return shown and sys.stderr.isatty() and not self._quiet

    def event(self, event, **facts):
        """Write an event to the log, and print it if JSON is asked for.

        Parameters
        ----------
        event : str
        **facts
            Plain values.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"event": event, "time": now, **facts})
        if self._json:
            print(line, flush=True)
        self._held.append(line)
        if event == "result" or self.log_path.exists():
            self._write_log()

    def _write_log(self):
        with self.log_path.open("a", encoding="utf-8") as log:
            log.write("".join(line + "\n" for line in self._held))
        self._held.clear()

    def say(self, text):
        """Print a line, unless quiet."""
        if not self._quiet:
            self._print(text, sys.stdout)

    def _print(self, text, file):
        if self._bars:
            self._bars.write(text, file)
        else:
            print(text, file=file, flush=True)

    def note(self, text):
        """Tell what a user should know beforehand."""
        self.say(text)
        self.event("note", text=text)

    def begin_source(self, source, size):
        """A source's turn has come."""
        self._number += 1
        self._current = size
        self._started = self._started or time.monotonic()
        self.say(f"[{self._number}/{self._n}] {source}")

    def begin_images(self, n_frames):
        """Frames of the present source are about to be written."""
        if self._bars:
            self._bars.begin(n_frames)

    def advance(self, n_frames, part):
        """Frames have been written, and that part of their source with them."""
        if self._bars:
            self._bars.advance(n_frames, part * self._current)

    def done(self, text, seconds):
        """Images of the present source have been written."""
        self.n_done += 1
        self.say(f"    {text} ({seconds:.1f} s)")

    def kept(self, text):
        """Images of the present source need not be computed again."""
        self.n_kept += 1
        self.say(f"    {text}")
        self.event("kept", text=text)

    def failed(self, name, cause):
        """Images, or an argument, could not be worked on."""
        said = " ".join(str(cause).split())
        remedies = {remedy for part, remedy in _REMEDIES.items() if part in said}
        text = "; ".join([said, *sorted(remedies)])
        if not isinstance(cause, str | ValueError | TypeError | OSError):
            # What readers raise over bytes they do not expect: a bare key, say
            text = (
                f"it cannot be used ({type(cause).__name__}: {text}); it may be "
                "damaged, or of another format than its extension says"
            )
        text = text or type(cause).__name__
        self.problems.append((str(name), text))
        if self._number:
            self.say("    failed")
        self.event("failed", name=str(name), cause=text)

    def end_source(self, computed):
        """The present source is done with; ``computed`` if that took work."""
        self._left -= self._current
        if computed:
            self._done += self._current
        if self._bars:
            self._bars.end(self._left)
        elif self._left and self._done:
            seconds = (time.monotonic() - self._started) / self._done * self._left
            self.say(f"    about {format_seconds(seconds)} left")

    def show_warning(self, message, category, *args, **kwargs):
        """Print a warning; deprecations inside of libraries are not the user's."""
        # HyperSpy's own kind is no DeprecationWarning, but named so
        if category is FutureWarning or "Deprecation" in category.__name__:
            return
        name = getattr(_working_for, "name", None)
        text = f"{name}: {message}" if name else str(message)
        if text in self._warned:
            return
        self._warned.add(text)
        self.event("warning", text=text)
        if not self._quiet:
            self._print(f"warning: {text}", sys.stderr)

    def end(self, interrupted=False):
        """Print what failed; return the exit status, 0 or 1.

        Parameters
        ----------
        interrupted : bool, default False
        """
        if self._bars:
            self._bars.close()
            self._bars = None
        self.event(
            "interrupted" if interrupted else "end",
            done=self.n_done,
            kept=self.n_kept,
            failed=len(self.problems),
        )
        if (
            self.n_done + self.n_kept + len(self.problems) > 1
            and not interrupted
            and self._number
        ):
            kept = f", {self.n_kept} there already" if self.n_kept else ""
            failed = f", {len(self.problems)} failed" if self.problems else ""
            self.say(f"\n{self.n_done} done{kept}{failed}; log: {self.log_path}")
        if not self.problems:
            return 0
        print(f"\n{len(self.problems)} failed:", file=sys.stderr)
        for name, text in self.problems:
            print(f"  {name}: {text}", file=sys.stderr)
        return 1


class _Bars:
    """One bar for the present images, one for all sources."""

    def __init__(self, size):
        from tqdm import tqdm

        self._tqdm = tqdm
        self._file = None
        self._all = tqdm(
            total=size,
            desc="all files",
            position=1,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left",
        )

    def begin(self, n_frames):
        self.end_file()
        self._file = self._tqdm(
            total=n_frames, desc="this file", unit="image", position=0, leave=False
        )

    def advance(self, n_frames, size):
        self._file.update(n_frames)
        self._all.update(size)

    def end_file(self):
        if self._file is not None:
            self._file.close()
            self._file = None

    def end(self, left):
        self.end_file()
        self._all.n = self._all.total - left
        self._all.refresh()

    def write(self, text, file):
        self._tqdm.write(text, file=file)

    def close(self):
        self.end_file()
        self._all.close()


def format_seconds(seconds):
    """Duration as a person would say it.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> format_seconds(40), format_seconds(500), format_seconds(20000)
    ('40 s', '8 min', '5 h 33 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
