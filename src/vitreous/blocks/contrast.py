"""A slot should be more like itself a frame later than like any other."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize


def slot_contrast(
    slots: Float[Tensor, "b t k s"], keep: Bool[Tensor, "b t k"] | None = None, *, temperature: float = 0.1
) -> Tensor:
    """How surely a slot finds itself in the frame before, among the slots there of all clips of the batch.

    Manasyan et al. 2025 (SlotContrast, arXiv:2412.14295): cross-entropy of a softmax over the earlier slots, as in the
    release; the paper's formula reads either way. Slots that `keep` leaves out of either frame do not count. 0 where
    there is one frame.
    """
    if slots.shape[1] < 2:
        return slots.new_zeros(())
    x = normalize(slots.float(), dim=-1).transpose(0, 1).flatten(1, 2)  # t (b k) s
    with torch.autocast(x.device.type, enabled=False):  # bfloat16 tells no cosines above 0.99 apart
        logits = x[:-1] @ x[1:].mT / temperature  # u earlier later
    itself = logits.diagonal(dim1=1, dim2=2)
    if keep is None:
        return (logits.logsumexp(1) - itself).mean()
    there = keep.transpose(0, 1).flatten(1)
    both = there[:-1] & there[1:]
    # a clip keeps one slot at least, so no column is left without an earlier slot
    surprise = logits.masked_fill(~there[:-1, :, None], torch.finfo(logits.dtype).min).logsumexp(1) - itself
    return (surprise * both).sum() / both.sum().clamp(min=1)
