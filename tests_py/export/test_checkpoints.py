"""Checkpoints during training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import swiftbackprop as sb
from helpers import refused
from model_files import examples, make

pytest.importorskip("safetensors")


def test_a_checkpoint_every_few_epochs(tmp_path: Path) -> None:
    net = make()
    X, y = examples()
    path = tmp_path / "net-{epoch:02d}.safetensors"
    net.fit(X, y, epochs=7, callbacks=[sb.Checkpoint(path, every=3)], progress=False)
    assert sorted(found.name for found in tmp_path.iterdir()) == [
        "net-03.safetensors", "net-06.safetensors"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("monitor", "best"), [("loss", min), ("val_accuracy", max), ("val_loss", min)]
)
def test_a_checkpoint_of_the_best_epoch(monitor: str, best: Any, tmp_path: Path) -> None:
    net = make(optimizer=sb.SGD(3.0))
    X, y = examples(60)
    checkpoint = sb.Checkpoint(tmp_path / "best", monitor=monitor)
    data = (X[40:], y[40:])
    kept: list[npt.NDArray[Any]] = []

    def keep(net: Any, epoch: int, logs: Any) -> None:
        kept.append(net.parameters.copy())

    history = net.fit(
        X[:40], y[:40], epochs=20, validation_data=data, callbacks=[checkpoint, keep],
        progress=False,
    )  # fmt: skip
    column = history[monitor]
    place = column.index(best(column))
    assert 0 < place < 19, "the test wants a best epoch in between"
    np.testing.assert_array_equal(sb.load(tmp_path / "best").parameters, kept[place])
    assert checkpoint.best == column[place]
    assert checkpoint.path == str(tmp_path / "best")


def test_a_checkpoint_starts_anew_with_each_fit(tmp_path: Path) -> None:
    checkpoint = sb.Checkpoint(tmp_path / "best", monitor="loss")
    X, y = examples()
    make().fit(X, y, epochs=5, callbacks=[checkpoint], progress=False)
    net = make()
    net.fit(X, y, epochs=1, callbacks=[checkpoint], progress=False)
    np.testing.assert_array_equal(sb.load(tmp_path / "best").parameters, net.parameters)


def test_what_a_checkpoint_refuses(tmp_path: Path) -> None:
    path = tmp_path / "net"
    refused(lambda: sb.Checkpoint(path, every=0), ValueError, "every must be an int >= 1, got 0")
    refused(lambda: sb.Checkpoint(path, every="2"), TypeError, "every must be an int")  # type: ignore[arg-type]
    refused(lambda: sb.Checkpoint(path, mode="up"), ValueError, '"min".*"max"')
    refused(lambda: sb.Checkpoint(f"{path}-{{loss}}"), ValueError, r"\{epoch\}")
    refused(lambda: sb.Checkpoint(path, monitor="loss", every=2), ValueError, "every.*monitor")
    refused(lambda: sb.Checkpoint(3), TypeError, "path")  # type: ignore[arg-type]
    X, y = examples()
    for name, pattern in (("val_loss", "validation"), ("los", "did you mean 'loss'")):
        checkpoint = sb.Checkpoint(path, monitor=name)
        refused(
            lambda c=checkpoint: make().fit(X, y, callbacks=[c], progress=False),
            ValueError, name, pattern,
        )  # fmt: skip
    lost = sb.Checkpoint(tmp_path / "nowhere" / "net")
    refused(
        lambda: make().fit(X, y, callbacks=[lost], progress=False), OSError, "no folder.*nowhere"
    )
