"""Networks by the dictionary that a training and a registry keep of them."""

from .comparison import FCN, SeparateSFIN, SpatialSFIN, UNet
from .scgn import SCGN
from .sfin import SFIN

NETWORKS = {
    "sfin": SFIN,
    "scgn": SCGN,
    "sfin-separate": SeparateSFIN,
    "sfin-spatial": SpatialSFIN,
    "fcn": FCN,
    "unet": UNet,
}


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
    >>> build_network({"name": "unet", "n_outputs": 3}).n_outputs
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
