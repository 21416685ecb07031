"""`vitreous render`."""

from pathlib import Path
from typing import Literal


def render(
    out: Path = Path("scenes"),
    scenes: int = 100,
    start: int = 0,
    split: Literal["train", "test"] = "train",
    style: Literal["clevr", "varied"] = "clevr",
    material: Literal["metal", "rubber", "mixed"] = "mixed",
    objects: tuple[int, int] = (3, 10),
    frames: int = 1,
    size: int = 128,
    samples_per_pixel: int = 16,
    seed: int = 0,
    workers: int = 1,
    variant: Literal["auto", "cuda", "llvm", "scalar"] = "auto",
) -> None:
    """Make scenes of metal and rubber objects, with the truth about them: ids, depth, materials, poses, camera.

    Clips that are there already are left as they are, so an interrupted call goes on where it stopped. Clip i of
    a seed is the same whoever makes it, in whatever order.

    Args:
        out: Folder of the data set; clips go to OUT/SPLIT/clip_00000 and on.
        scenes: How many clips.
        start: Number of the first clip, to divide one data set between machines.
        split: train and test share no scene, whatever the seed.
        style: clevr is a gray studio with eight colours; varied has any floor, colour, texture, light and camera.
        material: What the objects are made of; mixed tosses a coin for each.
        objects: Fewest and most objects of a scene.
        frames: 1 for objects at rest; more for a video at 12 frames per second of objects that fall and collide.
        size: Side of the square pictures in pixels.
        samples_per_pixel: Light paths per pixel; noise falls with its root, time grows with it.
        seed: Another seed is another data set.
        workers: Processes that share the processor's cores.
        variant: How Mitsuba runs: on a GPU (cuda), vectorised (llvm), or anywhere (scalar); auto takes the fastest.
    """
    import sys

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from vitreous.render.clips import Settings, claim, missing, render_clips
    from vitreous.render.engine import start as start_mitsuba

    settings = Settings(style, material, objects, frames, size, samples_per_pixel, seed, split)
    claim(out, settings)
    todo = missing(out, settings, range(start, start + scenes))
    print(f"Rendering with {start_mitsuba(variant).variant()}", file=sys.stderr)
    if len(todo) < scenes:
        print(f"{scenes - len(todo)} of {scenes} clips are there already", file=sys.stderr)
    columns = (
        TextColumn("rendering"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("render", total=scenes, completed=scenes - len(todo), rate="")
        for _ in render_clips(out, settings, todo, workers, variant):
            progress.advance(task)
            speed = progress.tasks[task].speed
            progress.update(task, rate=f"{speed * frames:.1f} pictures/s" if speed else "")
    print(out / split)
    print(f"Next:  vitreous extract {out}", file=sys.stderr)
