"""Write images and tables of columns as they come, a region at a time."""

import math
import warnings
from contextlib import contextmanager

import numpy as np

from ..mapping import set_data
from ..signals._provenance import tiff_tags
from .files import beside, remove

IMAGE_FORMATS = ("hspy", "zspy", "tif")
TABLE_FORMATS = ("csv", "parquet")
_CHUNK_BYTES = 2**20
_ROWS_FRAMES = 2000  # frames whose columns are one piece of a table


def check_formats(image_format=None, table_format=None):
    """Raise ValueError if a format needs what is not installed.

    Parameters
    ----------
    image_format : {"hspy", "zspy", "tif"}, optional
    table_format : {"csv", "parquet"}, optional
    """
    if image_format == "zspy":
        try:
            import zarr
        except ImportError:
            found = "is not installed"
        else:
            found = f"is version {zarr.__version__}"
            if zarr.__version__.startswith("2."):
                found = None
        if found:
            raise ValueError(
                f"--format zspy needs zarr 2, which {found} (pip install "
                "'rosettasciio[zspy]', in an environment without abTEM); or take hspy"
            )
    if table_format == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ValueError(
                "--table parquet needs pyarrow (pip install pyarrow); or take csv"
            ) from None


class ImageSink:
    """Lazy images, to be written to one file.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal2D
        Lazy.

    Attributes
    ----------
    array : dask.array.Array
        What is to be computed.
    facts : dict
        For the log, complete when all is written.
    """

    n_files = 1

    def __init__(self, signal):
        self._signal, self.array = signal, signal.data
        self.facts = {"unusable": 0}

    @contextmanager
    def opened(self, parts):
        """Context in which ``write`` can be called.

        Parameters
        ----------
        parts : list of pathlib.Path
            The file, in the format of its extension.
        """
        [part] = parts
        kinds = {".hspy": _HDF5Images, ".zspy": _ZarrImages, ".tif": _TIFFImages}
        self._images = kinds[part.suffix](part, self._signal)
        whole = False
        try:
            yield
            whole = True
        finally:
            self._images.close(whole)

    def write(self, region, values):
        """Write the images of a region over the navigation axes."""
        frames = values.reshape((-1, *values.shape[-2:]))
        self.facts["unusable"] += int(np.isnan(frames).all(axis=(1, 2)).sum())
        self._images.write(region, values)


class AtomSink:
    """Columns of lazy images, written as signal and table when all are there.

    Parameters
    ----------
    atoms : hyperspy_stem_enhance.AtomPositions
        Lazy.

    Attributes
    ----------
    array : dask.array.Array
    facts : dict
    """

    n_files = 2

    def __init__(self, atoms):
        self._atoms, self.array = atoms, atoms.data
        self.facts = {"columns": 0}

    @contextmanager
    def opened(self, parts):
        """Context in which ``write`` can be called; the files are written at its end.

        Parameters
        ----------
        parts : list of pathlib.Path
            The signal, and the table in the format of its extension.
        """
        self._data = np.empty(self.array.shape, dtype=object)
        yield
        atoms, (part, table) = self._atoms, parts
        set_data(atoms, self._data)
        atoms.save(part, overwrite=True)
        pieces = _table_pieces(atoms)
        write = _write_parquet if table.suffix == ".parquet" else _write_csv
        write(pieces, table)

    def write(self, region, values):
        """Keep the columns of a region over the navigation axes."""
        self._data[region or ...] = values
        self.facts["columns"] += sum(len(columns) for columns in values.ravel())


class NoiseSink:
    """Lazy noise parameters, written as a signal when all are there.

    Parameters
    ----------
    calibration : hyperspy_stem_enhance.NoiseCalibration
        Lazy.

    Attributes
    ----------
    array : dask.array.Array
    facts : dict
    """

    n_files = 1

    def __init__(self, calibration):
        self._calibration, self.array = calibration, calibration.data
        self.facts = {"unusable": 0}

    @contextmanager
    def opened(self, parts):
        """Context in which ``write`` can be called; the file is written at its end.

        Parameters
        ----------
        parts : list of pathlib.Path
        """
        self._data = np.empty(self.array.shape, self.array.dtype)
        yield
        calibration, [part] = self._calibration, parts
        set_data(calibration, self._data)
        calibration.warn_of_notes()
        calibration.save(part, overwrite=True)

    def write(self, region, values):
        """Keep the parameters of a region over the navigation axes."""
        rows = values.reshape((-1, values.shape[-1]))
        self.facts["unusable"] += int(np.isnan(rows).all(axis=1).sum())
        self._data[region] = values


