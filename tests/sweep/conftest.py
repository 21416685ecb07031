"""A small sweep: stores of blobs, and what a trial is made of so that it takes a second."""

import pytest

from vitreous.sweep.plan import Plan

SMALL = dict(slot_dim=16, decoder="mlp", decoder_width=8, decoder_layers=2, batch_size=4, lr=5e-3, steps=6)
SMALL |= dict(precision="32-true", device="cpu")


@pytest.fixture(scope="session")
def pair(blobs_store):
    """Paths of a store to train on and of one to be tested on."""
    return blobs_store().path, blobs_store(clips=6, seed=1).path


@pytest.fixture(scope="session")
def plan_of():
    """plan_of(slots=[3, 5]): a grid over small trials; `plan` is the rest of a Plan."""

    def make(fixed=None, plan=None, **axes):
        return Plan(axes, SMALL | (fixed or {}), **(plan or {}))

    return make
