"""The benchmarks' judgement: what they make of times; not the times themselves."""

from __future__ import annotations

import json
import math
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from benchmarks import __main__ as command
from benchmarks import check, cliffs, goals, plot, race, sections
from benchmarks.cases import NETS, Case, grid, start
from benchmarks.contenders import CONTENDERS, make
from benchmarks.run import Run
from benchmarks.session import Job, Measured

import swiftbackprop as sb

TIMES = {16: 10.0, 32: 9.0, 64: 40.0, 128: 30.0}  # 64 is a cliff, 16 is not


def step(case: Case, **seconds: Any) -> Measured:
    spent = {name.replace("_", " "): list(np.atleast_1d(value)) for name, value in seconds.items()}
    return Measured(Job("steps", "step", case, list(spent)), spent)


def widths(plan: dict[int, float], one: dict[int, float]) -> list[Measured]:
    jobs = (Job("cliffs", "step", Case((784, width, 10), 32), ()) for width in plan)
    return [
        Measured(job, {"plan": [plan[w]], "1 thread": [one[w]]})
        for job in jobs
        for w in (job.case.sizes[1],)
    ]


def test_a_net_that_takes_longer_than_a_wider_one_is_found() -> None:
    rows = widths(TIMES, TIMES)
    (found,) = cliffs.uneven(rows)
    assert cliffs.width(found.row) == 64
    assert found.by == pytest.approx(4 / 3)
    assert "width 128" in found.words
    assert cliffs.behind(rows) == []
    assert cliffs.worst(rows)["a narrower net / a wider one"] == pytest.approx(4 / 3)


def test_a_plan_behind_a_fixed_number_of_threads_is_found() -> None:
    one = TIMES | {16: 9.5, 128: 20.0}
    rows = widths(TIMES, one)
    (found,) = cliffs.behind(rows)
    assert cliffs.width(found.row) == 128
    assert "1 thread" in found.words
    assert cliffs.worst(rows)["plan / best fixed"] == pytest.approx(1.5)
    assert [f.row for f in cliffs.findings(rows)["784-w-10, 32"]] == [rows[2], rows[3]]
    found.row.shared["plan"] = 1  # twice the same
    assert cliffs.behind(rows) == []


def test_families_keep_nets_and_batches_apart() -> None:
    rows = [Measured(job) for job in cliffs.jobs(["plan"])]
    families = cliffs.families(rows)
    assert set(families) == {"784-w-10, 32", "784-w-10, 128", "w-w-w-10, 32", "w-w-w-10, 128"}
    for family in families.values():
        assert tuple(map(cliffs.width, family)) == cliffs.WIDTHS
    assert cliffs.WIDTHS[0] == 16
    assert cliffs.WIDTHS[-1] == 512


def test_the_clock_of_a_race_stands_while_the_test_set_is_classified() -> None:
    clock = SimpleNamespace(now=0.0)

    def take(seconds: float) -> None:
        clock.now += seconds

    shares = iter((0.5, 0.8799, 0.88, 0.9))

    def accuracy() -> float:
        take(100)
        return next(shares)

    found = race.timed(lambda: take(2), accuracy, lambda: clock.now)
    assert found == {"seconds": [2, 2, 2], "accuracy": [0.5, 0.8799, 0.88]}


def test_a_race_has_an_end() -> None:
    ticks = count()
    found = race.timed(lambda: None, lambda: 0.1, lambda: float(next(ticks)))
    assert len(found["seconds"]) == race.LIMIT
    raced = race.Raced()
    raced.add(found)
    assert math.isinf(raced.total)


def test_a_race_is_decided_by_the_median_round() -> None:
    raced = {"ours": race.Raced(), "sklearn": race.Raced()}
    for epochs in (2, 3, 30):
        accuracy = [0.1] * (epochs - 1) + [0.9]
        raced["ours"].add({"seconds": [1.0] * (epochs - 1) + [2.0], "accuracy": accuracy})
        raced["sklearn"].add({"seconds": [5.0] * epochs, "accuracy": accuracy})
    assert raced["ours"].total == 4
    assert raced["ours"].epochs == 3
    assert raced["ours"].slowing == 2
    assert race.ratios(raced) == {"sklearn": 15 / 4}
    assert race.ratios({"sklearn": raced["sklearn"]}) == {}


