"""What a page shows, without a page: overlay, cards, attention, words, export."""

import json
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from vitreous.runs import read_recipe
from vitreous.view import fragments
from vitreous.view.export import file_name, pack
from vitreous.view.names import Choices
from vitreous.view.screen import Held, Wishes, painted, screen
from vitreous.view.seen import Pictures
from vitreous.view.words import diagnose_seen, in_words

NASTY = '<img src=x onerror="alert(1)"> {{name}} ${1+1}'


@pytest.fixture
def held(seen):
    return Held(Pictures("desk.png", ()), seen)


def off(held, *slots):
    return Held(held.pictures, held.shown, Choices(frozenset(slots)))


def test_a_slot_that_is_off_shows_the_picture(held):
    plain = painted(off(held, *range(held.shown.slots)), Wishes())
    slot = int(held.shown.won()[0].argmax())
    labels = held.shown.pixels(plain, 0).labels[0].numpy()
    without = painted(off(held, slot), Wishes())
    changed = (without != painted(held, Wishes())).any(-1)
    assert changed[labels == slot].mean() > 0.9
    assert not changed[labels != slot].any()
    assert np.array_equal(without[labels == slot], plain[labels == slot])


def test_cards_hold_every_slot_and_shares_add_up(held):
    html = screen(held, Wishes()).cards
    assert html.count("data-slot=") == held.shown.slots
    shares = [float(piece.split("%")[0]) for piece in html.split("<b>")[1:]]
    assert sum(shares) == pytest.approx(100, abs=0.1 * len(shares))
    assert shares == sorted(shares, reverse=True)
    assert "Find elsewhere" not in screen(held, Wishes(), find=False).cards


def test_names_are_text_and_nothing_else(held):
    named = Held(held.pictures, held.shown, Choices(names={int(held.shown.won()[0].argmax()): NASTY}))
    shown = screen(named, Wishes())
    for html in (shown.cards, shown.attention):
        assert "<img src=x" not in html
        assert "{{" not in html
        assert "${" not in html
        assert "onerror=&quot;" in html


def test_attention_has_a_column_per_iteration_and_a_row_per_slot_that_wins(held):
    html = fragments.attention(held.shown, 0, Choices())
    iterations, winners = held.shown.attention.shape[1], int((held.shown.won()[0] > 0).sum())
    assert f"<th>{iterations}</th><th>masks</th>" in html
    assert html.count("<tr>") == 1 + 1 + winners  # heads, all together, each slot
    assert html.count("<td>") == (1 + winners) * (iterations + 1)


def test_what_a_browser_says_of_slots_that_are_not_there_is_not_heard():
    cards = [{"slot": 1, "on": False, "name": "cube"}, {"slot": 7, "on": False}, {"slot": "0"}, {"name": "x"}]
    told = Choices.told(cards, slots=3)
    assert told.on(3).tolist() == [True, False, True]
    assert told.names == {1: "cube"}
    assert len(Choices.told([{"slot": 0, "name": "x" * 999}], 1).name(0)) == 40


def test_a_slider_beyond_the_clip_shows_its_last_frame(seen_clip):
    held = Held(Pictures("moving.gif", ()), seen_clip)
    assert screen(held, Wishes(frame=40)).caption == "moving.gif, frame 6 of 6"


def test_words_about_one_picture(seen):
    found = diagnose_seen(seen, read_recipe(seen.run))
    assert found.pictures == 1
    assert not found.truth
    said = in_words(found, "this picture")
    assert "this picture" in said
    entropy = found.facts["uniform masks"][0].score.mean
    assert f"{entropy:.3f}" in said


def test_export_is_what_is_on_screen(held, tmp_path):
    slots = np.argsort(-held.shown.won()[0], kind="stable").tolist()
    chosen = Choices(frozenset(slots[1:2]), {slots[2]: "../../Red cube"})
    with ZipFile(pack(Held(held.pictures, held.shown, chosen), Wishes(), tmp_path)) as file:
        about = json.loads(file.read("slots.json"))
        opened = {name: Image.open(file.open(name)) for name in file.namelist() if name.endswith(".png")}
    labels = np.asarray(opened["labels.png"])
    assert about["size"] == [128, 128] == list(labels.shape)
    assert sum(line["share"] for line in about["slots"]) == pytest.approx(1, abs=1e-4)
    for line in about["slots"]:
        if line["slot"] == slots[1]:
            assert (line["on"], line["file"]) == (False, None)
        elif line["share"]:
            assert np.array_equal(np.asarray(opened[line["file"]]) == 255, labels == line["slot"])
    assert about["slots"][slots[2]]["name"] == "../../Red cube"
    assert about["slots"][slots[2]]["file"] == f"masks/{slots[2]:02d}_Red_cube.png"
    assert all(".." not in name for name in opened)


def test_file_names():
    assert [file_name(name) for name in ("a b", "../..", "C:\\x", "été")] == ["a_b", "slot", "C_x", "été"]
