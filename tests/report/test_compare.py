import json
import re
import subprocess
import sys

import pandas as pd
import pytest

from vitreous.errors import RunError
from vitreous.metrics.bootstrap import interval
from vitreous.metrics.seeds import over_seeds
from vitreous.report.compare import compare, read_scored
from vitreous.report.comparison_files import write_tables
from vitreous.report.comparison_text import as_html, as_latex, as_markdown, leaders
from vitreous.report.settings import differing, label, telling


def means(comparison, label, metric="mbo"):
    rows = comparison.table[(comparison.table["label"] == label) & (comparison.table["metric"] == metric)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_runs_that_differ_in_their_seed_are_one_setting(scored):
    folders = [scored(f"run_{k}_{seed}", slots=k, seed=seed) for k in (11, 7) for seed in (1, 0)]
    found = compare(folders)
    assert [group.label for group in found.groups] == ["slots 7", "slots 11"]  # by number, not by name
    assert [run.name for run in found.runs] == [f"slots {k}, seed {s}" for k in (7, 11) for s in (0, 1)]
    assert found.settings.to_dict() == {"slots": {"slots 7": 7, "slots 11": 11}}
    assert list(found.values("mbo")) == [run.name for run in found.runs]
    assert found.values("mbo").index.names == ["key", "frame", "view"]


def test_the_table_is_over_pictures_and_seeds(scored):
    folders = [scored(f"run_{seed}", seed=seed) for seed in range(3)]
    found = compare(folders)
    x = found.values("mbo").to_numpy()
    row, expected = means(found, "dinosaur"), over_seeds(x)
    assert (row["mean"], row["low"], row["high"]) == (expected.mean, expected.low, expected.high)
    assert row["spread"] == pytest.approx(x.mean(0).std(ddof=1))
    assert (row["seeds"], row["pictures"]) == (3, 30)
    single = compare(folders[:1])
    assert means(single, "dinosaur")["low"] == interval(x[:, 0]).low
    assert single.tests.empty
    assert "difference" not in str(single)


def test_frames_of_a_clip_are_drawn_together(scored):
    found = compare(
        [scored("a", frames=6, pictures=12, slots=3), scored("b", frames=6, pictures=12, slots=5, level=0.8)]
    )
    row, values = means(found, "slots 3"), found.values("mbo")["slots 3"]
    keys = values.index.get_level_values("key").to_numpy()
    assert row["low"] == interval(values.to_numpy(), groups=keys).low
    assert {"video_fg_ari", "video_mbo", "keeps_object"} <= set(found.metrics)
    assert found.values("video_mbo").shape == (12, 2)
    assert means(found, "slots 5", "video_mbo")["pictures"] == 12


def test_rows_that_learn_nothing_stand_beside_once(scored):
    same = compare([scored("a", slots=3), scored("b", slots=5)])
    assert same.table[same.table["kind"] == "reference"]["label"].unique().tolist() == ["k-means, true number"]
    assert means(same, "k-means, true number")["mean"] == pytest.approx(0.6, abs=0.02)


def test_rows_of_other_features_are_told_apart(scored):
    other = scored("b", backbone={"name": "other_net", "digest": "else"})
    lines = pd.read_csv(other / "scores.csv")
    lines.loc[lines["row"] == "k-means, true number", "ari"] /= 2
    lines.to_csv(other / "scores.csv", index=False)
    found = compare([scored("a"), other])
    names = found.table[found.table["kind"] == "reference"]["label"].unique().tolist()
    assert names == ["k-means, true number (coloured_patches colo, 8x8)", "k-means, true number (other_net else, 8x8)"]


def test_differences_to_the_best_are_corrected_metric_by_metric(scored):
    folders = [scored(f"k{k}", slots=k, level=level) for k, level in ((3, 0.6), (5, 0.8), (7, 0.79))]
    found = compare(folders, ["mbo", "ari"])
    assert set(found.tests["against"]) == {"slots 5"}
    first = found.tests.iloc[0]
    assert first["difference"] == pytest.approx(-0.2, abs=0.02)
    assert first["high"] < 0
    for _, lines in found.tests.groupby("metric"):
        clear, close = lines["p"]
        assert clear < 1e-10 < 1e-4 < close < 1  # so that the correction of both can be told
        # three pairs, of which two are with the best; to say that one is not the best, those two count
        assert lines["holm"].tolist() == [pytest.approx(3 * clear, rel=1e-6, abs=0), pytest.approx(2 * close)]
        assert lines["behind"].tolist() == [pytest.approx(2 * clear, rel=1e-6, abs=0), close]
    assert "slots 3" not in leaders(found)["mbo"]
    assert "slots 5" in leaders(found)["mbo"]


def test_differences_to_a_baseline(scored):
    folders = [scored(f"k{k}", slots=k, level=level) for k, level in ((3, 0.6), (5, 0.8), (7, 0.79))]
    found = compare(folders, ["mbo"], baseline=folders[0])
    assert found.baseline == "slots 3"
    assert found.tests["label"].tolist() == ["slots 5", "slots 7"]
    assert (found.tests["difference"] > 0.15).all()
    assert found.tests["holm"].max() == pytest.approx(found.tests["p"].max())
    assert leaders(found) == {"mbo": set()}  # nobody was tested with the best
    assert "baseline" in str(found)
    with pytest.raises(RunError, match="none of the runs that are compared"):
        compare(folders[1:], baseline=folders[0])


def test_low_is_better_where_it_is(scored):
    folders = [scored("a", slots=3), scored("b", slots=5)]
    for folder, entropy in zip(folders, (0.1, 0.4), strict=True):
        lines = pd.read_csv(folder / "slots.csv").assign(entropy=entropy)
        lines.to_csv(folder / "slots.csv", index=False)
    found = compare(folders, ["entropy"])
    assert found.tests["against"].tolist() == ["slots 3"]
    assert found.tests["difference"].tolist() == pytest.approx([0.3])


def test_material_against_material(scored):
    folders = [scored(f"run_{seed}", seed=seed) for seed in range(2)]
    lines = compare(folders, ["fg_ari"]).materials
    things = lines[(lines["unit"] == "object") & (lines["metric"] == "best_iou")].iloc[0]
    assert (things["first"], things["second"]) == ("metal", "rubber")
    assert things["difference"] == pytest.approx(-0.05, abs=0.02)  # planted
    assert things["low"] < things["difference"] < things["high"] < 0
    assert things["holm"] >= things["permutation"]
    scenes = lines[lines["unit"] == "scene"]
    assert scenes[["first", "second"]].to_numpy().tolist() == [
        ["metal", "rubber"],
        ["metal", "mixed"],
        ["rubber", "mixed"],
    ]
    assert scenes["count_first"].tolist() == [10, 10, 10]  # pictures, not pictures x seeds


def test_one_training_twice_is_not_two_seeds(scored):
    found = compare([scored("a"), scored("b"), scored("c", slots=7)])
    assert [g.label for g in found.groups] == ["slots 5 (a)", "slots 5 (b)", "slots 7"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"pictures": 20}, r"pictures: 30 of blobs \(list list of \w*\) \(a\) against 20 of blobs"),
        (
            {"data": {"truth": "another"}},
            r"truth: ids and materials truth of \(a\) against ids and materials another \(b\)",
        ),
        ({"conventions": {"resolution": ["96x96"]}}, r"resolution: 32x32 \(a\) against 96x96 \(b\)"),
        ({"conventions": {"metrics": 0}}, r"metrics: 1 \(a\) against 0 \(b\)"),
        ({"conventions": {"fit": "squash"}}, r"fit: crop \(a\) against squash \(b\)"),
    ],
    ids=["pictures", "truth", "resolution", "metrics", "fit"],
)
def test_what_was_not_scored_alike_is_refused(scored, change, named):
    with pytest.raises(RunError, match=f"(?s)not scored alike.*{named}.*vitreous score RUN"):
        compare([scored("a"), scored("b", **change)])


