"""What DIAS' additions cost: steps of the same model with and without them, in turn, on features that are drawn.

    python benchmarks/dias.py                       about two minutes on one core
    python benchmarks/dias.py --batch 32 --rounds 20

additions  redundancy reduction, the look that starts again, distillation; the decoder is the same on both sides
coco       as published for COCO: drawn slots, the random-order decoder, 16x16 patches of 384 channels, 7 slots; `ours`
           the defaults, 11 and 24 slots
ratio      of the seconds of one step, with additions over without: median over the rounds and its quartiles. Seconds
           are of the processor, so that other programs do not count
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from vitreous.methods.dias import DIAS, DIASConfig
from vitreous.types import Batch

COCO = {"start": "gaussian", "masks": "decoder", "centre": False, "slots": 7}
SETTINGS = {"coco": COCO, "ours": {"slots": 11}, "ours, 24 slots": {"slots": 24, "merge": 0.0}}
NONE = {"same": 0.0, "distill": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("setting,again,batch,seconds_without,seconds_with,ratio,quartiles", flush=True)
    for name, settings in SETTINGS.items():
        for again in ("continue", "restart"):
            plain, full = step(settings | NONE, asked.batch), step(settings | {"again": again}, asked.batch)
            pairs = [(plain(), full()) for _ in range(asked.rounds + 2)][2:]  # the first ones warm up
            ratios = [b / a for a, b in pairs]
            low, middle, high = statistics.quantiles(ratios, n=4)
            without, with_them = (statistics.median(one) for one in zip(*pairs, strict=True))
            print(
                f'"{name}",{again},{asked.batch},{without:.3f},{with_them:.3f},{middle:.3f},{low:.3f}-{high:.3f}',
                flush=True,
            )


def step(settings: dict, batch: int) -> Callable[[], float]:
    """A training step in bfloat16, which says how long it took."""
    torch.manual_seed(0)
    method = DIAS(DIASConfig(**settings), 384, (16, 16))
    optimiser = torch.optim.AdamW(method.parameters(), 1e-4)
    seen = Batch(torch.randn(batch, 1, 16, 16, 384))

    def once() -> float:
        began = time.process_time()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = sum(method.loss(method(seen), seen).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return time.process_time() - began

    return once


if __name__ == "__main__":
    main()
