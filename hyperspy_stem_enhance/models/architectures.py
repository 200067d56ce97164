"""Networks by the dictionary that a training and a registry keep of them."""

from .scgn import SCGN
from .sfin import SFIN

NETWORKS = {"sfin": SFIN, "scgn": SCGN}


def register_network(name, network):
    """Let a network of one's own be trained, registered and loaded by name.

    To be called in every process that uses the name, before it does.

    Parameters
    ----------
    name : str
        As the architecture of a training and of a registry has it.
    network : type
        A ``torch.nn.Module`` with attributes ``downscale``, ``n_inputs``
        and ``n_outputs``, and an argument ``n_outputs``.

    Raises
    ------
    ValueError
        If another network has the name.

    Examples
    --------
    >>> from hyperspy_stem_enhance.models.sfin import SFIN
    >>> register_network("sfin", SFIN)  # it is already
    """
    if NETWORKS.setdefault(name, network) is not network:
        raise ValueError(
            f"name={name!r} is that of {NETWORKS[name].__name__}; choose another."
        )


def build_network(architecture):
    """Make a network with weights drawn at random.

    Parameters
    ----------
    architecture : dict
        ``"name"``, one of `NETWORKS` ("sfin" by default), and the arguments
        of that network, for example its ``"width"`` and ``"n_outputs"``.

    Returns
    -------
    torch.nn.Module
        With attributes ``downscale`` (both sides of an image must be
        multiples of it) and ``n_outputs``.

    Raises
    ------
    ValueError
        If the name or an argument is unknown.

    Examples
    --------
    >>> build_network({"name": "scgn", "n_outputs": 3}).n_outputs
    3
    """
    arguments = dict(architecture)
    name = arguments.pop("name", "sfin")
    if name not in NETWORKS:
        raise ValueError(
            f"architecture={architecture!r} has an unknown name; use one of "
            f"{', '.join(map(repr, NETWORKS))}."
        )
    try:
        return NETWORKS[name](**arguments)
    except TypeError as error:
        raise ValueError(
            f"architecture={architecture!r} cannot be built ({error}); give arguments "
            f"of {NETWORKS[name].__name__} beside its name."
        ) from None
