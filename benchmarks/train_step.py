"""A training step of SAVi-DINOSAUR at the older work's settings, against the same recipe written out plainly.

    python benchmarks/train_step.py                        11 slots, batch 32, 16x16 patches of ViT-S/14, 384 wide
    python benchmarks/train_step.py --batch 4 --rounds 2   a quick look

plain, backbone inside   what public code does: pictures through the ViT in every step, every layer of the decoder on
                         every slot, float32
plain                    the same on features that are there already
ours, float32            the same numbers from our decoder (blocks/broadcast.py)
ours                     as `vitreous train` runs it: bfloat16 where autocast allows

One step is forward, loss, backward, clipping and AdamW. All start from the same weights and see the same batch; the
rows take turns, `rounds` times, and the quickest turn counts. Prints CSV: seconds, steps/s, how many times as fast as
the first row and as the second, the loss of the first step and how far it is from the plain one. The backbone's
weights are drawn: the time does not depend on them.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import relu
from transformers import Dinov2Config, Dinov2Model

from vitreous.blocks.broadcast import BroadcastDecoder
from vitreous.blocks.decoders import Rebuilt
from vitreous.methods.savi_dinosaur import SAViDINOSAUR, SAViDINOSAURConfig
from vitreous.train.presets import PRESETS
from vitreous.types import Batch


def written_out(decode: BroadcastDecoder, slots: Tensor, keep: Tensor | None = None) -> Rebuilt:
    """The decoder as its papers write it: each slot painted on the whole grid by every layer, then mixed."""
    b, k = slots.shape[:2]
    x = slots.flatten(0, 1)[:, :, None, None].expand(-1, -1, *decode.grid)
    x = torch.cat([x, decode.places.expand(b * k, -1, -1, -1)], dim=1)
    for layer in (decode.first, *decode.rest):
        x = relu(layer(x))
    x = decode.last(x).unflatten(0, (b, k)).flatten(3)  # b k d+1 n
    assert decode.clamp is not None
    masks = (x[:, :, -1] / decode.temperature).clamp(-decode.clamp, decode.clamp).softmax(1)
    return Rebuilt((masks[:, :, None] * x[:, :, :-1]).sum(1).mT, masks)


def method(slots: int) -> SAViDINOSAUR:
    preset = PRESETS["savi_dinosaur/movi_a_300"].settings
    known = {n: v for n, v in preset.items() if n in SAViDINOSAURConfig.__dataclass_fields__}
    torch.manual_seed(0)
    return SAViDINOSAUR(SAViDINOSAURConfig(**known | {"slots": slots}), 384, (16, 16))


def stepper(made: SAViDINOSAUR, see: Callable[[], Tensor], half: bool) -> Callable[[], float]:
    """A function that takes one training step and returns its loss."""
    optimiser = torch.optim.AdamW(made.parameters(), 1e-3)

    def step() -> float:
        torch.manual_seed(1)
        batch = Batch(see())
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = torch.stack(list(made.loss(made(batch), batch).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimiser.step()
        return loss.item()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--slots", type=int, default=11)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    draw = torch.Generator().manual_seed(0)
    pictures = torch.randn(asked.batch, 3, 224, 224, generator=draw)
    backbone = Dinov2Model(Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518))
    backbone.eval().requires_grad_(False)

    @torch.no_grad()
    def look() -> Tensor:
        return backbone(pictures).last_hidden_state[:, 1:].unflatten(1, (16, 16))[:, None]

    features = look()
    steps = {}
    for name, see, plainly, half in (
        ("plain, backbone inside", look, True, False),
        ("plain", lambda: features, True, False),
        ("ours, float32", lambda: features, False, False),
        ("ours", lambda: features, False, True),
    ):
        made = method(asked.slots)
        if plainly:
            assert isinstance(made.decode, BroadcastDecoder)
            made.decode.forward = partial(written_out, made.decode)
        steps[name] = stepper(made, see, half)
    first = {name: step() for name, step in steps.items()}  # warms up, too
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(asked.rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            best[name] = min(best[name], time.perf_counter() - began)
    print("row,seconds,steps_per_s,times_backbone_inside,times_plain,loss,off_by")
    for name, seconds in best.items():
        ratios = [f"{best[other] / seconds:.2f}" for other in ("plain, backbone inside", "plain")]
        off = abs(first[name] / first["plain"] - 1)
        print(f'"{name}",{seconds:.3f},{1 / seconds:.3f}', *ratios, f"{first[name]:.5f}", f"{off:.1e}", sep=",")


if __name__ == "__main__":
    main()
