"""Worker processes on this machine; one that dies is replaced, and its task is run again."""

import importlib
import json
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from spikeloop.streamer.batch.engine import Answers, Task, Work, could_not_run

__all__ = ["ProcessEngine", "serve"]

PROGRAM = """
import json, sys
start = json.loads(sys.stdin.readline())
sys.path[:] = start["path"]
from spikeloop.streamer.batch.processes import serve
serve(*start["work"])
"""
ATTEMPTS = 3  # of a task during which its worker dies
ENDS_WITHIN_S = 10.0


class ProcessEngine:
    """Runs tasks in processes of their own.

    Parameters
    ----------
    workers : int >= 1
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def run(self, work: Work, tasks: Sequence[Task]) -> Answers:
        """Run all; see `Engine`."""
        waiting, done = deque((task, 1) for task in tasks), queue.SimpleQueue[tuple[Task, str]]()
        workers = [_Worker(work) for _ in range(min(self._workers, len(tasks)))]
        threads = [
            threading.Thread(target=_feed, args=(worker, waiting, done), name="spikeloop-batch", daemon=True)
            for worker in workers
        ]
        try:
            for thread in threads:
                thread.start()
            for _ in tasks:
                yield done.get()
        finally:
            waiting.clear()
            for worker in workers:
                worker.close()
            for thread in threads:
                thread.join()


def _feed(worker: "_Worker", waiting: deque[tuple[Task, int]], done: "queue.SimpleQueue[tuple[Task, str]]") -> None:
    """Give a worker one task after another, until there is none."""
    with worker:
        while True:
            try:
                task, attempt = waiting.popleft()
            except IndexError:
                return
            answer = worker.answer(task.text)
            if answer is not None:
                done.put((task, answer))
            elif worker.closed:
                return
            elif attempt < ATTEMPTS:
                waiting.append((task, attempt + 1))
            else:
                done.put((task, could_not_run(f"{task.name}: its process died, {ATTEMPTS} times")))


class _Worker:
    """A process that runs tasks; started when it is first needed, and again after its death."""

    def __init__(self, work: Work) -> None:
        self.closed, self._work = False, work
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def answer(self, text: str) -> str | None:
        """Run a task; None where the process died, or was closed."""
        with self._lock:
            if self.closed:
                return None
            if self._process is None:
                self._process = _started(self._work)
            process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError, ValueError):
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
            if (answer := process.stdout.readline()).endswith("\n"):
                return answer.rstrip("\n")
        with self._lock:
            if self._process is process:
                _end(process)
                self._process = None
        return None

    def close(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            self.closed = True
            if self._process is not None:
                _end(self._process)
                self._process = None


def _started(work: Work) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    start = {"path": [*map(str, sys.path)], "work": [work.__module__, work.__qualname__]}
    with suppress(OSError):  # of one that is dead already, which its first task will tell
        process.stdin.write(f"{json.dumps(start)}\n")
        process.stdin.flush()
    return process


def _end(process: "subprocess.Popen[str]") -> None:
    """Let it end as by Ctrl-C, so that it closes what it started; else kill it."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def serve(module: str, function: str) -> None:
    """Run the tasks of this process's input, a line each; answer each by a line. The end of the input ends all.

    Parameters
    ----------
    module, function : str
        What does the work.
    """
    import _thread
    import os
    import signal
    import time

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell turns off for what runs in the background
    work: Work = getattr(importlib.import_module(module), function)
    tasks = queue.SimpleQueue[str | None]()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints

    def read() -> None:
        for line in sys.stdin:
            tasks.put(line.rstrip("\n"))
        tasks.put(None)
        _thread.interrupt_main()  # where a task runs
        time.sleep(ENDS_WITHIN_S)
        os._exit(1)

    threading.Thread(target=read, name="spikeloop-batch-input", daemon=True).start()
    with suppress(KeyboardInterrupt):
        while (task := tasks.get()) is not None:
            answers.write(f"{work(task)}\n")
            answers.flush()
