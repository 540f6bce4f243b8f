"""The classes that `_net.optimizers` makes of the engine's list, for type checkers."""

# Written by tests_py/optimizer_stub.py.
from swiftbackprop._net.optimizers import Optimizer

__all__: list[str] = [
    "Adagrad",
    "Adam",
    "AdamHat",
    "AdamW",
    "Momentum",
    "Nesterov",
    "RMSprop",
    "SGD",
]

class Adagrad(Optimizer):
    """s <- s + g^2, w <- w - lr g / (sqrt(s) + epsilon)"""

    def __init__(
        self,
        lr: float = 0.01,
        epsilon: float = 1e-10,
    ) -> None: ...
    @property
    def lr(self) -> float: ...
    @property
    def epsilon(self) -> float: ...

class Adam(Optimizer):
    """m <- beta_1 m + (1 - beta_1) g, v <- beta_2 v + (1 - beta_2) g^2, w <- w - lr m' / (sqrt(v') + epsilon)"""

    def __init__(
        self,
        lr: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-08,
    ) -> None: ...
    @property
    def lr(self) -> float: ...
    @property
    def beta_1(self) -> float: ...
    @property
    def beta_2(self) -> float: ...
    @property
    def epsilon(self) -> float: ...

class AdamHat(Optimizer):
    """m and v as adam, w <- w - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)"""

    def __init__(
        self,
        lr: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-08,
    ) -> None: ...
    @property
    def lr(self) -> float: ...
    @property
    def beta_1(self) -> float: ...
    @property
    def beta_2(self) -> float: ...
    @property
    def epsilon(self) -> float: ...

class AdamW(Optimizer):
    """W <- W - lr weight_decay W, then adam"""

    def __init__(
        self,
        lr: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-08,
        weight_decay: float = 0.01,
    ) -> None: ...
    @property
    def lr(self) -> float: ...
    @property
    def beta_1(self) -> float: ...
    @property
    def beta_2(self) -> float: ...
    @property
    def epsilon(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...

class Momentum(Optimizer):
    """v <- momentum v + g, w <- w - lr v"""

    def __init__(
        self,
        lr: float = 0.01,
        momentum: float = 0.9,
    ) -> None: ...
    @property
    def lr(self) -> float: ...
    @property
    def momentum(self) -> float: ...

class Nesterov(Optimizer):
    """v <- momentum v + g, w <- w - lr (g + momentum v)"""

    def __init__(
        self,
        lr: float = 0.01,
        momentum: float = 0.9,
    ) -> None: ...
    @property
    def lr(self) -> float: ...
    @property
    def momentum(self) -> float: ...

class RMSprop(Optimizer):
    """s <- rho s + (1 - rho) g^2, w <- w - lr g / (sqrt(s) + epsilon)"""

    def __init__(
        self,
        lr: float = 0.001,
        rho: float = 0.9,
        epsilon: float = 1e-08,
    ) -> None: ...
    @property
    def lr(self) -> float: ...
    @property
    def rho(self) -> float: ...
    @property
    def epsilon(self) -> float: ...

class SGD(Optimizer):
    """w <- w - lr g"""

    def __init__(
        self,
        lr: float = 0.01,
    ) -> None: ...
    @property
    def lr(self) -> float: ...
