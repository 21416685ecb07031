import torch

from vitreous.methods.dinosaur import DINOSAUR, DINOSAURConfig
from vitreous.types import Batch


def blobs():
    draw = torch.Generator().manual_seed(0)
    labels = torch.zeros(6, 8, dtype=torch.long)
    labels[1:4, 1:3], labels[2:5, 5:8] = 1, 2
    x = torch.randn(3, 12, generator=draw)[labels]
    return Batch((x + 0.05 * torch.randn(x.shape, generator=draw))[None, None]), labels


def test_the_warm_start_finds_separate_blobs_before_any_training():
    batch, labels = blobs()
    torch.manual_seed(0)
    method = DINOSAUR(DINOSAURConfig(slots=3, slot_dim=16), 12, (6, 8)).eval()
    found = method(batch).masks[0, 0].argmax(0)
    assert len({(int(a), int(b)) for a, b in zip(found.flatten(), labels.flatten(), strict=True)}) == 3


def test_the_papers_own_start_and_masks():
    batch, _ = blobs()
    torch.manual_seed(0)
    method = DINOSAUR(DINOSAURConfig(slots=3, slot_dim=16, start="gaussian", masks="decoder"), 12, (6, 8))
    out = method(batch)
    assert out.attention is not None
    assert (out.masks - out.attention[:, :, -1]).abs().max() > 1e-4
    assert method.group.gru is not None
