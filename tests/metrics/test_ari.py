import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch.testing import assert_close

from vitreous.metrics.ari import adjusted_rand_index

TRUE = torch.tensor([[0, 0, 0, 0], [0, 1, 1, 0], [0, 2, 2, 0], [0, 0, 0, 0]])
PREDICTIONS = {  # name -> (labels, ARI, FG-ARI), worked by hand
    "perfect": (TRUE, 1.0, 1.0),
    "merged": (TRUE.clamp(max=1), 0.931507, 0.0),
    "bgsplit": (torch.tensor([[0, 0, 3, 3], [0, 1, 1, 3], [0, 2, 2, 3], [0, 0, 3, 3]]), 0.435146, 1.0),
    "allone": (torch.zeros_like(TRUE), 0.0, 0.0),
    "columns": (torch.arange(4).expand(4, 4), 0.012346, -0.5),
    "leaky": (torch.tensor([[0, 1, 1, 0], [0, 1, 1, 0], [0, 2, 2, 0], [0, 2, 2, 0]]), 0.297872, 1.0),
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_worked_examples(name):
    pred, ari, fg_ari = PREDICTIONS[name]
    assert adjusted_rand_index(pred[None], TRUE[None]).item() == pytest.approx(ari, abs=1e-6)
    assert adjusted_rand_index(pred[None], TRUE[None], ignore=0).item() == pytest.approx(fg_ari, abs=1e-6)


def test_by_hand():
    pred, true = torch.tensor([[0, 0, 1, 2]]), torch.tensor([[0, 0, 1, 1]])
    # pairs together: 1 in both, 1 in pred, 2 in true, 6 in all -> (1 - 1/3) / (3/2 - 1/3)
    assert adjusted_rand_index(pred, true).item() == pytest.approx(4 / 7)


def test_agrees_with_scikit_learn_on_a_full_size_clip():
    true = torch.randint(0, 9, (1, 24, 256, 256), generator=torch.Generator().manual_seed(0))
    pred = true.where(true % 3 > 0, 0)  # pair counts multiplied here pass 2^63
    expected = adjusted_rand_score(true.flatten(), pred.flatten())
    assert adjusted_rand_index(pred, true).item() == pytest.approx(expected)


def test_points_that_do_not_score_are_left_out():
    true = torch.tensor([[1, 1, 2, 2, -1, -1]])
    pred = torch.tensor([[0, 0, 1, 1, 0, 1]])
    assert adjusted_rand_index(pred, true).item() == 1
    assert adjusted_rand_index(pred, torch.full_like(true, -1)).isnan().all()
    assert adjusted_rand_index(pred, torch.zeros_like(true), ignore=0).isnan().all()


def test_undecided_points_are_a_segment_of_their_own():
    pred, true = torch.tensor([[-1, -1, 3, 3]]), torch.tensor([[1, 1, 2, 2]])
    assert adjusted_rand_index(pred, true).item() == 1


def test_samples_do_not_mix():
    pred = torch.randint(0, 4, (5, 50), generator=torch.Generator().manual_seed(1))
    true = torch.randint(0, 3, (5, 50), generator=torch.Generator().manual_seed(2))
    alone = torch.cat([adjusted_rand_index(p[None], t[None]) for p, t in zip(pred, true, strict=True)])
    assert_close(adjusted_rand_index(pred, true), alone)
