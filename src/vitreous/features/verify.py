"""May an extraction go on although its source is not the one that the store was begun with?"""

from collections.abc import Iterator
from pathlib import Path

from vitreous.errors import StoreError
from vitreous.features.format import StoreMeta, open_lance
from vitreous.features.plan import Plan
from vitreous.features.preprocess import keep
from vitreous.types import Frame, Source


def same_so_far(out: Path, meta: StoreMeta, source: Source, plan: Plan) -> None:
    """Pass if every stored row stands at the same place of the new plan and has the same picture and ids.

    So pictures may be added behind those that were there, and broken ones be mended; anything else is refused. The
    whole source is read for this, which takes much less time than the features took.
    """
    again = f"Extract it into a new store (--out), or remove {out} first."
    frames: dict[tuple[str, int], tuple[bytes, bytes | None]] = {}
    columns = ["row", "key", "frame", "view", "picture", "ids"]
    for block in open_lance(out).scanner(columns=columns, batch_size=64).to_batches():
        for stored in block.to_pylist():
            row = plan.row_of(stored["key"], stored["frame"], stored["view"])
            if row != stored["row"]:
                where = "is gone" if row is None else f"would move from row {stored['row']} to {row}"
                raise StoreError(
                    f"{source.name} has changed since {out} was begun: {stored['key']} frame {stored['frame']} "
                    f"{where} (clips then: {meta.source['clips']}, now: {len(plan.keys)}).\n"
                    f"Clips may only be added behind the last one. {again}"
                )
            frames.setdefault((stored["key"], stored["frame"]), (stored["picture"], stored["ids"]))
        for changed in differing(source, plan, frames, meta.keep_side):
            raise StoreError(
                f"{source.name} has changed since {out} was begun: {changed} is not the picture that is stored "
                f"there, or has other ids. {again}"
            )
        frames.clear()


def differing(
    source: Source, plan: Plan, frames: dict[tuple[str, int], tuple[bytes, bytes | None]], side: int
) -> Iterator[str]:
    for key in dict.fromkeys(key for key, _ in frames):
        wanted = {index for k, index in frames if k == key}
        for frame in read(source, key, min(wanted), max(wanted)):
            if frame.index in wanted:
                kept = keep(frame, side)
                if frames[key, frame.index] != (kept.encoded, kept.ids):
                    yield f"{key} frame {frame.index}"
                wanted.discard(frame.index)
        for index in sorted(wanted):
            yield f"{key} frame {index}"


def read(source: Source, key: str, first: int, last: int) -> Iterator[Frame]:
    for frame in source.frames(key, first):
        if frame.index > last:
            return
        yield frame
