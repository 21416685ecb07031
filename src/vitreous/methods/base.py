"""What every method is: settings, a forward pass, and its loss."""

from typing import Any, ClassVar

from torch import Tensor, nn

from vitreous.types import Batch, SlotOutput


class Method(nn.Module):
    """One paper: `forward` finds slots in the features of a batch, `loss` says how well they rebuild it.

    The features are frozen: no gradient reaches them, and no learned layer stands between backbone and target.
    """

    Config: ClassVar[type[Any]]  # a frozen dataclass of plain values, so that a recipe can hold it
    config: Any

    def __init__(self, config: Any, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.config, self.feature_dim, self.grid = config, feature_dim, grid

    def forward(self, batch: Batch, state: Any = None) -> SlotOutput:
        """Find slots. `state`: of the output for the frames just before these; None where clips begin."""
        raise NotImplementedError

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        """Terms by name; their sum is minimised."""
        raise NotImplementedError
