"""A process that runs one contender: it reads requests from stdin and answers on stdout.

Requests and answers are lines of JSON. ``prepare`` makes a task ready and finds how often it
fits into a slice of time, ``time`` times a slice, ``memory`` tells what a task needs,
``race`` trains until a goal is reached, ``deviation`` compares a step with float64.
"""

import argparse
import gc
import json
import math
import os
import re
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import precision, race
from benchmarks.cases import Case, data_of, travelled
from benchmarks.contenders import Contender, Run, Unsupported, make

SETTLE = 0.04  # seconds: OpenBLAS' threads of other processes spin for 25 ms
FIRST_STEPS = 4  # after which everybody's weights are compared


class Task:
    """What was prepared last."""

    def __init__(self, contender: Contender, request: dict[str, Any]) -> None:
        self.case = case = Case.of(request["case"])
        self.steps = request["task"] == "step"
        self.run = ready(contender, request)
        self.travelled: float | None = None
        if self.steps:
            self.run(FIRST_STEPS)
            try:
                self.travelled = travelled(case, contender.parameters())
            except Unsupported:
                self.travelled = None
        else:
            self.run(1)
        seconds, each = request["seconds"], self._estimate(request["seconds"])
        self.times = self._whole(seconds / each)
        if self.steps:
            # A short run of `fit` would weigh its last step, which also keeps the gradients.
            self.times = max(self.times, self.case.batches // 4)
        self.settling = self._whole(min(SETTLE, seconds) / each)

    def _estimate(self, slice_seconds: float) -> float:
        """Return the time of one run of the task."""
        times, spent = 1, 0.0
        while True:
            spent = _time(self.run, times)
            if spent > slice_seconds / 10:
                return spent / times
            times = self._whole(times * min(10, slice_seconds / 5 / max(spent, 1e-6)))

    def _whole(self, times: float) -> int:
        """Round up: a loop inside an engine is at its best over whole epochs."""
        if self.steps and times > self.case.batches:
            return self.case.batches * math.ceil(times / self.case.batches)
        return max(1, math.ceil(times))

    def time(self) -> float:
        """Return the seconds that one run of the task takes, after a while of working."""
        self.run(self.settling)
        return _time(self.run, self.times) / self.times


def ready(contender: Contender, request: dict[str, Any]) -> Run:
    """Return the function that does what is asked for."""
    case = Case.of(request["case"])
    if request["task"] == "step":
        return contender.step(case)
    if request["task"] == "epoch":
        return contender.epoch(case, *data_of(case, request["rows"]))
    return contender.predict(case, request["rows"])


def _time(run: Run, times: int) -> float:
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    run(times)
    spent = time.perf_counter() - begin
    gc.enable()
    return spent


def _status(field: str) -> int:
    """Return a field of Linux' report on this process, in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{field}:\s*(\d+) kB", text, re.MULTILINE)
    if found is None:
        raise Unsupported(f"no {field} in /proc/self/status")
    return int(found[1]) * 1024


def memory(contender: Contender, request: dict[str, Any]) -> int:
    """Return how far a task raises the memory of this process at its peak, in bytes.

    The data are there before; the network, and any copy of the data, are part of it.
    """
    case = Case.of(request["case"])
    contender.step(case.but(sizes=(4, 3, 3), batch=16))(1)  # what a library makes at first use
    data_of(case), data_of(case, request["rows"])
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before = _status("VmRSS")
    ready(contender, request)(1)
    return max(0, _status("VmHWM") - before)


def pools(threads: int) -> list[str]:
    """Set the threads of every library that is loaded, and return these in words."""
    try:
        threadpoolctl: Any = import_module("threadpoolctl")
    except ImportError:
        return []
    threadpoolctl.threadpool_limits(threads)
    words = []
    for pool in threadpoolctl.threadpool_info():
        name = [pool.get(key) for key in ("internal_api", "version", "architecture")]
        file = Path(pool["filepath"]).name
        words.append(f"{' '.join(filter(None, name))}, {pool['num_threads']} threads ({file})")
    return words


def answer(contender: Contender, task: Task | None, request: dict[str, Any]) -> Any:
    """Return the task that is ready after this request, and the answer to it."""
    match request["do"]:
        case "prepare":
            task = Task(contender, request)
            return task, {
                "times": task.times,
                "travelled": task.travelled,
                "shared": contender.shared,
            }
        case "time" if task is not None:
            return task, {"seconds": task.time()}
        case "memory":
            return None, {"bytes": memory(contender, request)}
        case "race":
            return None, race.run(contender, request)
        case "deviation":
            return None, {"deviation": precision.deviation(contender)}
        case "elements":
            from benchmarks.elements import measure

            return None, {"seconds": measure(request["rounds"], request["dtypes"])}
    raise Unsupported(f"no request {request['do']!r} now")


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("contender")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**what: Any) -> None:
        print(json.dumps(what), file=answers, flush=True)

    try:
        contender = make(options.contender, options.threads)
    except (ImportError, Unsupported) as error:
        say(error=str(error))
        return
    found = pools(options.threads)
    say(versions=contender.versions(), pools=found)
    task: Task | None = None
    for line in sys.stdin:
        try:
            task, words = answer(contender, task, json.loads(line))
            say(**words)
        except Exception as error:
            task = None
            say(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
