"""Why a noise parameter cannot be identified: a kind, and words for the image."""

from enum import IntEnum


class NaNReason(IntEnum):
    """Kinds of reasons why a parameter is NaN, as files keep them.

    The numbers are those of files that exist: none is given another meaning.
    """

    CONSTANT = 1
    TOO_FEW_PIXELS = 2
    NO_VARIATION = 3
    SMALL_SHARE = 4
    NO_COLUMN = 5
    TOO_FEW_BINS = 6
    TOO_FEW_IMAGE_COLUMNS = 7
    OTHER = 15


class Reason(str):
    """A reason in words, which knows its kind.

    Parameters
    ----------
    text : str
    kind : NaNReason, default NaNReason.OTHER

    Examples
    --------
    >>> reason = Reason("the image is constant (7)", NaNReason.CONSTANT)
    >>> reason, reason.kind.name
    ('the image is constant (7)', 'CONSTANT')
    """

    def __new__(cls, text, kind=NaNReason.OTHER):
        reason = super().__new__(cls, text)
        reason.kind = kind
        return reason
