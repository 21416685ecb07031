"""What stands before every decoder: features are projected, slots start somewhere, slot attention moves them."""

from typing import Literal, NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor, nn

from vitreous.blocks.initial import PatchGroups
from vitreous.blocks.slot_attention import Looks, SlotAttention


class Begun(NamedTuple):
    """Where slots start, and which of them there are; None: all."""

    slots: Float[Tensor, "b k s"]
    keep: Bool[Tensor, "b k"] | None = None


class Grouping(nn.Module):
    """A projection, a start and a slot attention that fit each other.

    start  PatchGroups, whose groups become means of projected patches, or a module that draws slots
    """

    def __init__(self, project: nn.Module, start: nn.Module, attend: SlotAttention) -> None:
        super().__init__()
        self.project, self.start, self.attend = project, start, attend

    @classmethod
    def warm(
        cls,
        feature_dim: int,
        slot_dim: int,
        start: PatchGroups,
        *,
        iterations: int = 3,
        temperature: float = 1.0,
        truncate: Literal["none", "bilevel"] = "none",
    ) -> "Grouping":
        """Soft k-means at step 0, from groups of like patches: our start for any paper (see methods/dinosaur.py).

        temperature  divides the logits; logits grow with the root of the width, so 0.5 at 64 is as sharp as 1 at 256
        """
        project = nn.Linear(feature_dim, slot_dim, bias=False)
        nn.init.orthogonal_(project.weight)
        attend = SlotAttention(slot_dim, slot_dim, iterations=iterations, gru=False, truncate=truncate)
        return cls(project, start, attend.start_as_kmeans(temperature))

    def begin(self, features: Float[Tensor, "b n d"], x: Float[Tensor, "b n e"]) -> Begun:
        """Initial slots. Groups are found in the features, which training cannot spoil; x are the projected ones."""
        if not isinstance(self.start, PatchGroups):
            return Begun(self.start(x))
        groups = self.start(features)
        size = groups.sum(-1, keepdim=True)
        return Begun(groups @ x / size.clamp(min=1), size[..., 0] > 0)

    def forward(self, features: Float[Tensor, "b n d"]) -> tuple[Looks, Bool[Tensor, "b k"] | None]:
        """Slots of single pictures, and which of them there are."""
        x = self.project(features)
        slots, keep = self.begin(features, x)
        return self.attend(x, slots, keep=keep), keep


def mlp(sizes: tuple[int, int, int], activation: Literal["relu", "gelu"] = "relu") -> nn.Sequential:
    """Layer norm and two layers: what stands between features and slot attention in most papers."""
    inside = {"relu": nn.ReLU, "gelu": nn.GELU}[activation]()
    return nn.Sequential(nn.LayerNorm(sizes[0]), nn.Linear(sizes[0], sizes[1]), inside, nn.Linear(sizes[1], sizes[2]))
