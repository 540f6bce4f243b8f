"""The benchmarks' modes of bfloat16 in PyTorch and JAX: they train alike, and round."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import precision
from benchmarks.cases import Case
from benchmarks.contenders import make
from benchmarks.session import Job, Session

NAMES = ("torch-medium", "torch-autocast", "jax-bfloat16")


def test_modes_train_the_same_network() -> None:
    case = Case((16, 32, 3), 32, "adam", rate=0.01)
    with Session(["ours-bfloat16", *NAMES], 1) as session:
        here = list(session.workers)
        # without a unit, autocast may take too long to be of use, and says so
        assert set(session.skipped) <= {"torch-autocast"}, session.skipped
        errors = {name: session.workers[name].ask("deviation")["deviation"] for name in here}
        rows = [
            session.measure(Job("precision", task, case, here, count), 1, 0.002)
            for task, count in (("step", 0), ("epoch", 320), ("predict", 100))
        ]
    for row in rows:
        assert not row.failed
        assert set(row.seconds) == set(here)
        assert row.strayed == []
    assert set(rows[0].travelled) == set(here)
    # "medium" rounds where PyTorch finds a unit
    rounded = {name for name in here if errors[name] > 100 * precision.FLOAT32}
    assert rounded | {"torch-medium"} == set(here)


@pytest.mark.parametrize("name", ["torch", "jax", "jax-bfloat16"])
def test_the_rate_of_a_race_falls_after_every_epoch(name: str) -> None:
    """To 0 here: the second epoch leaves the weights as they are."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((96, 4), dtype=np.float32), rng.integers(0, 3, 96)
    for decay, moves in ((1.0, True), (0.0, False)):
        contender = make(name, 1)
        train = contender.epoch(Case((4, 10, 3), 32, "adam", rate=0.01, decay=decay), X, y)
        start = contender.parameters()[0][0].copy()
        train(1)
        before = contender.parameters()[0][0].copy()
        train(1)
        assert not np.array_equal(start, before)
        assert np.array_equal(before, contender.parameters()[0][0]) != moves
