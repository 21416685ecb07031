import pytest
import torch
from sklearn.metrics import mean_tweedie_deviance
from torch.testing import assert_close

from vitreous.errors import RunError
from vitreous.regress.losses import DELTA, LOSSES, POWER, huber, loss_function, tweedie
from vitreous.regress.scaling import SCALINGS, Scaling


def test_huber_is_the_squared_error_near_zero_and_linear_beyond():
    small, large = torch.tensor([0.1]), torch.tensor([2.0])
    zero = torch.zeros(1)
    assert huber(small, zero).item() == pytest.approx(0.01)
    assert huber(large, zero).item() == pytest.approx(2 * DELTA * (2 - DELTA / 2))


def test_tweedie_differs_from_scikit_learns_deviance_by_what_the_truth_alone_decides():
    true, other = torch.tensor([0.0, 1.0, 2.5]), torch.tensor([0.4, 1.2, 2.0])
    for one in (torch.tensor([0.3, 0.9, 3.0]), torch.tensor([2.0, 2.0, 0.5])):
        ours = (tweedie(one, true) - tweedie(other, true)).mean().item()
        theirs = mean_tweedie_deviance(true, one, power=POWER) - mean_tweedie_deviance(true, other, power=POWER)
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_a_tweedie_prediction_of_zero_still_learns():
    pred = torch.zeros(1, requires_grad=True)
    tweedie(pred, torch.ones(1)).backward()
    assert pred.grad is not None
    assert pred.grad.item() < -1


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_least_at_the_truth(name):
    pred = torch.linspace(0.1, 3, 59)
    loss = loss_function(name)(pred, torch.full((59,), 1.0))
    assert pred[loss.argmin()].item() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", SCALINGS)
def test_scaling_goes_back_exactly(kind):
    y = torch.tensor([[0.0, 3.5], [157.984, 0.25], [26.6, 0.0], [1e-3, 80.0]])
    trains = torch.tensor([[True, True, False, True], [False, True, True, True]])
    scaling = Scaling.of(kind, y, trains)
    there = scaling.scaled(y)
    assert there.shape == (4, 2, 2)
    assert_close(scaling.back(there), y[:, None].expand(4, 2, 2), atol=1e-5, rtol=1e-6)
    assert (scaling.scaled(y)[0, :, 0] == 0).all()  # nothing stays nothing


def test_units_are_those_of_a_heads_own_pictures():
    y = torch.tensor([[1.0], [3.0], [8.0]])
    trains = torch.tensor([[True, True, False], [False, True, True]])
    assert Scaling.of("mean", y, trains).unit.tolist() == [[2.0], [5.5]]
    assert Scaling.of("max", y, trains).unit.tolist() == [[3.0], [8.0]]
    assert Scaling.of("mean", torch.zeros(3, 1), trains).unit.tolist() == [[1.0], [1.0]]  # all zero: no unit to find


def test_misspelt_names_get_a_hint():
    with pytest.raises(RunError, match='No loss "hubert". Did you mean "huber"'):
        loss_function("hubert")
    with pytest.raises(RunError, match='No scaling "log". Did you mean "log1p"|Known'):
        Scaling.of("log", torch.ones(2, 1), torch.ones(1, 2, dtype=torch.bool))
