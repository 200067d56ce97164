"""An endless stream of simulated training batches, never the same twice."""

import math
from itertools import count

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..enhance.normalise import normalise_frame
from ..enhance.order import network_input
from ..noise.parameters import MODES
from ..simulate.lattice import INVENTED
from ..simulate.scene import draw_scene
from ..simulate.structures import HELD_OUT_STRUCTURES, STRUCTURES

# Side of the crops, and how many fill a batch: about the same pixels each.
CROPS = ((128, 8), (256, 2), (192, 4), (256, 2))
# Batches with the noise of one's own are few, and such images come in tiles of 256:
# with small crops, columns far apart became too faint
OWN_CROPS = ((256, 2), (256, 2), (192, 4), (256, 2))
# Shares of the frames that are drawn of these, beyond those that are anyway: a network
# that is given the order of a frame must not complete lattices, the speckle under
# single atoms is not to be found, nor anything in noise alone or along fringes
EXTRA_SHARES = {
    "vacancies": 1 / 6,
    "sparse": 1 / 12,
    "empty": 1 / 24,
    "fringes": 1 / 12,
}
# Blurred noise of few electrons looks much like the spots of HRTEM frames
EXTRA_HRTEM_SHARES = {"empty": 1 / 16}
# Of all frames; the others are recorded whole
ARTEFACT_SHARE = 1 / 6
TRAINING_STRUCTURES = (
    *(name for name in STRUCTURES if name not in HELD_OUT_STRUCTURES),
    INVENTED,
)


class SimulatedBatches(IterableDataset):
    """Batches of normalised noisy frames and the truths at the same scale.

    Every batch depends on the seed and its number alone, so that a
    training resumed at a step sees what it would have seen.

    Parameters
    ----------
    seed : int
        Seed of the stream.
    start : int, default 0
        Number of the first batch.
    batch_factor : int, default 1
        Multiplies the frames per batch.
    noise : str or NoiseParameters, default "mixed"
        As for `simulate.scene.draw_scene`.
    modes : sequence of str
        Modes to draw from, evenly; "HRTEM" is one of them.
    own_noise : noise.distribution.NoiseDistribution, optional
        Noise and mode of some of the batches.
    own_share : float, default 0.5
        Part of the batches that are these, from 0 to 1.
    n_outputs : int, default 1
        How many of `models.sfin.OUTPUTS` there is to be a truth of.
    n_inputs : int, default 1
        How many of `models.sfin.INPUTS` there are to be.
    """

    def __init__(
        self,
        seed,
        start=0,
        batch_factor=1,
        noise="mixed",
        modes=MODES,
        own_noise=None,
        own_share=0.5,
        n_outputs=1,
        n_inputs=1,
    ):
        super().__init__()
        self.seed = seed
        self.start = start
        self.batch_factor = batch_factor
        self.noise = noise
        self.modes = tuple(modes)
        self.own_noise = own_noise
        self.own_share = own_share if own_noise is not None else 0.0
        self.n_outputs = n_outputs
        self.n_inputs = n_inputs

    def __iter__(self):
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number in count(self.start + first, step):
            yield self.draw_batch(number)

    def draw_batch(self, number):
        """Return the inputs (n, j, h, w) and targets (n, k, h, w) of a batch."""
        turn, place = divmod(number, len(CROPS))
        own = math.ceil((turn + 1) * self.own_share) > math.ceil(turn * self.own_share)
        side, n_frames = (OWN_CROPS if own else CROPS)[place]
        n_frames *= self.batch_factor
        pairs = [
            self._draw_pair(number * 1024 + index, side, own)
            for index in range(n_frames)
        ]
        inputs, targets = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    def _draw_pair(self, index, side, own):
        mode, noise = self.modes[index % len(self.modes)], self.noise
        arrangement = _extra_arrangement(self.seed, index // 2, mode)
        while True:  # a frame that counted no electron at all is drawn again
            if own:
                mode = self.own_noise.mode
                rng = np.random.default_rng([self.seed, index, 2])
                noise = self.own_noise.draw(rng)
            scene = draw_scene(
                self.seed,
                index,
                (side, side),
                mode,
                noise,
                arrangement=arrangement,
                structures=TRAINING_STRUCTURES,
                probe="random",
                artefact=_draw_whether_damaged(self.seed, index),
            )
            # networks are given bright columns; of HRTEM images a user says so
            dark = scene.recipe.appearance == "dark"
            try:
                frame = normalise_frame(scene.noisy, "BF" if dark else mode)
            except ValueError:
                index += 512
                continue
            given = network_input(frame.values, mode, self.n_inputs)
            return given, _truths(scene, frame.scale, self.n_outputs)


def _draw_whether_damaged(seed, index):
    damaged = np.random.default_rng([seed, index, 7]).random() < ARTEFACT_SHARE
    return "random" if damaged else None


def _extra_arrangement(seed, pair, mode):
    """Arrangement of a pair of frames that is wanted more often than drawn, or None."""
    shares = EXTRA_HRTEM_SHARES if mode == "HRTEM" else EXTRA_SHARES
    drawn = np.random.default_rng([seed, pair, 3]).random()
    for arrangement, share in shares.items():
        if drawn < share:
            return arrangement
        drawn -= share
    return None


def _truths(scene, scale, n_outputs):
    """What a network is to return, in the order of `models.sfin.OUTPUTS`."""
    truths = [scene.clean / scale]
    if n_outputs > 1:
        truths += [scene.narrow / scale, scene.label]
    return np.stack(truths[:n_outputs])
