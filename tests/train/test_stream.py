import numpy as np
import pytest
import torch

from hyperspy_stem_enhance.enhance.order import find_order
from hyperspy_stem_enhance.models.architectures import build_network
from hyperspy_stem_enhance.models.scgn import SCGN_FAST
from hyperspy_stem_enhance.noise.parameters import MODES
from hyperspy_stem_enhance.simulate import draw_scene
from hyperspy_stem_enhance.train import stream
from hyperspy_stem_enhance.train.loop import total_loss
from hyperspy_stem_enhance.train.stream import SimulatedBatches


def test_batches_of_hrtem_frames():
    batches = SimulatedBatches(3, modes=("HRTEM",), n_outputs=3)
    noisy, truths = batches.draw_batch(0)
    assert noisy.shape == (8, 1, 128, 128)
    assert truths.shape == (8, 3, 128, 128)
    assert noisy.dtype == truths.dtype == torch.float32
    again = SimulatedBatches(3, modes=("HRTEM",), n_outputs=3).draw_batch(0)
    torch.testing.assert_close(noisy, again[0], rtol=0, atol=0)


def test_a_second_input_is_the_order_of_the_first():
    one, two = (SimulatedBatches(3, n_inputs=n).draw_batch(0)[0] for n in (1, 2))
    torch.testing.assert_close(two[:, :1], one, rtol=0, atol=0)
    expected = find_order(one[5, 0].numpy())
    np.testing.assert_array_equal(two[5, 1], expected)


@pytest.mark.parametrize(
    ("modes", "shares"),
    [(MODES, stream.EXTRA_SHARES), (("HRTEM",), stream.EXTRA_HRTEM_SHARES)],
)
def test_some_arrangements_come_more_often(monkeypatch, modes, shares):
    """In frames of every size, in both frames of a pair, and as often as told."""
    seen = {}

    def draw(seed, index, shape, mode, noise, arrangement, structures, **others):
        seen.setdefault(shape[0], []).append(arrangement)
        return draw_scene(1, 1, (16, 16), "BF", "published", "perfect")

    monkeypatch.setattr(stream, "draw_scene", draw)
    batches = SimulatedBatches(3, modes=modes)
    for number in range(1600):
        batches.draw_batch(number)
    assert sorted(seen) == [128, 192, 256]
    for side, arrangements in seen.items():
        assert arrangements[::2] == arrangements[1::2]
        pairs = arrangements[::2]
        assert set(pairs) == {*shares, None}
        for name, share in shares.items():
            sd = (share * (1 - share) / len(pairs)) ** 0.5
            assert abs(pairs.count(name) / len(pairs) - share) < 4 * sd, (side, name)


def test_columns_are_bright_whatever_the_contrast():
    """Noise aside, inputs and truths of dark columns go together as well."""
    batches = SimulatedBatches(3, modes=("HRTEM",))
    correlation = {"bright": [], "dark": [], "spots": []}
    for number in range(0, 16, 4):
        noisy, truths = batches.draw_batch(number)
        for index in range(len(noisy)):
            recipe = draw_scene(3, number * 1024 + index, (128, 128), "HRTEM").recipe
            x, y = noisy[index, 0].numpy(), truths[index, 0].numpy()
            if y.max() > 0:
                found = np.corrcoef(x.ravel(), y.ravel())[0, 1]
                correlation[recipe.appearance].append(found)
    for found in correlation.values():
        assert np.median(found) > 0.1


def test_scgn_learns_from_it():
    torch.manual_seed(0)
    network = build_network({**SCGN_FAST, "width": 16, "n_blocks": 1}).train()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    batches = SimulatedBatches(5, modes=("HRTEM",), n_outputs=3, n_inputs=2)
    noisy, truths = (part[:4] for part in batches.draw_batch(0))
    losses = []
    for _ in range(12):
        loss = total_loss(network(noisy), truths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
