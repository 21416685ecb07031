"""`vitreous render`."""

from pathlib import Path
from typing import Any, Literal


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
    workers: int | None = None,
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
        style: clevr is a grey studio with eight colours; varied has any floor, colour, texture, light and camera.
        material: What the objects are made of; mixed tosses a coin for each.
        objects: Fewest and most objects of a scene.
        frames: 1 for objects at rest; more for a video at 12 frames per second of objects that fall and collide.
        size: Side of the square pictures in pixels.
        samples_per_pixel: Light paths per pixel; noise falls with its root, time grows with it.
        seed: Another seed is another data set.
        workers: Processes that share the processor's cores; when not given, one per core.
        variant: How Mitsuba runs: on a GPU (cuda), vectorised (llvm), or anywhere (scalar); auto takes the fastest.
    """
    import sys

    from vitreous.render.engine import RenderError
    from vitreous.render.engine import start as start_mitsuba
    from vitreous.render.settings import Settings, claim, missing
    from vitreous.render.workers import render_clips, usual_workers

    if scenes < 1 or start < 0 or (workers is not None and workers < 1):
        raise RenderError(
            f"--scenes {scenes} --start {start} --workers {workers}: expected at least 1, 0 and 1; "
            "leave out --workers for one per core."
        )
    settings = Settings(
        style=style,
        material=material,
        objects=objects,
        frames=frames,
        size=size,
        samples_per_pixel=samples_per_pixel,
        seed=seed,
        split=split,
    )
    claim(out, settings)
    todo = missing(out, settings, range(start, start + scenes))
    running = start_mitsuba(variant).variant()
    workers = min(workers or usual_workers(running), max(1, len(todo)))
    print(f"Rendering with {running}, {workers} worker(s)", file=sys.stderr)
    if len(todo) < scenes:
        print(f"{scenes - len(todo)} of {scenes} clips are there already", file=sys.stderr)
    with progress_bar() as progress:
        task = progress.add_task("render", total=scenes * frames, completed=(scenes - len(todo)) * frames)
        for _ in render_clips(out, settings, todo, workers, variant):
            progress.advance(task, frames)
    print(out / split)
    print(f"Next:  vitreous extract {out}", file=sys.stderr)


def progress_bar() -> Any:
    """Pictures done, their rate and the time left, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn

    class Rate(ProgressColumn):
        def render(self, task: Task) -> str:
            speed = task.finished_speed or task.speed
            return f"{speed:.1f} pictures/s" if speed else "starting"

    columns = (BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(elapsed_when_finished=True))
    # the rate is a mean over the last minutes: workers finish in bursts
    return Progress(*columns, console=Console(stderr=True), speed_estimate_period=120)
