import json

import pytest

from vitreous.errors import DataError
from vitreous.render.engine import RenderError
from vitreous.render.settings import Settings, claim, missing


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"style": "clever"}, 'No style "clever". Did you mean "clevr"'),
        ({"material": "gold"}, 'No material "gold". Known: metal, mixed, rubber'),
        ({"split": "tests"}, 'No split "tests". Did you mean "test"'),
        ({"objects": (5, 3)}, "Objects 5 to 3"),
        ({"objects": (3, 63)}, "expected two of 1 to 62"),
        ({"frames": 0}, "--frames 0 is too small: expected at least 1"),
        ({"samples_per_pixel": 0}, "--samples-per-pixel 0"),
        ({"size": 4}, "--size 4"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_impossible_settings_are_refused_by_name(given, told):
    with pytest.raises(RenderError) as error:
        Settings(**given)
    assert told in str(error.value)


def test_a_folder_takes_clips_of_one_setting_only(tmp_path):
    claim(tmp_path, Settings(objects=(3, 4)))
    claim(tmp_path, Settings(objects=(3, 4)))
    claim(tmp_path, Settings(split="test", style="varied"))  # a split of its own
    with pytest.raises(RenderError, match=r"objects \[3, 4\] \(now \[3, 5\]\), size 128 \(now 64\)\.\nMixed"):
        claim(tmp_path, Settings(objects=(3, 5), size=64))


def test_a_broken_note_of_the_settings_is_named(tmp_path):
    claim(tmp_path, Settings())
    (tmp_path / "train" / "render.json").write_text("{")
    with pytest.raises(DataError, match=r"render\.json is not JSON"):
        claim(tmp_path, Settings())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"Cannot write to .*file/train \(Not a directory\)"):
        claim(tmp_path / "file", Settings())


def test_settings_are_kept_readable(tmp_path):
    claim(tmp_path, Settings(seed=3))
    assert json.loads((tmp_path / "train" / "render.json").read_text())["seed"] == 3
    assert [path.name for path in (tmp_path / "train").iterdir()] == ["render.json"]


def test_only_whole_clips_count_as_made(tmp_path):
    for name in ("clip_00001", ".clip_00002.77.partial"):
        (tmp_path / "train" / name).mkdir(parents=True)
    assert missing(tmp_path, Settings(), range(0, 4)) == [0, 2, 3]
