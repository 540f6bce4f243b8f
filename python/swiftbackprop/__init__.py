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
from swiftbackprop._engine.config import config, get_num_threads, set_num_threads, show_config
from swiftbackprop._engine.loader import core
from swiftbackprop._net.copies import explain_copy
from swiftbackprop._net.custom import CustomActivation, CustomLoss
from swiftbackprop._net.layer import Layer
from swiftbackprop._net.names import no_attribute
from swiftbackprop._net.normalization import BatchNorm, LayerNorm, Norm
from swiftbackprop._net.optimizers import Optimizer, optimizer, optimizer_classes, optimizers
from swiftbackprop._net.rules import (
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
from swiftbackprop._train.callback import Callback
from swiftbackprop._train.history import History
from swiftbackprop._version import __version__
from swiftbackprop.network import Network

# What training does not need is imported when it is first used: a name, and the module that
# has it or is it. Type checkers and editors read the same from the imports below.
_LATER = {
    "CSVLogger": "_train.file_callbacks",
    "Checkpoint": "_train.file_callbacks",
    "EarlyStopping": "_train.builtin_callbacks",
    "HealthCheck": "_inspect.health_callback",
    "HealthReport": "_inspect.health_report",
    "LearningRateScheduler": "_train.builtin_callbacks",
    "LivePlot": "_inspect.live_plot",
    "Picture": "_draw.svg",
    "Step": "_inspect.trace",
    "Trace": "_inspect.trace",
    "data": "data",
    "datasets": "datasets",
    "from_sklearn": "_import.constructors",
    "from_torch": "_import.constructors",
    "lab": "lab",
    "load": "_import.load",
    "schedules": "schedules",
}

if TYPE_CHECKING:
    from swiftbackprop import data, datasets, lab, schedules
    from swiftbackprop._draw.svg import Picture
    from swiftbackprop._import.constructors import from_sklearn, from_torch
    from swiftbackprop._import.load import load
    from swiftbackprop._inspect.health_callback import HealthCheck
    from swiftbackprop._inspect.health_report import HealthReport
    from swiftbackprop._inspect.live_plot import LivePlot
    from swiftbackprop._inspect.trace import Step, Trace
    from swiftbackprop._net.optimizer_classes import *  # noqa: F403
    from swiftbackprop._train.builtin_callbacks import EarlyStopping, LearningRateScheduler
    from swiftbackprop._train.file_callbacks import Checkpoint, CSVLogger

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
    "data",
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
    from swiftbackprop._net import optimizer_classes as stub

    __all__ += stub.__all__
else:
    globals().update(optimizer_classes())
    __all__ += optimizer_classes()

    def __getattr__(name: str) -> Any:
        """Import a name when it is first used."""
        if name not in _LATER:
            raise no_attribute(__name__, "module", name, __all__)
        place = _LATER[name]
        module = import_module(f"{__name__}.{place}")
        value = module if place == name else getattr(module, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
