"""The page of a comparison: what is in it, and what it does in a real browser."""

import json
import re
import runpy
import shutil
import zlib
from base64 import b64decode
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from vitreous.report.compare import compare
from vitreous.report.diagnosis import Diagnosis, Fact, Finding
from vitreous.report.figures import Drawn
from vitreous.report.page import render, write_page
from vitreous.report.page_parts.choose import BEST, DIFFER, MEDIAN, WORST, choose
from vitreous.report.page_parts.commands import score_command, train_commands
from vitreous.report.page_parts.embed import display_size, embed_labels, embed_picture, shrink
from vitreous.report.page_parts.layout import Card, Figure, Part
from vitreous.report.page_parts.looks import card
from vitreous.report.page_parts.scenes import MOST_RUNS, browse, called, match, open_sources, side_by_side
from vitreous.report.page_parts.sections import figures
from vitreous.report.page_parts.tables import mean, plain_table
from vitreous.report.score import score
from vitreous.report.scored import read_scored
from vitreous.runs import Recipe, Run, build, settings
from vitreous.types import Score

driver = runpy.run_path(str(Path(__file__).with_name("browser.py")))
chromium = driver["find_chromium"]()
in_browser = pytest.mark.skipif(chromium is None, reason="no Chromium here:  apt-get install -y chromium")


def run_of(folder, store, slots, seed=0):
    """An untrained run: what it finds is no matter here."""
    torch.manual_seed(seed)
    config = settings("dinosaur", dict(slots=slots, slot_dim=16, decoder_width=8, decoder_layers=1))
    standardise = store.standardiser()
    made = Recipe(
        "dinosaur", asdict(config), store.grid, "crop", store.dim, store.meta.backbone, standardise.mode,
        {"name": "other", "fingerprint": "0" * 64}, {"steps": 1, "lr": 1e-4, "seed": seed}, "0.1.0",
    )  # fmt: skip
    run = Run(folder, made, build(made), standardise.state())
    run.save()
    return run


@pytest.fixture(scope="module")
def stills(blobs_store, tmp_path_factory):
    """Two scored runs; one has a name that a careless page would run as a script."""
    folder, store = tmp_path_factory.mktemp("stills"), blobs_store(clips=12, seed=1)
    runs = [run_of(folder / name, store, slots) for name, slots in (("a <script>alert(1)</script>", 4), ("b&amp;", 3))]
    for run in runs:
        score(run, store)
    return [run.folder for run in runs]


@pytest.fixture(scope="module")
def clips(blobs_store, tmp_path_factory):
    run = run_of(tmp_path_factory.mktemp("clips") / "moving", blobs_store(clips=4, frames=3, seed=3), 4)
    score(run, blobs_store(clips=4, frames=3, seed=3), baselines=False)
    return [run.folder]


@pytest.fixture(scope="module")
def page(stills, tmp_path_factory):
    return write_page(
        compare(stills), tmp_path_factory.mktemp("page"), scenes=8, command="vitreous compare a b", figures=[]
    )


