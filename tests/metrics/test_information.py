import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score

from vitreous.metrics.information import known_of_position, mutual_information, purity


def random_labels(count, k=4, side=16, seed=0):
    return torch.randint(0, k, (count, side, side), generator=torch.Generator().manual_seed(seed))


def test_the_same_segments_know_all_of_each_other_whatever_their_numbers():
    labels = random_labels(2)
    assert mutual_information(labels, (labels + 1) % 4).tolist() == pytest.approx([1, 1])


def test_chance_is_zero_on_average():
    found = mutual_information(random_labels(50), random_labels(50, seed=1))
    assert found.mean().item() == pytest.approx(0, abs=0.003)


def test_agrees_with_scikit_learn_and_samples_do_not_mix():
    one = random_labels(3)
    other = one.where(random_labels(3, seed=1) > 0, 0)
    expected = [adjusted_mutual_info_score(a.flatten(), b.flatten()) for a, b in zip(one, other, strict=True)]
    assert mutual_information(one, other).tolist() == pytest.approx(expected)


def test_one_segment_knows_nothing():
    labels = random_labels(1)
    same = torch.zeros_like(labels)
    # scikit-learn calls two single segments the same, 1: here they say nothing of anything
    assert mutual_information(same, labels).item() == mutual_information(same, same).item() == 0


def test_pictures_that_are_cut_alike_know_position_and_others_do_not():
    zones = (torch.arange(16)[:, None] // 4).expand(16, 16)
    numbered_anew = torch.stack([(zones + i) % 4 for i in range(6)])
    assert known_of_position(numbered_anew, range(6)).tolist() == pytest.approx([1] * 6)
    assert known_of_position(random_labels(30), range(30)).mean().item() == pytest.approx(0, abs=0.005)


def test_frames_of_a_clip_are_no_partners():
    clip = random_labels(1).expand(3, 16, 16)
    other = random_labels(1, seed=5).expand(3, 16, 16)
    found = known_of_position(torch.cat([clip, other]), ["a"] * 3 + ["b"] * 3)
    assert found.abs().max() < 0.1
    assert known_of_position(clip, ["a"] * 3).isnan().all()
    assert known_of_position(clip[:0], []).shape == (0,)


def test_purity_by_hand():
    clusters = np.array([0, 0, 0, 1, 1, 2])
    assert purity(clusters, ["a", "a", "b", "b", "b", "c"]) == pytest.approx((2 + 2 + 1) / 6)
    assert np.isnan(purity(clusters[:0], []))