def test_refinement_counts_where_it_is_compared(scored):
    folders = [scored("a"), scored("b", slots=7, conventions={"refine": "guided filter"})]
    assert len(compare(folders).groups) == 2
    with pytest.raises(RunError, match=r"(?s)no row .*, refined.*--refine"):
        compare(folders, refined=True)


def test_scores_of_an_older_version_are_refused_with_the_command(scored):
    folder = scored("old")
    saved = json.loads((folder / "scores.json").read_text())
    del saved["conventions"]
    (folder / "scores.json").write_text(json.dumps(saved))
    with pytest.raises(RunError, match=r"(?s)older version.*lacks conventions.*vitreous score .*old .*gone.lance"):
        compare([folder])
    half = scored("half")
    (half / "objects.csv").unlink()
    with pytest.raises(RunError, match=r"lacks objects.csv"):
        read_scored(half)


def test_what_is_no_scored_run_is_named(scored, tmp_path):
    folder = scored("a")
    with pytest.raises(RunError, match="neither a run nor a folder with scored runs"):
        compare(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r'no metric "fgari". Did you mean "fg_ari"'):
        compare([folder], ["fgari"])
    with pytest.raises(RunError, match="video_mbo is of clips, and blobs holds stills only"):
        compare([folder], ["video_mbo"])
    (folder / "scores.json").unlink()
    with pytest.raises(RunError, match="(?s)not scored yet.*vitreous score"):
        compare([folder])


