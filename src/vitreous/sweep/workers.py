"""The processes that trials run in, as their owner sees them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from vitreous.sweep.trial import Job

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GPUS = "CUDA_VISIBLE_DEVICES"
DIED = "its process died"
GOODBYE_SECONDS = 10


class Worker:
    """One process; `answers` gets (this, answer) for each trial, and (this, None) when the process has ended."""

    def __init__(self, threads: int, log: Path, answers: "SimpleQueue[Any]", gpu: str | None) -> None:
        self.answers, self.log = answers, log
        environment = os.environ | dict.fromkeys(THREADS, str(threads)) | ({} if gpu is None else {GPUS: gpu})
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vitreous.sweep.worker", str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env=environment,
            )
        Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put((self, json.loads(line)))
        self.process.wait()
        self.answers.put((self, None))

    def give(self, job: Job) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has died: `listen` tells
            self.process.stdin.write(job.line())
            self.process.stdin.flush()

    def why(self) -> str:
        """Why there will be no answer."""
        status = self.process.returncode
        if status is not None and status < 0:
            return f"{DIED} by signal {-status}" + (", as where memory runs out" if status == -9 else "")
        said = self.log.read_text().strip().splitlines()
        return f"{DIED} with status {status}" + (f": {said[-1]}" if said else "")

    def end(self, *, now: bool) -> None:
        assert self.process.stdin is not None
        if now:
            self.process.kill()
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Workers:
    """Up to `jobs` processes, each started when there is work for it and none to spare."""

    def __init__(self, jobs: int, threads: int, logs: Path) -> None:
        self.jobs, self.threads, self.logs, self.gpus = jobs, threads, logs, gpus(os.environ)
        self.answers: SimpleQueue[Any] = SimpleQueue()
        self.all: list[Worker] = []
        self.idle: list[Worker] = []
        self.started = 0

    def free(self) -> bool:
        return bool(self.idle) or len(self.all) < self.jobs

    def give(self, job: Job) -> Worker:
        worker = self.idle.pop() if self.idle else self.start()
        worker.give(job)
        return worker

    def start(self) -> Worker:
        gpu = self.gpus[self.started % len(self.gpus)] if self.gpus else None
        worker = Worker(self.threads, self.logs / f"worker_{self.started}.log", self.answers, gpu)
        self.started += 1
        self.all.append(worker)
        return worker

    def answer(self, seconds: float) -> tuple[Worker, dict[str, Any] | None] | None:
        """What the next process to finish says; None where none did in this time."""
        try:
            worker, said = self.answers.get(timeout=seconds)
        except Empty:
            return None
        if said is None:
            self.all.remove(worker)
            self.idle = [other for other in self.idle if other is not worker]
        else:
            self.idle.append(worker)
        return worker, said

    def end(self, *, now: bool) -> None:
        for worker in self.all:
            worker.end(now=now)


def gpus(environment: Mapping[str, str]) -> list[str]:
    """GPUs that processes take in turn: those that are visible, where they are more than one."""
    import torch

    if GPUS in environment:
        found = [name.strip() for name in environment[GPUS].split(",") if name.strip()]
    else:
        found = [str(number) for number in range(torch.cuda.device_count())]
    return found if len(found) > 1 else []