class Outline(HTMLParser):
    """What a test asks of a page: its tags, and the text outside of scripts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.inside = [], "", ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


# -- what is in it


def test_scenes_of_every_kind_come_first_and_none_comes_twice():
    index = pd.MultiIndex.from_tuples([(f"s{i}", 0, "identity") for i in range(9)], names=["key", "frame", "view"])
    values = pd.DataFrame({"a": np.linspace(0, 0.8, 9), "b": np.linspace(0, 0.8, 9)}, index=index)
    values.loc[("s5", 0, "identity"), "a"] = 0.2  # 0.5 by b: they differ nowhere else
    values.loc[("s8", 0, "identity")] = np.nan
    found = choose(values, 4)
    assert [(c.why, c.key) for c in found] == [(DIFFER, "s5"), (WORST, "s0"), (MEDIAN, "s3"), (BEST, "s7")]
    assert found[0].value == pytest.approx(0.3)
    assert len({c.key for c in choose(values, 100)}) == len(choose(values, 100)) <= 8
    assert [c.why for c in choose(values[["b"]], 3)] == [WORST, MEDIAN, BEST]  # one run differs from nobody


def test_a_clip_counts_by_the_mean_of_its_frames():
    index = pd.MultiIndex.from_product([["x", "y"], [0, 1], ["identity"]], names=["key", "frame", "view"])
    (worst,) = choose(pd.DataFrame({"a": [0.0, 1.0, 0.4, 0.4]}, index=index), 1)
    assert (worst.key, worst.why, worst.value) == ("y", WORST, pytest.approx(0.4))


def test_label_maps_come_back_as_they_were():
    maps = np.random.default_rng(0).integers(-1, 12, (2, 3, 5, 7))
    packed = np.frombuffer(zlib.decompress(b64decode(embed_labels(maps))), np.uint8).reshape(maps.shape).copy()
    for t in (1, 2):
        packed[:, t] ^= packed[:, t - 1]
    assert (np.where(packed == 255, -1, packed.astype(int)) == maps).all()


def test_pictures_are_brought_down_to_the_page():
    assert display_size(300, 600, 256) == (128, 256)
    assert display_size(96, 96, 256) == (96, 96)  # never up
    picture = np.zeros((300, 600, 3), np.uint8)
    encoded = embed_picture(picture, (128, 256))
    assert encoded.startswith("data:image/jpeg;base64,")
    assert shrink(np.arange(16).reshape(4, 4), (2, 2)).tolist() == [[5, 7], [13, 15]]


def test_slots_are_matched_to_what_they_show_over_the_whole_clip():
    true = np.array([[[0, 0, 1, 1, 2, 2, 2, 2]], [[0, 0, 1, 1, 2, 2, 2, 2]]])
    pred = np.array([[[3, 3, 0, 0, 1, 1, 1, 2]], [[3, 3, 0, 1, 1, 1, 1, 1]]])
    assert match(pred, true, 3) == [1, 2, -1, 0]  # slot 2 lies in object 2, but slot 1 shows more of it
    assert called({"size": "small", "colour": "red", "material": "metal", "shape": "cube"}, 4) == "small red metal cube"
    assert called({}, 4) == "object 4"


def test_a_mean_never_stands_without_its_interval():
    cell = mean(0.5, 0.4, 0.7, (0.0, 1.0))
    assert (cell.text, cell.note, cell.span) == ("0.500", "0.400 to 0.700", (40.0, 50.0, 70.0))
    assert mean(-0.5, -0.6, -0.4, sign=True).note == "−0.600 to −0.400"
    assert mean(float("nan"), 0.0, 0.0).note == "not defined"
    assert mean(0.5, 0.5, 0.5).note == "no interval"
    table = plain_table(pd.DataFrame({"metric": ["fg_ari"], "mean": [0.5], "low": [0.4], "high": [0.7]}), "")
    assert table.columns == ("metric", "mean")
    assert table.rows[0][0].text == "FG-ARI"
    assert table.rows[0][1].note == "0.400 to 0.700"


def test_what_comes_from_outside_is_text(page):
    html = page.read_text()
    outline = Outline(html)
    assert "a <script>alert(1)</script>" in outline.text
    assert "b&amp;" in outline.text
    assert [s.get("type") for s in outline.all("script")] == [None, "application/json", None]
    evil = "</script><img src=x onerror=alert(1)>"
    made = render(
        evil, [evil], [Part("x", evil, [evil], [evil], cards=[Card(evil, evil, lines=[evil])])], {"runs": [evil]}
    )
    assert "<img" not in made
    assert json.loads(re.search(r'id="scene-data">(.*?)</script>', made)[1]) == {"runs": [evil]}


def test_the_page_says_how_it_was_made(page, stills):
    text = Outline(page.read_text()).text
    assert "vitreous compare a b" in text
    for folder in stills:
        scored = read_scored(folder)
        assert all(line in text for line in train_commands(scored))
        assert score_command(scored) in text
        assert scored.data["source"]["fingerprint"][:12] in text
    assert "--slots 3 --slot-dim 16" in text
    assert "torch 2." in text


def test_the_training_command_is_one_that_vitreous_takes(stills):
    import shlex

    from vitreous.cli.train import with_method

    words = shlex.split(train_commands(read_scored(stills[1]))[0])
    assert words[:2] == ["vitreous", "train"]
    command, arguments = with_method([word.replace("-", "_") if word[:2] == "--" else word for word in words[3:]])
    assert command.__doc__
    assert "--slots" in " ".join(arguments).replace("__", "--")


def test_every_picture_is_described_and_everything_is_in_the_file(page, tmp_path):
    picture = tmp_path / "figure.png"
    Image.new("RGB", (4, 4)).save(picture)
    shows = [Part("f", "Figures", figures=[Figure.of(picture, 'what "it" shows')])]
    made = Outline(render("t", ["a"], shows, None))
    assert made.all("img")[0]["alt"] == 'what "it" shows'
    for html in (page.read_text(), render("t", ["a"], shows, None)):
        outline = Outline(html)
        assert all(image["alt"] and image["src"].startswith("data:") for image in outline.all("img"))
        assert not [t for t, a in outline.tags if t == "script" and "src" in a]
        assert [a["href"][:5] for a in outline.all("link")] == ["data:"]
        assert all(a["href"].startswith("#") for a in outline.all("a"))
        assert "default-src 'none'" in outline.all("meta")[1]["content"]
    assert len(page.read_bytes()) < 2_000_000


def test_a_store_that_is_gone_is_named_and_the_rest_stays(stills, tmp_path):
    run = shutil.copytree(stills[0], tmp_path / "moved")
    saved = json.loads((run / "scores.json").read_text())
    saved["data"]["store"] = str(tmp_path / "gone.lance")
    (run / "scores.json").write_text(json.dumps(saved))
    outline = Outline(write_page(compare([run]), tmp_path / "out", details=False, figures=[]).read_text())
    assert f"the store that it was scored on is gone: {tmp_path / 'gone.lance'}" in outline.text
    assert "No scene can be shown." in outline.text
    assert "One setting alone" in outline.text
    assert len(outline.all("table")) >= 2


def test_scenes_beyond_the_budget_are_left_out_and_counted(stills, monkeypatch):
    found = compare(stills)
    sources, missing = open_sources(found.runs)
    assert missing == []
    monkeypatch.setattr("vitreous.report.page_parts.scenes.BUDGET", 4_000)
    browser = browse(sources, {"mbo": found.values("mbo")}, 12)
    assert 1 <= len(browser.scenes) < 12
    assert browser.notes == [f"{len(browser.scenes)} of 12 scenes are shown: with more, the page would open slowly."]


def test_of_many_runs_one_per_setting_is_shown(stills):
    one, other = (read_scored(folder) for folder in stills)
    seeds = [replace(one, recipe=replace(one.recipe, training={"seed": seed})) for seed in range(MOST_RUNS)]
    assert side_by_side(seeds) == seeds
    assert side_by_side([*seeds, other]) == [seeds[0], other]


def test_what_is_looked_at_again_is_there_with_its_words(page):
    outline = Outline(page.read_text())
    for part in (
        "Scores",
        "Differences",
        "Figures",
        "Scenes",
        "Failures",
        "Diagnosis",
        "Materials",
        "Features",
        "Slots",
    ):
        assert f'aria-labelledby="{part.lower()}-title"' in page.read_text()
    assert "Measured on 12 pictures of blobs1.lance" in outline.text
    assert "Where slots 3 and slots 4 differ most" in outline.text
    assert "The worst pictures of slots 4" in outline.text
    assert "k-means clusters of the slots of slots 4" in outline.text
    assert "coloured_patches" in outline.text  # the backbone, in the panel of features
    assert "None was drawn." in outline.text


def test_a_saved_diagnosis_is_shown_with_evidence_and_cure():
    fact = Fact("entropy", Score((), 0.99, 0.98, 1.0), "above", 0.95, "of who owns a patch")
    cause = Finding("uniform masks", "Everyone owns all.", (fact,), "--start warm")
    found = Diagnosis("a run", "/there/test.lance", 7, True, (cause,), {"uniform masks": (fact,)}, ("A note.",))
    made = card("a run", found)
    assert (made.verdict, made.healthy) == ("uniform masks", False)
    assert made.lines[0].startswith("Everyone owns all. entropy 0.990 ±0.010, above 0.95: of who owns a patch.")
    assert made.lines[0].endswith("Try next: --start warm.")
    assert made.lines[1] == "A note."
    assert made.fold == "Measured on 7 pictures of test.lance"


def test_a_figure_that_was_not_drawn_says_why(tmp_path):
    drawn = [
        Drawn("over_time", skipped="there are stills only"),
        Drawn("a", "A", "what it shows", *[tmp_path / "a.png"] * 2),
    ]
    Image.new("RGB", (1200, 4)).save(tmp_path / "a.png")
    part = figures(drawn)
    assert [(one.alt, one.broad) for one in part.figures] == [("what it shows", True)]
    assert part.folds[0].lines == ["over time: there are stills only"]


def test_the_scenes_say_what_was_scored(page, stills):
    data = json.loads(re.search(r'id="scene-data">(.*?)</script>', page.read_text())[1])
    assert len(data["scenes"]) == 8
    scored = {run.name: run for run in compare(stills).runs}
    for scene in data["scenes"]:
        assert scene["truth"][0] == "background"
        assert scene["truth"][1] == "rubber"
        for name, shown in zip(data["runs"], scene["runs"], strict=True):
            lines = scored[name].pictures
            line = lines[(lines["row"] == scored[name].row) & (lines["key"] == scene["key"])]
            assert shown["scores"]["fg_ari"] == [pytest.approx(line["fg_ari"].item(), abs=1e-4)]


# -- what it does


@pytest.fixture(scope="module")
def browser():
    with driver["Chromium"](chromium) as browser:
        yield browser


def shown(browser, path, **how):
    """Open a page and wait for its first scene."""
    browser.requests.clear()
    browser.errors.clear()
    browser.open(path, **how)
    browser.wait("document.getElementById('browser').dataset.shown !== undefined")
    return browser


def pixels(browser, panel):
    """A panel's canvas as text: changes when it is drawn otherwise."""
    return browser.run(f"document.querySelectorAll('.panel canvas')[{panel}].toDataURL()")


