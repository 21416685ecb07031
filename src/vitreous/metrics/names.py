"""Metrics as people write them."""

NAMES = {
    "fg_ari": "FG-ARI",
    "ari": "ARI",
    "mbo": "mBO",
    "miou": "mIoU",
    "boundary_f": "boundary F",
    "video_fg_ari": "video FG-ARI",
    "video_ari": "video ARI",
    "video_mbo": "video mBO",
    "video_miou": "video mIoU",
    "best_iou": "best IoU of an object",
    "object_ari": "ARI of an object",
    "r2": "R²",
    "weighted_r2": "weighted R²",
}


def named(metric: str) -> str:
    """fg_ari -> FG-ARI; a name that stands for itself keeps its words."""
    return NAMES.get(metric, metric.replace("_", " "))