def test_a_folder_of_runs_is_all_of_them_and_says_whom_it_leaves_out(scored, tmp_path):
    for seed in (0, 1):
        scored(f"sweep/runs/{seed}", seed=seed)
    (scored("sweep/runs/2", seed=2) / "scores.json").unlink()
    for path in (tmp_path / "sweep", tmp_path / "sweep" / "runs"):
        found = compare(path)
        assert len(found.runs) == 2
        assert [left.name for left in found.left_out] == ["2"]
        assert "Left out, since not scored: 2." in str(found)


def test_labels_are_made_of_what_differs():
    runs = [
        {"method": "dinosaur", "slots": 7, "width": 256, "lr": 1e-4},
        {"method": "dinosaur", "slots": 9, "width": 256, "lr": 1e-4},
        {"method": "savi", "slots": 9, "width": 64, "lr": 1e-4, "memory": 0.7},
    ]
    names = differing(runs)
    assert names == ["method", "slots", "width"]  # memory: only one method has it
    assert telling(runs, names) == ["method", "slots"]  # width follows from the method
    assert label(runs[2], ["method", "slots"]) == "savi, slots 9"
    assert label({"lr": 0.00012, "a": 1, "b": 2, "c": 3, "d": 4}, ["lr", "a", "b", "c", "d"]).endswith("c 3 and 1 more")


def test_no_mean_is_written_without_its_interval(scored, tmp_path):
    found = compare([scored("a_b", slots=3, level=0.6), scored("b", slots=5, level=0.8)])
    text, tex, html = as_markdown(found), as_latex(found), as_html(found)
    number = r"0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]"
    assert len(re.findall(rf"\*\*{number}\*\*", text)) == 5  # the best of five metrics
    assert not re.findall(r"\*\*0\.\d{3}\*\*", text)
    assert len(re.findall(number, html)) == 15
    assert found._repr_html_() == html
    assert tex.count(r"\textbf{") == 5
    assert [tex.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 2, 1]
    assert "slots 3 & 1 & " in tex
    assert all(len(line) <= 100 for line in str(found).splitlines())
    paths = write_tables(found, tmp_path / "out")
    assert [path.name for path in paths] == ["table.md", "table.csv", "table.tex", "tests.csv", "materials.csv"]
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert table[table["kind"] == "run"]["setting slots"].tolist() == [3] * 5 + [5] * 5
    assert len(pd.read_csv(tmp_path / "out" / "tests.csv")) == 5


def test_signs_of_latex_are_escaped(scored):
    found = compare([scored("a", config={"start": "a_b"}), scored("b", config={"start": "50%"})])
    tex = as_latex(found)
    assert r"start a\_b &" in tex
    assert r"start 50\% &" in tex


def test_the_command(scored, tmp_path):
    folders = [scored("a", slots=3), scored("b", slots=5, level=0.8)]
    words = ["compare", str(folders[0]), "--metric", "mbo,ari", "--figures", "false", str(folders[1])]
    words += ["--out", str(tmp_path / "out"), "--baseline", str(folders[1])]
    done = subprocess.run(
        [sys.executable, "-m", "vitreous.cli.main", *words], capture_output=True, text=True, check=True
    )
    assert "difference to slots 5" in done.stdout
    assert str(tmp_path / "out" / "table.md") in done.stdout
    assert not (tmp_path / "out" / "figures").exists()


def test_a_setting_that_was_left_to_the_method_is_not_called_none():
    assert label({"method": "dinosaur", "decoder": None}, ["method", "decoder"]) == "dinosaur, decoder as usual"
