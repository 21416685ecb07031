from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vitreous.report.compare import compare
from vitreous.report.figures import FIGURES, draw, makers
from vitreous.report.figures.curves import against, lines_of
from vitreous.report.figures.looks import GREY, of_slots, softly
from vitreous.report.figures.materials import materials
from vitreous.report.figures.objects import active_slots, difficulty, trends_of
from vitreous.report.figures.shown import only, shown
from vitreous.report.figures.style import NotDrawn
from vitreous.report.score import score
from vitreous.train.fit import fit
from vitreous.train.module import Training

NEED_A_STORE = ("side_by_side", "over_time", "attention", "disputed")


@pytest.fixture(scope="module")
def runs(blobs_store, tmp_path_factory):
    """Two small trainings, scored on clips."""
    folder, store = tmp_path_factory.mktemp("runs"), blobs_store(clips=4, frames=3, seed=3)
    made = []
    for slots in (3, 4):
        config = dict(slots=slots, slot_dim=16, decoder_width=16, decoder_layers=2)
        training = Training(steps=5, batch_size=4)
        run = fit(
            blobs_store(), folder / f"run_{slots}", "dinosaur", config, training,
            precision="32-true", device="cpu", progress=False,
        )  # fmt: skip
        score(run, store)
        made.append(run.folder)
    return made


def test_every_figure_of_runs_on_clips(runs, tmp_path):
    found = compare(runs)
    drawn = {figure.name: figure for figure in draw(found, tmp_path)}
    assert list(drawn) == ["against_slots", *FIGURES]
    assert {name for name, figure in drawn.items() if figure.skipped} == {"materials"}  # all blobs are rubber
    assert "no two materials" in drawn["materials"].skipped
    for figure in drawn.values():
        if not figure.skipped:
            assert figure.title
            assert len(figure.alt) > 50
            assert np.asarray(Image.open(figure.png)).std() > 1  # something is drawn
            assert ElementTree.parse(figure.svg).getroot().tag.endswith("svg")
            assert figure.best in (figure.svg, figure.png)


def test_the_same_runs_give_the_same_files(scored, tmp_path):
    folders = [scored("a", slots=3), scored("b", slots=5)]
    for out in ("one", "two"):
        list(draw(compare(folders), tmp_path / out))
    names = [path.name for path in (tmp_path / "one").iterdir()]
    assert len(names) == 2 * 4
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_without_the_store_masks_are_skipped_and_say_so(scored, tmp_path):
    drawn = {figure.name: figure for figure in draw(compare([scored("a"), scored("b", slots=7)]), tmp_path)}
    for name in NEED_A_STORE:
        assert "the store that it was scored on is gone" in drawn[name].skipped
        assert not (tmp_path / f"{name}.png").exists()
    assert not drawn["active_slots"].skipped


def test_a_curve_joins_runs_that_differ_in_one_setting(scored):
    folders = [
        scored(f"{k}_{tau}_{seed}", slots=k, seed=seed, level=0.5 + 0.02 * k, config={"mask_temperature": tau})
        for k in (3, 5, 7)
        for tau in (0.1, 0.5)
        for seed in (0, 1)
    ]
    found = compare(folders, ["mbo"])
    assert list(makers(found))[:2] == ["against_slots", "against_mask_temperature"]
    lines, left_out = lines_of(found, "slots")
    assert {name: [group.settings["slots"] for group in groups] for name, groups in lines.items()} == {
        "mask temperature 0.1": [3, 5, 7],
        "mask temperature 0.5": [3, 5, 7],
    }
    assert left_out == 0
    (axes,) = against(found, "slots").figure.axes
    curve = axes.get_lines()[0]
    assert curve.get_xdata().tolist() == [3, 5, 7]
    assert curve.get_ydata() == pytest.approx([0.56, 0.6, 0.64], abs=0.02)
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.x0, band.x1) == (3, 7)
    assert band.y0 < 0.56 < band.y1
    assert axes.get_xlabel() == "slots K"
    assert axes.get_ylabel() == "mBO (0 to 1)"


