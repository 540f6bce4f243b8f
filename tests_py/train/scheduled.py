"""A network to train with schedules, callbacks and metrics."""

from __future__ import annotations

from typing import Any

import numpy as np

import swiftbackprop as sb


def data(rows: int = 48) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(rows, 4))
    return X, np.argmax(X[:, :3], axis=1)


def network(lr: float = 0.1, **keywords: Any) -> Any:
    options: dict[str, Any] = {"loss": "cross_entropy", "dtype": "float64", "seed": 0}
    return sb.Network([4, 8, 3], optimizer=sb.SGD(lr), **(options | keywords))


def train(net: Any, callbacks: list[Any], **keywords: Any) -> sb.History:
    X, y = data()
    options: dict[str, Any] = {"epochs": 6, "batch_size": 16, "progress": False}
    history: sb.History = net.fit(X, y, callbacks=callbacks, **(options | keywords))
    return history


class Replay:
    """What a monitored quantity should be; changes the logs before the others see them."""

    def __init__(self, callback: Any, values: list[float], name: str = "loss") -> None:
        self.callback, self.values, self.name = callback, values, name
        self.rates: list[float] = []

    def on_train_begin(self, net: Any) -> None:
        self.callback.on_train_begin(net)

    def on_epoch_end(self, net: Any, epoch: int, logs: dict[str, float]) -> Any:
        answer = self.callback.on_epoch_end(net, epoch, logs | {self.name: self.values[epoch]})
        self.rates.append(net.optimizer.lr)
        return answer

    def on_train_end(self, net: Any) -> None:
        self.callback.on_train_end(net)
