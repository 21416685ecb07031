"""vitreous regress, from CSV to submission.csv, one command each."""

import json

import lance
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from vitreous.cli.main import main
from vitreous.cli.regress import together
from vitreous.features.store import FeatureStore

TARGETS = ["Dry_Clover_g", "Dry_Dead_g", "Dry_Green_g", "Dry_Total_g", "GDM_g"]
COLOURS = {"Dry_Clover_g": (90, 220, 120), "Dry_Dead_g": (150, 110, 60), "Dry_Green_g": (40, 160, 40)}
VISITS = [("2015/9/4", "Tas"), ("2015/11/10", "Vic"), ("2015/1/15", "NSW"), ("2015/6/2", "WA")]


def pasture(rng):
    """A 2000 x 1000 photograph of squares of grass, and its five numbers."""
    amount = rng.uniform(0.05, 0.3, 3)
    kinds = rng.choice(4, (10, 20), p=[*amount, 1 - amount.sum()])
    colours = np.array([*COLOURS.values(), (60, 45, 40)])[kinds]
    image = colours.astype(np.uint8).repeat(100, 0).repeat(100, 1)
    clover, dead, green = (round(0.25 * float((kinds == k).sum()), 4) for k in range(3))
    return image, [clover, dead, green, clover + green + dead, clover + green]


@pytest.fixture(scope="module")
def competition(tmp_path_factory):
    """train.csv, test.csv, sample_submission.csv, train/ and test/, in the layout of the CSIRO competition."""
    root, rng, rows, wanted = tmp_path_factory.mktemp("csiro"), np.random.default_rng(0), [], []
    for split, count in (("train", 16), ("test", 3)):
        (root / split).mkdir()
        for i in range(count):
            name, (image, grams) = f"ID{1011485656 + 7919 * i * (1 + len(split))}", pasture(rng)
            Image.fromarray(image).save(root / split / f"{name}.jpg", quality=85)
            date, state = VISITS[i % 4]
            for target, value in zip(TARGETS, grams, strict=True):
                row = {"sample_id": f"{name}__{target}", "image_path": f"{split}/{name}.jpg"}
                about = {"Sampling_Date": date, "State": state, "Species": "Ryegrass_Clover", "Pre_GSHH_NDVI": 0.62}
                about |= {"Height_Ave_cm": 4.5 + i, "target_name": target, "target": value}
                rows.append(row | about) if split == "train" else wanted.append(row | {"target_name": target})
    pd.DataFrame(rows).to_csv(root / "train.csv", index=False)
    pd.DataFrame(wanted).to_csv(root / "test.csv", index=False)
    shuffled = pd.DataFrame(wanted).sample(frac=1, random_state=3)
    pd.DataFrame({"sample_id": shuffled["sample_id"], "target": 0.0}).to_csv(
        root / "sample_submission.csv", index=False
    )
    return root


@pytest.fixture(scope="module")
def run(competition):
    """One command: fit."""
    arguments = "--targets Dry_Green_g Dry_Dead_g Dry_Clover_g GDM_g Dry_Total_g --groups State,Sampling_Date --folds 4"
    arguments += " --weights Dry_Green_g=0.1 Dry_Dead_g=0.1 Dry_Clover_g=0.1 GDM_g=0.2,Dry_Total_g=0.5 --grid 8"
    arguments += " --epochs 6 --lr 0.01 --views six --width 16 --tiles 1x2 --batch-size 8"
    sums = ["--sums", "GDM_g = Dry_Green_g + Dry_Clover_g", "Dry_Total_g = GDM_g + Dry_Dead_g"]
    command = ["regress", "fit", "--table", str(competition / "train.csv"), "--images", str(competition)]
    assert main([*command, "--out", str(competition / "run"), *arguments.split(), *sums]) == 0
    return competition / "run"


