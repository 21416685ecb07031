"""Metrics of a batch of label maps at once, beside a loop over its images that uses scikit-learn.

    python benchmarks/metrics.py                  24 maps of 256 x 256 pixels
    python benchmarks/metrics.py --maps 300 --side 128

Prints CSV. Both sides take turns on one thread and the best of the turns counts; they must agree to 1e-9. scikit-learn
has no mBO and no mIoU: there the loop makes them from its contingency matrix, the quickest way that it offers.
"""

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
import sklearn
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix
from torch import Tensor

from vitreous.metrics.ari import adjusted_rand_index
from vitreous.metrics.iou import matched_iou, mean_best_overlap

TURNS, OBJECTS, SLOTS = 7, 9, 11


def label_maps(maps: int, side: int, segments: int, seed: int) -> Tensor:
    """Blobs: the largest of a few smooth random fields owns a pixel."""
    fields = torch.randn(maps, segments, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(fields, size=(side, side), mode="bicubic").argmax(1)


def ious(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    """[true, pred], without the background."""
    shared = contingency_matrix(true, pred).astype(float)
    union = shared.sum(1, keepdims=True) + shared.sum(0) - shared
    return (shared / union)[np.unique(true) > 0]


def fg_ari(pred: np.ndarray, true: np.ndarray) -> float:
    return adjusted_rand_score(true[true > 0], pred[true > 0])


def matched(pred: np.ndarray, true: np.ndarray) -> float:
    iou = ious(pred, true)
    return iou[linear_sum_assignment(iou, maximize=True)].sum() / len(iou)


WAYS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[np.ndarray, np.ndarray], float]]] = {
    "ARI": (adjusted_rand_index, lambda pred, true: adjusted_rand_score(true, pred)),
    "FG-ARI": (lambda pred, true: adjusted_rand_index(pred, true, ignore=0), fg_ari),
    "mBO": (mean_best_overlap, lambda pred, true: ious(pred, true).max(1).mean()),
    "mIoU": (matched_iou, matched),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=24)
    parser.add_argument("--side", type=int, default=256)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    pred, true = (label_maps(asked.maps, asked.side, n, seed) for n, seed in ((SLOTS, 0), (OBJECTS, 1)))
    flat = list(zip(pred.flatten(1).numpy(), true.flatten(1).numpy(), strict=True))
    print("metric,vitreous ms,scikit-learn loop ms,times faster,maps,side,slots,objects,scikit-learn,machine")
    for name, (batched, single) in WAYS.items():
        ours, theirs, spent = torch.empty(0), [0.0], {"ours": [], "theirs": []}
        for _ in range(TURNS):
            began = time.perf_counter()
            ours = batched(pred, true)
            spent["ours"].append(time.perf_counter() - began)
            began = time.perf_counter()
            theirs = [single(*pair) for pair in flat]
            spent["theirs"].append(time.perf_counter() - began)
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-9)
        a, b = 1000 * min(spent["ours"]), 1000 * min(spent["theirs"])
        where = f"{sklearn.__version__},{platform.machine()}"
        print(f"{name},{a:.1f},{b:.1f},{b / a:.1f},{asked.maps},{asked.side},{SLOTS},{OBJECTS},{where}", flush=True)


if __name__ == "__main__":
    main()
