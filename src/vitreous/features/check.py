"""Is a store whole, and does it say the truth? What `vitreous inspect` runs."""

import zlib
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float16, UInt8
from torch import Tensor
from torch.nn.functional import cosine_similarity

from vitreous.backbones import load_described
from vitreous.errors import FeatureMismatch, VitreousError
from vitreous.features.format import Findings, Maker
from vitreous.features.preprocess import Preprocess
from vitreous.features.store import FeatureStore

ALIKE = 0.999  # least cosine similarity of a picture's features, computed again elsewhere: bfloat16 keeps 3 digits
NAMED = 5  # so many rows of a kind are named


def check_store(store: FeatureStore, sample: int = 16, backbone: Maker | None = None) -> Findings:
    """Count rows against the plan, read everything once, and compute the features of a few pictures again."""
    found = Findings()
    check_rows(store, found)
    if len(store):
        check_values(store, found)
    if len(store) and sample and not found.problems:
        check_sample(store, sample, backbone, found)
    return found


def check_rows(store: FeatureStore, found: Findings) -> None:
    """Rows against the plan; skipped frames may be missing, and are said."""
    missing = np.setdiff1d(np.arange(store.meta.planned), store.row)
    if extra := store.row[store.row >= store.meta.planned].tolist():
        found.problems.append(f"{len(extra)} rows lie beyond the plan of {store.meta.planned}: {some(extra)}")
    if not len(missing):
        return
    text = f"{len(missing)} of {store.meta.planned} rows are missing: {some(missing.tolist())}"
    if store.meta.skipped:  # listed when an extraction reached its end
        found.notes.append(f"{text}; {len(store.meta.skipped)} skipped entries are listed")
    else:
        again = store.meta.command(store.path)
        found.problems.append(f"{text}. The extraction has not reached its end; go on with it:\n  {again}")


def check_values(store: FeatureStore, found: Findings) -> None:
    """Every number and byte once: finite, and with the checksum that was written with them."""
    infinite, broken = [], []
    for row, numbers, written, now in values(store):
        if not np.isfinite(numbers).all():
            infinite.append(row)
        if written != now:
            broken.append(row)
    if infinite:
        found.problems.append(f"{len(infinite)} rows hold features that are not finite: {some(infinite)}")
    if broken:
        found.problems.append(f"{len(broken)} rows are not what was written (checksum): {some(broken)}")


def values(store: FeatureStore) -> Iterator[tuple[int, np.ndarray, int, int]]:
    """Row of the plan, features, checksum as written, checksum now."""
    columns = ["row", "features", "picture", "ids", "checksum"]
    for block in store.open().scanner(columns=columns, batch_size=32).to_batches():
        numbers = block["features"].flatten().to_numpy(zero_copy_only=True).reshape(len(block), -1)
        rest = zip(*(block[name].to_pylist() for name in columns if name != "features"), strict=True)
        for features, (row, picture, ids, written) in zip(numbers, rest, strict=True):
            yield row, features, written, zlib.crc32(ids or b"", zlib.crc32(picture, zlib.crc32(features)))


def check_sample(store: FeatureStore, sample: int, backbone: Maker | None, found: Findings) -> None:
    """Features of some stored pictures, computed again, against those stored."""
    try:
        backbone = backbone or load_described(store.meta.backbone)
    except FeatureMismatch as error:
        found.problems.append(str(error))
        return
    except VitreousError as error:
        found.notes.append(f"features were not computed again, as the backbone cannot be loaded: {error}")
        return
    here, there = str(backbone.describe().get("digest")), str(store.meta.backbone.get("digest"))
    if here != there:
        found.problems.append(
            f"the weights of {backbone.name} here ({here[:12]}) are not those that made this store ({there[:12]})"
        )
        return
    rows = pick(store, sample)
    now = recompute(store, rows, backbone)
    then = store.batch(rows)
    same = int((now == then).flatten(1).all(1).sum())
    alike = cosine_similarity(now.flatten(1).double(), then.flatten(1).double(), dim=1)
    apart = float((now.double() - then.double()).abs().max() / store.stats.std.max())
    text = f"features of {len(rows)} stored pictures computed again: {same} equal bit for bit, others within"
    found.notes.append(f"{text} {apart:.1e} deviations" if same < len(rows) else text.removesuffix(", others within"))
    if wrong := [int(store.row[row]) for row, value in zip(rows, alike.tolist(), strict=True) if not value >= ALIKE]:
        found.problems.append(
            f"features of {len(wrong)} of {len(rows)} stored pictures come out differently now "
            f"(cosine similarity down to {alike.min():.4f}): {some(wrong)}"
        )


def pick(store: FeatureStore, sample: int) -> list[int]:
    """Rows spread over the store, no two at the same place of their batches: one forward pass can hold them all."""
    places: dict[int, int] = {}
    for row in np.random.default_rng(0).permutation(len(store)).tolist():
        places.setdefault(int(store.row[row]) % store.meta.batch_size, row)
        if len(places) == min(sample, store.meta.batch_size):
            break
    return sorted(places.values())


def recompute(store: FeatureStore, rows: list[int], backbone: Maker) -> Float16[Tensor, "n h w d"]:
    """In one batch of the store's size, each row at its place: rounding can depend on both."""
    size, places = backbone.size_for(store.grid), [int(store.row[row]) % store.meta.batch_size for row in rows]
    images: UInt8[np.ndarray, "b y x 3"] = np.zeros((store.meta.batch_size, *size, 3), np.uint8)
    for row, place in zip(rows, places, strict=True):
        preprocess = Preprocess(size, store.meta.fit, store.meta.views[store.view[row]])
        images[place] = preprocess.resize(preprocess(store.picture(row)).image)
    return backbone(torch.from_numpy(images)[:, None])[places, 0].half().cpu()


def some(rows: list[int]) -> str:
    return ", ".join(map(str, rows[:NAMED])) + (" ..." if len(rows) > NAMED else "")