def quiet(browser, path):
    assert browser.errors == []
    assert browser.requests == [path.resolve().as_uri()]  # the page itself, and nothing else


@in_browser
def test_tables_sort_by_mouse_and_by_keyboard(browser, page):
    shown(browser, page)
    column = "[...document.querySelectorAll('table')[0].tBodies[0].rows].map(r => r.cells[2].dataset.by).map(Number)"
    header = "table.sortable thead th:nth-child(3)"
    sort = f"document.querySelector('{header}').getAttribute('aria-sort')"
    browser.click(f"{header} button")
    values = browser.run(column)
    assert (browser.run(sort), values) == ("descending", sorted(values, reverse=True))
    browser.click(f"{header} button")
    assert (browser.run(sort), browser.run(column)) == ("ascending", sorted(values))
    browser.press("Enter")  # the button has the focus
    assert browser.run(sort) == "descending"
    browser.press("Tab")
    browser.press(" ")
    assert browser.run(sort) is None
    assert browser.run("document.activeElement.closest('th').getAttribute('aria-sort')") == "descending"
    assert "descending" in browser.run("document.getElementById('status').textContent")
    browser.click("table.sortable thead th:first-child button")
    names = browser.run("[...document.querySelectorAll('table')[0].tBodies[0].rows].map(r => r.cells[0].dataset.by)")
    assert names == sorted(names, key=str.casefold)
    quiet(browser, page)


