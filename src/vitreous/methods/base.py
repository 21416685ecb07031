"""What every method is: settings, a forward pass, and its loss."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vitreous.errors import RunError
from vitreous.types import Batch, SlotOutput


class Method(nn.Module):
    """One paper: `forward` finds slots in the features of a batch, `loss` says how well they rebuild it.

    The features are frozen: no gradient reaches them, and no learned layer stands between backbone and target.

    needs         beside features: "pictures", "first_ids" (see Batch), "keys" (of the backbone's attention, in the last
                  half of the features' channels: facet token+key), "frames" (several per clip, to learn from). What is
                  said here, a method needs whatever its settings; an object whose settings ask for more, or less, says
                  so itself
    picture_size  (y, x) in pixels at which it wants pictures
    rates         factors on the learning rate, by how a parameter's name begins: {"words": 3.0}
    """

    Config: ClassVar[type[Any]]  # a frozen dataclass of plain values, so that a recipe can hold it
    config: Any
    needs: frozenset[str] = frozenset()
    picture_size: tuple[int, int] | None = None
    rates: dict[str, float] = {}  # noqa: RUF012 - replaced, never changed
    progress: float = 1.0  # share of the training that is over, in [0, 1]; whoever trains keeps it up to date

    def __init__(self, config: Any, feature_dim: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.config, self.feature_dim, self.grid = config, feature_dim, grid

    @classmethod
    def teacher_of(cls, config: Any) -> tuple[Any, float] | None:
        """Settings of the same method that is trained first and teaches the one of `config`, and how long as a multiple
        of the latter's training. None: nobody teaches it.
        """
        return None

    def learn_from(self, teacher: "Method") -> None:
        """Be told who teaches; called before the training where `teacher_of` names one."""
        raise NotImplementedError

    def forward(self, batch: Batch, state: Any = None) -> SlotOutput:
        """Find slots. `state`: of the output for the frames just before these; None where clips begin."""
        raise NotImplementedError

    def loss(self, out: SlotOutput, batch: Batch) -> dict[str, Tensor]:
        """Terms by name; their sum is minimised."""
        raise NotImplementedError

    def wants_pictures(self, resolution: int, multiple: int = 1) -> tuple[int, int]:
        """Ask for pictures `resolution` px on their shorter side, in the proportions of the grid.

        Both sides are brought to the nearest multiple of what the layers need.
        """
        if resolution < multiple:
            raise RunError(f"A resolution of {resolution} px is too small: at least {multiple} px are needed.")
        sides = (resolution * side / min(self.grid) for side in self.grid)
        size = tuple(multiple * max(1, round(side / multiple)) for side in sides)
        self.needs, self.picture_size = self.needs | {"pictures"}, (size[0], size[1])
        return self.picture_size

    @staticmethod
    def pictures_of(batch: Batch) -> Tensor:
        """The pictures of a batch, which a method that needs them may count on; [b t 3 y x]."""
        if batch.pictures is None:
            raise RunError("This batch holds no pictures: read it by vitreous.predict.segment.reader, or a Loader.")
        return batch.pictures

    @staticmethod
    def first_ids_of(batch: Batch) -> Tensor:
        """The first frame's ids, for slots that start from them; [b y x]."""
        if batch.first_ids is None:
            raise RunError("This batch holds no ids of first frames, from which this method starts its slots.")
        return batch.first_ids

    def no_features(self, batch: Batch) -> Tensor:
        """`SlotOutput.rebuilt` of a method that rebuilds something else."""
        return torch.full((), torch.nan).to(batch.features).expand_as(batch.features)
