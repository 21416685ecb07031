"""Where slots start."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class SharedGaussian(nn.Module):
    """All slots from one learned Gaussian, sampled in training and evaluation (Locatello et al. 2020).

    mean and log-std are Xavier-uniform, as in the public code: U(-sqrt(3/s), sqrt(3/s)).
    """

    def __init__(self, slots: int, slot_dim: int) -> None:
        super().__init__()
        self.slots = slots
        self.mean = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, 1, slot_dim)))
        self.log_std = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, 1, slot_dim)))

    def forward(
        self, features: Float[Tensor, "b n d"], *, noise: Float[Tensor, "b k s"] | None = None
    ) -> Float[Tensor, "b k s"]:
        """Draw slots for each sample; of `features` only the number of samples matters."""
        if noise is None:
            shape = (len(features), self.slots, self.mean.shape[-1])
            noise = torch.randn(shape, device=features.device, dtype=self.mean.dtype)
        return self.mean + noise * self.log_std.exp()


class FarthestPatches(nn.Module):
    """Slots start as patches that lie far apart: the warm start (ours).

    The first patch is the one nearest to the mean, each next one the patch farthest from all picked so far. While
    training, the first patch is drawn at random, so that the model meets many starts; at test nothing is random.
    Source of the idea: Gonzalez 1985 (farthest-first traversal), as k-means is usually started.
    """

    def __init__(self, slots: int) -> None:
        super().__init__()
        self.slots = slots

    def forward(self, features: Float[Tensor, "b n s"]) -> Float[Tensor, "b k s"]:
        """Pick `slots` of the patches; with fewer patches than slots some are picked twice. No gradient."""
        x = features.detach().float()
        if self.training:
            pick = torch.randint(x.shape[1], (len(x),), device=x.device)
        else:
            pick = (x - x.mean(1, keepdim=True)).square().sum(2).argmin(1)
        rows = torch.arange(len(x), device=x.device)
        picked, nearest = [pick], torch.full(x.shape[:2], torch.inf, device=x.device)
        for _ in range(self.slots - 1):
            nearest = torch.minimum(nearest, (x - x[rows, pick][:, None]).square().sum(2))
            pick = nearest.argmax(1)
            picked.append(pick)
        return features.detach()[rows[:, None], torch.stack(picked, dim=1)]
