"""What is read of files that people bring, and what a run sees in them."""

import numpy as np
import pytest
import torch
from PIL import Image

from vitreous.errors import DataError
from vitreous.predict.segment import Segmenter
from vitreous.types import Frame
from vitreous.view.seen import FRAMES, STILL, Pictures, fit_to_page, read_file


def test_a_picture_is_seen_as_the_segmenter_sees_it(seen, scene):
    (found,) = Segmenter("still", device="cpu").stills([Frame("desk", 0, scene)])
    assert seen.frames == 1
    assert seen.name == "desk.png"
    assert np.array_equal(seen.pictures[0], scene)
    assert torch.equal(seen.pixels(seen.pictures[0], 0).labels, found.found.labels)


def test_a_clip_is_seen_as_the_segmenter_sees_it(seen_clip, brought):
    frames = read_file(brought / "moving.gif").frames
    found = list(Segmenter("clip", device="cpu").video(frames, chunk=6))
    assert seen_clip.frames == len(found) == 6
    assert torch.equal(seen_clip.pixels(seen_clip.pictures[5], 5).labels, found[5].found.labels)


def test_what_slots_win_adds_up_to_all_patches(seen_clip):
    assert (seen_clip.won().sum(1) == seen_clip.masks.shape[2] * seen_clip.masks.shape[3]).all()


def test_a_large_picture_is_shrunk_and_said_to_be(brought):
    read = read_file(brought / "large.png")
    assert read.frames[0].image.shape == (600, STILL, 3)
    assert "8000 x 6250 pixels (50 megapixels): looked at in 768 x 600." in read.notes[0]


@pytest.mark.parametrize(("name", "says"), [("broken.png", "broken.png"), ("letter.png", "letter.png")])
def test_what_is_no_picture_is_named_without_its_folder(viewer, brought, name, says):
    with pytest.raises(DataError, match=says) as told:
        viewer.upload(brought / name)
    assert str(brought) not in str(told.value)
    assert "--on-error" not in str(told.value)


def test_a_bomb_is_refused_before_it_is_decoded(viewer, brought):
    with pytest.raises(DataError, match="bomb.png") as told:
        viewer.upload(brought / "bomb.png")
    assert "pixels" in str(told.value)


def test_a_long_clip_is_thinned_out(tmp_path):
    frames = [Image.new("RGB", (16, 16), (at, 2 * at, 90)) for at in range(2 * FRAMES + 1)]
    frames[0].save(tmp_path / "long.gif", save_all=True, append_images=frames[1:], duration=80)
    read = read_file(tmp_path / "long.gif")
    assert len(read.frames) == -(-(2 * FRAMES + 1) // 3)
    assert read.notes == (f"Every third of {2 * FRAMES + 1} frames is shown.",)


def test_pages_of_two_sizes_are_no_clip():
    frames = [Frame("pages", at, np.zeros((8, 8 + at, 3), np.uint8)) for at in range(2)]
    with pytest.raises(DataError, match="frame 1 has another size"):
        fit_to_page("pages", frames)


def test_all_of_a_picture_is_looked_at_unless_it_is_to_be_cut(viewer, still, scene):
    wide = Pictures("wide", [Frame("wide", 0, np.concatenate([scene, scene[:, :64]], axis=1))])
    assert viewer.look(still, wide).pictures.shape == (1, 128, 192, 3)
    assert viewer.look(still, wide, crop=True).pictures.shape == (1, 128, 128, 3)
