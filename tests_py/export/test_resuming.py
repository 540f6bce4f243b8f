"""Training that goes on in another process, with the same bits."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import DTYPES, OPTIMIZERS, run_python_ok
from model_files import NORMS, RULES, examples, make

pytest.importorskip("safetensors")

# What happens in every training here: rows shuffled, a last short batch, units dropped.
WHOLE: dict[str, Any] = {
    "dropout": [0.3, 0.1], "max_norm": 2.0, "l1": 1e-4, "l2": 1e-3, "clip_norm": 1.0,
}  # fmt: skip


SCHEDULES: dict[str, Any] = {
    "cosine": sb.schedules.Cosine(10, warmup=3),
    "one cycle": sb.schedules.OneCycle(10),
    "function": lambda epoch, lr: lr * (0.9 if epoch % 2 else 1.05),
}


TRAININGS = [
    *((rule, "none") for rule in OPTIMIZERS),
    *(("Adam", name) for name in (*SCHEDULES, *NORMS)),
]


def scheduled(name: str, epochs: int, lr: float | None = None) -> list[Any]:
    """The callback of a schedule, after so many epochs."""
    if name not in SCHEDULES:
        return []
    schedule = SCHEDULES[name]
    timed = isinstance(schedule, sb.schedules.Schedule)
    return [sb.LearningRateScheduler(schedule, start=epochs, lr=lr if timed else None)]


def go_on(folder: Path) -> None:
    """What the other process does: epochs 6 to 10 of every training."""
    for path in sorted(folder.glob("*-5")):
        net, name = sb.load(path), path.name.split("-")[1]
        lr = RULES[type(net.optimizer.recipe).__name__].lr
        net.fit(*examples(203), epochs=5, callbacks=scheduled(name, 5, lr), **FIVE)
        net.save(folder / path.name.replace("-5", "-ten"))


FIVE: dict[str, Any] = {"batch_size": 16, "progress": False}


RESUME = """
    import sys, pathlib, test_resuming
    test_resuming.go_on(pathlib.Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every training: after ten epochs, after five, and ten in two processes."""
    folder = tmp_path_factory.mktemp("resumed")
    for (rule, name), dtype in itertools.product(TRAININGS, DTYPES):
        options = {"optimizer": RULES[rule], "dtype": dtype, "norm": NORMS.get(name), **WHOLE}
        nets = [make(**options) for _ in range(3)]
        for net in nets:
            net.layers[1].trainable = rule != "SGD"
        whole, first, watched = nets
        stem = folder / f"{rule}-{name}-{dtype}"
        whole.fit(*examples(203), epochs=10, callbacks=scheduled(name, 0), **FIVE)
        whole.save(f"{stem}-wanted")
        first.fit(*examples(203), epochs=5, callbacks=scheduled(name, 0), **FIVE)
        first.save(f"{stem}-after-5")
        keep = sb.Checkpoint(f"{stem}-within-{{epoch}}", every=5)
        watched.fit(*examples(203), epochs=10, callbacks=[*scheduled(name, 0), keep], **FIVE)
    run_python_ok(RESUME, str(folder))
    return folder


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rule", "name"), TRAININGS)
def test_ten_epochs_are_five_and_five_in_another_process(
    rule: str, name: str, dtype: str, resumed: Path
) -> None:
    """Bit for bit, with shuffling, dropout and schedules: saved after fit, and within it."""

    def content(what: str) -> bytes:
        return (resumed / f"{rule}-{name}-{dtype}-{what}").read_bytes()

    assert content("after-ten") == content("wanted")
    assert content("within-ten") == content("wanted")
    assert content("after-5") != content("wanted")
    if name not in SCHEDULES:  # else the optimizer has the rate of its epoch
        assert content("after-5") == content("within-5")
        assert content("wanted") == content("within-10")


def test_training_that_a_callback_stopped_goes_on_with_the_same_bits() -> None:
    whole, parts = make(), make()
    X, y = examples(203)
    whole.fit(X, y, epochs=10, progress=False)
    parts.fit(X, y, epochs=10, progress=False, callbacks=[lambda net, epoch, logs: epoch == 4])
    parts.fit(X, y, epochs=5, progress=False)
    np.testing.assert_array_equal(whole.parameters, parts.parameters)
