"""A process that does one trial after the other: `python -m vitreous.sweep.worker THREADS`.

A line of JSON on stdin is a trial, a line on stdout what became of it. When stdin ends, its owner is gone, and so is
this process at once: nobody trains in a folder that a new sweep takes over.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TextIO

from vitreous.errors import VitreousError

if TYPE_CHECKING:
    from vitreous.sweep.trial import Job


def main(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, who ends us
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    jobs: SimpleQueue[str] = SimpleQueue()
    Thread(target=listen, args=(sys.stdin, jobs), daemon=True).start()

    import torch  # seconds, in which the owner can end us already

    from vitreous.sweep.trial import Job

    torch.set_num_threads(threads)
    while True:
        print(json.dumps(answer(Job(**json.loads(jobs.get())))), file=answers, flush=True)


def listen(lines: TextIO, jobs: "SimpleQueue[str]") -> None:
    for line in lines:
        jobs.put(line)
    os._exit(0)


def answer(job: "Job") -> dict[str, Any]:
    """Scores, or the reason for none, and the seconds it took."""
    from vitreous.sweep.trial import work

    began = time.monotonic()
    try:
        found: dict[str, Any] = {"scores": work(job)}
    except Exception as error:
        Path(job.log).write_text(traceback.format_exc())
        found = {"reason": reason(error)}
    return found | {"seconds": round(time.monotonic() - began, 2)}


def reason(error: Exception) -> str:
    """An error of ours as it reads; of another's, what and where."""
    if isinstance(error, VitreousError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"


if __name__ == "__main__":
    main(int(sys.argv[1]))
