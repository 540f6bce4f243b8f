"""The parent's side: a worker process for every contender, asked in turn."""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks.cases import Case
from benchmarks.contenders import PEERS, TITLES

ROOT = Path(__file__).parent.parent
HELD_BACK = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # worse kernels than the CPU has
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PATIENCE = 300.0  # seconds for one answer
RACE_PATIENCE = 3600.0  # for a round of a race: emulated products take their time
# Idle threads of OpenBLAS and OpenMP spin for tens of milliseconds before they sleep, on the
# cores that the next contender needs.
REST = 0.12
BRIEFLY = 0.03  # before what is not timed


class FailedError(Exception):
    """A worker cannot do what it was asked; the message says why."""


def run_module(*arguments: str, env: dict[str, str]) -> Any:
    """Run ``python -m`` with these arguments; return what it prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=env,
    )
    if done.returncode:
        raise FailedError(" ".join(done.stderr.strip().splitlines()[-1:]))
    return json.loads(done.stdout.splitlines()[-1])


def environment(threads: int) -> dict[str, str]:
    """Return the environment of every worker: free kernels, the same threads."""
    kept = {name: value for name, value in os.environ.items() if name not in HELD_BACK}
    return kept | dict.fromkeys((*THREAD_VARIABLES, "NPROC"), str(threads))


@dataclass(frozen=True)
class Job:
    """One row of a table: a task, and who is to do it."""

    section: str
    task: str  # step, epoch or predict
    case: Case
    contenders: Sequence[str]
    rows: int = 0  # of the data, for epochs and predictions

    @property
    def key(self) -> str:
        """Its name in expectations."""
        rows = f", {self.rows} rows" if self.rows else ""
        return f"{self.section}: {self.case.name}, {self.case.variant}{rows}"


@dataclass
class Measured:
    """The seconds of each contender in each round."""

    job: Job
    seconds: dict[str, list[float]] = field(default_factory=dict)
    travelled: dict[str, float] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)  # threads that a plan wants
    failed: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float | None:
        """Return the median seconds of a contender."""
        return statistics.median(self.seconds[name]) if self.seconds.get(name) else None

    def fastest(self, name: str) -> float | None:
        """Return the seconds of a contender's fastest round."""
        return min(self.seconds[name]) if self.seconds.get(name) else None

    def ratio(self, slower: str | None, faster: str | None) -> float | None:
        """Return the median over the rounds of slower / faster."""
        if not slower or not faster:
            return None
        rounds = zip(self.seconds.get(slower, ()), self.seconds.get(faster, ()), strict=False)
        ratios = [a / b for a, b in rounds]
        return statistics.median(ratios) if ratios else None

    @property
    def best_peer(self) -> str | None:
        """The peer with the smallest median."""
        medians = {name: self.median(name) for name in PEERS}
        return (
            min((m, name) for name, m in medians.items() if m)[1] if any(medians.values()) else None
        )

    @property
    def strayed(self) -> list[str]:
        """Who computed something else: weights that moved more than 3 % further or less far."""
        if not self.travelled:
            return []
        usual = statistics.median(self.travelled.values())
        return [n for n, way in self.travelled.items() if not abs(way - usual) <= 0.03 * usual]

    @property
    def ratios(self) -> dict[str, float]:
        """What expectations are about."""
        found = {
            "best peer / ours": self.ratio(self.best_peer, "ours"),
            "torch / ours": self.ratio("torch", "ours"),
            "ours / floor": self.ratio("ours", "floor"),
            "NumPy / by step": self.ratio("numpy", "explicit"),
        }
        return {name: value for name, value in found.items() if value is not None}

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return dataclasses.asdict(self) | {
            "name": self.job.key,
            "median": {name: self.median(name) for name in self.seconds},
            "ratios": self.ratios,
            "strayed": self.strayed,
        }


class Worker:
    """One process, and the pipe to it."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name, "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env=environment(threads),
        )
        self.hello: dict[str, Any] = {}

    def listen(self, patience: float = PATIENCE) -> dict[str, Any]:
        """Return the next answer."""
        assert self._process.stdout is not None
        timer = threading.Timer(patience, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-1:]
            raise FailedError(" ".join(["its process ended", *last]))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise FailedError(answer["error"])
        return answer

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Send a request and return the answer."""
        assert self._process.stdin is not None
        time.sleep(BRIEFLY if do == "prepare" else REST)
        try:
            print(json.dumps({"do": do, **more}), file=self._process.stdin, flush=True)
        except OSError:
            raise FailedError("its process has ended") from None
        return self.listen(RACE_PATIENCE if do == "race" else PATIENCE)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


class Session:
    """The workers that could be started.

    `names` are contenders with `threads` threads each; `ours` are workers of our own by any
    name, with the threads that each is to have.
    """

    def __init__(
        self, names: Iterable[str], threads: int, ours: Mapping[str, int] | None = None
    ) -> None:
        self.threads = threads
        self.skipped: dict[str, str] = {}
        self.workers = {name: Worker(name, threads) for name in names}
        self.workers |= {name: Worker("ours", count) for name, count in (ours or {}).items()}
        for name, worker in list(self.workers.items()):
            try:
                worker.hello = worker.listen()
            except FailedError as error:
                self.skipped[name] = str(error)
                self.workers.pop(name).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.close()

    def measure(
        self, job: Job, rounds: int, seconds: float, onto: Measured | None = None
    ) -> Measured:
        """Let everybody prepare, then time a slice of each in turn, round by round.

        Rounds are added to those of `onto`, if it is given.
        """
        measured = Measured(job) if onto is None else onto
        case = dataclasses.asdict(job.case)
        working: dict[str, Worker] = {}
        for name in job.contenders:
            worker = self.workers.get(name)
            if worker is None:
                continue
            try:
                ready = worker.ask(
                    "prepare", task=job.task, case=case, rows=job.rows, seconds=seconds
                )
            except FailedError as error:
                measured.failed[name] = str(error)
                continue
            working[name] = worker
            if ready["travelled"] is not None:
                measured.travelled[name] = ready["travelled"]
            if ready["shared"] is not None:
                measured.shared[name] = ready["shared"]
        for _ in range(rounds):
            for name in list(working):
                try:
                    spent = working[name].ask("time")["seconds"]
                    measured.seconds.setdefault(name, []).append(spent)
                except FailedError as error:
                    measured.failed[name] = str(error)
                    del working[name]
        return measured

    def race(self, names: Sequence[str], case: Case, folder: Path, goal: float) -> dict[str, Any]:
        """Let everybody run one round of the race."""
        case_of = dataclasses.asdict(case)
        return self._ask_each(names, "race", case=case_of, folder=str(folder), goal=goal)

    def memory(self, job: Job) -> dict[str, int]:
        """Return the peak memory of a task for each contender, in bytes.

        For workers that have done nothing else: what was freed would be used again.
        """
        request = {"task": job.task, "case": dataclasses.asdict(job.case), "rows": job.rows}
        found = self._ask_each(job.contenders, "memory", **request)
        return {name: answer["bytes"] for name, answer in found.items()}

    def _ask_each(self, names: Sequence[str], do: str, **request: Any) -> dict[str, Any]:
        """Return the answers of those who can do it; print of the others why not."""
        found = {}
        for name in names:
            if name in self.workers:
                try:
                    found[name] = self.workers[name].ask(do, **request)
                except FailedError as error:
                    print(f"  {TITLES[name]}: {error}")
        return found
