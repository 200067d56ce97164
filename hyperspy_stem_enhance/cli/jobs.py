"""Run a command on all its files: what is missing, and what can be done."""

import math
import time
import warnings
from collections import deque
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .cluster import connect
from .files import whole_files
from .inputs import find_sources
from .loading import describe, load_source
from .report import Report, work_for
from .results import Results
from .settings import check_weights, digest, settings_of, write_run
from .stream import Ahead, ClusterPool, LocalPool, Stream, count_frames, cut


def run_command(options, task):
    """Apply a task to every image or series of the files of a command.

    Parameters
    ----------
    options : argparse.Namespace
    task : object
        ``endings``: what follows the label in the names of its results;
        ``weights``: sha256 by model; ``begin(signal)``: sinks (see
        `writers`) of what is to be computed; ``finish(report, entries)``:
        called at the end with the log's entries of all results, new and
        old.

    Returns
    -------
    int
        Exit status.
    """
    out = Path(options.out)
    found = find_sources(
        options.paths,
        options.file_format,
        recursive=options.recursive,
        stack=options.stack,
        out=out,
        endings=task.endings,
    )
    settings = settings_of(options)
    if options.config:
        check_weights(options.config_weights, task.weights, options.config)
    sizes = [source.size for source in found.sources]
    report = Report(options.command, out, sizes, options.quiet, options.json)
    with (
        connect(options.scheduler, options.workers) as client,
        _warnings_to(report),
    ):
        pool = ClusterPool(client) if client else LocalPool(tag=work_for)
        run = _Run(options, task, settings, report, Ahead(pool))
        report.event("start", command=options.command, settings=settings)
        for note in found.notes:
            report.note(note)
        for name, cause in found.problems:
            report.failed(name, cause)
        try:
            run.work_on(found.sources)
            task.finish(report, run.entries)
        except KeyboardInterrupt:
            report.end(interrupted=True)
            raise
    return report.end()


@contextmanager
def _warnings_to(report):
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = report.show_warning
        yield


