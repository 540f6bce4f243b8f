"""The benchmarks of precision: who takes part, what is compared, and the peaks of the units."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from benchmarks import __main__ as command
from benchmarks import native, precision, race, sections
from benchmarks.cases import Case, grid
from benchmarks.contenders import CONTENDERS, ROUNDED, TITLES, make
from benchmarks.machine import lines
from benchmarks.run import Run
from benchmarks.session import Job, Measured
from benchmarks.table import show_speeds
from building.compile import tool

import swiftbackprop as sb
from helpers import TESTS

NET = Case((784, 128, 10), 128)  # bfloat16 2x, 6x PyTorch's best mode, bf16x2 1.25x, bf16x3 1.05x
TILES = "tile unit (AMX)"


def row(case: Case, rows: int = 0, **seconds: Any) -> Measured:
    spent = {name.replace("_", "-"): times for name, times in seconds.items()}
    task = "predict" if rows else "step"
    return Measured(Job("precision", task, case, list(spent), rows), spent)


def beside(case: Case, rows: int = 0) -> Measured:
    return row(
        *(case, rows),
        ours=[2.0, 3.0, 4.0],
        ours_bf16x3=[2.0, 2.5, 9.0],
        ours_bf16x2=[1.0, 2.0, 4.0],
        ours_bfloat16=[1.0, 1.0, 1.0],
        torch_medium=[9.0, 9.0, 9.0],
        torch_autocast=[5.0, 5.5, 20.0],
    )


def test_the_unit_of_this_engine_is_a_known_one() -> None:
    """Goals hang on its name."""
    from swiftbackprop._engine import config

    units = list(config._BF16_UNITS.values())
    assert [unit for unit in units if precision.has_goals(unit)] == [TILES]
    assert sb.config()["engine"]["bfloat16"] in units
    assert not precision.has_goals(None)


def test_goals_are_for_tiles() -> None:
    rows = [beside(NET), beside(NET.but(optimizer="adam")), beside(NET, precision.ROWS)]
    assert precision.goals(rows, {}, "emulated by float32") == []
    found = precision.goals(rows, {}, TILES)
    judged = {(g.group.rpartition(", ")[2], g.what): (g.measured, g.reached) for g in found}
    for last in ("sgd", f"{precision.ROWS} rows"):
        assert judged[last, "float32 / bfloat16"] == (3, True)
        assert judged[last, "PyTorch's best mode / bfloat16"] == (5.5, False)  # 6 by SGD
        assert judged[last, "float32 / bf16x2"] == (1.5, True)
        assert judged[last, "float32 / bf16x3, fastest rounds"] == (1, False)
    assert judged["adam", "PyTorch's best mode / bfloat16"] == (5.5, True)  # 15 % off
    assert judged["adam", "float32 / bf16x3, fastest rounds"] == (1, True)
    assert len(judged) == len(found) == 12


def test_the_race_is_against_the_best_of_the_others() -> None:
    raced = {
        name: race.Raced([[seconds]], [[accuracy]], precision.RACE_GOAL)
        for name, seconds, accuracy in (
            ("ours", 9.0, 0.9),
            ("ours-bfloat16", 2.0, 0.9),
            ("torch-autocast", 5.0, 0.89),  # never got there
            ("jax-bfloat16", 7.0, 0.9),
        )
    }
    (goal,) = precision.goals([], raced, TILES)
    assert (goal.measured, goal.bound, goal.reached) == (3.5, 3, True)
    del raced["torch-autocast"], raced["jax-bfloat16"]
    assert precision.goals([], raced, TILES) == []


def test_a_race_has_a_goal_of_its_own() -> None:
    shares = iter((0.88, 0.895, 0.9))
    found = race.timed(lambda: None, lambda: next(shares), lambda: 0.0, precision.RACE_GOAL)
    assert found["accuracy"] == [0.88, 0.895, 0.9]


def test_every_mode_takes_part_on_demand_alone() -> None:
    assert set(ROUNDED) <= set(precision.CONTENDERS)
    assert set(precision.CONTENDERS) | set(precision.RACERS) <= set(TITLES)
    assert not set(ROUNDED) & set(CONTENDERS)
    assert {*map(precision.base, precision.CONTENDERS)} == set(precision.BASES) <= set(CONTENDERS)
    assert not set(sections.PRECISION) & set(sections.USUAL)
    assert command.parse(["--only", "precision"]).only == ["precision"]
    assert command.parse(["--only", "precision"]).contenders == list(precision.BASES)
    assert command.parse(["--only", "steps,precision"]).contenders == list(CONTENDERS)


def test_rows_are_the_nets_with_goals() -> None:
    jobs = sections.jobs("precision", grid(full=False))
    assert len(jobs) == 3 * len(precision.STEPS)
    assert {job.case.name for job in jobs} == set(precision.STEPS)
    chosen = sections.jobs("precision", grid(False, "784-128-10:128"))
    assert [job.case.name for job in chosen] == [NET.name] * 3


def test_batches_of_the_race_divide_the_images() -> None:
    assert 60_000 % precision.RACE_CASE.batch == 0


def test_the_rate_of_a_race_falls_after_every_epoch() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((96, 4), dtype=np.float32), rng.integers(0, 3, 96)
    for decay, moves in ((1.0, True), (0.0, False)):
        contender = make("ours", 1)
        train = contender.epoch(Case((4, 10, 3), 32, "adam", rate=0.01, decay=decay), X, y)
        train(1)
        before = contender.parameters()[0][0].copy()
        train(1)
        assert np.array_equal(before, contender.parameters()[0][0]) != moves


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("ours", 1e-8, precision.FLOAT32),
        ("ours-bf16x3", 1e-8, precision.FLOAT32),
        ("ours-bf16x2", precision.FLOAT32, 1e-4),
        ("ours-bfloat16", 1e-3, 0.1),
    ],
)
def test_ours_round_as_they_say(name: str, least: float, most: float) -> None:
    error = precision.deviation(make(name, 1))
    assert least < error < most
    assert "nothing is rounded" not in precision.in_words(name, error)


def test_a_mode_that_rounds_nothing_is_named() -> None:
    assert "nothing is rounded here" in precision.in_words("torch-medium", 3e-7)
    assert precision.in_words("torch", 3e-7) == "3.0e-07"


def test_speeds_are_beside_our_float32(capsys: pytest.CaptureFixture[str]) -> None:
    show_speeds([beside(NET)], ["ours-bf16x2", "torch-autocast", "jax-bfloat16"])
    *_, last = capsys.readouterr().out.splitlines()
    # float32 / bf16x2, / autocast, JAX was not measured; autocast / bfloat16
    cells = re.split(r"\s{2,}", last)
    assert cells == ["784-128-10, 128, sgd", "1.50 (2.00)", "0.40 (0.40)", "-", "5.50 (5.00)"]


@pytest.mark.parametrize(
    ("unit", "words"),
    [("emulated by float32", "bfloat16 emulated by float32: no goal"), (TILES, "0 of 0 goals")],
)
def test_without_the_unit_there_is_no_goal(
    unit: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = object.__new__(Run)
    run.machine, run.rows, run.raced_rounded = {"bfloat16": unit}, [], {}
    run._show_goals_of_precision()
    assert capsys.readouterr().out.startswith(words)


def test_peaks_of_units_are_those_of_this_cpu() -> None:
    here = sb.config()["cpu"]["features"]
    expected = {
        name
        for name, feature in zip(native.UNITS, ("avx512_bf16", "amx_bf16"), strict=True)
        if feature in here
    }
    peaks = native.unit_peaks(1, seconds=0.002)
    assert set(peaks) <= expected  # whether a process may use tiles, the system says
    assert all(peak > 1e9 for peak in peaks.values())


def test_the_peak_of_tiles_counts_and_ends(tmp_path: Path) -> None:
    """With the tiles made in C, which end the program at what the unit would refuse."""
    tiles = TESTS / "engine" / "c" / "tiles.h"
    source, library = Path(native.__file__).with_name("units.c"), tmp_path / "units.so"
    subprocess.run(
        [
            *(tool("clang"), "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"),
            *(f'-DTILES_IN_C="{tiles}"', str(source), "-o", str(library)),
        ],
        check=True,
    )
    peak = ctypes.CDLL(str(library)).unit_peak
    peak.restype, peak.argtypes = ctypes.c_double, [ctypes.c_int, ctypes.c_int, ctypes.c_double]
    assert peak(1, 2, 0.01) > 0


def test_the_report_shows_the_peaks() -> None:
    report = {
        **{"CPU": "a CPU", "cores": 2, "load": 0.0, "threads": 2, "versions": {}, "pools": {}},
        **{"removed from the environment": [], "no peak": "no C compiler"},
        "unit peaks": {"tiles (AMX-BF16)": {"1": 1900.0, "2": 3700.0}},
    }
    *_, last = lines(report)
    assert last == (
        "bfloat16   tiles (AMX-BF16) 1900 GFLOP/s (1 thread), "
        "tiles (AMX-BF16) 3700 GFLOP/s (2 threads)"
    )
    assert "no unit" in lines(report | {"unit peaks": {}})[-1]


def test_workers_of_modes_are_those_of_who_is_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def session(names: list[str], threads: int) -> SimpleNamespace:
        asked.extend(names)
        return SimpleNamespace(skipped={"torch-autocast": "too slow"})

    monkeypatch.setattr("benchmarks.run.Session", session)
    run = object.__new__(Run)
    run.session = SimpleNamespace(workers={"torch": 0, "numpy": 0}, threads=2)  # type: ignore[assignment]
    run._rounded(precision.CONTENDERS)
    assert asked == ["torch", "torch-medium", "torch-autocast"]
    assert "autocast: too slow" in capsys.readouterr().out