def test_from_csv_to_submission(competition, run, tmp_path, capsys):
    table, sample = competition / "test.csv", competition / "sample_submission.csv"
    command = ["regress", "predict", str(run), "--table", str(table), "--images", str(competition)]
    assert main([*command, "--sample", str(sample), "--out", str(tmp_path), "--maps", "--npz"]) == 0
    assert str(tmp_path / "submission.csv") in capsys.readouterr().out
    asked, got = pd.read_csv(sample), pd.read_csv(tmp_path / "submission.csv")
    assert list(got) == ["sample_id", "target"]
    assert got["sample_id"].tolist() == asked["sample_id"].tolist()
    assert (np.isfinite(got["target"]) & (got["target"] >= 0)).all()
    wide = got["sample_id"].str.split("__", expand=True).assign(y=got["target"]).pivot(index=0, columns=1, values="y")
    assert np.allclose(wide["GDM_g"], wide["Dry_Green_g"] + wide["Dry_Clover_g"], atol=1e-4)
    assert np.allclose(wide["Dry_Total_g"], wide["GDM_g"] + wide["Dry_Dead_g"], atol=1e-4)
    told = pd.read_csv(tmp_path / "predictions.csv")
    assert len(told) == 3
    name = told["image_path"][0].removesuffix(".jpg")
    maps = np.load(tmp_path / "maps" / f"{name}.npz")
    assert maps["values"].shape == (5, 8, 16)  # two tiles of 8 x 8
    for at, target in enumerate(maps["targets"]):
        assert maps["values"][at].mean() == pytest.approx(told[target][0], rel=1e-3)
    with Image.open(tmp_path / "maps" / f"{name}.png") as sheet:
        assert sheet.height == 288