@pytest.mark.parametrize("name", ["ours", "explicit", "numpy", "sklearn"])
def test_contenders_learn_and_classify(name: str) -> None:
    if name == "sklearn":
        pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((640, 4), dtype=np.float32)
    y = X[:, :3].argmax(axis=1)
    contender = make(name, 1)
    train = contender.epoch(Case((4, 10, 3), 32, "adam", rate=0.01), X, y)
    before = np.mean(contender.classes(X) == y) if name != "sklearn" else 0.5
    train(1)
    train(9)  # the optimizer goes on
    assert before < 0.9 < np.mean(contender.classes(X) == y)


def test_everybody_starts_from_the_weights_of_the_seed() -> None:
    case = Case((4, 10, 3), 16)
    (W, b), _ = start(case)
    assert W.shape == (10, 4)
    assert b.shape == (10,)
    assert not np.array_equal(W, start(case.but(seed=2))[0][0])
    assert case.lr == 0.01
    assert case.but(rate=0.5).lr == 0.5


def test_every_net_of_the_table_has_goals() -> None:
    assert set(goals.STEPS) == {net.name for net in NETS}


def test_the_verdict_holds_every_ratio_against_its_goal() -> None:
    net = NETS[2]  # 2x beside the best, 3.5x beside PyTorch, 1.25x above the floor
    rows = [
        step(net, ours=1.0, explicit=1.1, numpy=2.1, torch=3.4, floor=0.9),
        step(net.but(optimizer="adam"), ours=2.0, numpy=3.0, torch=9.0),
        step(net.but(optimizer="momentum"), ours=2.1, numpy=3.0),
        step(net.but(activation="tanh"), ours=1.0, numpy=1.85),
        step(net.but(dtype="float64"), ours=1.0, numpy=1.01),
    ]
    found = goals.verdict(goals.Found(rows, {"ours": 0.2}, {}, {}))
    judged = {(g.group, g.what): g.reached for g in found if g.reached is not None}
    assert judged == {
        (net.name, "SGD: best peer / ours"): True,
        (net.name, "Adam: best peer / ours"): False,
        (net.name, "SGD: PyTorch / ours"): False,
        (net.name, "Adam: PyTorch / ours"): True,
        (net.name, "SGD: ours / floor"): True,
        ("momentum", f"{net.name}: time / Adam's"): False,
        ("tanh", f"{net.name}, sgd: best peer / ours, of relu's"): False,
        ("float64", f"{net.name}, sgd: best peer / ours"): True,
        ("calls from Python", "import beyond NumPy's"): False,
    }


def test_goals_that_were_not_measured_are_neither_reached_nor_missed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from benchmarks.table import show_verdict

    found = goals.verdict(goals.Found([], {}, {}, {}))
    assert {goal.reached for goal in found} == {None}
    show_verdict(found)
    assert capsys.readouterr().out.startswith("0 of 0 goals reached; ")


def test_what_is_out_of_line_is_named() -> None:
    expected = {"a": {"min": 2.0}, "b": {"max": 2.0}, "c": {"min": 1.0}, "d": {"max": 1.0}}
    found = {"a": 1.9, "b": 2.1, "c": 1.0, "d": math.nan}
    lines = check.complaints(found, expected)
    assert set(lines) == {"a", "b", "d"}
    assert lines["a"] == "a is 1.9, expected at least 2"


def test_expectations_leave_room_and_forget_rules_that_are_gone() -> None:
    before = {
        "elements: gone, float32: ours / copy": {"max": 3.0},
        "steps: other, sgd: best peer / ours": {"min": 4.0},
    }
    found = {
        "elements: activation relu, float32: ours / copy": 2.0,
        "steps: net, sgd: best peer / ours": 3.0,
        "steps: net, sgd: ours / floor": 1.0,
        "steps: net, sgd: NumPy / by step": 1.5,
        "memory: fit: malloc calls / step": 0.0,
    }
    assert check.bounds(found, before) == {
        "elements: activation relu, float32: ours / copy": {"max": 5.0},
        "memory: fit: malloc calls / step": {"max": 0.5},
        "steps: net, sgd: NumPy / by step": {"min": 1.0},
        "steps: net, sgd: best peer / ours": {"min": 2.0},
        "steps: net, sgd: ours / floor": {"max": 1.35},
        "steps: other, sgd: best peer / ours": {"min": 4.0},
    }


