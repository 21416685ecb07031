"""What tests of several methods share: scenes that move, and what is true of every method that follows them."""

import pytest
import torch
from torch.testing import assert_close

from vitreous.types import Batch


def scene(frames=24, clips=1):
    """A floor and two objects, of which one goes right and comes back: [clips t 6 8 12], and who owns each patch."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.zeros(frames, 6, 8, dtype=torch.long)
    for t in range(frames):
        left = abs((t // 2 + 6) % 12 - 6)
        labels[t, 0:2, left : left + 2], labels[t, 4:6, 3:6] = 1, 2
    x = 3 * torch.randn(clips, 3, 12, generator=draw)[:, labels]
    return Batch(x + 0.3 * torch.randn(x.shape, generator=draw)), labels


def chunks_are_the_clip(method, batch):
    """Seen in pieces, each with the state of the one before, a clip gives what it gives as a whole."""
    torch.manual_seed(1)
    whole = method.eval()(batch)
    for size in (1, 7):
        torch.manual_seed(1)
        state, parts = None, []
        for features in batch.features.split(size, dim=1):
            parts.append(method(Batch(features), state))
            state = parts[-1].state
        for name in ("slots", "masks", "rebuilt", "attention"):
            found = torch.cat([getattr(part, name) for part in parts], dim=1)
            assert_close(found, getattr(whole, name), atol=1e-5, rtol=1e-4, equal_nan=True)


def owners(method, batch, labels):
    """Per frame, which slot owns most of each object."""
    found = method.eval()(batch).masks[0].argmax(1)
    return [[f[true == i].mode().values.item() for i in true.unique()] for f, true in zip(found, labels, strict=True)]


def trained(method, batch, steps=60, rate=3e-3):
    """First and last value of each term of the loss."""
    optimiser = torch.optim.Adam(method.train().parameters(), rate)
    values = []
    for step in range(steps):
        torch.manual_seed(step)
        optimiser.zero_grad()
        terms = method.loss(method(batch), batch)
        values.append({name: value.item() for name, value in terms.items()})
        sum(terms.values()).backward()
        optimiser.step()
    return values[0], values[-1]


@pytest.fixture(scope="session")
def moving():
    return scene


@pytest.fixture(scope="session")
def follows():
    """`follows.chunks`, `follows.owners`, `follows.trained`."""

    class Follows:
        chunks, owners, trained = map(staticmethod, (chunks_are_the_clip, owners, trained))

    return Follows
