"""Statistics of all features, summed exactly: no order of summation, no interruption, no merge changes a bit of them.

A float16 is a whole multiple of 2^-24 below 2^16, so sums of features, and of their squares, are integers in small
enough units. They are kept as int64 and divided only at the end, with Python's unbounded integers: mean and variance
are the correctly rounded ones, also where the mean is far larger than the spread and float64 sums would cancel.
"""

import json
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float16, Float64, Int64
from torch import Tensor

FIRST, HIGH, LOW = 24, 10, 48  # binary places of the sums: of x, of the upper and of the lower part of x^2
ROUND = 1.5 * 2.0 ** (52 - HIGH)  # adding and subtracting it rounds a float64 to multiples of 2^-10
ROWS = 1024  # summed in float64 before going to int64: up to 2048 rows every float64 sum below is exact
COLUMNS = 1024  # keeps the float64 copies in the cache: 0.25 ms per row of 98,304 numbers, against 1.8 ms at once


class FeatureSums:
    """Sums over rows of [h w d] features: add in any order, then `statistics()`.

    int64 is exact for up to 2^21 rows even of the largest float16, and for any number that fits a disk at usual sizes.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape, self.count = shape, 0
        size = shape[0] * shape[1] * shape[2]
        self.first, self.high, self.low = (torch.zeros(size, dtype=torch.int64) for _ in range(3))

    def add(self, features: Float16[Tensor, "n h w d"]) -> None:
        """Features must be finite."""
        self.count += len(features)
        for rows in features.flatten(1).split(ROWS):
            for start in range(0, rows.shape[1], COLUMNS):
                here = slice(start, start + COLUMNS)
                x = rows[:, here].double()
                self.first[here] += (x.sum(0) * 2.0**FIRST).long()
                x.square_()
                high = (x + ROUND).sub_(ROUND)
                self.high[here] += (high.sum(0) * 2.0**HIGH).long()
                self.low[here] += (x.sub_(high).sum(0) * 2.0**LOW).long()

    def merge(self, other: "FeatureSums") -> None:
        self.count += other.count
        for mine, theirs in zip(self.tensors().values(), other.tensors().values(), strict=True):
            mine += theirs

    def tensors(self) -> dict[str, Int64[Tensor, " n"]]:
        return {"first": self.first, "high": self.high, "low": self.low}

    def statistics(self) -> "Statistics":
        h, w, d = self.shape
        places, rows = h * w, self.count
        # object arrays hold Python integers, which neither overflow nor round
        first = self.first.numpy().astype(object).reshape(places, d)
        second = self.high.numpy().astype(object) * 2 ** (LOW - HIGH) + self.low.numpy().astype(object)
        second = second.reshape(places, d)
        unit = 2**FIRST
        spread = rows * second - first * first  # rows^2 * variance, in units of 2^-48
        total = rows * places * second.sum(0) - first.sum(0) ** 2
        within = spread.sum(0)

        def divided(number: np.ndarray, by: int) -> Float64[np.ndarray, "..."]:
            return (number / by).astype(np.float64)  # int / int rounds correctly

        return Statistics(
            count=rows,
            mean=divided(first.sum(0), rows * places * unit),
            std=np.sqrt(divided(total, (rows * places * unit) ** 2)),
            position_mean=divided(first, rows * unit).reshape(h, w, d),
            position_std=np.sqrt(divided(spread, (rows * unit) ** 2)).reshape(h, w, d),
            within_std=np.sqrt(divided(within, (rows * unit) ** 2 * places)),
            rms_norm=float(np.sqrt(int(second.sum()) / (rows * places * 2**LOW))),
            position_share=int((total - within * places).sum()) / max(int(total.sum()), 1),
        )


@dataclass(frozen=True)
class Statistics:
    """Of all stored features, as float64; deviations are of the population (divided by n).

    count          rows: frames times views
    mean std       per channel, over rows and positions
    position_*     per position and channel, over rows
    within_std     per channel, of what is left after the mean of each position is taken away
    rms_norm       root of the mean squared length of a patch's vector
    position_share of the variance is explained by position alone, in [0, 1]; 0 where nothing varies. Near 1, slots
                   carve zones of the picture instead of finding objects
    """

    count: int
    mean: Float64[np.ndarray, " d"]
    std: Float64[np.ndarray, " d"]
    position_mean: Float64[np.ndarray, "h w d"]
    position_std: Float64[np.ndarray, "h w d"]
    within_std: Float64[np.ndarray, " d"]
    rms_norm: float
    position_share: float


def dump_sums(sums: FeatureSums, summed: list[str]) -> bytes:
    """As safetensors, with the names of what was summed."""
    from safetensors.torch import save

    meta = {"count": str(sums.count), "shape": json.dumps(sums.shape), "summed": json.dumps(summed)}
    return save(sums.tensors(), metadata=meta)


def load_sums(path: str) -> tuple[FeatureSums, list[str]]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        meta = file.metadata()
        h, w, d = json.loads(meta["shape"])
        sums = FeatureSums((h, w, d))
        sums.count = int(meta["count"])
        sums.first, sums.high, sums.low = (file.get_tensor(name) for name in ("first", "high", "low"))
    return sums, json.loads(meta["summed"])
