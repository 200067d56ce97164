"""The command ``reconstruct``."""

from pathlib import Path

from .files import progress_bars, refuse_existing, whole_files

_FIGURES = ("orthoslices", "maximum", "views", "residuals")
_INTERRUPTED = 130  # what shells report for a command ended by Ctrl-C
_DPI = 150


def add_parser(commands):
    """Add the command to those of the command line."""
    text = (
        "Reconstruct a volume from a tilt series; writes it with its Gaussians and "
        "four figures."
    )
    parser = commands.add_parser("reconstruct", help=text, description=text)
    parser.set_defaults(module="reconstruct", function="run_reconstruct")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a tilt series, or its views in order"
    )
    parser.add_argument(
        "--tilts",
        metavar="FILE",
        help=".rawtlt, .tlt or .mdoc (default: as the series or a file beside it says)",
    )
    parser.add_argument(
        "--tilt-units",
        choices=("auto", "degrees", "radians"),
        default="auto",
        help="(default: degrees, refused if all are below 3.2)",
    )
    parser.add_argument(
        "--out",
        default="stem-enhance-results",
        metavar="FOLDER",
        help="folder for the results (default: %(default)s)",
    )
    parser.add_argument(
        "--method",
        choices=("denza", "wbp", "sirt", "tv", "svmbir"),
        default="denza",
        help="(default: %(default)s, a sum of Gaussians)",
    )
    parser.add_argument(
        "--tilt-axis",
        type=_axis,
        default="x",
        metavar="AXIS",
        help="x, y, or its angle to x in degrees (default: %(default)s)",
    )
    parser.add_argument(
        "--thickness", type=int, metavar="VOXELS", help="along the beam"
    )
    parser.add_argument(
        "--binning", type=int, default=1, metavar="N", help="average N x N pixels first"
    )
    parser.add_argument(
        "--no-align", action="store_true", help="leave the views where they are"
    )
    parser.add_argument(
        "--crop", action="store_true", help="crop the views to the object"
    )
    parser.add_argument("--iterations", type=int, metavar="N")
    parser.add_argument("--gaussians", type=int, metavar="N", help="how many")
    parser.add_argument("--regularisation", type=float, metavar="STRENGTH")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="(default: %(default)s)")
    parser.add_argument(
        "--format",
        choices=("hspy", "zspy", "tif"),
        default="hspy",
        help="of the volume (default: %(default)s; tif keeps voxels alone)",
    )
    parser.add_argument(
        "--file-format", metavar="NAME", help="name of HyperSpy's reader"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace results that exist"
    )


def _axis(text):
    return text if text in ("x", "y") else float(text)


def run_reconstruct(options):
    """Reconstruct a tilt series, and write volume, Gaussians and figures.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    int
        Exit status; 130 if it was interrupted, with what there was by then written.

    Raises
    ------
    ValueError
        If the file holds no tilt series, or an argument cannot be used.
    OSError
        If a result exists and must not be replaced.
    """
    from .writers import check_formats

    check_formats(options.format)
    files = [Path(file) for file in options.files]
    folder, name = Path(options.out), files[0].stem
    paths = [folder / f"{name}_tomogram.{options.format}"]
    if options.method == "denza":
        paths.append(folder / f"{name}_gaussians.npz")
    paths += [folder / f"{name}_{figure}.png" for figure in _FIGURES]
    if not options.overwrite:
        refuse_existing(*paths)
    series = _load(files, options.file_format)
    try:
        tomogram = series.reconstruct_tomogram(
            options.method,
            options.tilts,
            options.tilt_axis,
            options.thickness,
            tilt_units=options.tilt_units,
            binning=options.binning,
            align=False if options.no_align else "auto",
            crop=options.crop,
            n_gaussians=options.gaussians,
            regularisation=options.regularisation,
            iterations=options.iterations,
            seed=options.seed,
            device=options.device,
            show_progressbar=progress_bars(),
        )
    except (TypeError, MemoryError, ImportError) as error:
        raise ValueError(str(error)) from error
    with whole_files(*paths, overwrite=options.overwrite) as parts:
        _write(tomogram, parts)
    print(_summary(tomogram))
    for path in paths:
        print(f"  {path}")
    interrupted = tomogram.metadata.STEM_enhance.reconstruct_tomogram.interrupted
    return _INTERRUPTED if interrupted else 0


def _load(files, file_format):
    from .loading import load_signals

    for file in files:
        if not file.exists():
            raise FileNotFoundError(f"there is no file {file}")
    stack = [str(file) for file in files]
    try:
        signals = load_signals(stack if len(stack) > 1 else files[0], file_format)
    except Exception as error:  # readers raise anything on what is not theirs
        raise ValueError(f"{files[0]} cannot be read: {error}") from error
    series = [s for s in signals if s.axes_manager.signal_dimension == 2]
    series = [s for s in series if s.axes_manager.navigation_dimension == 1] or series
    if len(series) != 1:
        listed = ", ".join(map(repr, signals))
        raise ValueError(f"{files[0]} holds no single series of images, but {listed}")
    return series[0]


def _write(tomogram, parts):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    volume, *others = parts
    tomogram.save(volume, overwrite=True)
    *gaussians, slices, maximum, views, residuals = others
    for part in gaussians:
        tomogram.save_gaussians(part, overwrite=True)
    draw = {
        slices: tomogram.plot_orthoslices,
        maximum: lambda: tomogram.plot_orthoslices(kind="maximum"),
        views: tomogram.plot_views,
        residuals: tomogram.plot_residuals,
    }
    for part, plot in draw.items():
        figure = plot().flat[0].figure
        figure.savefig(part, dpi=_DPI)
        plt.close(figure)


def _summary(tomogram):
    node = tomogram.metadata.STEM_enhance.reconstruct_tomogram
    x, z, y = tomogram.data.shape
    size = f"{x} x {z} x {y} voxels (x, z, y)"
    views = f"{len(node.tilts)} views from {min(node.tilts):g}° to {max(node.tilts):g}°"
    left_out = node.get_item("views_left_out")
    if left_out:
        views += f", {len(left_out)} left out"
    model = tomogram.gaussians
    gaussians = "" if model is None else f", {len(model)} Gaussians"
    return f"{size} by {node.settings.method} of {views} ({node.tilts_from}){gaussians}"
