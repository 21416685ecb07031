"""Every project's numbers, by our flags: what stands here is the table of docs/metrics.md."""

from functools import partial
from math import nan

import pytest
import torch

from vitreous.metrics.ari import adjusted_rand_index
from vitreous.metrics.iou import correct_localisation, matched_iou, mean_best_overlap, recovery, same_label_iou
from vitreous.metrics.labels import from_masks

GAP = 6  # a label that no true segment of these cases has


# How each project sees the truth: masks [c y x] and the pixels to be ignored, as one sample for our functions
def masks(true, ignored):
    """DIAS, SmoothSA: masks as they are. A pixel counts once per class; one in none stays in the predicted areas."""
    return (true & ~ignored)[None]


def no_overlap(true, ignored):
    """VideoSAUR: overlap counts nowhere; a pixel without class stays in the predicted areas (`ignore` its label)."""
    return from_masks((true & ~ignored)[None], gap=GAP)


def neither(true, ignored):
    """OCLF, SPOT (and SAVi, the seed project, which know no overlap): ignored pixels and overlap count nowhere."""
    return from_masks(true[None]).where(~ignored, -1)


ari, fg_ari = adjusted_rand_index, partial(adjusted_rand_index, ignore=0)
mbo, miou, ordered = (partial(metric, ignore=None) for metric in (mean_best_overlap, matched_iou, same_label_iou))

DIAS = {
    "ari": (masks, ari),
    "ari_fg": (masks, partial(fg_ari, empty=1.0)),  # and marked as invalid there
    "mbo": (masks, mbo),
    "mbo_fg": (masks, mean_best_overlap),
    "miou": (masks, miou),
    "miou_fg": (masks, matched_iou),
}
VIDEOSAUR = {
    "ari": (no_overlap, partial(ari, ignore=GAP)),
    "ari_fg": (no_overlap, partial(fg_ari, empty=1.0)),
    "mbo": (no_overlap, partial(mbo, ignore=GAP)),
    "mbo_fg": (no_overlap, mean_best_overlap),
    "miou": (no_overlap, partial(miou, ignore=GAP)),
    "miou_fg": (no_overlap, matched_iou),
    "iou_ordered": (no_overlap, partial(ordered, ignore=GAP)),
}
OCLF = {
    "ari": (neither, ari),
    "ari_fg": (neither, partial(fg_ari, empty=1.0)),
    "mbo": (neither, mbo),
    "mbo_fg": (neither, partial(mean_best_overlap, empty=0.0)),
    "miou": (neither, miou),
    "miou_fg": (neither, partial(matched_iou, empty=0.0)),
    "corloc": (neither, partial(correct_localisation, empty=0.0)),
    "recovery": (neither, partial(recovery, empty=0.0)),
}
SAVI = {"ari": (neither, ari), "ari_fg": (neither, partial(fg_ari, empty=1.0))}
SEEDPROJ = {
    "ari": (neither, ari),
    "ari_fg": (neither, fg_ari),
    "ari_v2": (neither, partial(ari, trivial=nan)),
    "ari_fg_v2": (neither, partial(fg_ari, trivial=nan)),
}
PROJECTS = {
    "dias": DIAS, "smoothsa": DIAS, "videosaur": VIDEOSAUR, "oclf": OCLF, "spot": OCLF, "savi": SAVI,
    "seedproj": SEEDPROJ,
}  # fmt: skip
RAISES = ("videosaur.iou_ordered_fg",)  # in every case: no number to reach


def close(ours, expected):
    torch.testing.assert_close(ours.double(), expected.double(), atol=1e-6, rtol=0, equal_nan=True)


@pytest.mark.parametrize("project", PROJECTS)
def test_masks(project, golden):
    case = golden("metrics_masks")
    for column, (see, metric) in PROJECTS[project].items():
        expected, status = case(f"out.{project}.{column}"), case(f"out.{project}.{column}.status")
        for i in torch.nonzero(status % 2 == 0).flatten():  # 1, 3: the project refuses the case
            true = see(case("in.true_masks")[i, : case("in.n_true")[i]].bool(), case("in.ignore")[i].bool())
            close(metric(case("in.pred_labels")[i][None], true), expected[i][None])


def test_masks_leaves_no_column_out(golden):
    tested = {f"{project}.{column}" for project, columns in PROJECTS.items() for column in columns}
    outputs = {n.removeprefix("out.") for n in golden("metrics_masks").tensors if n.startswith("out.")}
    assert {n for n in outputs if not n.endswith((".status", ".valid"))} == tested | set(RAISES)


VIDEO = {
    "ari": ari, "ari_fg": partial(fg_ari, empty=1.0), "mbo": mbo, "mbo_fg": mean_best_overlap, "miou": miou,
    "miou_fg": matched_iou,
}  # fmt: skip


@pytest.mark.parametrize("column", VIDEO)
def test_video(column, golden):
    """A clip as one sample, or its frames as samples: the same functions on [b t y x] and on [(b t) y x]."""
    case, metric = golden("metrics_video"), VIDEO[column]
    pred, true = case("in.pred_labels"), case("in.true_labels")
    clips, frames = metric(pred, true), metric(pred.flatten(0, 1), true.flatten(0, 1))
    close(clips, case(f"out.dias.video_{column}"))
    for project in ("videosaur", "oclf"):
        close(clips.nanmean(), case(f"out.{project}.video_{column}"))
    close(frames.nanmean(), case(f"out.videosaur.image_{column}"))


OVERFLOWS = {"metrics_ari_large": (1, 2), "metrics_ari_chance_video": (1, 2)}  # cases where DIAS prints luck as skill


@pytest.mark.parametrize("name", OVERFLOWS)
def test_full_size(name, golden):
    case = golden(name)
    scale, frames = int(case("in.upscale")), case.tensors.get("in.frames")
    columns = [n.removeprefix("out.").split(".") for n in case.tensors if n.startswith("out.")]
    for i in range(len(case("in.pred_cells"))):
        pred, true = (case(f"in.{n}_cells")[i] for n in ("pred", "true"))
        if frames is not None:
            pred, true = pred[: frames[i]], true[: frames[i]]
        pred, true = (x.repeat_interleave(scale, -1).repeat_interleave(scale, -2)[None] for x in (pred, true))
        ours = {"ari": ari(pred, true), "ari_fg": fg_ari(pred, true)}
        for project, column in columns:
            expected = case(f"out.{project}.{column}")[i][None]
            if project != "dias" or i not in OVERFLOWS[name]:
                close(ours[column], expected)
            elif column == "ari":
                assert expected > ours[column] + 0.15
