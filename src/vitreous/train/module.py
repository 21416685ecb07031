"""One Lightning module trains every method."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from vitreous.errors import RunError
from vitreous.methods.base import Method
from vitreous.runs import generator_seed
from vitreous.types import Batch


@dataclass(frozen=True)
class Training:
    """How a method is trained.

    lr       peak of a linear warm-up over `warm_up` of the steps, then a cosine to 1 % of it, per step
    clip     global gradient norm
    frames   consecutive frames per sample; 1 treats every frame as a picture
    """

    steps: int = 1000
    batch_size: int = 16
    lr: float = 1e-4
    warm_up: float = 0.05
    weight_decay: float = 0.0
    clip: float = 1.0
    frames: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "frames"):
            if getattr(self, name) < 1:
                raise RunError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if not self.lr > 0:
            raise RunError(f"lr must be above 0, not {self.lr}.")


def learning_rate(step: int, training: Training) -> float:
    """Factor on the peak at a step, in (0, 1]."""
    ramp = max(1, round(training.warm_up * training.steps))
    if step < ramp:
        return (step + 1) / ramp
    done = (step - ramp) / max(1, training.steps - ramp)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class SlotTraining(LightningModule):
    """Draws depend on (seed, step) alone, so a resumed training goes on as if it had never stopped."""

    def __init__(self, method: Method, training: Training) -> None:
        super().__init__()
        self.method, self.training_settings = method, training

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        torch.manual_seed(generator_seed(self.training_settings.seed, self.global_step))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        terms = self.method.loss(self.method(batch), batch)
        loss = torch.stack(list(terms.values())).sum()
        if not loss.isfinite():
            named = ", ".join(f"{name} {value.item():.3g}" for name, value in terms.items())
            raise RunError(
                f"The loss is not finite at step {self.global_step} ({named}).\n"
                f"Features in this batch lie in [{batch.features.min():.3g}, {batch.features.max():.3g}]; "
                f"a lower --lr (now {self.training_settings.lr}) or --standardise dataset usually helps."
            )
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log_dict(terms | {"lr": rate}, batch_size=len(batch.features))
        self.log("loss", loss, prog_bar=True, batch_size=len(batch.features))
        return loss

    def configure_optimizers(self) -> Any:
        settings = self.training_settings
        optimiser = torch.optim.AdamW(self.method.parameters(), settings.lr, weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate(step, settings))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
