import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.dvae import DiscreteVAE, gumbel_temperature


@pytest.fixture
def checkers():
    """Pictures of cells of 4x4 px in one of three colours: [8 3 16 24], and the colour of each cell [8 24]."""
    draw = torch.Generator().manual_seed(0)
    cells = torch.randint(3, (8, 4, 6), generator=draw)
    palette = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.2, 0.2, 0.9]])
    pictures = palette[cells].permute(0, 3, 1, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)
    return pictures, cells.flatten(1)


def test_words_come_to_stand_for_what_cells_look_like(checkers):
    pictures, cells = checkers
    torch.manual_seed(2)
    dvae = DiscreteVAE((16, 24), codes=32, width=32)
    optimiser = torch.optim.Adam(dvae.parameters(), 3e-3)
    for step in range(200):
        optimiser.zero_grad()
        dvae.rebuild_loss(dvae(pictures), pictures, gumbel_temperature(step / 200, 0.5)).backward()
        optimiser.step()
    words = dvae.eval().draw(dvae(pictures), 0.1)
    assert words.shape == (8, 24)
    rebuilt = dvae.pictures(words)
    assert ((rebuilt - pictures) ** 2).mean() < 0.1 * pictures.var()
    owner = {int(w): int(cells[words == w].mode().values) for w in words.unique()}
    agree = sum((cells[words == w] == c).sum() for w, c in owner.items()) / cells.numel()
    assert agree > 0.95


def test_words_are_drawn_in_training_and_the_likeliest_at_test():
    torch.manual_seed(0)
    dvae, logits = DiscreteVAE((8, 8), codes=5, width=8), torch.randn(2, 5, 2, 2)
    assert not torch.equal(dvae.draw(logits.expand(2, 5, 2, 2), 1.0), dvae.draw(logits, 1.0))
    assert torch.equal(dvae.eval().draw(logits, 1.0), logits.argmax(1).flatten(1))


def test_temperature_falls_along_half_a_cosine_and_stays():
    # SLATE: from 1 to 0.1
    assert [gumbel_temperature(p, 0.2) for p in (0.0, 0.1, 0.2, 1.0)] == pytest.approx([1.0, 0.55, 0.1, 0.1])
    assert gumbel_temperature(0.0, 0.0) == pytest.approx(0.1)


def test_no_gradient_passes_the_words():
    torch.manual_seed(0)
    dvae = DiscreteVAE((8, 8), codes=5, width=8)
    assert not dvae.draw(dvae(torch.rand(1, 3, 8, 8)), 0.5).requires_grad


def test_logits_are_exact_in_half_precision_too():
    dvae = DiscreteVAE((8, 8), codes=5, width=8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert dvae(torch.rand(1, 3, 8, 8)).dtype == torch.float32
    assert_close(dvae.pictures(torch.zeros(1, 4, dtype=torch.long)).shape, torch.Size([1, 3, 8, 8]))
