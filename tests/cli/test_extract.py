"""vitreous extract and vitreous inspect, from files to files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vitreous.cli.main import main
from vitreous.features.store import FeatureStore


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """A small ViT in the hub's format."""
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "small_vit"
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2}
    Dinov2Model(Dinov2Config(**sizes, patch_size=14, image_size=56)).save_pretrained(folder)
    norm = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}
    (folder / "preprocessor_config.json").write_text(json.dumps(norm))
    return str(folder)


@pytest.fixture
def desk(tmp_path):
    """Three pictures with ids, JPEG and PNG, and a sub-folder of frames."""
    rng = np.random.default_rng(0)
    root = tmp_path / "desk"
    for folder in ("images", "ids"):
        (root / folder).mkdir(parents=True)
    for name, size in (("a.png", (60, 80)), ("b.jpg", (90, 70)), ("c.png", (64, 64))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(root / "images" / name)
        ids = rng.integers(0, 5, size).astype(np.uint8)
        Image.fromarray(ids).save(root / "ids" / f"{name[0]}.png")
    return root


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    return status, *capsys.readouterr()


def extract(capsys, vit, desk, out, *options):
    return run(capsys, "extract", desk, "--backbone", vit, "--grid", "4", "--out", out, *options)


def test_pictures_to_store_to_inspection(vit, desk, tmp_path, capsys):
    out = tmp_path / "desk.lance"
    status, said, _ = extract(capsys, vit, desk, out, "--views", "identity hflip")
    assert status == 0
    assert "rows            6 of 3 clips, 0 skipped" in said
    assert "4 x 4 patches of 32 numbers, small_vit" in said
    assert "position share" in said
    assert f"vitreous train {out}" in said
    store = FeatureStore(out)
    assert store.picture(0).encoded == (desk / "images" / "a.png").read_bytes()
    assert store.picture(2).encoded == (desk / "images" / "b.jpg").read_bytes()
    assert store.frame(0).image.shape == (60, 60, 3)
    assert np.array_equal(store.picture(4).ids, np.asarray(Image.open(desk / "ids" / "c.png")))
    status, said, _ = run(capsys, "inspect", out)
    assert status == 0
    assert "rows            6 of 6 planned; 3 clips, 3 frames" in said
    assert "features of 6 stored pictures computed again: 6 equal bit for bit" in said
    assert "intact          yes" in said


def test_inspect_fails_where_rows_are_missing(vit, desk, tmp_path, capsys):
    import lance

    out = tmp_path / "desk.lance"
    extract(capsys, vit, desk, out)
    lance.dataset(str(out)).delete("row = 1")
    status, _, said = run(capsys, "inspect", out, "--sample", "0")
    assert status == 1
    assert "is not intact:\n- 1 of 3 rows are missing: 1" in said
    assert extract(capsys, vit, desk, out)[0] == 0
    assert run(capsys, "inspect", out)[0] == 0


def test_a_grid_may_have_two_sides(vit, desk, tmp_path, capsys):
    status, said, _ = extract(capsys, vit, desk, tmp_path / "wide.lance", "--grid", "3x5")
    assert status == 0
    assert "3 x 5 patches" in said
    status, _, said = extract(capsys, vit, desk, tmp_path / "none.lance", "--grid", "3*5")
    assert status == 1
    assert 'grid "3*5" is not a number of patches' in said


def test_bad_files_are_named_or_skipped(vit, desk, tmp_path, capsys):
    whole = (desk / "images" / "a.png").read_bytes()
    (desk / "images" / "a.png").write_bytes(whole[: len(whole) // 2])
    (desk / "images" / "d.png").touch()
    Image.new("RGB", (9, 30)).save(desk / "images" / "e.png")  # smaller than a patch of 14
    for name in "de":
        Image.new("L", (9, 30)).save(desk / "ids" / f"{name}.png")
    status, _, said = extract(capsys, vit, desk, tmp_path / "raises.lance")
    assert status == 1
    assert any(f"{name}.png" in said for name in "ad")
    status, said, err = extract(capsys, vit, desk, tmp_path / "skips.lance", "--on-error", "skip")
    assert status == 0
    assert "rows            2 of 2 clips, 3 skipped" in said
    skipped = dict(FeatureStore(tmp_path / "skips.lance").meta.skipped)
    assert sum(name in what for what in skipped for name in ("a.png", "d.png", "e")) >= 3
    assert any("too small" in why for why in skipped.values())
    assert err.count("skipped ") == 3
    status, said, _ = run(capsys, "inspect", tmp_path / "skips.lance")
    assert status == 0
    assert said.count("skipped         ") == 3


def test_another_backbone_is_refused(vit, desk, tmp_path, capsys):
    out = tmp_path / "desk.lance"
    extract(capsys, vit, desk, out)
    status, _, said = extract(capsys, vit, desk, out, "--layer", "1")
    assert status == 1
    assert "layer: 2 there, 1 here" in said


def test_inspect_shows_a_run(tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text("method: dinosaur\n")
    status, said, _ = run(capsys, "inspect", tmp_path)
    assert status == 0
    assert said == f"method: dinosaur\nno scores yet:  vitreous score {tmp_path} STORE\n"


def test_what_is_no_store_is_named(tmp_path, capsys):
    status, _, said = run(capsys, "inspect", tmp_path / "nothing.lance")
    assert status == 1
    assert "No feature store at" in said
