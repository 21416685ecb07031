"""What a training step of each method costs: time and memory, beside the same step taken plainly.

    python benchmarks/methods.py                                all methods at their defaults, and DIAS as published
    python benchmarks/methods.py --methods dias spot --rounds 5

ours   features from a store, bfloat16 where autocast allows: what `vitreous train` does
plain  what public code does: the same model in float32, with the pictures through a ViT-S/14 in every step. It is our
       code and not a naive one, so that the ratio says only what frozen features and bfloat16 are worth; the savings
       inside a decoder are in train_step.py

Batches of 16 pictures (clips: of 4 x 4 frames, marked so) with 16x16 patches of 384 channels. The two take turns in one
process per method; seconds are medians, the ratio is the median over the rounds with its quartiles. Peak memory is that
of a process of its own that takes three steps of ours, with what Python and torch take by themselves (the first row).
"""

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from transformers import Dinov2Config, Dinov2Model

from vitreous.methods import METHODS, method_class
from vitreous.train.presets import PRESETS
from vitreous.types import Batch

BATCH, CLIPS = (16, 1), (4, 4)  # clips, frames
PUBLISHED = "dias/coco"


def shapes(name: str) -> list[tuple[int, int]]:
    """Stills; clips for those that learn from several frames."""
    return [CLIPS] if name in ("steve", "videosaur", "slotcontrast", "randsfq", "slotformer", "savi") else [BATCH]


def made(name: str, shape: tuple[int, int]) -> tuple[Any, Batch]:
    """A method and a batch that it can learn from; `name`: of a method, or a preset."""
    torch.manual_seed(0)
    settings: dict[str, Any] = PRESETS[name].settings if name in PRESETS else {}
    kind = method_class(str(settings.get("method", name)))
    known = {f.name for f in fields(kind.Config)}
    method = kind(kind.Config(**{n: v for n, v in settings.items() if n in known}), 384, (16, 16))
    features = torch.randn(*shape, 16, 16, 384)
    pictures = torch.rand(*shape, 3, *method.picture_size) if method.picture_size else None
    return method, Batch(features, pictures=pictures)


def stepper(
    name: str, shape: tuple[int, int], half: bool, see: Callable[[], None] | None = None
) -> Callable[[], float]:
    """A function that takes one training step and says how long it took."""
    method, batch = made(name, shape)
    optimiser = torch.optim.AdamW(method.parameters(), 1e-4)
    method.progress = 0.5

    def step() -> float:
        began = time.perf_counter()
        if see:
            see()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = torch.stack(list(method.loss(method(batch), batch).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimiser.step()
        return time.perf_counter() - began

    return step


def backbone(pictures: int) -> Callable[[], None]:
    config = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518)
    model, images = Dinov2Model(config).eval(), torch.randn(pictures, 3, 224, 224)

    @torch.no_grad()
    def see() -> None:
        model(images)

    return see


def peak(name: str, shape: tuple[int, int]) -> float:
    """MiB of this process after three steps of ours."""
    if name != "nothing":
        step = stepper(name, shape, half=True)
        for _ in range(3):
            step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def times(name: str, shape: tuple[int, int], rounds: int) -> list[tuple[float, float]]:
    """Seconds of ours and plain, round by round."""
    ours, plain = stepper(name, shape, half=True), stepper(name, shape, half=False, see=backbone(shape[0] * shape[1]))
    return [(ours(), plain()) for _ in range(rounds + 1)][1:]  # the first one warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=[*sorted(METHODS), PUBLISHED])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")

    def apart(function: Callable[..., Any], *args: Any) -> Any:
        with context.Pool(1) as pool:
            return pool.apply(function, args)

    print("| method | batch | steps/s, ours | steps/s, plain | ours / plain | peak memory, MiB |")
    print("|---|---|---|---|---|---|")
    print(f"| nothing | | | | | {apart(peak, 'nothing', BATCH):.0f} |", flush=True)
    for name in asked.methods:
        for shape in shapes(name):
            pairs = apart(times, name, shape, asked.rounds)
            low, middle, high = statistics.quantiles([plain / ours for ours, plain in pairs], n=4)
            ours, plain = (1 / statistics.median(one) for one in zip(*pairs, strict=True))
            memory = apart(peak, name, shape)
            batch = f"{shape[0]} pictures" if shape[1] == 1 else f"{shape[0]} clips of {shape[1]}"
            ratio = f"{middle:.1f} ({low:.1f}-{high:.1f})"
            print(f"| {name} | {batch} | {ours:.2f} | {plain:.2f} | {ratio} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
