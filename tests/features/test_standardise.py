import pytest
import torch

from vitreous.errors import FeatureMismatch, VitreousError
from vitreous.features.standardise import MODES, Standardiser
from vitreous.features.statistics import FeatureSums


def draw(rows=64, h=4, w=3, d=5):
    generator = torch.Generator().manual_seed(0)
    place = 2 * torch.randn(1, h, w, d, generator=generator)
    channel = torch.tensor([0.1, 1.0, 5.0, 20.0, 3.0])
    return ((torch.randn(rows, h, w, d, generator=generator) + place + 3) * channel).half()


def of(features, mode):
    sums = FeatureSums(tuple(features.shape[1:]))
    sums.add(features)
    return Standardiser.of(sums.statistics(), mode)


@pytest.mark.parametrize(
    ("mode", "over"), [("dataset", (0, 1, 2)), ("position", (0,)), ("token", (3,)), ("image", (1, 2))]
)
def test_mean_is_zero_over_what_the_mode_names(mode, over):
    x = of(draw(), mode)(draw())
    torch.testing.assert_close(x.mean(over), torch.zeros_like(x.mean(over)), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("mode", "over"), [("dataset", (0, 1, 2)), ("position", (0, 1, 2)), ("token", (3,)), ("image", (1, 2))]
)
def test_deviation_is_one_over_what_the_mode_names(mode, over):
    x = of(draw(), mode)(draw())
    deviation = x.std(over, correction=0)
    torch.testing.assert_close(deviation, torch.ones_like(deviation), atol=1e-4, rtol=0)


@pytest.mark.parametrize("factor", [0.125, 8.0])  # powers of two: float16 rounds them alike
@pytest.mark.parametrize("mode", ["dataset", "position", "token", "image"])
def test_the_scale_of_a_backbone_does_not_matter(mode, factor):
    x = draw()
    torch.testing.assert_close(of(x * factor, mode)(x * factor), of(x, mode)(x), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("mode", ["dataset", "position", "token", "image"])
def test_what_never_varies_becomes_zero(mode):
    x = draw()
    x[..., 1] = 1234.5
    torch.testing.assert_close(of(x, "dataset")(x)[..., 1], torch.zeros(64, 4, 3), atol=0, rtol=0)
    constant = torch.full_like(x, 1234.5)
    torch.testing.assert_close(of(constant, mode)(constant), torch.zeros(x.shape), atol=1e-3, rtol=0)
    zero = torch.zeros_like(x)
    assert of(zero, mode)(zero).abs().max() == 0


def test_token_is_layer_norm():
    x = draw()
    torch.testing.assert_close(of(x, "token")(x), torch.nn.functional.layer_norm(x.float(), (5,), eps=0.0))


def test_none_leaves_features_as_they_are():
    assert torch.equal(of(draw(), "none")(draw()), draw().float())


@pytest.mark.parametrize("mode", MODES)
def test_state_brings_it_back_for_clips_too(mode):
    x, made = draw(), of(draw(), mode)
    again = Standardiser.from_state(made.state())
    assert again.mode == mode
    assert torch.equal(again(x), made(x))
    assert torch.equal(again(x.view(16, 4, 4, 3, 5)), made(x).view(16, 4, 4, 3, 5))


def test_features_of_another_shape_are_refused():
    with pytest.raises(FeatureMismatch, match=r"\(4, 3, 6\)"):
        of(draw(), "dataset")(torch.zeros(2, 4, 3, 6))
    with pytest.raises(FeatureMismatch, match="another backbone or grid"):
        of(draw(), "position")(torch.zeros(2, 3, 3, 5))
    with pytest.raises(VitreousError, match='Did you mean "dataset"'):
        Standardiser("datset")
