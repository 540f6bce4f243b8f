"""One run: measures section by section, prints as it goes, keeps everything."""

import argparse
from collections.abc import Iterable
from typing import Any

from benchmarks import (
    check,
    cliffs,
    goals,
    machine,
    precision,
    processes,
    race,
    sections,
    streams,
    table,
)
from benchmarks.contenders import TITLES
from benchmarks.native import NoCompilerError
from benchmarks.session import FailedError, Measured, Session, Worker


class Run:
    """What is measured with these options, and what came out so far."""

    def __init__(self, session: Session, options: argparse.Namespace) -> None:
        self.session = session
        self.options = options
        self.rows: list[Measured] = []
        self.imports: dict[str, float] = {}
        self.peak_memory: dict[str, int] = {}
        self.allocations: dict[str, dict[str, float]] = {}
        self.elements: dict[str, dict[str, float]] = {}
        self.raced: dict[str, race.Raced] = {}
        self.raced_rounded: dict[str, race.Raced] = {}
        self.deviations: dict[str, float] = {}
        self.streamed: dict[str, float] = {}
        self.processes: dict[str, Any] = {}
        self.machine = machine.describe(session)
        print("\n".join(machine.lines(self.machine)))
        for name, reason in session.skipped.items():
            print(f"skipped    {TITLES[name]}: {reason}")
        self.seen_to: dict[str, Any] = {
            "import": self._import,
            "memory": self._memory,
            "elements": self._elements,
            "cliffs": self._cliffs,
            "race": self._race,
            "stream": self._stream,
            "scaling": self._scaling,
            "precision": self._precision,
            "precision-race": self._precision_race,
            "verdict": lambda: table.show_verdict(self.goals()),
        }

    @property
    def title(self) -> str:
        """The machine in a few words."""
        return f"{self.machine['CPU']}, threads: {self.session.threads}"

    def measure(self, section: str) -> None:
        """Measure and print one section."""
        if section in self.seen_to:
            print(f"\n{sections.SECTIONS[section]}")
            self.seen_to[section]()
        else:
            self._compare(section)

    def _compare(self, section: str) -> None:
        jobs = sections.jobs(section, self.options.cases)
        wanted = dict.fromkeys(name for job in jobs for name in job.contenders)
        names = [name for name in wanted if name in self.session.workers]
        peaks = {
            dtype: 1e9 * by_threads[str(self.session.threads)]
            for dtype, by_threads in self.machine.get("peak", {}).items()
        }
        shown = table.Rows(sections.SECTIONS[section], names, peaks)
        rounds = self._few() if section in sections.SCALING else self.options.rounds
        for job in jobs:
            self.rows.append(self.session.measure(job, rounds, self.options.seconds))
            shown.show(self.rows[-1])

    def _cliffs(self) -> None:
        threads = self.session.threads
        with Session((), threads, {cliffs.PLAN: threads, "1 thread": 1}) as session:
            names = list(session.workers)
            table.show_heads([*names, "threads"])
            rows = []
            for job in cliffs.jobs(names):
                rows.append(session.measure(job, self._few(), self.options.seconds / 2))
                table.show_cliff(rows[-1], cliffs.PLAN)
            suspects = [f.row for found in cliffs.findings(rows).values() for f in found]
            for row in {id(row): row for row in suspects}.values():
                session.measure(row.job, 2 * self._few(), self.options.seconds, onto=row)
        self.rows += rows
        table.show_findings(cliffs.findings(rows))

    def _race(self) -> None:
        wanted = race.QUICK if self.options.quick else race.RACERS
        names = [name for name in wanted if name in self.session.workers]
        try:
            with race.course() as folder:
                for number in range(3 if self.options.quick else 5):
                    case = race.CASE.but(seed=1 + number)
                    found = self.session.race(names, case, folder, race.GOAL)
                    race.add(self.raced, found, race.GOAL)
        except FileNotFoundError as error:
            print(f"no race: {error}")
        else:
            table.show_race(self.raced, race.SETTINGS, race.GOAL)

    def _import(self) -> None:
        self.imports = sections.import_seconds(
            list(self.session.workers), 1 if self.options.quick else 3, self.session.threads
        )
        table.show_values({TITLES[n]: f"{1e3 * s:.0f} ms" for n, s in self.imports.items()})

    def _memory(self) -> None:
        job = sections.memory_job()
        wanted = ("ours",) if self.options.quick else job.contenders
        names = [name for name in wanted if name in self.session.workers]
        with Session(names, self.session.threads) as fresh:
            self.peak_memory = fresh.memory(job)
        print(f"at the peak of a first epoch, beyond the data: {job.case.name}, {job.rows} rows")
        table.show_values({TITLES[n]: f"{b / 2**20:.1f} MB" for n, b in self.peak_memory.items()})
        if "ours" not in self.session.workers:
            return
        try:
            self.allocations = sections.allocations(self.session.threads)
        except (NoCompilerError, FailedError) as error:
            print(f"allocations not counted: {error}")
            return
        print("asked of malloc, a step:")
        table.show_values(
            {
                name: f"{counts['calls']:.3g} calls, {counts['bytes']:.3g} bytes"
                for name, counts in self.allocations.items()
            }
        )

    def _elements(self) -> None:
        """Measure in a process of its own: on one thread."""
        worker = Worker("ours", 1)
        try:
            worker.listen()
            self.elements = worker.ask(
                "elements", rounds=self.options.rounds, dtypes=["float32", "float64"]
            )["seconds"]
        except FailedError as error:
            print(f"not measured: {error}")
        else:
            table.show_elements(self.elements)
        finally:
            worker.close()

    def _stream(self) -> None:
        try:
            self.streamed = streams.measure(1e9 * self.options.stream_gb, self.session.threads)
        except (FailedError, ImportError) as error:
            print(f"not measured: {error}")
        else:
            table.show_values(streams.words(self.streamed))

    def _scaling(self) -> None:
        try:
            self.processes = processes.measure(self._few())
        except processes.NoProcessesError as error:
            print(f"not measured: {error}")
            return
        table.show_values(processes.words(self.processes))
        if self.options.plot:
            processes.draw(self.processes, self.options.plot.with_name("processes.png"))

    def _rounded(self, names: Iterable[str]) -> Session:
        """Return workers of their own for modes of who takes part."""
        here = self.session.workers
        session = Session([n for n in names if precision.base(n) in here], self.session.threads)
        for name, reason in session.skipped.items():
            print(f"left out   {TITLES[name]}: {reason}")
        return session

    def _precision(self) -> None:
        with self._rounded(precision.CONTENDERS) as session:
            names = list(session.workers)
            step = precision.STEP
            print(f"relative error of a step's gradients against float64, {step.name}:")
            for name in names:
                self.deviations[name] = session.workers[name].ask("deviation")["deviation"]
            table.show_values(
                {TITLES[n]: precision.in_words(n, e) for n, e in self.deviations.items()}
            )
            shown = table.Rows("one step, or prediction", names, {}, compares=False)
            rows = []
            for job in sections.jobs("precision", self.options.cases):
                rows.append(session.measure(job, self.options.rounds, self.options.seconds))
                shown.show(rows[-1])
        self.rows += rows
        if "ours" in names:
            print()
            table.show_speeds(rows, [name for name in names if name != "ours"])
        self._show_goals_of_precision()

    def _precision_race(self) -> None:
        raced = self.raced_rounded
        try:
            with race.course() as folder, self._rounded(precision.RACERS) as session:
                for number in range(1 if self.options.quick else 3):
                    case, goal = precision.RACE_CASE.but(seed=1 + number), precision.RACE_GOAL
                    race.add(raced, session.race(list(session.workers), case, folder, goal), goal)
        except FileNotFoundError as error:
            print(f"no race: {error}")
        else:
            table.show_race(raced, precision.RACE_SETTINGS, precision.RACE_GOAL)
            self._show_goals_of_precision()

    def _show_goals_of_precision(self) -> None:
        unit = self.machine.get("bfloat16")
        if precision.has_goals(unit):
            table.show_verdict(self._goals_of_precision())
        else:
            print(f"bfloat16 {unit or 'not measured'}: no goal; goals are for tile units (AMX)")

    def _goals_of_precision(self) -> list[goals.Goal]:
        return precision.goals(self.rows, self.raced_rounded, self.machine.get("bfloat16"))

    def _few(self) -> int:
        return (int(self.options.rounds) + 1) // 2  # a curve forgives

    def again(self, names: Iterable[str]) -> None:
        """Measure once more what these ratios are about; the rounds are added up."""
        names = list(names)
        if any(name.startswith("elements:") for name in names):
            before = self.elements
            self._elements()
            for dtype, seconds in before.items():
                for name, least in seconds.items():
                    now = self.elements[dtype]
                    now[name] = min(now[name], least)
        for row in self.rows:
            if any(name.startswith(f"{row.job.key}: ") for name in names):
                print(f"once more: {row.job.key}", flush=True)
                self.session.measure(
                    row.job, 2 * self.options.rounds, 2 * self.options.seconds, onto=row
                )

    def goals(self) -> list[goals.Goal]:
        """Return the goals, and how far this run came."""
        found = goals.Found(self.rows, self.imports, self.raced, self.allocations)
        return [*goals.verdict(found), *self._goals_of_precision()]

    def ratios(self) -> dict[str, float]:
        """Return what expectations are about."""
        return check.ratios(self.rows, self.elements, self.allocations, self.raced)

    def results(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            "machine": self.machine,
            "skipped": self.session.skipped,
            "rows": [row.as_dict() for row in self.rows],
            "import seconds": self.imports,
            "peak bytes of an epoch": self.peak_memory,
            "allocations a step": self.allocations,
            "seconds an element": self.elements,
            "stream": self.streamed,
            "processes": self.processes,
            "race": {name: raced.as_dict() for name, raced in self.raced.items()},
            "precision": {
                "deviations": self.deviations,
                "race": {name: raced.as_dict() for name, raced in self.raced_rounded.items()},
            },
            "cliffs": {
                name: [finding.words for finding in found]
                for name, found in cliffs.findings(self.rows).items()
            },
            "goals": [goal.as_dict() for goal in self.goals()],
            "ratios": self.ratios(),
        }