def _storage_chunks(shape):
    """One frame, or as many small ones as make a chunk of 1 MiB."""
    *navigation, height, width = shape
    frames = max(1, _CHUNK_BYTES // (4 * height * width))
    chunks = [1] * len(navigation)
    for axis in reversed(range(len(navigation))):
        chunks[axis] = min(navigation[axis], frames)
        frames = max(1, frames // chunks[axis])
    side = 2048
    return (*chunks, min(height, side), min(width, side))


class _HDF5Images:
    """HyperSpy's own format; HyperSpy writes all but the images."""

    def __init__(self, part, signal):
        import h5py

        remove(part)
        signal.save(part, overwrite=True, write_dataset=False, show_progressbar=False)
        self._file = h5py.File(part, "a")
        [group] = self._file["Experiments"].values()
        shape = signal.data.shape
        self._data = group.create_dataset(
            "data",
            shape=shape,
            dtype=signal.data.dtype,
            chunks=_storage_chunks(shape),
            compression="gzip",
            compression_opts=1,  # half the time of the default, hardly more bytes
            shuffle=True,
        )

    def write(self, region, values):
        self._data[region] = values

    def close(self, whole):
        self._file.close()


class _ZarrImages:
    """The same on zarr, one file for each chunk."""

    def __init__(self, part, signal):
        import zarr

        remove(part)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of zarr 3, not used
            signal.save(
                part, overwrite=True, write_dataset=False, show_progressbar=False
            )
            self._store = zarr.NestedDirectoryStore(str(part))
        shape = signal.data.shape
        [(_, group)] = zarr.open_group(self._store, "a")["Experiments"].groups()
        self._data = group.create_dataset(
            "data",
            shape=shape,
            dtype=signal.data.dtype,
            chunks=_storage_chunks(shape),
        )

    def write(self, region, values):
        self._data[region or ...] = values

    def close(self, whole):
        import zarr

        if whole:
            zarr.consolidate_metadata(self._store)


class _TIFFImages:
    """TIFF by HyperSpy, from a raw file: its writer needs all at once."""

    def __init__(self, part, signal):
        self._part, self._signal = part, signal
        shape, dtype = signal.data.shape, signal.data.dtype
        self._data = np.memmap(beside(part), dtype, "w+", shape=shape)

    def write(self, region, values):
        self._data[region] = values

    def close(self, whole):
        if whole:
            signal = self._signal._deepcopy_with_new_data(self._data)
            set_data(signal, self._data)
            signal.save(self._part, overwrite=True, extratags=tiff_tags(signal))
        del self._data


def _table_pieces(atoms):
    """Tables of so few frames that each fits in memory beside the images."""
    shape = atoms.data.shape
    inner = math.prod(shape[1:])
    step = max(1, _ROWS_FRAMES // inner)
    axis = atoms.axes_manager.navigation_axes[-1]
    name = f"frame_{axis.name if isinstance(axis.name, str) else len(shape) - 1}"
    for start in range(0, shape[0], step):
        slices = (slice(None),) * (len(shape) - 1) + (slice(start, start + step),)
        table = atoms.inav[slices].to_dataframe()
        table["frame"] += start * inner
        if name in table:
            table[name] += start
        yield table


def _write_csv(pieces, path):
    with path.open("w", newline="", encoding="utf-8") as file:
        for number, table in enumerate(pieces):
            table.to_csv(file, index=False, header=number == 0)


def _write_parquet(pieces, path):
    import pyarrow
    import pyarrow.parquet

    writer = None
    try:
        for table in pieces:
            table = pyarrow.Table.from_pandas(
                table, schema=writer and writer.schema, preserve_index=False
            )
            writer = writer or pyarrow.parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
