"""A student's slots learn the masks of a teacher's: which slot is whose, and by how much they differ (SPOT)."""

import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import cross_entropy, nll_loss, one_hot

NOBODY = -100  # patches that do not count


@torch.no_grad()
def students_of(
    student: Float[Tensor, "b k n"], teacher: Float[Tensor, "b k n"]
) -> tuple[Int[Tensor, "b k"], Float[Tensor, "b k"]]:
    """For each slot of the teacher the student's that owns the same patches: Hungarian matching by IoU, and the IoU.

    Who owns a patch is who has most of it.
    """
    k = student.shape[1]
    theirs, mine = (one_hot(x.argmax(1), k).mT.float() for x in (teacher, student))
    shared = theirs @ mine.mT  # teacher student
    union = theirs.sum(-1)[:, :, None] + mine.sum(-1)[:, None] - shared
    iou = shared / union.clamp(min=1e-6)
    order = torch.stack([torch.from_numpy(linear_sum_assignment(-one)[1]) for one in iou.cpu().double().numpy()])
    order = order.to(iou.device)
    return order, iou.gather(2, order[..., None])[..., 0]


def matched_cross_entropy(
    student: Float[Tensor, "b k n"],
    teacher: Float[Tensor, "b k n"],
    keep: Bool[Tensor, "b k"] | None = None,
    *,
    twice: bool = False,
) -> Tensor:
    """Cross-entropy of a student's shares with who owns each patch by the teacher's.

    Kakogeorgiou et al. 2024 (SPOT, arXiv:2312.00648). Their code takes the logits before the softmax; from the shares
    after it the value is the same, a softmax of their logarithm being themselves.

    keep   slots that the student has; patches whose owner by the teacher has no student do not count
    twice  the shares are taken for logits, so that a second softmax is on top, as in SmoothSA's code: the loss then
           cannot fall below log(1 + (k - 1) / e)
    """
    order, _ = students_of(student.detach(), teacher)
    owner = order.gather(1, teacher.argmax(1))  # b n, numbered as the student's slots
    if keep is not None:
        owner = owner.where(keep.gather(1, owner), NOBODY)
    if twice:
        return cross_entropy(student, owner, ignore_index=NOBODY)
    # a share below the smallest float would have a logarithm of -inf
    return nll_loss(student.float().clamp_min(torch.finfo(torch.float32).tiny).log(), owner, ignore_index=NOBODY)
