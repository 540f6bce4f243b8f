"""The optimizers that PyTorch has too, made from a list of parameters and our numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import optim

Parameters = list[Any]
Numbers = dict[str, float]


def _adam(o: Numbers) -> dict[str, Any]:
    return {"betas": (o["beta_1"], o["beta_2"]), "eps": o["epsilon"]}


def _adamw(parameters: Parameters, o: Numbers) -> Any:
    """Decay is on the matrices alone."""
    groups = [
        {"params": [p for p in parameters if p.ndim == 2], "weight_decay": o["weight_decay"]},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return optim.AdamW([group for group in groups if group["params"]], o["lr"], **_adam(o))


TORCH_OPTIMIZERS: dict[str, Callable[[Parameters, Numbers], Any]] = {
    "SGD": lambda p, o: optim.SGD(p, o["lr"]),
    "Momentum": lambda p, o: optim.SGD(p, o["lr"], momentum=o["momentum"]),
    "Nesterov": lambda p, o: optim.SGD(p, o["lr"], momentum=o["momentum"], nesterov=True),
    "RMSprop": lambda p, o: optim.RMSprop(p, o["lr"], alpha=o["rho"], eps=o["epsilon"]),
    "Adagrad": lambda p, o: optim.Adagrad(p, o["lr"], eps=o["epsilon"]),
    "Adam": lambda p, o: optim.Adam(p, o["lr"], **_adam(o)),
    "AdamW": _adamw,
}
