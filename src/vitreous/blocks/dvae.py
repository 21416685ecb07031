"""A picture as discrete codes: the auto-encoder that SLATE and STEVE learn beside their slots."""

from math import cos, pi

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import gumbel_softmax, mse_loss, one_hot

PATCH = 4  # px that a code stands for, on a side


class DiscreteVAE(nn.Module):
    """Every 4x4 pixels become one of `codes` words (Singh et al. 2022, SLATE, arXiv:2110.11405; 1024 words, 64 wide).

    While it learns, a cell is a mixture of words drawn from a Gumbel softmax (Jang et al. 2017, arXiv:1611.01144),
    whose temperature falls until mixtures are nearly words.

    size  of the pictures (y, x), multiples of 4; `grid` is that of the codes
    """

    def __init__(self, size: tuple[int, int], codes: int, width: int = 64) -> None:
        super().__init__()
        self.codes, self.grid = codes, (size[0] // PATCH, size[1] // PATCH)
        self.encode = nn.Sequential(
            *block(3, width, PATCH, stride=PATCH),
            *(layer for _ in range(6) for layer in block(width, width)),
            nn.Conv2d(width, codes, 1),
        )
        self.decode = nn.Sequential(
            *block(codes, width),
            *doubled(width),
            *doubled(width),
            nn.Conv2d(width, 3, 1),
        )
        for half in (self.encode, self.decode):
            start_for_relu(half)

    def forward(self, pictures: Float[Tensor, "b 3 y x"]) -> Float[Tensor, "b v h w"]:
        """Logits of the words, in float32: the noise that is added has no bfloat16."""
        return self.encode(pictures).float()

    def rebuild_loss(
        self, logits: Float[Tensor, "b v h w"], pictures: Float[Tensor, "b 3 y x"], temperature: float
    ) -> Tensor:
        """Mean squared error of the pictures, rebuilt from mixtures that are drawn."""
        return mse_loss(self.decode(gumbel_softmax(logits, temperature, dim=1)), pictures)

    def draw(self, logits: Float[Tensor, "b v h w"], temperature: float) -> Int[Tensor, "b n"]:
        """A word per cell, row by row; no gradient passes. The likeliest at test, a draw while training."""
        logits = logits.detach()
        if self.training:
            logits = gumbel_softmax(logits, temperature, dim=1)
        return logits.argmax(1).flatten(1)

    def pictures(self, words: Int[Tensor, "b n"]) -> Float[Tensor, "b 3 y x"]:
        """What words look like, in [0, 1]."""
        return self.decode(one_hot(words, self.codes).mT.unflatten(2, self.grid).float()).clamp(0, 1)


def block(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - stride + 1) // 2), nn.ReLU()]


def start_for_relu(layers: nn.Sequential) -> None:
    """Weights that keep the size of what passes, through however many layers (He et al. 2015); no biases."""
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear" if layer is convolutions[-1] else "relu")
        nn.init.zeros_(layer.get_parameter("bias"))


def doubled(width: int) -> list[nn.Module]:
    """Layers that make of every cell four."""
    return [
        *block(width, width, 3),
        *block(width, width),
        *block(width, width),
        *block(width, 4 * width),
        nn.PixelShuffle(2),
    ]


def gumbel_temperature(progress: float, until: float, last: float = 0.1) -> float:
    """From 1 to `last` along half a cosine, while the share of the training that is over goes from 0 to `until`."""
    done = min(1.0, progress / until) if until > 0 else 1.0
    return last + (1 - last) * 0.5 * (1 + cos(pi * done))
