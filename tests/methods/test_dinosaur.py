import pytest
import torch
from torch.nn.functional import layer_norm
from torch.testing import assert_close

from vitreous.errors import RunError
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
    config = DINOSAURConfig(slots=3, slot_dim=16, start="gaussian", decoder="mlp", masks="decoder")
    method = DINOSAUR(config, 12, (6, 8))
    out = method(batch)
    assert out.attention is not None
    assert (out.masks - out.attention[:, :, -1]).abs().max() > 1e-4
    assert method.group.gru is not None


def test_the_mixture_rebuilds_what_k_means_would_before_any_training():
    batch, labels = blobs()
    torch.manual_seed(0)
    method = DINOSAUR(
        DINOSAURConfig(slots=3, slot_dim=16, temperature=0.01), 12, (6, 8)
    ).eval()  # as wide: nothing lost
    patches, labels = batch.features[0, 0].flatten(0, 1), labels.flatten()
    normed = layer_norm(method.project(patches), (16,))  # what slot attention averages
    means = torch.stack([normed[labels == k].mean(0) for k in range(3)]) @ method.project.weight
    assert_close(method(batch).rebuilt[0, 0].flatten(0, 1), means[labels], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("settings", [dict(start="gaussian"), dict(masks="decoder")])
def test_the_mixture_is_for_the_warm_start_and_its_attention(settings):
    with pytest.raises(RunError, match='decoder "mixture" shares.*say decoder "mlp"'):
        DINOSAURConfig(decoder="mixture", **settings)


def autoregressive(**settings):
    torch.manual_seed(0)
    config = DINOSAURConfig(
        slots=3, slot_dim=16, decoder="autoregressive", decoder_layers=2, decoder_heads=2, **settings
    )
    return DINOSAUR(config, 12, (6, 8))


@pytest.mark.parametrize("settings", [{}, dict(start="gaussian", masks="decoder", centre=False)])
def test_the_autoregressive_decoder_learns_and_every_parameter_with_it(settings):
    batch, _ = blobs()
    method = autoregressive(**settings)
    optimiser, losses = torch.optim.Adam(method.parameters(), 3e-3), []
    for _ in range(100):
        optimiser.zero_grad()
        losses.append(sum(method.loss(method(batch), batch).values()))
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
    # a softmax does not see a bias of its keys: the true gradient of those is zero
    learned = {n: p.grad for n, p in method.named_parameters() if not n.endswith("to_key.bias")}
    assert not [n for n, grad in learned.items() if grad is None or grad.abs().max() == 0]
    masks = method(batch).masks
    assert_close(masks.sum(2), torch.ones(1, 1, 6, 8))


def test_the_autoregressive_decoder_tells_a_patch_from_those_before_it_only():
    batch, _ = blobs()
    method = autoregressive(start="gaussian", centre=False).eval()
    before = method.decode(torch.ones(1, 3, 16), batch.features.flatten(0, 3)[None]).features
    batch.features[:, :, 3, 2] += 1.0
    after = method.decode(torch.ones(1, 3, 16), batch.features.flatten(0, 3)[None]).features
    changed = ((after - before).abs().amax((0, 2)) > 1e-6).view(6, 8)
    assert not changed.flatten()[: 3 * 8 + 3].any()
    assert changed[3, 3]


def test_masks_of_the_autoregressive_decoder_are_its_look_at_the_slots():
    batch, _ = blobs()
    out = autoregressive(masks="decoder")(batch)
    assert out.attention is not None
    assert (out.masks - out.attention[:, :, -1]).abs().max() > 1e-4
    with pytest.raises(ValueError, match="width 13 does not divide into 2 heads"):
        DINOSAUR(autoregressive().config, 13, (6, 8))


def test_codes_are_told_beside_the_features():
    """VQ-VFM-OCL's form of it: part of what the MLP paints is compared with the code of a patch, the rest as ever."""
    torch.manual_seed(0)
    how = dict(slots=3, slot_dim=8, decoder="mlp", decoder_width=16, decoder_layers=1)
    method = DINOSAUR(DINOSAURConfig(**how, codes=6, code_dim=4, until=0.5), 5, (4, 4)).eval()
    batch = Batch(torch.randn(2, 1, 4, 4, 5))
    out = method(batch)
    assert out.rebuilt.shape == batch.features.shape
    terms = method.loss(out, batch)
    code = method.coder(batch.features[:, 0].movedim(-1, 1)).code
    assert_close(terms["tell"], (out.aside["codes"] - code).square().mean())
    assert_close(terms["rebuild"], (out.rebuilt - batch.features).square().mean())
    assert terms["codes_rebuild"] == 0  # after half of the training codes stay as they are
    method.progress = 0.2
    assert method.loss(out, batch)["codes_rebuild"] > 0


def test_codes_are_for_the_mlp():
    with pytest.raises(RunError, match="--method slate --words features"):
        DINOSAURConfig(codes=64)