def test_only_suspects_are_measured_again() -> None:
    asked = []

    class Fake:
        def measure(self, job: Job, rounds: int, seconds: float, onto: Measured) -> None:
            asked.append(job.key)
            onto.seconds["ours"] += [1.0] * rounds
            onto.seconds["numpy"] += [9.0] * rounds

    run = object.__new__(Run)
    run.session = Fake()  # type: ignore[assignment]
    run.options = SimpleNamespace(rounds=3, seconds=0.1)  # type: ignore[assignment]
    run.rows = [step(NETS[0], ours=[9.0] * 3, numpy=[9.0] * 3), step(NETS[1], ours=1.0, numpy=9.0)]
    run.again([f"{run.rows[0].job.key}: best peer / ours"])
    assert asked == [run.rows[0].job.key]
    assert run.rows[0].ratios["best peer / ours"] == 9


def test_expected_names_are_those_of_a_run() -> None:
    """Every expectation is about something that is still measured."""
    cases = grid(full=True)
    keys = {
        job.key for name in sections.SECTIONS for job in sections.jobs(name, cases)
    }  # of sections that compare
    rules = {
        *(f"activation {name}{end}" for name in sb.activations() for end in ("", "'")),
        *(f"loss {name}{end}" for name in sb.losses() for end in ("", "'")),
        *(f"optimizer {name}" for name in sb.optimizers()),
    }
    for name in check.expectations():
        section = name.partition(":")[0]
        if section == "elements":
            assert name.split(": ")[1].rpartition(", ")[0] in rules, name
        elif section not in ("memory", "race", "cliffs"):
            assert name.rpartition(": ")[0] in keys, name


def test_every_rule_has_a_ceiling_in_both_dtypes() -> None:
    """A new rule has that of the slowest of its kind until there is an expectation of its own."""
    expected = check.expectations()
    for kind, names in (
        ("activation", [*sb.activations(), "new"]),
        ("loss", [*sb.losses(), "new"]),
        ("optimizer", [*sb.optimizers(), "new"]),
    ):
        for name in names:
            for dtype in ("float32", "float64"):
                key = f"elements: {kind} {name}, {dtype}: ours / copy"
                assert list(check.complaints({key: 1e3}, expected)) == [key]
                assert not check.complaints({key: 0.1}, expected)


def test_options_choose_sections_and_contenders() -> None:
    assert command.parse([]).only == list(sections.USUAL)
    quick = command.parse(["--quick"])
    assert "race" in quick.only
    assert not {"cliffs", "width"} & set(quick.only)
    assert "torch-compile" not in quick.contenders
    judged = command.parse(["--only", "verdict"])
    assert judged.only == [*sections.JUDGED, "verdict"]
    assert command.parse(["--grid", "full"]).contenders == list(CONTENDERS)
    with pytest.raises(SystemExit):
        command.parse(["--only", "nothing"])


def test_the_floor_is_measured_once_for_each_product() -> None:
    jobs = sections.jobs("steps", grid(full=True))
    with_floor = {job.case.variant for job in jobs if "floor" in job.contenders}
    assert with_floor == {"sgd", "sgd float64"}


def test_the_picture_shows_every_part(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    raced = {"ours": race.Raced([[1.0, 1.0]], [[0.8, 0.88]])}
    rows = [
        step(NETS[0], ours=1.0, numpy=2.0, floor=0.5),
        Measured(Job("batch", "step", NETS[2], ()), {"ours": [1.0]}),
        *widths(TIMES, TIMES),
    ]
    assert [len(band) for band in plot._bands(rows, raced)] == [1, 2, 1]
    plot.draw(rows, raced, tmp_path / "all.png", "a machine")
    plot.draw([], {}, tmp_path / "none.png", "a machine")
    assert (tmp_path / "all.png").stat().st_size > (tmp_path / "none.png").stat().st_size


def test_results_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    run = object.__new__(Run)
    run.machine, run.session = {}, SimpleNamespace(skipped={})  # type: ignore[assignment]
    run.rows, run.imports, run.peak_memory = [step(NETS[0], ours=1.0)], {}, {}
    run.allocations, run.elements, run.streamed, run.processes = {}, {}, {}, {}
    run.raced = {"ours": race.Raced([[1.0]], [[0.9]])}
    run.raced_rounded, run.deviations = {}, {"ours": 1e-7}
    found = json.loads(json.dumps(run.results()))
    assert found["race"]["ours"]["seconds"] == [[1.0]]
    assert found["precision"]["deviations"] == {"ours": 1e-7}
    assert found["goals"]
    assert found["rows"][0]["median"] == {"ours": 1.0}
