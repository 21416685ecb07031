"""A method of your own in one file: here soft k-means. docs/new_method.md walks through it.

python examples/06_new_method.py

From here on it is a method like the others, for every command:

python examples/06_new_method.py train scenes.lance --method soft_kmeans --sharpness 20
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from vitreous.blocks.decoders import Mixture
from vitreous.blocks.initial import PatchGroups
from vitreous.cli.main import main
from vitreous.methods import METHODS
from vitreous.methods.base import Method
from vitreous.types import Batch, SlotOutput


@dataclass(frozen=True)
class SoftKMeansConfig:
    """Every field is an option of `vitreous train`, and this text is its help.

    sharpness  how decidedly patches choose at step 0; learned from there
    """

    slots: int = 11  # objects + background
    slot_dim: int = 192
    iterations: int = 3
    sharpness: float = 10.0


class SoftKMeans(Method):
    """A slot is the mean of its patches; a patch belongs to the slots that are near it."""

    Config = SoftKMeansConfig

    def __init__(self, config: SoftKMeansConfig, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__(config, feature_dim, grid)
        self.project = nn.Linear(feature_dim, config.slot_dim, bias=False)
        nn.init.orthogonal_(self.project.weight)
        self.log_sharpness = nn.Parameter(torch.tensor(config.sharpness).log())
        self.start = PatchGroups(config.slots)
        self.decode = Mixture(config.slot_dim, feature_dim).like(self.project)

    def forward(self, batch: Batch, state: Any = None) -> SlotOutput:
        clips, (h, w) = batch.features.shape[:2], self.grid
        features = batch.features.flatten(0, 1).flatten(1, 2)  # frames are independent here: (b t) n d
        x = self.project(features)
        shares = self.start(features)  # (b t) k n, of 0 and 1
        keep = shares.sum(2) > 0  # a picture may have fewer groups than slots
        looks = []
        for _ in range(self.config.iterations):
            slots = shares @ x / shares.sum(2, keepdim=True).clamp(min=1e-6)
            near = -torch.cdist(slots, x).square() / x.shape[-1]
            near = (near * self.log_sharpness.exp()).masked_fill(~keep[..., None], -torch.inf)
            shares = near.softmax(dim=1)  # over slots: patches are divided up
            looks.append(shares)
        rebuilt, masks = self.decode(slots, shares)
        return SlotOutput(
            slots=slots.unflatten(0, clips),
            masks=masks.unflatten(-1, (h, w)).unflatten(0, clips),
            rebuilt=rebuilt.unflatten(1, (h, w)).unflatten(0, clips),
            attention=torch.stack(looks, dim=1).unflatten(-1, (h, w)).unflatten(0, clips),
            keep=keep.unflatten(0, clips),
        )

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        return {"rebuild": mse_loss(out.rebuilt, batch.features)}


METHODS["soft_kmeans"] = f"{__name__}:SoftKMeans"


def demonstrate(out: Path) -> None:
    """Train it on the embedded scenes and score it on others, as any method."""
    from vitreous.data.mini import MINI

    for part in ("train", "test"):
        main(["extract", str(MINI), "--split", part, "--out", f"{out}/{part}.lance"])
    main(["train", f"{out}/train.lance", "--method", "soft_kmeans", "--steps", "50", "--out", f"{out}/run"])
    main(["score", f"{out}/run", f"{out}/test.lance", "--baselines", "false"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main())
    demonstrate(Path(tempfile.mkdtemp(prefix="vitreous-")))
