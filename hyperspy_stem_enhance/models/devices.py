"""Where networks are run: which device is taken, and what it cannot do."""

import torch

_AGREEMENT = 0.01  # of the range: TensorFloat-32 on GPUs is nearer than that


def best_device():
    """Name of the device that "auto" stands for.

    Returns
    -------
    str
        The current CUDA device, else Apple's GPU ("mps"), else "cpu".
    """
    if torch.cuda.is_available():
        return f"cuda:{torch.cuda.current_device()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def why_unfit(network, reference, device):
    """Tell why a device does not serve a network.

    Parameters
    ----------
    network, reference : torch.nn.Module
        The same one on the device, and on the processor.
    device : str

    Returns
    -------
    str
        Empty where both give the same for an image of random numbers.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, reference.n_inputs, 32, 32, generator=generator)
    try:
        with torch.inference_mode():
            expected, found = reference(x), network(x.to(device)).cpu()
    except (RuntimeError, TypeError) as error:  # TypeError: no float64 on MPS
        return str(error).splitlines()[0]
    difference = (found - expected).abs().max() / (expected.max() - expected.min())
    if difference <= _AGREEMENT:
        return ""
    return f"its result is {float(difference):.0%} of the range off the processor's"


def is_out_of_memory(error):
    """Whether an error says that the memory of a device does not suffice."""
    # MPS has no class of its own for it
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)


def free_memory(device):
    """Hand memory that PyTorch keeps for later back to a device."""
    kind = torch.device(device).type
    if kind != "cpu":
        getattr(torch, kind).empty_cache()
