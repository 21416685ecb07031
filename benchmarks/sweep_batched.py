"""Many small models on one store: one after the other, or stacked and trained together (torch.func, vmap)?

    python benchmarks/sweep_batched.py                           DINOSAUR, warm start, 16x16 patches, batches of 16
    python benchmarks/sweep_batched.py --models 8 --threads 2 --precision 32-true --slots 11

Same models (as many seeds), same batches, same losses either way, which is checked. The groups that slots start from do
not depend on the weights and their loop ends when the pictures say so, which vmap cannot follow: the stacked way finds
them for all models in one call. No trainer around the loops; `fit` is one training by `vitreous train`, beside them.
Prints CSV: milliseconds per step of one model, by the clock and of the processor, each the least of some turns that
alternate; and how many times as fast as one after the other. On a busy machine the processor's are the ones to trust.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import mse_loss

from vitreous.data import open_source
from vitreous.data.mini import MINI
from vitreous.features.extract import extract
from vitreous.features.store import FeatureStore
from vitreous.methods.dinosaur import DINOSAUR, DINOSAURConfig
from vitreous.train.fit import fit
from vitreous.train.module import Training

CLIP, LR = 1.0, 1e-4


class FromGroups(nn.Module):
    """DINOSAUR from given groups on: everything that has weights."""

    def __init__(self, method: DINOSAUR) -> None:
        super().__init__()
        self.method = method

    def forward(self, features: Tensor, groups: Tensor) -> Tensor:
        size = groups.sum(-1, keepdim=True)
        x = self.method.project(features)
        slots, attention = self.method.group(x, groups @ x / size.clamp(min=1), keep=size[..., 0] > 0)
        return mse_loss(self.method.decode(slots, attention[:, -1]).features, features)


def models(store: FeatureStore, count: int, slots: int) -> list[FromGroups]:
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(FromGroups(DINOSAUR(DINOSAURConfig(slots=slots), store.dim, store.grid)))
        made[-1].method.start.eval()  # draws no pick, so that both ways see the same groups
    return made


def batches(store: FeatureStore, count: int, steps: int, size: int) -> list[list[Tensor]]:
    """Of each model, in the order of its seed."""
    loaders = (store.loader(size, seed=seed).batches() for seed in range(count))
    return [[batch.features.flatten(0, 1).flatten(1, 2) for batch in islice(loader, steps)] for loader in loaders]


def one_by_one(made: list[FromGroups], data: list[list[Tensor]], half: bool) -> Tensor:
    """Last losses."""
    last = []
    for model, own in zip(made, data, strict=True):
        optimiser = torch.optim.AdamW(model.parameters(), LR, weight_decay=0.0)
        for features in own:
            groups = model.method.start(features)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = model(features, groups)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
        last.append(loss.detach())
    return torch.stack(last)


def together(made: list[FromGroups], data: list[list[Tensor]], half: bool) -> Tensor:
    """The same, all models in each operation."""
    weights, buffers = stack_module_state(list[nn.Module](made))
    optimiser = torch.optim.AdamW(weights.values(), LR, weight_decay=0.0)

    def loss_of(weights: dict[str, Tensor], features: Tensor, groups: Tensor) -> Tensor:
        return functional_call(made[0], (weights, buffers), (features, groups))

    for now in zip(*data, strict=True):
        features = torch.stack(now)
        groups = made[0].method.start(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            losses = vmap(loss_of)(weights, features, groups)
        optimiser.zero_grad()
        losses.sum().backward()
        gradients = {name: value.grad for name, value in weights.items() if value.grad is not None}
        norm = torch.stack([g.flatten(1).square().sum(1) for g in gradients.values()]).sum(0).sqrt()
        scale = (CLIP / (norm + 1e-6)).clamp(max=1)  # each model's own, as clip_grad_norm_
        for gradient in gradients.values():
            gradient *= scale.view(-1, *[1] * (gradient.ndim - 1))
        optimiser.step()
    return losses.detach()


def seconds(work: Callable[[], Tensor]) -> tuple[tuple[float, float], Tensor]:
    """By the clock, and of the processor."""
    began = time.perf_counter(), time.process_time()
    found = work()
    return (time.perf_counter() - began[0], time.process_time() - began[1]), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--slots", type=int, default=7)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=["bf16-mixed", "32-true"], nargs="+", default=["bf16-mixed", "32-true"])
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print("way,models,precision,threads,batch,slots,clock_ms,processor_ms,clock_times,processor_times", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        store = extract(open_source(MINI, split="train"), Path(folder) / "train.lance", progress=False)
        store.pin()
        for precision in asked.precision:
            for count in asked.models:
                compare(store, count, precision, asked)
            training = Training(steps=4 * asked.steps, batch_size=asked.batch)
            out, config = Path(folder) / precision, {"slots": asked.slots}
            spent = fitted(store, out, config, training, precision)
            report("fit", 1, precision, asked, [value / training.steps for value in spent], None)


def fitted(
    store: FeatureStore, out: Path, config: dict[str, int], training: Training, precision: str
) -> tuple[float, float]:
    def work() -> Tensor:
        fit(store, out, "dinosaur", config, training, precision=precision, device="cpu", progress=False)
        return torch.empty(0)

    return seconds(work)[0]


def compare(store: FeatureStore, count: int, precision: str, asked: argparse.Namespace) -> None:
    data, half = batches(store, count, asked.steps, asked.batch), precision == "bf16-mixed"
    ways = {"one by one": one_by_one, "together": together}
    least: dict[str, list[float]] = {name: [float("inf")] * 2 for name in ways}
    losses: dict[str, Tensor] = {}
    for turn in range(asked.turns + 1):
        for name, way in ways.items():
            made = models(store, count, asked.slots)
            spent, losses[name] = seconds(partial(way, made, data, half))
            if turn:  # the first one warms up
                least[name] = [min(pair) for pair in zip(least[name], spent, strict=True)]
    torch.testing.assert_close(losses["together"], losses["one by one"], rtol=2e-2 if half else 1e-3, atol=0)
    for name, spent in least.items():
        times = [one / own for one, own in zip(least["one by one"], spent, strict=True)]
        report(name, count, precision, asked, [value / count / asked.steps for value in spent], times)


def report(
    way: str, count: int, precision: str, asked: argparse.Namespace, spent: list[float], times: list[float] | None
) -> None:
    numbers = [f"{1000 * value:.1f}" for value in spent] + [f"{value:.2f}" for value in times or ()]
    print(way, count, precision, asked.threads, asked.batch, asked.slots, *numbers, sep=",", flush=True)


if __name__ == "__main__":
    main()
