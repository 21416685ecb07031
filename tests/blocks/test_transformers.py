import pytest
import torch
from torch import nn
from torch.testing import assert_close

from vitreous.blocks.transformers import Attention, DecoderBlock, EncoderBlock, TransformerDecoder

KEEP = torch.tensor([[True, False, True, True], [False, True, True, False]])


def draw(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def into(mine: Attention, theirs: nn.MultiheadAttention):
    """Give torch's attention our weights."""
    parts = [mine.to_query, mine.to_key, mine.to_value]
    state = {
        "in_proj_weight": torch.cat([p.weight for p in parts]),
        "in_proj_bias": torch.cat([p.bias for p in parts]),
        "out_proj.weight": mine.to_out.weight,
        "out_proj.bias": mine.to_out.bias,
    }
    theirs.load_state_dict(state, strict=True)
    return theirs


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return Attention(8, 2)


@pytest.mark.parametrize("keep", [None, KEEP])
def test_both_ways_of_attention_equal_torchs(attention, keep):
    x, memory = draw(2, 5, 8), draw(2, 4, 8)
    theirs = into(attention, nn.MultiheadAttention(8, 2, batch_first=True))
    out, share = theirs(x, memory, memory, key_padding_mask=None if keep is None else ~keep)
    assert_close(attention(x, memory, keep=keep), out, atol=1e-6, rtol=1e-5)
    looked, where = attention.look(x, memory, keep)
    assert_close(looked, out, atol=1e-6, rtol=1e-5)
    assert_close(where, share.mT, atol=1e-6, rtol=1e-5)


def test_causal_attention_equals_torchs(attention):
    x = draw(2, 5, 8)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    out, _ = into(attention, nn.MultiheadAttention(8, 2, batch_first=True))(x, x, x, attn_mask=later)
    assert_close(attention(x, x, causal=True), out, atol=1e-6, rtol=1e-5)


def test_where_nothing_is_kept_attention_stays_finite(attention):
    x, nothing = draw(2, 4, 8).requires_grad_(), torch.zeros(2, 4, dtype=torch.bool)
    out, share = attention.look(x, x, nothing)
    assert_close(share, torch.full((2, 4, 4), 0.25))
    for value in (out, attention(x, x, keep=nothing)):
        assert torch.autograd.grad(value.square().sum(), x, retain_graph=True)[0].isfinite().all()


def test_the_odd_scale_is_the_usual_one_times_the_width_of_a_head(attention):
    x, memory, odd = draw(2, 5, 8), draw(2, 4, 8), Attention(8, 2, odd_scale=True)
    odd.load_state_dict(attention.state_dict())
    with torch.no_grad():
        for part in (odd.to_query.weight, odd.to_query.bias):
            part /= 4
    assert_close(odd(x, memory), attention(x, memory), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_block_equals_torchs(norm, activation):
    torch.manual_seed(0)
    block = EncoderBlock(8, 2, 16, activation=activation, norm=norm)
    theirs = nn.TransformerEncoderLayer(8, 2, 16, 0.0, activation, batch_first=True, norm_first=norm == "pre")
    into(block.attention, theirs.self_attn)
    theirs.linear1, theirs.linear2 = block.feed[0], block.feed[2]
    theirs.norm1, theirs.norm2 = block.norm_attention, block.norm_feed
    x = draw(2, 4, 8)
    assert_close(block(x), theirs(x), atol=1e-6, rtol=1e-5)
    kept = theirs(x, src_key_padding_mask=~KEEP)
    assert_close(block(x, keep=KEEP), kept, atol=1e-6, rtol=1e-5)


def decoder_layer(block: DecoderBlock, activation, bias):
    """torch's layer with our weights."""
    theirs = nn.TransformerDecoderLayer(8, 2, 16, 0.0, activation, batch_first=True, norm_first=True, bias=bias)
    if bias:
        into(block.attend, theirs.self_attn)
        into(block.to_slots, theirs.multihead_attn)
    theirs.linear1, theirs.linear2 = block.feed[0], block.feed[2]
    theirs.norm1, theirs.norm2, theirs.norm3 = block.norm_self, block.norm_slots, block.norm_feed
    return theirs


@pytest.mark.parametrize("causal", [True, False])
def test_decoder_equals_torchs(causal):
    torch.manual_seed(0)
    decoder = TransformerDecoder(8, layers=3, heads=2, hidden=16)
    x, memory = draw(2, 6, 8), draw(2, 4, 8)
    later = torch.ones(6, 6, dtype=torch.bool).triu(1) if causal else None
    expected = x
    for block in decoder.blocks:
        theirs = decoder_layer(block, "relu", bias=True)
        expected = theirs(expected, memory, tgt_mask=later, memory_key_padding_mask=~KEEP)
    out, share = decoder(x, memory, causal=causal, keep=KEEP)
    assert_close(out, expected, atol=1e-6, rtol=1e-5)
    assert_close(share.sum(1), torch.ones(2, 6))
    assert share[~KEEP].abs().max() == 0


def test_a_stack_that_starts_from_a_norm_has_none_in_its_first_block():
    torch.manual_seed(0)
    plain = TransformerDecoder(8, layers=2, heads=2)
    normed = TransformerDecoder(8, layers=2, heads=2, enter="normed", final_norm=True)
    normed.blocks.load_state_dict({n: v for n, v in plain.blocks.state_dict().items() if "0.norm_self" not in n})
    normed.load_state_dict({**normed.state_dict(), "norm_in.weight": draw(8), "norm_out.weight": draw(8)})
    plain.blocks[0].norm_self = nn.Identity()
    x, memory = draw(2, 6, 8), draw(2, 4, 8)
    out, share = plain(normed.norm_in(x), memory)
    there, same = normed(x, memory)
    assert_close(there, normed.norm_out(out))
    assert_close(same, share)


def test_biases_are_where_they_are_wanted():
    def biases(**how):
        names = [n for n, _ in TransformerDecoder(8, layers=1, final_norm=True, **how).named_parameters()]
        return {"attention" if "to_" in n.replace("to_slots", "") else "rest" for n in names if n.endswith("bias")}

    assert biases() == {"attention", "rest"}
    assert biases(attention_bias=False) == {"rest"}
    assert biases(bias=False) == {"attention"}
    assert biases(bias=False, attention_bias=False) == set()


def test_bfloat16_agrees_with_float32():
    torch.manual_seed(0)
    decoder, x, memory = TransformerDecoder(8, heads=2), draw(2, 6, 8), draw(2, 4, 8)
    full, share = decoder(x, memory, causal=True, keep=KEEP)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, rough = decoder(x, memory, causal=True, keep=KEEP)
    assert_close(half.float(), full, atol=0.1, rtol=0.1)
    assert_close(rough.float(), share, atol=0.05, rtol=0.1)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="width 8 does not divide into 3 heads"):
        Attention(8, 3)
    with pytest.raises(ValueError, match="at least one layer, not 0"):
        TransformerDecoder(8, layers=0)
