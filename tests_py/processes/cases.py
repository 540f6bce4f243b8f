"""What is trained by several processes and by one: networks, data and arguments of `fit`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import swiftbackprop as sb

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Case:
    """A training."""

    net: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    sizes: tuple[int, ...] = (6, 40, 25, 3)  # more than a page, in either dtype
    rows: int = 103
    classes: bool = True
    weighted: bool = False
    dtype: str = "float64"
    schedule: sb.schedules.Schedule | None = None
    stops: bool = False
    offset: float = 0.0

    @property
    def may_share_memory(self) -> bool:
        """Whether processes of one machine can have it in common."""
        own = (sb.CustomActivation, sb.CustomLoss)
        rules = [self.net.get("loss"), *np.atleast_1d(self.net.get("activation", "tanh"))]
        return "norm" not in self.net and not any(isinstance(rule, own) for rule in rules)

    def make(self, seed: int = 5) -> tuple[sb.Network, Arrays, dict[str, Any]]:
        """The same network, data and arguments each time."""
        rng = np.random.default_rng(1)
        loss = "cross_entropy" if self.classes else "squared_error"
        given = {"activation": "tanh", "optimizer": sb.SGD(0.1), "loss": loss, **self.net}
        net = sb.Network(self.sizes, seed=seed, dtype=self.dtype, **given)
        X = (rng.standard_normal((self.rows, self.sizes[0])) + self.offset).astype(self.dtype)
        outputs = self.sizes[-1]
        y: np.ndarray
        if self.classes:
            y = rng.integers(0, outputs, self.rows)
        else:
            y = 3 + rng.standard_normal((self.rows, outputs))
        weights = rng.uniform(0, 2, self.rows) if self.weighted else None
        fit = {"epochs": 3, "batch_size": 16, **self.fit}
        callbacks: list[Any] = []
        if self.schedule is not None:
            callbacks.append(sb.LearningRateScheduler(self.schedule))
        if self.stops:
            callbacks.append(sb.EarlyStopping(patience=1))
        if callbacks:
            fit["callbacks"] = callbacks
        if fit.pop("validates", False):
            fit["validation_data"] = (X[:29] * 0.9, y[1:30])  # others: it soon gets worse
        return net, (X, y, weights), fit


_OPTIMIZERS = {
    "momentum": sb.Momentum(0.05),
    "nesterov": sb.Nesterov(0.05),
    "adagrad": sb.Adagrad(0.05),
    "rmsprop": sb.RMSprop(0.01),
    "adam": sb.Adam(0.01),
    "adamhat": sb.AdamHat(0.01),
    "adamw": sb.AdamW(0.01),
}


def _quartic(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return ((a - t) ** 4).sum(1) / 4


# Functions in Python, in the middle and at the end: they are asked for the rows that are here.
_SINE = sb.CustomActivation(np.sin, np.cos)
_SOFT = sb.CustomActivation(np.tanh, lambda z: 1 - np.tanh(z) ** 2)
_OWN_LOSS = sb.CustomLoss(_quartic, lambda a, t: (a - t) ** 3)

CASES: dict[str, Case] = {
    "sgd": Case(),
    "float32": Case(dtype="float32"),
    "float32_wide": Case(dtype="float32", sizes=(50, 300, 200, 3), fit={"epochs": 2}),
    "bf16x3": Case(
        dtype="float32", sizes=(50, 300, 200, 3), net={"precision": "bf16x3"}, fit={"epochs": 2}
    ),
    **{name: Case(net={"optimizer": rule}) for name, rule in _OPTIMIZERS.items()},
    "penalties": Case(net={"l1": 1e-3, "l2": 1e-2}),
    "clipping": Case(net={"clip_norm": 0.05, "optimizer": sb.Adam(0.01)}),
    "max_norm": Case(net={"max_norm": 0.6}),
    "schedule": Case(schedule=sb.schedules.OneCycle(3)),
    "weights": Case(weighted=True),
    "class_weights": Case(fit={"class_weight": "balanced"}, weighted=True),
    "dropout": Case(net={"dropout": 0.3}),
    "batch_norm": Case(net={"norm": "batch"}, sizes=(6, 12, 10, 3), offset=100.0),
    "batch_norm_behind": Case(net={"norm": sb.BatchNorm(after=True), "dropout": 0.2}),
    "layer_norm": Case(net={"norm": "layer"}),
    "validation": Case(fit={"validates": True, "metrics": ["top_2", "f1"]}),
    "regression": Case(
        classes=False, fit={"validates": True, "metrics": ["rmse"]}, net={"l2": 1e-3}
    ),
    "early_stopping": Case(
        fit={"validates": True, "epochs": 40}, net={"optimizer": sb.SGD(0.3)}, stops=True
    ),
    "one_batch": Case(fit={"batch_size": 1000}),
    "tiny_batches": Case(fit={"batch_size": 2, "epochs": 1}),
    "in_order": Case(fit={"shuffle": False}),
    "even": Case(fit={"shuffle": "even"}, weighted=True),
    "own_activation": Case(
        net={"activation": _SINE, "norm": "batch", "dropout": 0.2},
        offset=5.0,
        fit={"validates": True},
    ),
    "own_activation_first": Case(
        net={"activation": [_SOFT, "relu"], "norm": [sb.BatchNorm(after=True), None]}, weighted=True
    ),
    "own_loss": Case(
        classes=False,
        net={"activation": _SOFT, "loss": _OWN_LOSS, "optimizer": sb.Adam(0.01)},
        fit={"validates": True, "metrics": ["rmse"]},
    ),
    "own_float32": Case(dtype="float32", net={"activation": ["tanh", _SINE]}),
    "probation": Case(net={"l2": 2.0, "optimizer": sb.SGD(1e-3)}),
}
