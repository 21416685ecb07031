"""Many heads learn from one pass over the features, each from its own pictures.

Every step reads a batch once. Each member takes the pictures of it that are not in its fold; its loss is their mean, so
it learns what it would have learned alone. All weights stand in a few tensors, and one optimiser steps them all.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vitreous.errors import RunError
from vitreous.metrics.regression import weighted_r2
from vitreous.regress.ensemble import Ensemble, mean_over
from vitreous.regress.heads import Heads
from vitreous.regress.losses import LossName, loss_function
from vitreous.regress.pictures import Pictures
from vitreous.regress.sam import SAM
from vitreous.regress.scaling import ScalingName

CHUNK = 1024  # patches at once: what is hidden of them stays near the processor, however many heads there are
AHEAD = 2  # batches read in advance
LOOKS = 20  # at the held-out pictures, per training
KEEP_SECONDS = 5.0  # of training between checkpoints: what a kill can cost


@dataclass(frozen=True)
class Training:
    """How heads learn.

    batch_size  pictures per step, before a member leaves out its own fold
    lr          peak; rises over `warm_up` of the steps, then a cosine down to 1 %
    rho         of SAM, 0 for none; adaptive wants about ten times as much
    patience    looks at the held-out pictures without a better score after which all heads stop, and go back to the
                best; 0: to the end. The score is of all folds together, since the best moment of each fold by itself
                would flatter it
    precision   of the heads' matrix products
    """

    epochs: int = 40
    batch_size: int = 16
    lr: float = 2e-3
    optimiser: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 1e-2
    momentum: float = 0.9
    warm_up: float = 0.05
    rho: float = 0.05
    adaptive: bool = False
    loss: LossName = "mse"
    scaling: ScalingName = "mean"
    patience: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise RunError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if not self.lr > 0:
            raise RunError(f"lr must be above 0, not {self.lr}.")
        loss_function(self.loss)


@dataclass
class State:
    """Where a training stands: all that decides how it goes on, but for weights and optimiser.

    step     steps done
    losses   sum over the steps of this epoch, and their number
    rows     of log.csv
    best     (score, epoch) of the best look at the held-out pictures
    waited   looks since then
    """

    step: int
    losses: tuple[float, int]
    rows: list[dict[str, float]]
    best: tuple[float, int]
    waited: int


Keep = Callable[["Learning"], None]


class Learning:
    """Heads at school. `run` goes on from `state` to the end; `keep` is called every few seconds.

    trains  which pictures each member learns from; the others are held out
    """

    def __init__(
        self,
        ensemble: Ensemble,
        pictures: Pictures,
        y: Float[np.ndarray, "n t"],
        trains: Bool[np.ndarray, "k n"],
        training: Training,
        weights: Float[np.ndarray, " t"] | None = None,
    ) -> None:
        self.ensemble, self.y, self.trains, self.training = ensemble, y, trains, training
        self.pictures: Pictures = ensemble.heads.arranged(pictures)
        self.weights = np.ones(y.shape[1]) / y.shape[1] if weights is None else weights
        self.true = torch.tensor(y, dtype=torch.float32)
        self.scaled = ensemble.scaling.scaled(self.true)
        self.loss = loss_function(training.loss)
        self.factor = self.loss_weights()
        for weight in ensemble.heads.parameters():
            weight.grad = torch.zeros_like(weight)  # before the members, who share it
        self.parts = ensemble.parts()
        self.sam = SAM(self.optimiser(), training.rho, adaptive=training.adaptive, apart=True)
        self.state = State(0, (0.0, 0), [], (-math.inf, 0), 0)
        self.best: dict[str, Tensor] = {}
        self.begun = time.monotonic()

    def loss_weights(self) -> Float[Tensor, "k t"]:
        """Of a member's targets; for weighted_r2 such that its loss is 1 - R² of what it learns from, per picture."""
        if self.training.loss != "weighted_r2":
            return torch.ones(len(self.trains), len(self.weights))
        share, found = self.weights / self.weights.sum(), []
        for own in self.trains:
            mean = (self.y[own] @ share).mean()
            found.append(share / max(((self.y[own] - mean) ** 2 @ share).mean(), 1e-12))
        return torch.from_numpy(np.stack(found)).float()

    def optimiser(self) -> torch.optim.Optimizer:
        how, weights = self.training, list(self.ensemble.heads.parameters())
        if how.optimiser == "adamw":
            return torch.optim.AdamW(weights, how.lr, weight_decay=how.weight_decay, fused=True)
        return torch.optim.SGD(weights, how.lr, how.momentum, weight_decay=how.weight_decay, foreach=False)

    @property
    def batches(self) -> int:
        """Steps per epoch."""
        return max(1, round(len(self.pictures) / self.training.batch_size))

    @property
    def steps(self) -> int:
        return self.batches * self.training.epochs

    def rate(self, step: int) -> float:
        """Factor on the peak, in (0, 1]."""
        ramp = max(1, round(self.training.warm_up * self.steps))
        done = (step - ramp) / max(1, self.steps - ramp)
        return (step + 1) / ramp if step < ramp else 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))

    def plan(self, epoch: int) -> list[tuple[Int[np.ndarray, " b"], Int[np.ndarray, " b"]]]:
        """Batches of an epoch, pictures and the view each is seen in; seed and epoch alone decide."""
        random = np.random.default_rng([self.training.seed, epoch])
        order = random.permutation(len(self.pictures))
        views = random.integers(len(self.pictures.views), size=len(order))
        return [(some, views[some]) for some in np.array_split(order, self.batches)]

    def run(self, keep: Keep | None = None, on_epoch: Callable[["Learning"], None] | None = None) -> None:
        """To the end, or as long as patience lasts; the ensemble then holds the weights to be used."""
        last, first = time.monotonic(), self.state.step
        for which, x in self.ahead(range(first, self.steps)):
            self.one_step(which, x)
            if self.state.step % self.batches == 0 and self.end_of_epoch(on_epoch):
                break
            if keep and time.monotonic() - last >= KEEP_SECONDS:
                keep(self)
                last = time.monotonic()
        if self.best:
            self.ensemble.heads.load_state_dict(self.best)

    def ahead(self, steps: range) -> Iterator[tuple[Int[np.ndarray, " b"], Float[Tensor, "b n d"]]]:
        """Batches of some steps, read by a thread while others are learned from."""
        waiting: list[tuple[Int[np.ndarray, " b"], Future[Tensor]]] = []
        epoch, planned = -1, []
        with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
            for step in steps:
                if step // self.batches != epoch:
                    epoch = step // self.batches
                    planned = self.plan(epoch)
                which, views = planned[step % self.batches]
                read = pool.submit(self.pictures.patches, which, views, self.ensemble.standardise)
                waiting.append((which, read))
                if len(waiting) > AHEAD:
                    which, read = waiting.pop(0)
                    yield which, read.result()
            for which, read in waiting:
                yield which, read.result()

    def one_step(self, which: Int[np.ndarray, " b"], x: Float[Tensor, "b n d"]) -> None:
        for group in self.sam.base.param_groups:
            group["lr"] = self.training.lr * self.rate(self.state.step)
        loss = float(self.sam.step(lambda: self.gradient(which, x)))
        if not math.isfinite(loss):
            self.diagnose(which, x, loss)
        total, count = self.state.losses
        self.state.losses, self.state.step = (total + loss, count + 1), self.state.step + 1

    def gradient(self, which: Int[np.ndarray, " b"], x: Float[Tensor, "b n d"]) -> Tensor:
        """Of all heads at once, into their weights; returns the mean of their losses.

        A head that has no picture in the batch gets a gradient of zero.
        """
        self.sam.base.zero_grad(set_to_none=False)
        learns, total = torch.from_numpy(self.trains[:, which]), torch.zeros(())
        share = (learns / learns.sum(1, keepdim=True).clamp(min=1)).T  # [b k], of a picture in the loss of a member
        for heads, members in self.parts:
            # a member's own rows alone where heads are much work; else all, and those of its fold count nothing
            rows = torch.arange(len(which)) if heads.small else learns[members.start].nonzero()[:, 0]
            some = max(1, len(rows)) if heads.small or heads.whole else max(1, CHUNK // x.shape[1])
            for here in rows.split(some) if len(rows) else ():
                loss = self.of_rows(heads, members, which, x, here, share[here][:, members])
                loss.backward()
                total += loss.detach()
        return total / (len(self.trains) * len(self.ensemble.targets))

    def of_rows(
        self,
        heads: Heads,
        members: slice,
        which: Int[np.ndarray, " b"],
        x: Float[Tensor, "b n d"],
        rows: Int[Tensor, " r"],
        share: Float[Tensor, "r k"],
    ) -> Tensor:
        """What some pictures of a batch add to the loss of some members, summed over these and their targets."""
        half = self.training.precision == "bfloat16"
        draw = (self.training.seed * 1_000_003 + self.state.step * 7_919 + int(rows[0])) * 16
        with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            votes = heads(x if len(rows) == len(x) else x[rows], draw)
        pred = votes.numbers.float().reshape(len(rows), -1, len(self.ensemble.targets))
        places, factor = torch.from_numpy(which)[rows], self.factor[members]
        if self.training.loss == "weighted_r2":
            pred, true = self.ensemble.numbers(pred, members), self.true[places][:, None].expand_as(pred)
        else:
            true = self.scaled[places][:, members]
        total = (self.loss(pred, true) * factor * share[..., None]).sum()
        beside = heads.beside(votes, true[:, 0], draw)  # of one member; small heads have none
        return total if beside is None else total + beside * share.sum() * factor.sum()

    def diagnose(self, which: Int[np.ndarray, " b"], x: Float[Tensor, "b n d"], loss: float) -> None:
        head = f"The loss is not finite at step {self.state.step} ({loss:.3g}).\n"
        bad = [self.pictures.keys[i] for i, own in zip(which, x.isfinite().flatten(1).all(1), strict=True) if not own]
        if bad:
            raise RunError(f"{head}Features of {', '.join(bad[:5])} are not finite: extract them again.")
        raise RunError(
            f"{head}Features of this batch lie in [{x.min():.3g}, {x.max():.3g}]; a lower --lr (now "
            f"{self.training.lr}), --scaling mean or --standardise dataset usually helps."
        )

    def end_of_epoch(self, on_epoch: Callable[["Learning"], None] | None) -> bool:
        """Write down how it went, look at the held-out pictures now and then; says whether patience is over."""
        epoch = self.state.step // self.batches
        total, count = self.state.losses
        row = {"epoch": float(epoch), "loss": total / count, "lr": self.training.lr * self.rate(self.state.step - 1)}
        self.state.losses, over = (0.0, 0), False
        if epoch % max(1, self.training.epochs // LOOKS) == 0 or epoch == self.training.epochs:
            row["held_out_r2"] = score = self.held_out()
            self.state.waited += 1
            if score > self.state.best[0] and self.training.patience:
                self.state.best, self.state.waited = (score, epoch), 0
                self.best = {name: value.clone() for name, value in self.ensemble.heads.state_dict().items()}
            over = bool(self.training.patience) and self.state.waited >= self.training.patience
        self.state.rows.append(row)
        if on_epoch:
            on_epoch(self)
        return over

    def held_out(self) -> float:
        """Weighted R² of held-out pictures in their first view, all folds together; NaN where there are none."""
        alone = ~self.trains.all(0)
        if not alone.any():
            return math.nan
        first = Pictures(
            self.pictures.store, self.pictures.keys, self.pictures.views[:1], self.pictures.tiles,
            self.pictures.rows[:, :1], (*self.pictures.grid, self.pictures.dim),
        )[alone]  # fmt: skip
        numbers = self.ensemble.predict(first, ~self.trains[:, alone])
        return weighted_r2(self.y[alone], mean_over(numbers), self.weights)


def held_out_by(folds: Sequence[Int[np.ndarray, " n"]]) -> tuple[list[str], Bool[np.ndarray, "k n"]]:
    """Names of the members and what each learns from, of one division into folds per seed."""
    names, trains = [], []
    for seed, fold in enumerate(folds):
        for part in range(int(fold.max()) + 1):
            names.append(f"seed {seed} fold {part}")
            trains.append(fold != part)
    return names, np.stack(trains)
