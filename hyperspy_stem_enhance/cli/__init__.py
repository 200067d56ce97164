"""The command ``stem-enhance``: whole folders of files from a terminal.

Each command is a module beside this one, imported when it is used, so that
the help appears at once and training needs no HyperSpy.
"""

import importlib
import sys
import warnings

from .arguments import make_parser

_INTERRUPTED = 130  # what shells report for a command ended by Ctrl-C


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the name of the command; those of the process by
        default.

    Returns
    -------
    int
        Exit status: 0 if all went well, 1 if anything failed, 130 if it
        was interrupted.

    Raises
    ------
    SystemExit
        With status 2, if the arguments are not understood.

    Examples
    --------
    >>> main(["calibrate", "no-such-file.dm4"])
    1
    """
    try:
        options = _parse(sys.argv[1:] if argv is None else list(argv))
    except ValueError as error:
        print(f"stem-enhance: {error}", file=sys.stderr)
        return 1
    module = importlib.import_module(f".{options.module}", __package__)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show_warning
            return getattr(module, options.function)(options)
    except KeyboardInterrupt:
        print("\ninterrupted; no file is left half written", file=sys.stderr)
        return _INTERRUPTED
    except (ValueError, OSError) as error:
        print(f"stem-enhance {options.command}: {error}", file=sys.stderr)
        return 1


def _parse(argv):
    """Understand the arguments, and those of the file that --config names."""
    parser = make_parser()
    options = parser.parse_args(argv)
    if not hasattr(options, "config"):
        return options
    config, options.config_weights = options.config, {}
    if config:
        from .settings import read_config

        arguments, paths, weights = read_config(config, options.command)
        place = argv.index(options.command) + 1
        argv = [*argv[:place], *arguments, *argv[place:]]
        options = parser.parse_args(argv + ([] if options.paths else paths))
        options.config_weights = weights
    if not options.paths:
        parser.error(f"{options.command}: give at least one PATH, or --config FILE")
    return options


def _show_warning(message, category, *args, **kwargs):
    """Print a warning; deprecations inside of libraries are not the user's."""
    # HyperSpy's own kind is no DeprecationWarning, but named so
    if category is not FutureWarning and "Deprecation" not in category.__name__:
        print(f"warning: {message}", file=sys.stderr)
