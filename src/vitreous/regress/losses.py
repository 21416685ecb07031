"""How far predictions are from the truth, picture by picture and head by head."""

from collections.abc import Callable
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import huber_loss

from vitreous.errors import RunError, did_you_mean

LossName = Literal["mse", "huber", "tweedie", "weighted_r2"]
LOSSES = get_args(LossName)
DELTA = 0.3  # Huber: beyond this error, in units of the scaled target, the loss grows linearly
POWER = 1.5  # Tweedie: between Poisson (1) and gamma (2), so zeros are usual and the spread grows with the mean
LEAST = 1e-3  # Tweedie knows no prediction of 0; in units of the scaled target

Loss = Callable[[Float[Tensor, "b *m"], Float[Tensor, "b *m"]], Float[Tensor, "b *m"]]


def squared(pred: Float[Tensor, "b *m"], true: Float[Tensor, "b *m"]) -> Float[Tensor, "b *m"]:
    return (pred - true).square()


def huber(pred: Float[Tensor, "b *m"], true: Float[Tensor, "b *m"]) -> Float[Tensor, "b *m"]:
    """Twice Huber's loss, so that it is the squared error near 0."""
    return 2 * huber_loss(pred, true, reduction="none", delta=DELTA)


def tweedie(pred: Float[Tensor, "b *m"], true: Float[Tensor, "b *m"]) -> Float[Tensor, "b *m"]:
    """Deviance of the compound Poisson-gamma distribution with power 1.5, up to what does not depend on `pred`.

    For amounts that are often 0 and, where not, spread in proportion to a power of their mean.
    """
    # the gradient goes on below LEAST, or a head that begins there would never leave
    mean = pred + (pred.clamp(min=LEAST) - pred).detach()
    return 2 * (mean ** (2 - POWER) / (2 - POWER) - true * mean ** (1 - POWER) / (1 - POWER))


def loss_function(name: str) -> Loss:
    """weighted_r2 is the squared error in units of the targets, weighted as the score is: see fit.py."""
    if name not in LOSSES:
        raise RunError(f'No loss "{name}".{did_you_mean(name, LOSSES)}')
    return {"mse": squared, "huber": huber, "tweedie": tweedie, "weighted_r2": squared}[name]
