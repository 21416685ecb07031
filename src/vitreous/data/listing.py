"""What a folder holds: which files are clips, what they are called, and where their ids are.

Read are pictures and videos by their endings, at any depth, through links (not twice). Left out are names that begin
with a dot or with `__MACOSX`, and the folder `ids/` where it stands beside `images/`: it holds the ids of the pictures
in there, under the same relative path, with an ending of its own.

    images/a/7.jpg        ids/a/7.png                        a still
    images/walk/001.png   ids/walk/001.png ...               a folder of frames: one map per frame, of the same name
    images/walk.mp4       ids/walk/ (one map per frame in natural order), or ids/walk.tif (one page per frame)

Where there is an `ids/`, every clip below its `images/` must have its maps; ids for some only would give scores for
some only.

A folder of frames. A sub-folder (never the root) is one video, its key the folder's path, if
    1. its pictures, at least two, have the same name but for one running number: 0001.png, 0002.png; f8_rgb.jpg, ...
    2. the numbers follow each other without a gap; from three pictures on any fixed step will do (00, 05, 10),
    3. they are all of one size and none of them was taken by a camera that left its name in it (16 are looked at),
    4. the folder is not called what collections are called: images, train, test, val, ... (`COLLECTIONS`).
Anything else is a collection of stills. `Reading.frames_as_video` overrules this in both directions.

Keys are paths below the root without the ending. Where two files would share one, and only there, all of them keep
their ending. They are in natural order (frame2 before frame10), the same on every system.
"""

import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from unicodedata import normalize

from vitreous.data import pictures, video
from vitreous.data.reading import Notes, Reading, Unreadable, why

COLLECTIONS = frozenset(
    ("images", "image", "pictures", "photos", "stills", "train", "training", "val", "valid", "validation", "test")
)
LOOKED_AT = 16  # headers per folder: enough to tell a collection, few enough for a thousand videos on a slow disk
ENDINGS = pictures.ENDINGS + video.ENDINGS
FRAME_ENDINGS = tuple(e for e in pictures.ENDINGS if e != ".gif")  # of what can be one frame of a folder of frames
NOT_READ = frozenset(  # pictures and videos all the same: whoever has them should hear of it
    (".heic", ".heif", ".avif", ".jp2", ".jxl", ".dng", ".cr2", ".nef", ".arw", ".psd", ".exr", ".dcm", ".czi", ".nd2",
     ".svs", ".ppm", ".pgm", ".mpg", ".mpeg", ".wmv", ".flv", ".mts", ".m2ts", ".3gp", ".ogv")
)  # fmt: skip

Folders = Mapping[str, Mapping[str, int]]  # folder below the root ("" is the root) -> file name -> bytes
Refuse = Callable[[Unreadable], None]  # raises, or keeps it for the list of what was skipped


@dataclass(frozen=True)
class Entry:
    """One clip. Paths are below the root, with slashes.

    files   the one file, or one per frame
    frames  the files are frames of one video
    ids     nothing; one file; or one per frame
    """

    key: str
    files: tuple[str, ...]
    frames: bool = False
    ids: tuple[str, ...] = ()


def natural(path: str) -> tuple[Sequence[Sequence[tuple[int, int, str]]], str]:
    """To sort by: folder by folder, numbers by value, the rest by code point; so frame2 comes before frame10."""

    def part(name: str) -> list[tuple[int, int, str]]:
        split = re.split("([0-9]+)", name)  # every second one is a number
        return [(0, int(text), "") if i % 2 else (1, 0, text) for i, text in enumerate(split)]

    return [part(name) for name in path.split("/")], path


def walk(root: Path, refuse: Refuse) -> dict[str, dict[str, int]]:
    """All files below the root with their sizes, folder by folder. A folder that may not be entered is refused."""
    folders: dict[str, dict[str, int]] = {}
    waiting, seen = [""], set()
    while waiting:
        folder = waiting.pop()
        try:
            where = (root / folder).stat()
            if (where.st_dev, where.st_ino) in seen:
                continue  # a link back
            seen.add((where.st_dev, where.st_ino))
            with os.scandir(root / folder) as found:
                files, below = _sort_out(found)
        except OSError as error:
            refuse(Unreadable(root / folder, f"the folder {why(error)}", "Its pictures are missing otherwise."))
            continue
        folders[folder] = files
        waiting += [f"{folder}/{name}".lstrip("/") for name in sorted(below, reverse=True)]
    return folders


def _sort_out(found: Iterable[os.DirEntry[str]]) -> tuple[dict[str, int], list[str]]:
    files, below = {}, []
    for entry in found:
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if entry.is_dir():
            below.append(entry.name)
        elif entry.is_file():
            files[entry.name] = entry.stat().st_size
        elif entry.is_symlink():
            files[entry.name] = 0  # it leads nowhere, and will be named when it is read
    return files, below


def clips(root: Path, folders: Folders, reading: Reading, refuse: Refuse, notes: Notes) -> list[Entry]:
    """All clips in natural order of their keys, still without ids."""
    found: list[Entry] = []
    for folder, files in folders.items():
        if sibling(folder, "ids", "images", folders) is None:
            found += _clips_in(root, folder, files, reading, notes)
    return sorted(_with_keys(root, found, refuse), key=lambda clip: natural(clip.key))