def test_the_run_knows_what_it_is(run, capsys):
    recipe = (run / "recipe.yaml").read_text()
    assert "crop:0,0,0.5,1+rot90+blur:5" in recipe
    scores = json.loads((run / "scores.json").read_text())
    assert scores["groups"] == 4
    assert main(["regress", "report", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "weighted R²" in shown
    assert "rot270+blur:5" in shown
    for name in ("predicted.png", "residuals.png", "training_history.png"):
        with Image.open(run / name) as figure:
            assert figure.width > 300
    assert main(["inspect", str(run)]) == 0


def test_pictures_without_a_table(competition, run, tmp_path):
    arguments = ["--images", str(competition / "test"), "--views", "identity", "--reconcile", "none"]
    assert main(["regress", "predict", str(run), "--out", str(tmp_path), *arguments]) == 0
    told = pd.read_csv(tmp_path / "predictions.csv")
    assert len(told) == 3
    assert not (tmp_path / "submission.csv").exists()
    assert (told["GDM_g spread over views"] == 0).all()


def test_a_leak_is_told_before_and_after(competition, tmp_path, capsys):
    rng, rows = np.random.default_rng(1), pd.read_csv(competition / "train.csv")
    date = {name: f"2015/{i % 4 + 1}/1" for i, name in enumerate(dict.fromkeys(rows["image_path"]))}
    rows["Sampling_Date"] = rows["image_path"].map(date)
    rows["target"] = rows["Sampling_Date"].str[5].astype(float) * 10 + rng.uniform(0, 1, len(rows))  # the date decides
    rows.to_csv(tmp_path / "train.csv", index=False)
    arguments = (
        f"{tmp_path / 'train.csv'} --images {competition} --targets GDM_g --epochs 1 --grid 4 --width 4 --folds 2"
    )
    assert main(["regress", "fit", *arguments.split(), "--out", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr()
    assert "The folds leak" in shown.err
    assert "--groups Sampling_Date" in shown.err
    assert "warning: The folds leak" in shown.out


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda t: t.assign(image_path="train/none.jpg"), "--targets GDM_g", "none.jpg"),
        (lambda t: t.assign(target="?"), "", '"?" is not a number'),
        (lambda t: t.assign(target=-1), "", "-1 is negative"),
        (lambda t: t.assign(target=""), "", "nothing where a number is needed"),
        (lambda t: pd.concat([t, t[:1]]), "", "stands in line 2, too"),
        (lambda t: t.assign(State="WA"), "--groups State", 'All 16 pictures are in one group ("WA")'),
        (lambda t: t[:15], "", "There are 3 pictures for 5 folds"),
        (lambda t: t.assign(target=3), "", "there is nothing to learn"),
        (lambda t: t, "--targets Dry_Gren_g", 'Did you mean "Dry_Green_g"?'),
        (lambda t: t, "--weights GDM=1", 'is of no target. Did you mean "GDM_g"?'),
        (lambda t: t, "--groups Stat", 'no column "Stat". Did you mean "State"?'),
        (lambda t: t, "--folds each", "--groups COLUMN"),
        (lambda t: t, "--views sixx", "No view"),
        (lambda t: t, "--tiles 2 --fit crop", "leave --fit at squash"),
        (lambda t: t, "--head cls --tiles 0", "at least 1 x 1"),
    ],
)
def test_bad_input_is_a_message(competition, tmp_path, capsys, change, options, said):
    change(pd.read_csv(competition / "train.csv")).to_csv(tmp_path / "train.csv", index=False)
    command = ["regress", "fit", "--table", str(tmp_path / "train.csv"), "--images", str(competition)]
    assert main([*command, "--out", str(tmp_path / "run"), *options.split()]) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


def test_a_target_that_was_never_trained_is_named(competition, run, tmp_path, capsys):
    table = pd.read_csv(competition / "test.csv").replace("GDM_g", "GDN_g")
    table.to_csv(tmp_path / "test.csv", index=False)
    command = ["regress", "predict", str(run), "--table", str(tmp_path / "test.csv"), "--images", str(competition)]
    assert main([*command, "--out", str(tmp_path)]) == 1
    said = 'line 6, column "target_name": GDN_g was never trained. Did you mean "GDM_g"?'
    assert said in capsys.readouterr().err
    assert main(["regress", "predict", str(run)]) == 1
    assert "Say which pictures" in capsys.readouterr().err


def test_class_tokens_have_a_store_of_their_own(competition, tmp_path, capsys):
    arguments = f"{competition / 'train.csv'} --targets GDM_g --epochs 2 --grid 4 --head cls --folds 2 --tiles 1x2"
    assert main(["regress", "fit", *arguments.split(), "--out", str(tmp_path / "run")]) == 0
    command = f"predict {tmp_path / 'run'} --table {competition / 'test.csv'} --images {competition}"
    wanted = pd.read_csv(competition / "test.csv")
    wanted[wanted["target_name"] == "GDM_g"].to_csv(tmp_path / "test.csv", index=False)
    command = command.replace(str(competition / "test.csv"), str(tmp_path / "test.csv"))
    assert main(["regress", *command.split(), "--out", str(tmp_path / "out")]) == 0
    assert len(pd.read_csv(tmp_path / "out" / "submission.csv")) == 3
    assert main(["regress", *command.split(), "--out", str(tmp_path / "out"), "--maps"]) == 1
    assert "--head patch" in capsys.readouterr().err


def test_a_broken_picture_can_be_left_out(competition, tmp_path, capsys):
    rows = pd.read_csv(competition / "train.csv")
    first = competition / rows["image_path"][0]
    (tmp_path / "train").mkdir()
    for name in dict.fromkeys(rows["image_path"]):
        (tmp_path / name).write_bytes((competition / name).read_bytes())
    (tmp_path / rows["image_path"][0]).write_bytes(first.read_bytes()[:5000])
    rows.to_csv(tmp_path / "train.csv", index=False)
    command = f"fit {tmp_path / 'train.csv'} --targets GDM_g --epochs 1 --grid 4 --folds 2 --out {tmp_path / 'run'}"
    assert main(["regress", *command.split()]) == 1
    assert first.name in capsys.readouterr().err
    assert main(["regress", *command.split(), "--on-error", "skip"]) == 0
    assert f"left out {tmp_path / rows['image_path'][0]}" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "run" / "out_of_fold.csv")) == 15


def test_an_interrupted_store_is_gone_on_with(competition, tmp_path):
    store, table = tmp_path / "kept.lance", competition / "train.csv"
    command = f"fit {table} --targets GDM_g --epochs 1 --grid 4 --width 4 --folds 2 --store {store}"
    assert main(["regress", *command.split(), "--out", str(tmp_path / "one")]) == 0
    lance.dataset(str(store)).delete("row >= 3")
    assert main(["regress", *command.split(), "--out", str(tmp_path / "other")]) == 0
    assert len(FeatureStore(store)) == 16
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "other"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_lists_may_be_typed_with_blanks_or_commas():
    _, joined = together(["fit", "--table", "t.csv", "--targets", "a", "b,c", "--sums", "c = a + b", "--weights=a=1"])
    assert joined == ["fit", "t.csv", '--targets=["a", "b", "c"]', '--sums=["c = a + b"]', '--weights=["a=1"]']
