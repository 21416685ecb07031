"""Which id maps belong to which clip: those under the same relative path in `ids/` beside `images/`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vitreous.data.idmaps import ENDINGS
from vitreous.data.listing import Entry, Folders, Refuse, ending, join, natural, sibling
from vitreous.data.reading import SKIP, Notes, Unreadable

Maps = Mapping[str, Sequence[str]]  # path of a map without its ending -> files of that name


def with_ids(root: Path, clips: Sequence[Entry], folders: Folders, refuse: Refuse, notes: Notes) -> list[Entry]:
    """The clips with their ids. Those that lack a map, though they stand beside an `ids/`, are refused."""
    maps = _maps(folders)
    wanted = {clip.key: _wanted(clip, maps, folders) for clip in clips}
    lacking = {key: stems for key, stems in wanted.items() if any(len(maps.get(stem, ())) != 1 for stem in stems)}
    advice = f"{len(lacking)} of {len(clips)} clips lack ids. A map has the path and name of its picture. {SKIP}"
    paired, used = [], set()
    for clip in clips:
        if clip.key in lacking:
            refuse(Unreadable(root / clip.files[0], _lack(lacking[clip.key], maps), advice))
            continue
        ids = tuple(maps[stem][0] for stem in wanted[clip.key])
        used.update(ids)
        paired.append(replace(clip, ids=ids) if ids else clip)
    for files in maps.values():
        for file in files:
            if file not in used and not lacking:
                notes.add("an id map without a picture is not used", root / file)
    return paired


def _maps(folders: Folders) -> Maps:
    maps: dict[str, list[str]] = defaultdict(list)
    for folder, files in folders.items():
        if sibling(folder, "ids", "images", folders) is not None:
            for name in sorted(files):
                if ending(name) in ENDINGS:
                    maps[_stem(join(folder, name))].append(join(folder, name))
    return dict(maps)


def _stem(path: str) -> str:
    return path[: path.rindex(".")]


def _wanted(clip: Entry, maps: Maps, folders: Folders) -> list[str]:
    """Maps that this clip must have, by their paths without ending; none if there is no `ids/`."""
    folder = clip.files[0].rpartition("/")[0]
    where = sibling(folder, "images", "ids", folders)
    if where is None:
        return []
    if clip.frames:
        each = [join(where, _stem(file).rpartition("/")[2]) for file in clip.files]
        return [where] if where in maps and each[0] not in maps else each  # one TIFF for all frames
    one = join(where, _stem(clip.files[0]).rpartition("/")[2])
    if one in maps or one not in folders:
        return [one]
    per_frame = {_stem(join(one, name)) for name in folders[one] if ending(name) in ENDINGS}
    return sorted(per_frame, key=natural) or [one]


def _lack(stems: Sequence[str], maps: Maps) -> str:
    stem = next(stem for stem in stems if len(maps.get(stem, ())) != 1)
    if stem in maps:
        return f"it has several id maps: {' and '.join(maps[stem])}"
    return f"it has no id map: {stem}{ENDINGS[0]} is not there"
