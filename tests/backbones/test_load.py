"""Loading is strict, never downloads by surprise, and says what to do."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionModel

from vitreous.backbones import PRESETS, load_backbone
from vitreous.backbones.weights import quiet
from vitreous.errors import BackboneError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copied(built, tmp_path):
    """A copy of a small model's folder, to spoil."""
    return lambda name: shutil.copytree(built(name).folder, tmp_path / "spoilt")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def put(cache, hub_id, folder, commit=COMMIT, ref="main"):
    """As the hub's client keeps it."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / ref).write_text(commit)


def edit(folder, name, **changes):
    values = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({k: v for k, v in (values | changes).items() if v is not None}))


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


# --- where it is looked for ---


def test_a_preset_that_is_not_here_says_where_it_was_looked_for_and_how_to_get_it(cache):
    with pytest.raises(BackboneError) as error:
        load_backbone("dinov2_vits14")
    for part in (
        "dinov2_vits14 is not on this machine",
        "facebook/dinov2-small at ed25f3a31f01632728cabb09d1542f84ab7b0056",
        str(cache),
        "$HF_HOME",
        "vitreous backbones check dinov2_vits14 --download",
        "Or give a folder with config.json and model.safetensors",
    ):
        assert part in str(error.value)


def test_a_download_that_fails_says_so(cache):
    with pytest.raises(BackboneError, match="could not be downloaded from facebook/dinov2-small"):
        load_backbone("dinov2_vits14", download=True)


def test_a_misspelt_preset(cache):
    with pytest.raises(BackboneError, match='Did you mean "dinov2_vits14"'):
        load_backbone("dinov2_vits41")


def test_a_folder_that_is_not_there(cache):
    with pytest.raises(BackboneError, match="There is no folder models/mine either"):
        load_backbone("models/mine")


def test_presets_come_from_the_cache_at_their_pinned_commit(built, cache):
    preset = PRESETS["dinov2_vits14"]
    put(cache, preset.hub_id, built("dinov2").folder, preset.revision)
    about = load_backbone("dinov2_vits14").describe()
    assert (about["name"], about["hub_id"]) == ("dinov2_vits14", "facebook/dinov2-small")
    assert about["revision"] == preset.revision
    assert about["path"] is None


def test_the_embedded_backbone_is_a_folder_of_the_package(built, tmp_path, monkeypatch):
    monkeypatch.setattr("vitreous.backbones.find.EMBEDDED", tmp_path)
    with pytest.raises(BackboneError, match=r"glass_tiny is part of this package, but .* holds no config.json"):
        load_backbone("glass_tiny")
    shutil.copytree(built("dinov2").folder, tmp_path / "glass_tiny")
    about = load_backbone("glass_tiny").describe()
    assert (about["name"], about["hub_id"], about["path"]) == ("glass_tiny", None, None)


def test_another_commit_in_the_cache_is_named_but_not_taken(built, cache):
    put(cache, "facebook/dinov2-small", built("dinov2").folder)
    with pytest.raises(BackboneError, match=f"facebook/dinov2-small@{COMMIT}"):
        load_backbone("dinov2_vits14")
    assert load_backbone(f"facebook/dinov2-small@{COMMIT}").describe()["revision"] == COMMIT


def test_a_hub_id_without_revision_records_the_commit_it_got(built, cache):
    put(cache, "someone/some-vit", built("dino").folder)
    about = load_backbone("someone/some-vit").describe()
    assert (about["name"], about["revision"]) == ("someone/some-vit", COMMIT)


def test_a_cache_without_the_weights_says_how_to_fetch_them(built, cache):
    put(cache, "someone/some-vit", built("dino").folder)
    for path in cache.rglob("model.safetensors"):
        path.unlink()
    with pytest.raises(BackboneError, match=r"(?s)no model.safetensors.*check someone/some-vit --download.*@refs/pr/"):
        load_backbone("someone/some-vit")


def test_all_presets_are_complete():
    for name, preset in PRESETS.items():
        assert preset.hub_id or name == "glass_tiny"
        assert preset.revision is None or len(preset.revision) == 40
        assert preset.revision or preset.note
        assert preset.patch in (8, 14, 16)
        assert all(0 < value < 1 for triple in preset.norm for value in triple)
        assert preset.gated is name.startswith("dinov3")


def test_the_manual_lists_every_preset():
    page = (Path(__file__).parents[2] / "docs" / "backbones.md").read_text()
    for name, preset in PRESETS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        revision = f"`{preset.revision[:12]}`" if preset.revision else "unpinned" if preset.hub_id else "-"
        expected = [preset.hub_id or "part of this package", revision, preset.licence]
        assert all(part in row for part in expected)
        assert f"| {preset.patch} | {preset.width} | {preset.layers} |" in row


# --- what is in it ---


def test_a_pickle_is_refused_with_the_way_to_convert_it(copied):
    folder = copied("dinov2")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BackboneError, match=r"(?s)only pytorch_model.bin: a pickle.*run any code.*save_pretrained"):
        load_backbone(str(folder))


def test_a_folder_without_config(tmp_path):
    with pytest.raises(BackboneError, match=r"not a backbone in the hub's format: it holds no config.json"):
        load_backbone(str(tmp_path))


def test_a_broken_config(copied):
    folder = copied("dinov2")
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(BackboneError, match=r"config.json cannot be read"):
        load_backbone(str(folder))


def test_an_unknown_architecture_lists_those_known(copied):
    folder = copied("dinov2")
    edit(folder, "config.json", model_type="resnet")
    with pytest.raises(BackboneError, match=r"(?s)of type resnet.*Known: clip, .*dinov2, .*vit_mae"):
        load_backbone(str(folder))


def test_code_in_the_checkpoint_is_never_run(copied):
    folder = copied("dinov2")
    edit(folder, "config.json", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})
    (folder / "evil.py").write_text("raise SystemExit('this ran')")
    load_backbone(str(folder))


def test_a_missing_tensor_is_named(architecture, copied):
    folder = copied(architecture)
    gone = []

    def drop(tensors):
        gone.append(next(n for n in tensors if "norm" in n and "text" not in n and "decoder" not in n))
        del tensors[gone[0]]

    change_weights(folder, drop)
    with pytest.raises(BackboneError, match=r"(?s)do not fit its config.json.*missing: \S*norm"):
        load_backbone(str(folder))


def test_a_tensor_too_many_is_named(architecture, copied):
    folder = copied(architecture)
    change_weights(folder, lambda tensors: tensors.update({"adapter.weight": torch.zeros(2)}))
    with pytest.raises(BackboneError, match="does not have: adapter.weight"):
        load_backbone(str(folder))


def test_a_tensor_of_another_shape_is_named(copied):
    folder = copied("dinov2")
    change_weights(folder, lambda tensors: tensors.update({"layernorm.weight": torch.zeros(7)}))
    with pytest.raises(BackboneError, match=r"of another shape than config.json says: layernorm.weight"):
        load_backbone(str(folder))


def test_fewer_blocks_than_the_config_says(copied):
    folder = copied("dinov2")
    edit(folder, "config.json", num_hidden_layers=3)
    with pytest.raises(BackboneError, match="missing: .*2.* and 13 more"):
        load_backbone(str(folder))


def test_a_truncated_file(copied):
    folder = copied("dinov2")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BackboneError, match=r"model.safetensors cannot be read as safetensors"):
        load_backbone(str(folder))


def test_a_missing_shard(copied):
    folder = copied("dinov2")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00001-of-00002.safetensors"}}')
    with pytest.raises(BackboneError, match=r"not there: model-00001-of-00002.safetensors"):
        load_backbone(str(folder))


def test_mean_and_std_are_the_checkpoints_own_then_the_architectures(copied):
    folder = copied("clip")
    assert load_backbone(str(folder)).mean == (0.4, 0.5, 0.6)
    assert load_backbone(str(folder), mean=(0.1, 0.2, 0.3)).mean == (0.1, 0.2, 0.3)
    edit(folder, "preprocessor_config.json", do_normalize=False)
    assert load_backbone(str(folder)).std == (1.0, 1.0, 1.0)
    (folder / "preprocessor_config.json").unlink()
    assert load_backbone(str(folder)).mean == (0.48145466, 0.4578275, 0.40821073)


def test_mean_and_std_are_never_guessed(copied):
    folder = copied("dino")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(BackboneError, match="trained with different ones"):
        load_backbone(str(folder))
    assert load_backbone(str(folder), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)).std == (0.5, 0.5, 0.5)
    with pytest.raises(BackboneError, match="std of spoilt must be above 0"):
        load_backbone(str(folder), mean=(0.5, 0.5, 0.5), std=(0.5, 0.0, 0.5))


def test_a_preprocessor_with_one_mean_for_all_is_refused(copied):
    folder = copied("dino")
    edit(folder, "preprocessor_config.json", image_mean=[0.5])
    with pytest.raises(BackboneError, match="mean of spoilt must be 3 numbers"):
        load_backbone(str(folder))


# --- what can be asked of it ---


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"layer": 3}, "blocks 1 to 2; there is no layer 3"),
        ({"layer": 0}, "there is no layer 0"),
        ({"facet": "keys"}, 'No facet "keys".*Did you mean "key"'),
        ({"facet": "key", "norm": True}, "ask for norm or for facet key, not both"),
        ({"dtype": "float16"}, 'No dtype "float16"'),
        ({"device": "cuda:99"}, 'No device "cuda:99" here'),
        ({"device": "gpu"}, 'No device "gpu" here'),
    ],
)
def test_what_cannot_be_had_is_refused(built, asked, answer):
    with pytest.raises(BackboneError, match=f"(?s){answer}"):
        load_backbone(str(built("dinov2").folder), **asked)


# --- digest ---


def digest(folder):
    return load_backbone(str(folder), device="cpu").digest


def test_digest_does_not_depend_on_shards_dtype_layer_or_place(built, copied, tmp_path):
    small = built("dinov2")
    expected = digest(small.folder)
    small.model.save_pretrained(tmp_path / "sharded", max_shard_size="20KB")
    assert len(list((tmp_path / "sharded").glob("model-*-of-*.safetensors"))) > 1
    assert digest(tmp_path / "sharded") == expected
    assert digest(copied("dinov2")) == expected
    for settings in ({"dtype": "float32"}, {"layer": 1}, {"facet": "value"}):
        assert load_backbone(str(small.folder), **settings).digest == expected


def test_digest_is_of_the_encoder_alone(built, copied, tmp_path):
    small = built("clip")
    expected = digest(small.folder)
    with quiet():
        CLIPVisionModel.from_pretrained(small.folder).save_pretrained(tmp_path / "tower")
    assert digest(tmp_path / "tower") == expected
    folder = copied("clip")
    change_weights(folder, lambda tensors: tensors["text_projection.weight"].add_(1))
    assert digest(folder) == expected


def test_digest_changes_with_any_weight_and_its_place(architecture, built, copied):
    folder, expected = copied(architecture), digest(built(architecture).folder)

    def nudge(tensors):
        name = next(n for n in tensors if "norm" in n and "text" not in n and "decoder" not in n)
        tensors[name][0] += 1e-6

    change_weights(folder, nudge)
    assert digest(folder) != expected


def test_digest_changes_when_two_weights_swap_places(built, copied):
    folder = copied("dinov2")

    def swap(tensors):
        key, query = (f"encoder.layer.0.attention.attention.{name}.weight" for name in ("key", "query"))
        tensors[key], tensors[query] = tensors[query], tensors[key]

    change_weights(folder, swap)
    assert digest(folder) != digest(built("dinov2").folder)


def test_half_precision_checkpoints_load_into_float32(built, copied, pictures):
    folder = copied("dinov2")
    change_weights(folder, lambda tensors: tensors.update({n: t.half() for n, t in tensors.items()}))
    backbone = load_backbone(str(folder), dtype="float32")
    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
    full = load_backbone(str(built("dinov2").folder), dtype="float32")
    assert backbone.digest != full.digest
    torch.testing.assert_close(backbone(pictures), full(pictures), rtol=2e-2, atol=2e-2)


def test_loading_prints_nothing(built, capfd):
    load_backbone(str(built("clip").folder))
    assert capfd.readouterr() == ("", "")