@in_browser
def test_slots_toggle_by_number_by_keyboard_and_on_the_picture(browser, page):
    shown(browser, page)
    chip = ".panel.run .chips button"
    before = pixels(browser, 2)
    browser.click(chip)
    assert browser.run(f"document.querySelector('{chip}').getAttribute('aria-pressed')") == "false"
    hidden = pixels(browser, 2)
    assert hidden != before
    browser.press(" ")
    assert browser.run(f"document.querySelector('{chip}').getAttribute('aria-pressed')") == "true"
    assert pixels(browser, 2) == before
    browser.click(".panel.run canvas")
    pressed = f"[...document.querySelectorAll('{chip}')].filter(b => b.getAttribute('aria-pressed') === 'false').length"
    assert browser.run(pressed) == 1
    assert pixels(browser, 2) != before
    browser.click("[data-is=reset]")
    assert browser.run(pressed) == 0
    shares = browser.run(
        "[...document.querySelectorAll('.panel.run')[0].querySelectorAll('.share')].map(s => s.textContent)"
    )
    assert sum(int(share.removesuffix(" %")) for share in shares if "<" not in share) == pytest.approx(100, abs=3)
    assert browser.run(f"document.querySelector('{chip}').getAttribute('aria-label')").endswith("% of the picture")
    quiet(browser, page)


@in_browser
def test_a_followed_object_is_followed_in_every_run(browser, page):
    shown(browser, page)
    browser.click("input[name=press][value=follow]")
    browser.click(".panel.truth .chips button")
    assert browser.run("document.querySelectorAll('.chips .followed').length") == 3  # truth and both runs
    partners = browser.run("[...document.querySelectorAll('.panel.run .partner')].map(p => p.textContent)")
    assert len(partners) == 2
    assert all(re.fullmatch(r"slot \d+, IoU [01]\.\d\d", partner) for partner in partners)
    browser.press("Escape")
    assert browser.run("document.querySelectorAll('.chips .followed').length") == 0
    quiet(browser, page)