class _Run:
    """State of a run: what is begun, what is known of earlier ones."""

    def __init__(self, options, task, settings, report, ahead):
        self._options, self._task = options, task
        self._settings, self._report, self._ahead = settings, report, ahead
        self._digest = digest(settings, task.weights)
        self._earlier = Results(report.log_path, task.endings)
        self._taken = set()
        self.entries = []

    def work_on(self, sources):
        """Work on all sources; begin with the next while the last is written."""
        waiting, begun = deque(sources), deque()
        try:
            while waiting or begun:
                while waiting and (not begun or self._may_begin(begun)):
                    source = waiting.popleft()
                    begun.append((source, list(self._begin(source))))
                source, jobs = begun.popleft()
                self._finish(source, jobs)
        finally:
            for _, jobs in begun:
                for job in jobs:
                    job.close()

    def _may_begin(self, begun):
        jobs = [job for _, jobs in begun for job in jobs]
        return self._ahead.has_room and all(job.all_begun for job in jobs)

    def _begin(self, source):
        """Load a source, and begin to compute what is missing of it."""
        work_for(str(source))
        try:
            kept = self._all_kept(source)
            if kept:
                yield _Settled(str(source), kept=kept)
                return
            images, left_out = self._load(source)
        except Exception as error:
            yield _Settled(str(source), error=error)
            return
        finally:
            work_for(None)
        for image in images:
            work_for(image.name)
            try:
                yield self._begin_image(source, image)
            except Exception as error:
                yield _Settled(image.name, error=error)
            finally:
                work_for(None)
        if left_out:
            yield _Settled(str(source), note=f"left out: {', '.join(left_out)}")

    def _load(self, source):
        options = self._options
        how = (options.file_format, options.maps, options.grey)
        try:
            return load_source(source, *how)
        except Exception as error:
            if not source.instead:
                raise
            instead = type(source)(source.instead, source.label)
            self._report.note(f"{source}: {error}; {instead} instead")
            return load_source(instead, *how)

    def _all_kept(self, source):
        """Entries of a source of which nothing is missing, or None."""
        if self._options.overwrite:
            return None
        fingerprint = source.fingerprint()
        first = self._earlier.find(fingerprint, 0)
        number = first["images"] if first else 0
        entries = [self._kept(fingerprint, index) for index in range(number)]
        return entries if entries and None not in entries else None

    def _kept(self, fingerprint, index):
        """Entry of an image whose results are there and as wanted, or None."""
        entry = self._earlier.find(fingerprint, index)
        out = Path(self._options.out)
        if entry and all((out / name).exists() for name in entry["outputs"]):
            for name in entry["outputs"]:
                self._check_owner(name, fingerprint, index)
            return entry
        return None

    def _check_owner(self, name, fingerprint, index):
        """Raise unless a result that exists is of these images and settings."""
        what = self._earlier.objection(name, fingerprint, index, self._digest)
        if what:
            raise FileExistsError(
                f"{Path(self._options.out) / name} exists, {what}; replace it with "
                "--overwrite, or choose another --out"
            )

    def _paths(self, label):
        out = Path(self._options.out)
        return [out / f"{label}{ending}" for ending in self._task.endings]

    def _begin_image(self, source, image):
        fingerprint = source.fingerprint()
        paths = self._paths(image.label)
        if not self._options.overwrite:
            entry = self._kept(fingerprint, image.index)
            if entry:
                return _Settled(image.name, kept=[entry])
            for path in paths:
                if path.exists():
                    self._check_owner(path.name, fingerprint, image.index)
        if not self._taken.isdisjoint(paths):
            raise FileExistsError(f"another image of this run is written to {paths[0]}")
        self._taken.update(paths)
        signal = image.signal
        signal.data, units = cut(signal.data)
        sinks = self._task.begin(signal)
        frame_bytes = signal.data.itemsize * signal.axes_manager.signal_size
        arrays = [sink.array for sink in sinks]
        stream = Stream(arrays, units, self._ahead, image.name, frame_bytes)
        stream.fill()
        return _Job(image, paths, sinks, stream, fingerprint)

    def _finish(self, source, jobs):
        report = self._report
        report.begin_source(source, source.size)
        computed = False
        for job in jobs:
            if isinstance(job, _Job):
                computed = True
                work_for(job.image.name)
                try:
                    self._write(job)
                except Exception as error:
                    report.failed(job.image.name, error)
                finally:
                    job.close()
                    work_for(None)
            elif job.error is not None:
                report.failed(job.name, job.error)
            elif job.kept:
                outputs = [name for entry in job.kept for name in entry["outputs"]]
                self.entries += job.kept
                report.kept(f"there already: {', '.join(outputs)}")
            else:
                report.note(f"    {job.note}")
        report.end_source(computed)

    def _write(self, job):
        report, image = self._report, job.image
        started = time.monotonic()
        n_frames = math.prod(image.signal.data.shape[:-2])
        report.begin_images(n_frames)
        with whole_files(*job.paths, overwrite=True) as parts, ExitStack() as stack:
            rest = list(parts)
            for sink in job.sinks:
                own = [rest.pop(0) for _ in range(sink.n_files)]
                stack.enter_context(sink.opened(own))
            for unit, values in job.stream:
                for sink, value in zip(job.sinks, values, strict=True):
                    sink.write(unit, value)
                n = count_frames(unit)
                report.advance(n, n / n_frames / image.number)
            stack.close()
            seconds = time.monotonic() - started
            if report.n_done == 0:
                self._write_settings()
            entry = self._entry(job, seconds)
            # Before the files have their names: what has one is known to the log
            report.event("result", **entry)
        self.entries.append(entry)
        report.done(_summary(job, entry), seconds)

    def _write_settings(self):
        options = self._options
        path = Path(options.out) / f"{options.command}-run.toml"
        write_run(path, options.command, self._settings, self._task.weights)

    def _entry(self, job, seconds):
        """What the log says of a result."""
        data = job.image.signal.data
        entry = {
            "source": job.fingerprint,
            "image": job.image.index,
            "images": job.image.number,
            "name": job.image.name,
            "shape": list(data.shape),
            "dtype": str(data.dtype),
        }
        for sink in job.sinks:
            entry |= sink.facts
        outputs = [path.name for path in job.paths]
        return entry | {
            "endings": list(self._task.endings),
            "outputs": outputs,
            "settings": self._digest,
            "seconds": round(seconds, 3),
        }


def _summary(job, entry):
    """Line of text on images that have been written."""
    text = describe(job.image.signal)
    if entry.get("unusable"):
        text += f", {entry['unusable']} of them cannot be used"
    if "columns" in entry:
        text += f": {entry['columns']} columns"
    first, *others = job.paths
    return f"{text} -> {', '.join([str(first), *(path.name for path in others)])}"


class _Job:
    """Images that are being computed."""

    def __init__(self, image, paths, sinks, stream, fingerprint):
        self.image, self.paths, self.sinks = image, paths, sinks
        self.stream, self.fingerprint = stream, fingerprint

    @property
    def all_begun(self):
        return self.stream.all_begun

    def close(self):
        self.stream.close()


class _Settled:
    """What needs no computing: it failed, is there already, or is only told."""

    all_begun = True

    def __init__(self, name, error=None, kept=None, note=None):
        self.name, self.error, self.kept, self.note = name, error, kept, note

    def close(self):
        pass
