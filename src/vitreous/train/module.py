"""One Lightning module trains every method."""

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor

from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.runs import generator_seed
from vitreous.types import Batch

USUAL_BATCH = 16  # what `lr` is meant for
RULES = {"sqrt": 0.5, "linear": 1.0, "none": 0.0}  # power of batch_size / USUAL_BATCH that the rate is multiplied by


@dataclass(frozen=True)
class Training:
    """How a method is trained.

    epochs     passes over the data; where given, they decide `steps`
    batch_size clips per step, over all devices together
    lr         peak for batches of 16, made fit for other sizes by `lr_rule`: see docs/training.md
    warm_up    share of the steps in which the rate rises to its peak, linearly
    half_life  share of the steps in which it then halves, again and again; 0: a cosine down to 1 % of the peak
    clip       global gradient norm
    ema        decay of a running mean of the weights, which the run then uses; 0: the weights themselves
    frames     consecutive frames per sample; 1 treats every frame as a picture
    """

    steps: int = 1000
    epochs: int | float | None = None
    batch_size: int = 16
    lr: float = 1e-4
    lr_rule: Literal["sqrt", "linear", "none"] = "sqrt"
    warm_up: float = 0.05
    half_life: float = 0.0
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.0
    frames: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "frames"):
            if getattr(self, name) < 1:
                raise RunError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if not self.lr > 0:
            raise RunError(f"lr must be above 0, not {self.lr}.")
        if self.epochs is not None and not self.epochs > 0:
            raise RunError(f"epochs must be above 0, not {self.epochs}.")
        if not 0 <= self.ema < 1:
            raise RunError(f"ema must lie in [0, 1), not {self.ema}: 0.999 averages over the last 1000 steps.")


def peak(training: Training) -> float:
    """Highest learning rate at this batch size."""
    return training.lr * (training.batch_size / USUAL_BATCH) ** RULES[training.lr_rule]


def learning_rate(step: int, training: Training) -> float:
    """Factor on the peak at a step, in (0, 1]."""
    ramp = max(1, round(training.warm_up * training.steps))
    if step < ramp:
        return (step + 1) / ramp
    if training.half_life:
        return 0.5 ** ((step - ramp) / (training.half_life * training.steps))
    done = (step - ramp) / max(1, training.steps - ramp)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class SlotTraining(LightningModule):
    """Draws depend on (seed, step, device) alone, so a resumed training goes on as if it had never stopped."""

    def __init__(self, method: Method, training: Training) -> None:
        super().__init__()
        self.method, self.training_settings = method, training
        self.average = deepcopy(method).requires_grad_(False) if training.ema else None

    @property
    def result(self) -> Method:
        """What the run will use."""
        return self.method if self.average is None else self.average

    def draw(self, step: int) -> None:
        torch.manual_seed(generator_seed(self.training_settings.seed, step) + self.global_rank)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        self.draw(self.global_step)
        self.method.progress = self.global_step / self.training_settings.steps

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        terms = self.method.loss(self.method(batch), batch)
        loss = self.checked(terms, batch)
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        how = {"batch_size": len(batch.features), "sync_dist": self.trainer.world_size > 1}
        self.log_dict(terms | {"lr": rate}, **how)
        self.log("loss", loss, prog_bar=True, **how)
        return loss

    def on_validation_batch_start(self, batch: Batch, batch_idx: int) -> None:
        self.draw(-2 - batch_idx)  # the same draws in every validation: only the weights differ
        self.result.progress = 1.0  # and the same weights of the terms

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        loss = self.checked(self.result.loss(self.result(batch), batch), batch)
        how = {"batch_size": len(batch.features), "sync_dist": self.trainer.world_size > 1}
        self.log("held_out", loss, prog_bar=True, **how)

    def checked(self, terms: dict[str, Tensor], batch: Batch) -> Tensor:
        """The sum of the terms; what is not finite is diagnosed."""
        loss = torch.stack(list(terms.values())).sum()
        if loss.isfinite():
            return loss
        named = ", ".join(f"{name} {value.item():.3g}" for name, value in terms.items())
        head = f"The loss is not finite at step {self.global_step} ({named}).\n"
        good = batch.features.isfinite().flatten(1).all(1).tolist()
        if not all(good):
            bad = [key for key, fine in zip(batch.keys, good, strict=True) if not fine]
            raise RunError(
                f"{head}Features of {', '.join(bad[:5])} are not finite, so no weights could help. "
                "Find them with  vitreous inspect STORE, and extract again."
            )
        raise RunError(
            f"{head}Features in this batch lie in [{batch.features.min():.3g}, {batch.features.max():.3g}]; "
            f"a lower --lr (now {self.training_settings.lr}) or --standardise dataset usually helps."
        )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if self.average is None:
            return
        # a short memory at first, so that the random start is forgotten
        decay = min(self.training_settings.ema, (1 + self.global_step) / (10 + self.global_step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.method.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
            for mean, now in zip(self.average.buffers(), self.method.buffers(), strict=True):
                mean.copy_(now)

    def configure_optimizers(self) -> Any:
        settings = self.training_settings
        groups = by_rate(self.method, peak(settings))
        optimiser = torch.optim.AdamW(groups, peak(settings), weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate(step, settings))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def by_rate(method: Method, rate: float) -> list[dict[str, Any]]:
    """Parameters as the optimiser takes them: those that learn at `rate`, then those that learn at multiples of it."""
    groups: dict[float, list[Tensor]] = {1.0: []}
    for name, parameter in method.named_parameters():
        factor = next((f for start, f in method.rates.items() if name.startswith(f"{start}.")), 1.0)
        groups.setdefault(factor, []).append(parameter)
    return [{"params": some, "lr": factor * rate} for factor, some in groups.items()]
