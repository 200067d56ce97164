"""What can be asked of the command line: all arguments of all commands."""

import argparse

from .. import __version__
from ..noise.parameters import NOISE_MODES
from . import reconstruct

_FORMATS_HELP = "name of HyperSpy's reader, for files that several can read"


def make_parser():
    """Parser of the whole command line.

    Returns
    -------
    argparse.ArgumentParser
        Its result names the ``module`` beside this one, and the ``function`` in
        it, that run the command.
    """
    parser = argparse.ArgumentParser(
        prog="stem-enhance",
        description="Measure and remove the noise of atomic-resolution STEM images "
        "and find their atom columns.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_calibrate(commands)
    _add_enhance(commands)
    _add_detect(commands)
    reconstruct.add_parser(commands)
    _add_simulate(commands)
    _add_train(commands)
    return parser


def _add(commands, name, module, text):
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(module=module, function=f"run_{name}")
    return command


def _add_demo(commands):
    demo = _add(
        commands,
        "demo",
        "demo",
        "Calibrate, enhance, detect and refine a real pair of ADF and ABF images.",
    )
    demo.add_argument(
        "--out",
        default="stem-enhance-demo",
        metavar="FOLDER",
        help="folder for figures, tables and files; those of an earlier demo in it "
        "are replaced (default: %(default)s)",
    )


def _add_file_arguments(command):
    files = command.add_argument_group("files")
    files.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="any file that HyperSpy loads, a pattern, or a folder of such files",
    )
    files.add_argument(
        "--out",
        default="stem-enhance-results",
        metavar="FOLDER",
        help="folder for the results (default: %(default)s)",
    )
    files.add_argument(
        "--recursive", action="store_true", help="take folders inside folders as well"
    )
    files.add_argument(
        "--stack", action="store_true", help="take all files as one series"
    )
    files.add_argument(
        "--maps",
        action="store_true",
        help="take spectrum images as stacks of maps, one for each channel",
    )
    files.add_argument(
        "--grey",
        action="store_true",
        help="take images in colour by their brightness; grey ones that are saved in "
        "colour are taken as they are",
    )
    files.add_argument("--file-format", metavar="NAME", help=_FORMATS_HELP)
    files.add_argument(
        "--overwrite",
        action="store_true",
        help="compute again what is there; by default only what is missing",
    )
    command.add_argument(
        "--mode",
        choices=NOISE_MODES,
        default="HAADF",
        help="HAADF for bright columns (any dark-field detector), BF for dark ones "
        "(bright field and ABF), HRTEM for images of a camera (default: %(default)s)",
    )
    _add_run_arguments(command)


def _add_run_arguments(command):
    run = command.add_argument_group("run")
    run.add_argument(
        "--config",
        metavar="FILE",
        help="repeat the run of a COMMAND-run.toml, but for what else is given",
    )
    run.add_argument("--quiet", action="store_true", help="print only what failed")
    run.add_argument(
        "--json", action="store_true", help="print events as JSON lines, not text"
    )
    run.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="compute on a dask cluster, such as tcp://host:8786",
    )
    run.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="compute with N processes, or one for each GPU",
    )


def _add_network_arguments(command):
    command.add_argument(
        "--contrast",
        choices=("bright", "dark"),
        default="bright",
        help="of columns in HRTEM images (default: %(default)s)",
    )
    command.add_argument(
        "--model", default="auto", help="name of a model (default: %(default)s)"
    )
    command.add_argument(
        "--device",
        default="auto",
        help="auto (a GPU if there is one), cpu, cuda, ... (default: %(default)s)",
    )
    command.add_argument(
        "--scale",
        type=_scale,
        default="auto",
        metavar="FACTOR",
        help="factor by which images are resampled for the network, and back "
        "(default: %(default)s)",
    )


def _scale(text):
    return text if text == "auto" else float(text)


def _add_detection_arguments(command):
    command.add_argument(
        "--threshold",
        type=float,
        metavar="CONFIDENCE",
        help="lowest confidence of a column, 0 to 1 (default: that of detect_atoms)",
    )
    command.add_argument(
        "--table",
        choices=("csv", "parquet"),
        default="csv",
        help="format of the table of columns (default: %(default)s)",
    )


def _add_calibrate(commands):
    text = (
        "Measure the noise of images; writes one .hspy file per image or series and a "
        "table (CSV) of all, and prints a summary."
    )
    calibrate = _add(commands, "calibrate", "calibrate", text)
    _add_file_arguments(calibrate)
    calibrate.add_argument(
        "--method",
        choices=("unbiased", "paper"),
        default="unbiased",
        help="unbiased: what the simulator takes; paper: the paper's own steps, to "
        "compare data sets (default: %(default)s)",
    )
    calibrate.add_argument(
        "--fast-axis",
        choices=("x", "y"),
        default="x",
        help="y for images turned by 90 degrees (default: %(default)s)",
    )
    calibrate.add_argument(
        "--dark-level",
        type=float,
        metavar="INTENSITY",
        help="intensity without electrons, to count electrons per pixel (default: "
        "where the variance of the noise meets zero)",
    )


