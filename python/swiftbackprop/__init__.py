"""A neural-network engine in Swift, driven through NumPy without copying.

    net = sb.Network([784, 128, 10], loss="cross_entropy", seed=0)
    history = net.fit(X, y, epochs=10, batch_size=128)
    net.predict(X)

Every z, a and gradient of the network is there to look at, as a view of the engine's
memory: ``net.layers[0].z``. The optimizers ``SGD``, ``Adam`` and so on are attributes of
this package too, made from the engine's own list.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from swiftbackprop import metrics
from swiftbackprop._arrays import explain_copy
from swiftbackprop._callbacks import Callback
from swiftbackprop._config import config, get_num_threads, set_num_threads, show_config
from swiftbackprop._custom import CustomActivation, CustomLoss
from swiftbackprop._engine import core
from swiftbackprop._functions import (
    Activation,
    Initializer,
    Loss,
    activation,
    activations,
    initializer,
    initializers,
    loss,
    losses,
)
from swiftbackprop._history import History
from swiftbackprop._layers import Layer
from swiftbackprop._norms import BatchNorm, LayerNorm, Norm
from swiftbackprop._optimizers import Optimizer, optimizer, optimizer_classes, optimizers
from swiftbackprop._version import __version__
from swiftbackprop.network import Network

# What training does not need is imported when it is first used: a name, and the module that
# has it or is it. Type checkers and editors read the same from the imports below.
_LATER = {
    "CSVLogger": "_stock_callbacks",
    "Checkpoint": "_stock_callbacks",
    "EarlyStopping": "_stock_callbacks",
    "HealthCheck": "_health_check",
    "HealthReport": "_health_report",
    "LearningRateScheduler": "_stock_callbacks",
    "LivePlot": "_live",
    "Picture": "_svg",
    "Step": "_trace",
    "Trace": "_trace",
    "datasets": "datasets",
    "from_sklearn": "_elsewhere",
    "from_torch": "_elsewhere",
    "lab": "lab",
    "load": "_files",
    "schedules": "schedules",
}

if TYPE_CHECKING:
    from swiftbackprop import _optimizer_classes, datasets, lab, schedules
    from swiftbackprop._elsewhere import from_sklearn, from_torch
    from swiftbackprop._files import load
    from swiftbackprop._health_check import HealthCheck
    from swiftbackprop._health_report import HealthReport
    from swiftbackprop._live import LivePlot
    from swiftbackprop._optimizer_classes import *  # noqa: F403
    from swiftbackprop._stock_callbacks import (
        Checkpoint,
        CSVLogger,
        EarlyStopping,
        LearningRateScheduler,
    )
    from swiftbackprop._svg import Picture
    from swiftbackprop._trace import Step, Trace

DivergenceError = core.DivergenceError

__all__ = [
    "Activation",
    "BatchNorm",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CustomActivation",
    "CustomLoss",
    "DivergenceError",
    "EarlyStopping",
    "HealthCheck",
    "HealthReport",
    "History",
    "Initializer",
    "Layer",
    "LayerNorm",
    "LearningRateScheduler",
    "LivePlot",
    "Loss",
    "Network",
    "Norm",
    "Optimizer",
    "Picture",
    "Step",
    "Trace",
    "__version__",
    "activation",
    "activations",
    "config",
    "datasets",
    "explain_copy",
    "from_sklearn",
    "from_torch",
    "get_num_threads",
    "initializer",
    "initializers",
    "lab",
    "load",
    "loss",
    "losses",
    "metrics",
    "optimizer",
    "optimizers",
    "schedules",
    "set_num_threads",
    "show_config",
]

if TYPE_CHECKING:
    __all__ += _optimizer_classes.__all__
else:
    globals().update(optimizer_classes())
    __all__ += optimizer_classes()

    def __getattr__(name: str) -> Any:
        """Import a name when it is first used."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        place = _LATER[name]
        module = import_module(f"{__name__}.{place}")
        value = module if place == name else getattr(module, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
