"""A viewer on embedded scenes with the run that the package carries, and files that people bring."""

import io
import shutil

import pytest
from PIL import Image

from vitreous.data import open_source
from vitreous.data.mini import MINI, MINI_CLIPS


@pytest.fixture(scope="session")
def scene():
    """An embedded scene, 128x128."""
    source = open_source(MINI, split="test")
    return next(iter(source.frames(source.keys[0]))).image


@pytest.fixture(scope="session")
def brought(tmp_path_factory, scene):
    """Files as they are brought: a picture, a clip of six frames, what is cut off, what is large, what is a bomb."""
    folder = tmp_path_factory.mktemp("brought")
    Image.fromarray(scene).save(folder / "desk.png")
    source = open_source(MINI_CLIPS, split="test")
    frames = [Image.fromarray(frame.image) for frame, _ in zip(source.frames(source.keys[0]), range(6), strict=False)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:], duration=80)
    whole = (folder / "desk.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    (folder / "letter.png").write_text("Dear Sir or Madam,")
    Image.new("L", (8000, 6250), 90).save(folder / "large.png", compress_level=1)  # 50 megapixels
    tiny = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(tiny, "PNG")  # 400 megapixels in 50 kB
    (folder / "bomb.png").write_bytes(tiny.getvalue())
    return folder


@pytest.fixture(scope="session")
def scenes_store(tmp_path_factory):
    """Eight embedded scenes in a store that fits the carried run."""
    from vitreous.features.extract import extract
    from vitreous.runs import read_recipe
    from vitreous.shipped import find_run

    folder = tmp_path_factory.mktemp("scenes")
    for clip in sorted((MINI / "test").glob("clip_*"))[:8]:
        shutil.copytree(clip, folder / "set" / "test" / clip.name)
    grid = read_recipe(find_run("still")).grid
    return extract(folder / "set", folder / "scenes.lance", grid=grid, progress=False)


@pytest.fixture(scope="session")
def viewer(scenes_store, tmp_path_factory):
    from vitreous.view.offer import offer
    from vitreous.view.viewer import Viewer

    return Viewer(offer(store=scenes_store.path), tmp_path_factory.mktemp("aside"), device="cpu")


@pytest.fixture(scope="session")
def still(viewer):
    """What the viewer calls the run for pictures."""
    return next(name for name in viewer.offer.runs if name.startswith("still"))


@pytest.fixture(scope="session")
def seen(viewer, still, brought):
    return viewer.look(still, viewer.upload(brought / "desk.png"))


@pytest.fixture(scope="session")
def seen_clip(viewer, brought):
    clip = next(name for name in viewer.offer.runs if name.startswith("clip"))
    return viewer.look(clip, viewer.upload(brought / "moving.gif"))
