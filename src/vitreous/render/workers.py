"""Many clips, made by one process or several."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path

from vitreous.render.clips import render_clip
from vitreous.render.engine import RenderError, start
from vitreous.render.picture import Studio
from vitreous.render.settings import Settings, claim

# each holds 250 MB; on a GPU, which they share, some more are there to build scenes while others render
MOST_WORKERS, MOST_ON_GPU = 16, 4


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usual_workers(running: str) -> int:
    """A process per core, up to a bound; `running` is Mitsuba's name of the variant.

    Building scenes is Python, and only the tracing knows threads: measured in benchmarks/render.py.
    """
    return min(cores(), MOST_ON_GPU if running.startswith("cuda") else MOST_WORKERS)


def render_clips(
    out: Path, settings: Settings, indices: list[int], workers: int = 1, variant: str = "auto"
) -> Iterator[int]:
    """Make these clips; yields each index when it is on disk, in the order of completion.

    One worker renders in this process with all its cores; several are processes that share the cores. The clips are
    the same. RenderError where the folder holds clips of other settings.
    """
    claim(out, settings)
    workers = min(workers, len(indices))
    if workers > 1:
        yield from render_in_parallel(out, settings, indices, workers, variant)
        return
    studio = Studio(start(variant))
    for index in indices:
        render_clip(settings, index, studio, out)
        yield index


def render_in_parallel(out: Path, settings: Settings, indices: list[int], workers: int, variant: str) -> Iterator[int]:
    # spawn: a forked renderer would share threads and a GPU that do not survive a fork
    pool = ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=open_studio,
        initargs=(variant, max(1, cores() // workers)),
    )
    try:
        jobs = {pool.submit(render_in_worker, settings, index, out): index for index in indices}
        for job in as_completed(jobs):
            job.result()
            yield jobs[job]
    except BrokenProcessPool:
        raise RenderError(
            f"One of {workers} worker processes was killed, for want of memory perhaps (each needs some 300 MB).\n"
            "Clips made so far are kept. Go on with fewer:  --workers 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_studio: list[Studio] = []  # one per worker process


def open_studio(variant: str, threads: int) -> None:
    """Prepare a worker: it leaves Ctrl-C to its parent, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=follow_parent, daemon=True).start()
    _studio.append(Studio(start(variant, threads)))


def follow_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)  # killed: nobody is left to hand clips to


def render_in_worker(settings: Settings, index: int, out: Path) -> None:
    render_clip(settings, index, _studio[0], out)
