"""Make a training's averaged weights a model of the package, with its card.

    python tools/export_weights.py RUN [--name sfin-fast] [--figures TABLE.md ...]

RUN is the folder of a training.  Tables printed by the benchmarks are put
into the card as they are.
"""

import argparse
import json
from pathlib import Path

import torch

from hyperspy_stem_enhance import __version__
from hyperspy_stem_enhance.models.export import (
    BEST_FREQUENCY,
    BEST_SIGMA,
    export_weights,
)
from hyperspy_stem_enhance.models.sfin import OUTPUTS
from hyperspy_stem_enhance.noise.parameters import MODES
from hyperspy_stem_enhance.simulate.lattice import SIGMA_RANGE, SPACING_RANGE
from hyperspy_stem_enhance.simulate.structures import HELD_OUT_STRUCTURES
from hyperspy_stem_enhance.train.loop import averaged_network

WEIGHTS = Path(__file__).parents[1] / "hyperspy_stem_enhance" / "weights"

MORE = """ At the same cost it
returns the columns narrower than they are (super-resolution) and the probability
that a column is centred at a pixel (detection)."""
ORDER = ", and beside it what repeats across it (`enhance.order`)"
LOSSES = {"l1": "L1", "rms": "half the root mean square error of each frame"}
LOSS = "{}, on the output rectified"
LOSS_OF_THREE = (
    "{}, on the enhanced image and on the one with narrow columns, both rectified, and "
    "cross entropy of a dot at every column, added up"
)
FAMILIES = {
    "sfin": "SFIN (Li et al., CVPR 2025)",
    "scgn": "SCGN (Li et al., CVPR 2026)",
}
CARD = (Path(__file__).parent / "card.md").read_text()


def main():
    """Export the weights and write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", default="sfin-fast")
    parser.add_argument("--device", default="two processor cores")
    parser.add_argument("--remark", default="", help="one more line of limits")
    parser.add_argument("--figures", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    settings = json.loads((arguments.run / "settings.json").read_text())
    checkpoint = arguments.run / "checkpoint.pt"
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = averaged_network(checkpoint)
    modes = settings.get("modes", list(MODES))
    family = settings["architecture"].get("name", "sfin")
    sha256 = export_weights(
        network,
        arguments.name,
        WEIGHTS,
        architecture=settings["architecture"],
        modes=modes,
        spacing_pixels=list(SPACING_RANGE),
        sigma_pixels=list(SIGMA_RANGE),
        best_frequency=list(BEST_FREQUENCY),
        best_sigma_pixels=list(BEST_SIGMA),
        noise=settings["noise"],
        steps=state["step"],
        seed=settings["seed"],
    )
    outputs = OUTPUTS[: network.n_outputs]
    loss = LOSS_OF_THREE if len(outputs) > 1 else LOSS
    card = CARD.format(
        **settings["architecture"] | {"name": arguments.name},
        outputs=", ".join(outputs),
        more=MORE if len(outputs) > 1 else "",
        order=ORDER if network.n_inputs > 1 else "",
        loss=loss.format(LOSSES[settings.get("loss", "l1")]),
        parameters=sum(p.numel() for p in network.parameters()),
        modes=" and ".join(modes),
        family=FAMILIES[family],
        images="HRTEM" if modes == ["HRTEM"] else "STEM",
        dark="HRTEM images with dark columns" if modes == ["HRTEM"] else "BF images",
        sha256=sha256,
        version=__version__,
        spacing=SPACING_RANGE,
        sigma=SIGMA_RANGE,
        noise=settings["noise"],
        seed=settings["seed"],
        held_out=", ".join(HELD_OUT_STRUCTURES),
        steps=state["step"],
        n_steps=settings["n_steps"],
        rate=settings["peak_rate"],
        minutes=state["minutes"],
        device=arguments.device,
        extra=f"- {arguments.remark}\n" if arguments.remark else "",
        figures="\n\n".join(path.read_text().strip() for path in arguments.figures)
        or "Not measured.",
    )
    (WEIGHTS / f"{arguments.name}.md").write_text(card)
    print(f"{arguments.name}: {state['step']} steps, sha256 {sha256}")


if __name__ == "__main__":
    main()