def sibling(folder: str, name: str, beside: str, folders: Folders) -> str | None:
    """`a/<beside>/b` for `a/<name>/b` if there is an `a/<beside>`; of several the outermost."""
    parts = folder.split("/")
    for i, part in enumerate(parts):
        if part == name and "/".join([*parts[:i], beside]) in folders:
            return "/".join([*parts[:i], beside, *parts[i + 1 :]])
    return None


def _clips_in(root: Path, folder: str, files: Iterable[str], reading: Reading, notes: Notes) -> Iterator[Entry]:
    """The clips directly in one folder, their keys as short as can be."""
    files = sorted(files)
    for name in files:
        if ending(name) in NOT_READ:
            notes.add(f"{ending(name)} files are not read; convert them to PNG, JPEG or MP4", root / folder / name)
    single = [name for name in files if ending(name) in FRAME_ENDINGS]
    video_of_frames = reading.frames_as_video == "always" and bool(single)
    if reading.frames_as_video == "auto" and _numbered(single):
        if folder:
            video_of_frames = _looks_like_video(root / folder, single, reading)
        else:
            notes.add("numbered pictures in the folder itself are stills, unless frames_as_video=always", root)
    if video_of_frames:
        frames = tuple(join(folder, name) for name in sorted(single, key=natural))
        yield Entry(folder or root.resolve().name, frames, frames=True)
    for name in files:
        if ending(name) in ENDINGS and not (video_of_frames and ending(name) in FRAME_ENDINGS):
            path = join(folder, name)
            yield Entry(path[: path.rindex(".")], (path,))


def ending(name: str) -> str:
    return name[name.rindex(".") :].lower() if "." in name else ""


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _numbered(names: Sequence[str]) -> bool:
    """At least two names, the same but for one number, which grows by a fixed step."""
    split = [re.split("([0-9]+)", name) for name in names]
    if len(names) < 2 or len({len(parts) for parts in split}) > 1:
        return False
    running = [i for i, parts in enumerate(zip(*split, strict=True)) if len(set(parts)) > 1]
    if len(running) != 1 or running[0] % 2 == 0:  # odd parts are numbers
        return False
    numbers = sorted(int(parts[running[0]]) for parts in split)
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    return len(steps) == 1 and (steps == {1} or (len(names) > 2 and min(steps) > 0))


def _looks_like_video(folder: Path, names: Sequence[str], reading: Reading) -> bool:
    if folder.name.lower() in COLLECTIONS:
        return False
    sizes = set()
    for i in {round(i * (len(names) - 1) / (LOOKED_AT - 1)) for i in range(LOOKED_AT)}:
        try:
            header = pictures.header(folder / names[i], reading)
        except Unreadable:
            continue  # a broken frame does not make the others stills
        if header.camera or len(header.pages) > 1:
            return False
        sizes.add(header.size)
    return len(sizes) <= 1


def _with_keys(root: Path, clips: Sequence[Entry], refuse: Refuse) -> Iterator[Entry]:
    short = [normalize("NFC", clip.key) for clip in clips]  # as macOS and Linux would both write it
    whole = [key if clip.frames else normalize("NFC", clip.files[0]) for key, clip in zip(short, clips, strict=True)]
    keys, count = short, Counter(short)
    while clash := [i for i, key in enumerate(keys) if count[key] > 1 and key != whole[i]]:
        for i in clash:
            keys[i] = whole[i]
        count = Counter(keys)
    taken: dict[str, str] = {}
    for key, clip in zip(keys, clips, strict=True):
        path = root / clip.files[0]
        if (readable := _readable(key)) != key:
            refuse(Unreadable(root / readable, "its name is not valid UTF-8 and cannot be a key", "Rename it."))
        elif key in taken:
            found = f'its key "{key}" is that of {root / taken[key]}, too'
            refuse(Unreadable(path, found, "Keys tell clips apart. Rename one of the two."))
        else:
            taken[key] = clip.files[0]
            yield clip if clip.key == key else replace(clip, key=key)


def _readable(name: str) -> str:
    """With a question mark for every byte that is not UTF-8."""
    return name.encode(errors="replace").decode()


def nothing_in(path: Path, folders: Folders) -> str:
    """The text for a folder, or a file, that holds nothing to read."""
    count = Counter(ending(name) or "no ending" for files in folders.values() for name in files)
    seen = ", ".join(f"{n} x {kind}" for kind, n in count.most_common(6))
    return (
        f"No picture and no video in {path}: {f'found {seen}' if seen else 'it is empty'}.\n"
        f"Files are told by their endings: {' '.join(ENDINGS)}"
    )


def not_there(path: Path) -> str:
    """The text for a path that does not exist, with what there is instead."""
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    missing = path.absolute().relative_to(parent).parts[0]
    try:
        names = sorted(entry.name for entry in parent.iterdir())
    except OSError:
        names = []
    near = get_close_matches(missing, names, n=1)
    some = f"there are: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}" if names else "it is empty"
    return f"{path} does not exist. {f'Did you mean {parent / near[0]}?' if near else f'In {parent} {some}'}"
