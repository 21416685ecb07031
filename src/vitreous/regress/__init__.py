"""Dense regression: every patch votes for a number, the mean of the votes is the answer.

heads.py       what votes: many heads at once, as one module
sam.py losses.py scaling.py      how they learn
folds.py leakage.py              who learns from which pictures, and whether that is fair
table.py submission.py constraints.py   numbers in and out
pictures.py fit.py apply.py run.py      on the features of a store, into a run folder
estimator.py   the same for scikit-learn
crosspvt.py stacked.py   a larger model on tiles of the picture, and how it stands where heads do
"""

from importlib import import_module
from typing import TYPE_CHECKING

from vitreous.errors import RunError, did_you_mean

if TYPE_CHECKING:
    from vitreous.regress.heads import Heads

HEADS = {
    "patch": "vitreous.regress.heads:PatchHeads",
    "linear": "vitreous.regress.heads:LinearHeads",
    "attention": "vitreous.regress.heads:AttentionHeads",
    "pooled": "vitreous.regress.heads:PooledHeads",
    "cls": "vitreous.regress.heads:ClassTokenHeads",
}
MODELS = {"crosspvt": "vitreous.regress.stacked:CrossPVTHeads"}  # larger ones, which stand where heads do


def heads_class(kind: str) -> "type[Heads]":
    """The class behind a name."""
    known = HEADS | MODELS
    if kind not in known:
        raise RunError(f'No head "{kind}".{did_you_mean(kind, known)}')
    module, _, name = known[kind].partition(":")
    return getattr(import_module(module), name)
