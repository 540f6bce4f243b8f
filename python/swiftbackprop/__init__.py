"""A neural-network engine in Swift, driven through NumPy without copying.

    net = sb.Network([784, 128, 10], loss="cross_entropy", seed=0)
    history = net.fit(X, y, epochs=10, batch_size=128)
    net.predict(X)

Every z, a and gradient of the network is there to look at, as a view of the engine's
memory: ``net.layers[0].z``. The optimizers ``SGD``, ``Adam`` and so on are attributes of
this package too, made from the engine's own list.
"""

from typing import TYPE_CHECKING

from swiftbackprop import datasets, lab, metrics, schedules
from swiftbackprop._arrays import explain_copy
from swiftbackprop._callbacks import Callback
from swiftbackprop._config import config, get_num_threads, set_num_threads, show_config
from swiftbackprop._custom import CustomActivation, CustomLoss
from swiftbackprop._elsewhere import from_sklearn, from_torch
from swiftbackprop._engine import core
from swiftbackprop._files import load
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
from swiftbackprop._health_check import HealthCheck
from swiftbackprop._health_report import HealthReport
from swiftbackprop._history import History
from swiftbackprop._layers import Layer
from swiftbackprop._live import LivePlot
from swiftbackprop._norms import BatchNorm, LayerNorm, Norm
from swiftbackprop._optimizers import (
    Optimizer,
    optimizer,
    optimizer_classes,
    optimizers,
)
from swiftbackprop._stock_callbacks import (
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
)
from swiftbackprop._svg import Picture
from swiftbackprop._trace import Step, Trace
from swiftbackprop._version import __version__
from swiftbackprop.network import Network

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

    def __getattr__(name: str) -> type[Optimizer]:
        """Return an optimizer's class: the engine names them, at run time."""

else:
    globals().update(optimizer_classes())
    __all__ += optimizer_classes()
