"""Progress bars for loops over the images of a signal."""


def progress_of(show_progressbar):
    """Wrapper of iterables, as tqdm is, that respects HyperSpy's preference.

    Parameters
    ----------
    show_progressbar : bool or None
        None is HyperSpy's preference.

    Returns
    -------
    callable
        Called with an iterable and its ``total``; there is no bar for a
        single image.

    Examples
    --------
    >>> list(progress_of(False)([1, 2], total=2))
    [1, 2]
    """
    from hyperspy.defaults_parser import preferences
    from hyperspy.external.progressbar import progressbar

    if show_progressbar is None:
        show_progressbar = preferences.General.show_progressbar

    def wrapped(iterable, total):
        shown = show_progressbar and total > 1
        return progressbar(iterable, total=total, disable=not shown)

    return wrapped
