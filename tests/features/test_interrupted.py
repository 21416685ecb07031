"""Killed, crowded, and on a full disk: what is in the store is right, and the next call goes on from there."""

import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import lance
import pytest
import torch

from vitreous.features.store import FeatureStore

LENGTHS = {"a": 30, "b": 1, "c": 1, "d": 24, "e": 3, "f": 1}  # 60 frames, 2 views, batches of 4: 30 batches
ROWS = 120


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """A small ViT in the hub's format."""
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vit")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2}
    Dinov2Model(Dinov2Config(**sizes, patch_size=4, image_size=16)).save_pretrained(folder)
    norm = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}
    (folder / "preprocessor_config.json").write_text(json.dumps(norm))
    return folder


@pytest.fixture(scope="module")
def start(vit):
    """start(out): an extraction in a process of its own, about to begin; it begins when sent a word."""
    context = multiprocessing.get_context("forkserver")  # its server imports torch once, not once per process
    context.set_forkserver_preload(["vitreous.features.extract", "transformers.models.dinov2.modeling_dinov2"])
    sys.path.insert(0, str(Path(__file__).parent))
    run = import_module("extraction_process").run

    def begin(out, **options):
        mine, theirs = context.Pipe()
        process = context.Process(target=run, args=(theirs, str(vit), str(out), LENGTHS), kwargs=options)
        process.start()
        theirs.close()
        assert mine.poll(60)
        assert mine.recv() == "ready"
        return process, mine

    yield begin
    sys.path.remove(str(Path(__file__).parent))


def go(started):
    started[1].send("go")


def finish(started):
    """What it said at last: its forward passes, or its error."""
    process, pipe = started
    assert pipe.poll(60)
    said = pipe.recv()
    process.join()
    return said


def complete(started):
    go(started)
    calls = finish(started)
    assert isinstance(calls, int), calls
    return calls


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "store.lance"
    complete(start(out))
    return FeatureStore(out)


def assert_same(store, whole):
    assert store.row.tolist() == list(range(ROWS))
    columns = ["key", "frame", "view", "picture", "ids", "instances", "checksum", "features"]
    left, right = (s.take(range(ROWS), columns) for s in (store, whole))
    assert torch.equal(left.pop("features"), right.pop("features"))
    assert left == right
    for name in ("mean", "std", "position_mean", "position_std", "within_std"):
        assert (getattr(store.stats, name) == getattr(whole.stats, name)).all(), name


def kill_when(started, done):
    """SIGKILL as soon as a condition holds."""
    go(started)
    while not done():
        time.sleep(0.01)
    started[0].kill()
    started[0].join()


def kill(started, seconds):
    """SIGKILL so long after the beginning."""
    go(started)
    time.sleep(seconds)
    started[0].kill()
    started[0].join()


def files(store):
    """Data files that the newest version knows, and those that lie there."""
    known = {f.data_files()[0].path for f in lance.dataset(str(store.path)).get_fragments()}
    return known, {p.name for p in (store.path / "data").iterdir()}


def interrupt(times, start, whole, out, longest, seed):
    rng = random.Random(seed)
    counts = []
    for _ in range(times):
        kill(start(out, slow=0.01), rng.uniform(0, longest))
        counts.append(len(FeatureStore(out)) if (out / "_versions").is_dir() else 0)
    complete(start(out))
    store = FeatureStore(out)
    assert_same(store, whole)
    known, there = files(store)
    assert known == there  # nothing that killed writers left
    assert counts == sorted(counts)
    return counts


def test_killed_three_times_and_resumed_is_the_same_bit_for_bit(start, whole, tmp_path):
    counts = interrupt(3, start, whole, tmp_path / "store.lance", longest=0.3, seed=1)
    assert counts[-1] < ROWS


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_twenty_random_moments_is_the_same_bit_for_bit(start, whole, tmp_path, seed):
    counts = interrupt(20, start, whole, tmp_path / "store.lance", longest=0.12, seed=seed)
    assert len(set(counts)) > 5, counts  # the kills came in the middle of work


def test_two_extractions_share_the_work(start, whole, tmp_path):
    out = tmp_path / "store.lance"
    two = [start(out, slow=0.02) for _ in range(2)]
    for started in two:
        go(started)
    calls = [finish(started) for started in two]
    assert_same(FeatureStore(out), whole)
    assert sum(calls) == ROWS // 4  # every batch once
    assert min(calls) > 0


def test_one_takes_over_when_the_other_is_killed(start, whole, tmp_path):
    out = tmp_path / "store.lance"
    stays = start(out, slow=0.02)
    go(stays)
    kill(start(out, slow=0.02), 0.3)
    assert isinstance(finish(stays), int)
    assert_same(FeatureStore(out), whole)


def test_death_between_rows_and_their_sums(start, whole, tmp_path):
    out = tmp_path / "store.lance"
    sums, old = out / "_vitreous" / "statistics.safetensors", tmp_path / "old"
    kill_when(start(out, slow=0.02), sums.exists)
    shutil.copy(sums, old)
    complete(start(out, commit_rows=ROWS))
    shutil.copy(old, sums)
    assert_same(FeatureStore(out), whole)
    sums.unlink()
    assert_same(FeatureStore(out), whole)


@contextmanager
def small_disk(path, kilobytes):
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path)], capture_output=True)
    if made.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def assert_full_but_readable(said, out, whole):
    assert f"The disk is full: {out} cannot grow" in str(said)
    store = FeatureStore(out)
    assert 0 < len(store) < ROWS
    assert f"The {len(store)} rows written before are safe" in said
    assert torch.equal(store.batch(range(len(store))), whole.batch(store.row))
    assert store.stats.count == len(store)
    assert len(store.check(0).problems) == 1  # rows are missing, nothing else is wrong


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_is_named_and_the_store_stays_readable(start, whole, tmp_path):
    with small_disk(tmp_path / "disk", kilobytes=400):
        out = tmp_path / "disk" / "store.lance"
        started = start(out)
        go(started)
        assert_full_but_readable(finish(started), out, whole)
        shutil.copytree(out, tmp_path / "moved.lance")
    complete(start(tmp_path / "moved.lance"))  # with room, it goes on
    assert_same(FeatureStore(tmp_path / "moved.lance"), whole)


def test_a_file_that_cannot_grow_is_named_and_the_store_stays_readable(start, whole, tmp_path):
    out = tmp_path / "store.lance"
    kill_when(start(out, slow=0.02), (out / "_vitreous" / "statistics.safetensors").exists)
    started = start(out, commit_rows=ROWS, largest_file=100_000)
    go(started)
    assert_full_but_readable(finish(started), out, whole)
    complete(start(out))
    assert_same(FeatureStore(out), whole)
