import pytest
import torch
from torch.testing import assert_close

from vitreous.blocks.decoders import PatchMLP


@pytest.mark.parametrize("name", ["dec_oclf_patch_mlp", "dec_oclf_patch_mlp_video_proj"])
def test_patch_mlp_equals_the_reference(name, golden):
    case = golden(name)
    slots = case("in.slots")
    if "param.in_proj.weight" in case.tensors:
        slots = torch.nn.functional.linear(slots, case("param.in_proj.weight"), case("param.in_proj.bias"))
    layers = sorted({n.split(".")[0] for n in case.under("param.mlp.")})
    sizes = [case(f"param.mlp.{n}.weight").shape[0] for n in layers]
    decoder = PatchMLP(slots.shape[-1], sizes[-1] - 1, case("param.pos_embed").shape[1], sizes[:-1])
    state = {"position": case("param.pos_embed")}
    for i, n in enumerate(layers):
        mine = "first" if i == 0 else f"rest.{i - 1}"
        state |= {f"{mine}.{part}": case(f"param.mlp.{n}.{part}") for part in ("weight", "bias")}
    decoder.load_state_dict(state, strict=True)
    out = decoder(slots.flatten(0, -3))
    assert_close(out.features.view_as(case("out.recon")), case("out.recon"), atol=1e-5, rtol=1e-5)
    assert_close(out.masks.view_as(case("out.masks")), case("out.masks"), atol=1e-5, rtol=1e-5)


def test_patch_mlp_without_hidden_layers_is_refused():
    with pytest.raises(ValueError, match="at least one hidden layer"):
        PatchMLP(4, 4, 4, ())