@in_browser
def test_scenes_opacity_errors_and_runs_are_chosen(browser, page):
    shown(browser, page)
    before = pixels(browser, 2)
    assert browser.run("document.querySelectorAll('.thumb').length") == 8
    browser.run("document.querySelector('.thumb[aria-current=true]').focus()")
    browser.press("ArrowRight")
    browser.wait("document.activeElement.getAttribute('aria-current') === 'true'")
    browser.wait("document.querySelector('[data-is=title]').textContent.startsWith(document.activeElement.title)")
    browser.wait(f"document.querySelectorAll('.panel canvas')[2].toDataURL() !== {json.dumps(before)}")
    browser.run("document.querySelector('.thumb').click()")
    browser.wait(f"document.querySelectorAll('.panel canvas')[2].toDataURL() === {json.dumps(before)}")
    browser.run("document.getElementById('opacity').focus()")
    browser.press("Home")
    assert browser.run("document.querySelector('[data-is=opacity-text]').textContent") == "0 %"
    bare = pixels(browser, 2)
    assert bare != before
    browser.press("End")
    browser.click("input[name=view][value=errors]")
    assert pixels(browser, 2) not in (bare, before)
    browser.click("[data-is=runs] button")
    assert browser.run("document.querySelectorAll('.panel.run').length") == 1
    quiet(browser, page)


@in_browser
def test_the_slider_moves_through_a_clip(browser, clips, tmp_path):
    path = write_page(compare(clips), tmp_path, scenes=3, details=False, figures=[])
    shown(browser, path)
    first = pixels(browser, 0)
    browser.run("document.getElementById('frame').focus()")
    browser.press("ArrowRight")
    text = "document.querySelector('[data-is=frame-text]').textContent"
    assert browser.run(text) == "frame 1 (2 of 3)"
    assert pixels(browser, 0) != first
    assert pixels(browser, 2) != pixels(browser, 1)
    browser.press("Home")
    assert pixels(browser, 0) == first
    browser.click("[data-is=play]")
    assert browser.run("document.querySelector('[data-is=play]').getAttribute('aria-pressed')") == "true"
    browser.wait(f"{text} === 'frame 2 (3 of 3)'")
    browser.wait(f"{text} === 'frame 0 (1 of 3)'")
    browser.click("[data-is=play]")
    assert browser.run("document.querySelector('[data-is=play]').textContent") == "Play"
    quiet(browser, path)


@in_browser
def test_the_theme_follows_the_system_until_it_is_switched(browser, page):
    paper = "getComputedStyle(document.body).backgroundColor"
    light = shown(browser, page, prefers_color_scheme="light").run(paper)
    dark = shown(browser, page, prefers_color_scheme="dark").run(paper)
    assert light != dark
    browser.click("input[name=theme][value=light]")
    assert browser.run(paper) == light
    browser.press("ArrowRight")  # radio buttons: arrows choose
    assert browser.run(paper) == dark
    assert shown(browser, page, prefers_color_scheme="light").run(paper) == dark  # it is kept
    browser.click("input[name=theme][value=auto]")
    assert browser.run(paper) == light
    quiet(browser, page)


@in_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_focus_can_be_seen(browser, page, width):
    shown(browser, page, width=width)
    assert browser.run("document.documentElement.scrollWidth") == width
    small = browser.run(
        "[...document.querySelectorAll('main button, main input:not(.choice input)')]"
        ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 16).map(e => e.outerHTML)"
    )
    assert small == []
    seen = []
    for _ in range(25):
        browser.press("Tab")
        style = "getComputedStyle(document.activeElement).outlineStyle"
        label = "getComputedStyle(document.activeElement.nextElementSibling ?? document.activeElement).outlineStyle"
        seen.append("solid" in (browser.run(style), browser.run(label)))
    assert all(seen)
    unnamed = browser.run(
        "[...document.querySelectorAll('button, input, canvas, img')].filter(e => !(e.getAttribute('aria-label') || "
        "e.textContent.trim() || e.alt === '' || e.alt || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert unnamed == []
    quiet(browser, page)