def test_too_many_curves_leave_the_best_per_method(scored):
    folders = [
        scored(
            f"{start}_{k}_{tau}", slots=k, level=0.4 + tau / 2, pictures=6,
            config={"start": start, "mask_temperature": tau},
        )
        for start in ("warm", "drawn")
        for k in (3, 5)
        for tau in (0.1, 0.2, 0.3, 0.4, 0.5)
    ]  # fmt: skip
    lines, left_out = lines_of(compare(folders, ["mbo"]), "slots")
    assert sorted(lines) == ["mask temperature 0.5, start drawn", "mask temperature 0.5, start warm"]
    assert left_out == 8


def test_settings_that_never_differ_alone_have_no_curve(scored):
    found = compare([scored("a", slots=3, config={"start": "warm"}), scored("b", slots=5, config={"start": "drawn"})])
    with pytest.raises(NotDrawn, match="no two settings differ in slots alone"):
        makers(found)["against_slots"](found)


def test_words_and_switches_have_no_curve(scored):
    folders = [scored("a", config={"centre": True}), scored("b", config={"centre": False})]
    assert list(makers(compare(folders))) == list(FIGURES)


def test_materials_say_their_tests(scored):
    drawing = materials(compare([scored("a", seed=0), scored("b", seed=1)]))
    texts = [text.get_text() for axes in drawing.figure.axes for text in axes.texts]
    assert len(texts) == 3  # IoU and ARI of objects, a score of scenes
    assert all(text.startswith("metal - rubber: -0.0") and ", p " in text for text in texts[:2])
    assert "metal - rubber" in drawing.alt


def test_what_makes_objects_hard(scored):
    found = compare([scored("a", slots=3), scored("b", slots=7)])
    count, size, touch = difficulty(found).figure.axes
    assert count.get_lines()[0].get_xdata().tolist() == [2, 3, 4, 5]
    assert size.get_lines()[0].get_xdata() == pytest.approx([2, 5, 7, 9])  # 1 and 3 % share a bin
    assert touch.get_xlabel() == "outline that touches another object (%)"
    things = found.lines("objects")
    bins = pd.cut(things["share"], trends_of(found)[1].edges)
    assert bins.notna().all()  # the smallest object is in a bin, too


def test_visibility_counts_where_it_is_known(scored):
    folder = scored("a")
    lines = pd.read_csv(folder / "objects.csv")
    lines.assign(visible=np.linspace(0, 1, len(lines))).to_csv(folder / "objects.csv", index=False)
    assert difficulty(compare(folder)).figure.axes[2].get_xlabel() == "share of the object that is visible (%)"


def test_slots_in_use(scored):
    drawing = active_slots(compare([scored("a", slots=5)]))
    (axes,) = drawing.figure.axes
    heights = [patch.get_height() for patch in axes.patches if hasattr(patch, "get_height")]
    assert heights[:3] == pytest.approx([100 / 3] * 3)  # a third of the pictures each: 1, 2, 3 slots
    assert axes.get_lines()[0].get_xdata()[0] == 5
    assert "2.0 [" in drawing.alt


def test_a_figure_shows_the_best_and_says_so(scored):
    found = compare([scored(f"{k}", slots=k, level=0.3 + 0.04 * k, pictures=6) for k in range(2, 11)])
    groups = shown(found, 3)
    assert [group.settings["slots"] for group in groups] == [8, 9, 10]
    assert only(found, groups) == ", best 3 of 9 settings"
    assert only(found, list(found.groups)) == ""


def test_slots_have_the_colour_of_what_they_show():
    import torch

    from vitreous.report.figures.looks import Look

    true = np.array([[[0, 0, 1, 1], [0, 0, 2, 2]]])
    pred = torch.tensor([[3, 3, 1, 1], [3, 3, 0, 0]])  # slot 2 owns nothing
    shares = torch.nn.functional.one_hot(pred, 4).permute(2, 0, 1).float()
    colours = of_slots([Look(shares, None)], true)
    assert colours[[3, 1, 0]].tolist() == [GREY, 0, 1]
    assert colours[2] not in (GREY, 0, 1)
    mixed = softly(torch.full((2, 1, 1), 0.5), np.array([0, 1]))
    assert mixed[0, 0] * 255 == pytest.approx([115, 136.5, 89])  # between blue and orange
