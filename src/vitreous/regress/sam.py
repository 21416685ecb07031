"""Sharpness-aware minimisation: a step by the gradient found at the worst nearby point.

Foret et al. 2021, arXiv:2010.01412; adaptive: Kwon et al. 2021, arXiv:2102.11600, without its offset, as in the usual
implementation (davda54/sam). Written here because heads that stand in one tensor need a norm each: `apart`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from vitreous.errors import RunError

TINY = 1e-12


class SAM:
    """Wraps an optimiser: `step` asks for the gradient twice, at the weights and uphill of them.

    rho       how far uphill; 0 is the plain optimiser. A group of the optimiser may hold a `rho` of its own
    adaptive  distances are measured in units of each weight, so rescaling a layer changes nothing; wants rho x 10
    apart     the first axis of every parameter counts models that know nothing of each other: a norm for each, where
              one norm is usual over all parameters of all groups
    """

    def __init__(self, base: Optimizer, rho: float = 0.05, *, adaptive: bool = False, apart: bool = False) -> None:
        if rho < 0:
            raise RunError(f"rho must not be negative, and is {rho}: 0.05 is usual, 0 switches SAM off.")
        self.base, self.adaptive, self.apart = base, adaptive, apart
        for group in base.param_groups:
            group.setdefault("rho", rho)
        self.there: list[tuple[Tensor, Tensor]] = []

    def parameters(self) -> list[tuple[Tensor, Tensor, dict[str, Any]]]:
        """With gradients and groups; who has no gradient stays where it is."""
        return [(p, p.grad, g) for g in self.base.param_groups for p in g["params"] if p.grad is not None]

    def norm(self) -> Tensor:
        """Of the gradient, times the weights where adaptive; one number, or one per model."""
        squares = []
        for p, grad, _ in self.parameters():
            square = (p.abs() * grad if self.adaptive else grad).square()
            # one by one: a sum along rows rounds as their number has it
            squares.append(torch.stack([own.sum() for own in square]) if self.apart else square.sum())
        return sum(squares[1:], squares[0]).sqrt()

    @torch.no_grad()
    def climb(self) -> Tensor:
        """To the worst point at distance rho, as far as the gradient tells; returns the norm used."""
        norm, self.there = self.norm(), []
        for p, grad, group in self.parameters():
            self.there.append((p, p.clone()))
            far = group["rho"] / (norm + TINY)
            if self.apart:
                far = far.reshape(-1, *[1] * (p.ndim - 1))
            p.add_((p.square() if self.adaptive else 1.0) * grad * far)
        return norm

    @torch.no_grad()
    def back(self) -> None:
        """Exactly to where `climb` began."""
        for p, before in self.there:
            p.copy_(before)
        self.there = []

    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        """One step; `closure` clears the gradient, computes it anew and returns the loss. Returns that of the weights
        themselves, not of the worst point.
        """
        loss = closure().detach()
        if any(group["rho"] for group in self.base.param_groups):
            self.climb()
            closure()
            self.back()
        self.base.step()
        return loss