def _add_enhance(commands):
    text = "Remove noise and background; writes one file per image or series."
    enhance = _add(commands, "enhance", "images", text)
    _add_file_arguments(enhance)
    _add_network_arguments(enhance)
    enhance.add_argument(
        "--output",
        choices=("enhanced", "super-resolution", "detection"),
        default="enhanced",
        help="output of the network, where it has several (default: %(default)s)",
    )
    enhance.add_argument(
        "--neighbours",
        type=int,
        default=0,
        metavar="N",
        help="of HRTEM movies: average each frame with the N before and the N after it "
        "first (default: each by itself)",
    )
    enhance.add_argument(
        "--keep-background",
        action="store_true",
        help="keep what is smooth and slow beside the columns",
    )
    enhance.add_argument(
        "--self-ensemble",
        action="store_true",
        help="average over mirror images: better, in four times the time",
    )
    enhance.add_argument(
        "--remove-echo",
        action="store_true",
        help="take away what follows the noise: better, in up to twice the time",
    )
    enhance.add_argument(
        "--format",
        choices=("hspy", "zspy", "tif"),
        default="hspy",
        help="format of the images (default: %(default)s)",
    )
    enhance.add_argument(
        "--detect",
        action="store_true",
        help="find the columns as well, reading all images once",
    )
    _add_detection_arguments(enhance)


def _add_detect(commands):
    text = (
        "Find the atom columns of images, raw or enhanced; writes one .hspy file and "
        "one table per image or series."
    )
    detect = _add(commands, "detect", "images", text)
    _add_file_arguments(detect)
    _add_network_arguments(detect)
    _add_detection_arguments(detect)


def _add_simulate(commands):
    simulate = _add(
        commands,
        "simulate",
        "simulate",
        "Simulate images with their truth; writes one .hspy file per signal (noisy, "
        "clean, background, label, positions) and a CSV table of the frames.",
    )
    simulate.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for the files"
    )
    simulate.add_argument(
        "--images", type=int, default=100, metavar="N", help="(default: %(default)s)"
    )
    simulate.add_argument(
        "--shape",
        type=int,
        nargs=2,
        default=(256, 256),
        metavar=("ROWS", "COLUMNS"),
        help="(default: 256 256)",
    )
    simulate.add_argument(
        "--mode",
        choices=NOISE_MODES,
        default="HAADF",
        help="bright columns, dark ones, or HRTEM (default: %(default)s)",
    )
    simulate.add_argument(
        "--noise",
        default="mixed",
        metavar="KIND",
        help="published, scanning (HRTEM: camera), low-dose, mixed, or the table that "
        "calibrate wrote of your own images (default: %(default)s)",
    )
    simulate.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    simulate.add_argument(
        "--arrangement", metavar="NAME", help="of all images; drawn by default"
    )
    simulate.add_argument(
        "--probe",
        choices=("round", "random"),
        default="round",
        help="circular columns, or as probes with tails, coma, astigmatism and drift "
        "show them (default: %(default)s)",
    )
    simulate.add_argument(
        "--artefact",
        metavar="NAME",
        help="random, or one of border, lines, sparse, annotation ...; none by default",
    )
    simulate.add_argument(
        "--structure",
        action="append",
        metavar="NAME",
        help='such as "Si [110]"; may be given several times; all by default',
    )
    simulate.add_argument(
        "--pixel-size",
        type=float,
        metavar="ANGSTROM",
        help="draw structures at their true scale; a scale for each image by default",
    )
    simulate.add_argument(
        "--terms", action="store_true", help="write each term of the noise as well"
    )
    simulate.add_argument(
        "--overwrite", action="store_true", help="replace files that exist"
    )


def _add_train(commands):
    train = _add(
        commands,
        "train",
        "training",
        "Train a network on simulated images, or go on where a folder's training "
        "stopped. Needs no HyperSpy.",
    )
    train.add_argument("--out", required=True, metavar="FOLDER", help="its folder")
    train.add_argument(
        "--steps", type=int, required=True, help="length of the whole training"
    )
    train.add_argument("--minutes", type=float, help="stop before, to be resumed later")
    train.add_argument(
        "--model",
        choices=("sfin-fast", "sfin", "scgn-fast", "scgn"),
        default="sfin-fast",
        help="architecture; those of SCGN learn HRTEM images (default: %(default)s)",
    )
    train.add_argument(
        "--start",
        metavar="MODEL",
        help="begin with the weights of a model (default: drawn at random)",
    )
    train.add_argument(
        "--peak-rate",
        type=float,
        default=1e-3,
        help="highest learning rate (default: %(default)s)",
    )
    train.add_argument(
        "--loss",
        choices=("l1", "rms"),
        default="l1",
        help="of enhanced images: mean absolute error, or root mean square of each "
        "frame, which keeps what is likely but not certain (default: %(default)s)",
    )
    train.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    train.add_argument("--name", help="afterwards, make it a model of this name")
    train.add_argument(
        "--device", default="auto", help="as for enhance (default: %(default)s)"
    )
    train.add_argument(
        "--batch-factor",
        type=int,
        default=1,
        help="multiplies the batch of 8 frames of 128 x 128 (default: %(default)s)",
    )
    train.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that simulate images (default: %(default)s)",
    )
