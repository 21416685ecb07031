"""vitreous segment"""

from inspect import signature
from pathlib import Path
from typing import Literal, get_args

from vitreous.cli.parser import Completed

Kind = Literal["labels", "overlay", "objects", "coco", "npz", "mp4", "gif"]


def segment_given(
    source: str | None = None,
    run: str | None = None,
    out: Path = Path("masks"),
    save: list[Kind] = ["labels", "overlay"],  # noqa: B006 - read, never changed
    refine: bool = False,
    prune: float | Literal["auto"] | None = None,
    min_area: float = 0.0,
    apart: float = 0.0,
    fit: Literal["crop", "squash"] = "squash",
    webcam: str | None = None,
    frames: int | None = None,
    frames_as_video: Literal["auto", "never", "always"] = "auto",
    stride: int = 1,
    on_error: Literal["raise", "skip"] = "raise",
    keep_side: int = 2048,
    max_pixels: int = 100_000_000,
    device: str = "auto",
) -> None:
    """Find the objects in pictures and videos:  vitreous segment desk.png  or  vitreous segment RUN PICTURES

    Args:
        source: A picture, a video, a folder of either, or the address of a stream (https, rtsp ...). Needs no --source.
        run: Folder written by `vitreous train`; default: runs that come with the package, still for pictures and clip
            for videos. Given before the source, it needs no --run.
        out: Where labels/, overlays/ ... go, one file per frame; made if missing.
        save: What to write, one or several: labels (PNG, pixel = slot number), overlay (PNG), objects (a cut-out PNG
            each), coco (coco.json), npz (soft shares of every slot, large), mp4 and gif (overlays of videos).
        refine: Let borders follow the edges of the picture (guided filter) instead of interpolating the patches.
        prune: Make slots one that are nearer than this cosine distance, as 0.2, or auto: chosen for each picture.
        min_area: Regions smaller than this go to their neighbours: a share of the picture as 0.002, or pixels as 50.
        apart: Regions of one slot that do not touch are segments of their own, from this size on, as 0.004; in stills.
        fit: squash all of the picture into the grid's shape, or crop the middle of that shape.
        webcam: Segment what a camera sees, as in --webcam 0, until Ctrl-C or --frames.
        frames: Stop a stream or camera after so many frames.
        frames_as_video: Whether a folder of numbered pictures is a video; auto goes by names and sizes, in sub-folders.
        stride: Take every n-th frame of videos.
        on_error: What a file that cannot be read does: stop with its name, or be skipped and listed.
        keep_side: Longest side in pixels; larger pictures are reduced before anything else.
        max_pixels: Larger pictures are refused before they are decoded.
        device: auto, cpu or cuda.
    """
    from vitreous.data import Reading, open_source
    from vitreous.data.stream import is_stream
    from vitreous.errors import VitreousError
    from vitreous.front import segmenter_for

    if (source is None) == (webcam is None):
        raise VitreousError("Say what to segment:  vitreous segment PICTURE_VIDEO_OR_FOLDER  or  --webcam 0")
    how = {"refine": refine, "same": prune, "min_area": min_area, "apart": apart, "fit": fit, "keep_side": keep_side}
    choose = segmenter_for(run, device, **how)
    address = f"webcam:{webcam}" if source is None else source
    if is_stream(address):
        stream(address, choose, out, save, frames)
    else:
        reading = Reading(frames_as_video, stride, max_pixels)
        files(open_source(address, on_error, None, reading if reading != Reading() else None), choose, out, save)


def files(clips, choose, out: Path, save: list[Kind]) -> None:
    """All pictures and videos of a source, with a bar where there are many."""
    from vitreous.errors import VitreousError
    from vitreous.features.progress import Progress
    from vitreous.predict.segment import segment_source
    from vitreous.report.films import FILMS
    from vitreous.report.write import MaskWriter

    lengths = [clips.length(key) for key in clips.keys]
    total, named = sum(lengths), getattr(clips, "file", lambda key: None)
    if set(save) <= FILMS.keys() and max(lengths) <= 1:
        raise VitreousError(
            f"{clips.name} holds no video, and {' and '.join(save)} are made of videos alone.\n"
            "Of pictures:  --save overlay    Are they the frames of one?  --frames-as-video always"
        )
    with MaskWriter(out, save) as write, Progress(total > 1, clips.name) as bar:
        bar.plan(total)
        for found in segment_source(clips, choose):
            written = write(found, None if found.clip else named(found.name))
            bar.computed(1)
            if total == 1:
                print(*written, sep="\n")
    if total > 1:
        print(out)
    elif "coco" in save:
        print(out / "coco.json")
    for broken, reason in clips.skipped:
        print(f"skipped {broken}: {reason}")


def stream(address: str, choose, out: Path, save: list[Kind], frames: int | None) -> None:
    """What a camera or stream shows, frame by frame, until it ends or someone presses Ctrl-C."""
    from contextlib import suppress
    from itertools import islice

    from vitreous.front import live
    from vitreous.report.write import MaskWriter

    seen, shown = 0, live(address, choose)
    with suppress(KeyboardInterrupt), MaskWriter(out, save) as write:
        for found in islice(shown.make(), frames):
            write(found)
            seen += 1
            print(f"\r{seen} frames", end="", flush=True)
    print(f"\n{out}")


def places(arguments: list[str]) -> tuple:
    """[RUN] SOURCE -> --run RUN --source SOURCE, and --save labels coco -> --save=[labels,coco]."""
    flags = {f"--{name}" for name, p in signature(segment_given).parameters.items() if p.annotation is bool}
    given, rest, at = [], [], 0
    while at < len(arguments):
        argument, at = arguments[at], at + 1
        if argument == "--save":
            chosen = []
            while at < len(arguments) and arguments[at] in get_args(Kind):
                chosen.append(arguments[at])
                at += 1
            rest += [f"--save=[{','.join(chosen)}]"] if chosen else ["--save", *arguments[at : at + 1]]
            at += not chosen
        elif argument.startswith("-"):
            takes = "=" not in argument and argument not in ("-h", "--help")
            yes_or_no = argument in flags and arguments[at : at + 1] not in (["true"], ["false"])
            value = arguments[at : at + 1] if takes and not yes_or_no else []
            rest += [argument, *value]
            at += len(value)
        else:
            given.append(argument)
    names = ["--source"] if len(given) == 1 else ["--run", "--source"]
    placed = [part for pair in zip(names, given, strict=False) for part in pair]
    return segment_given, [*placed, *given[len(names) :], *rest]


command = Completed(places)
