"""What is measured: networks, their data and the weights they start from."""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[Any]
Labels: TypeAlias = npt.NDArray[np.int64]
Pairs: TypeAlias = list[tuple[Floats, Floats]]  # (W, b) of every layer, W is D(m) x D(m-1)

COPY = "copy"  # the name of NumPy's copy among the times of an element

ROWS = 8192  # of the data set of a step: whole minibatches of every size

# So small that a net stays what it was over any number of steps: no dead units, whose
# optimizer state would sink into denormal numbers.
RATES = {"sgd": 0.01, "momentum": 1e-3, "adam": 1e-5}


@dataclass(frozen=True)
class Case:
    """One network at one batch size: relu hidden, softmax cross-entropy on top."""

    sizes: tuple[int, ...]
    batch: int
    optimizer: str = "sgd"
    activation: str = "relu"
    dtype: str = "float32"
    rate: float | None = None  # the learning rate; by default the optimizer's of `RATES`
    decay: float = 1.0  # of Adam's learning rate, from epoch to epoch of a race
    seed: int = 1  # of the weights at the start, and of whoever shuffles

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Case":
        """Return a case from what `dataclasses.asdict` made of it."""
        return cls(**fields | {"sizes": tuple(fields["sizes"])})

    def but(self, **changes: Any) -> "Case":
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    @property
    def lr(self) -> float:
        """The learning rate."""
        return RATES[self.optimizer] if self.rate is None else self.rate

    @property
    def net(self) -> str:
        """The widths, runs of equal ones shortened."""
        runs: list[list[int]] = []
        for size in self.sizes:
            if runs and runs[-1][0] == size:
                runs[-1][1] += 1
            else:
                runs.append([size, 1])
        words = [f"{n}x{size}" if n > 2 else "-".join([str(size)] * n) for size, n in runs]
        return "-".join(words)

    @property
    def name(self) -> str:
        """The net and the batch size."""
        return f"{self.net}, {self.batch}"

    @property
    def variant(self) -> str:
        """The optimizer, and what else differs from the usual case."""
        usual = ("relu", "float32")
        return " ".join(
            [self.optimizer, *(x for x in (self.activation, self.dtype) if x not in usual)]
        )

    @property
    def batches(self) -> int:
        """Minibatches in the data set of a step."""
        return ROWS // self.batch

    @property
    def flops(self) -> int:
        """Operations of the matrix products of a step; the first layer needs no grad_a."""
        products = [a * b for a, b in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(products) - products[0])


NETS = (
    Case((4, 10, 3), 16),
    Case((64, 32, 10), 32),
    Case((784, 128, 10), 32),
    Case((784, 128, 10), 128),
    Case((784, 512, 512, 10), 128),
    Case((784, 2048, 2048, 10), 512),
    Case((*[256] * 8, 10), 256),
)
USUAL = ({"optimizer": "sgd"}, {"optimizer": "adam"})
FULL = (
    *USUAL,
    {"optimizer": "momentum"},
    *({"activation": name, **o} for name in ("sigmoid", "tanh") for o in USUAL),
    *({"dtype": "float64", **o} for o in USUAL),
)


def grid(full: bool, wanted: str = "") -> list[Case]:
    """Return the cases of the step table.

    Parameters
    ----------
    full : bool
        With momentum, sigmoid, tanh and float64 as well.
    wanted : str, optional
        Nets by name or name:batch, separated by commas; by default all of them.
    """
    names = {f"{net.net}:{net.batch}": net for net in NETS}
    words = [word.strip() for word in wanted.split(",") if word.strip()]
    for word in words:
        if not any(word in (name, net.net) for name, net in names.items()):
            raise ValueError(f"no net {word!r}; there are {', '.join(names)}")
    chosen = [net for name, net in names.items() if not words or name in words or net.net in words]
    return [net.but(**variant) for variant in (FULL if full else USUAL) for net in chosen]


@lru_cache(maxsize=2)
def data(inputs: int, classes: int, dtype: str, rows: int = ROWS) -> tuple[Floats, Labels]:
    """Return X (rows, inputs) and y (rows,), the same in every process."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, inputs), dtype=np.float32).astype(dtype, copy=False)
    y = rng.integers(0, classes, rows)
    y[:classes] = np.arange(min(rows, classes))  # every class is in the first minibatch
    return X, y


def data_of(case: Case, rows: int = ROWS) -> tuple[Floats, Labels]:
    """Return `data` for a case."""
    return data(case.sizes[0], case.sizes[-1], case.dtype, rows)


@lru_cache(maxsize=2)
def _start(sizes: tuple[int, ...], dtype: str, seed: int) -> Pairs:
    rng = np.random.default_rng(seed)
    pairs = []
    for before, own in pairwise(sizes):
        W = rng.standard_normal((own, before), dtype=np.float32)
        W *= np.float32((2 / before) ** 0.5)
        pairs.append((W.astype(dtype, copy=False), np.zeros(own, dtype)))
    return pairs


def start(case: Case) -> Pairs:
    """Return the weights everybody starts from (He normal) and biases of 0; not to be changed."""
    return _start(case.sizes, case.dtype, case.seed)


def travelled(case: Case, pairs: Pairs) -> float:
    """Return how far these weights are from the start."""
    steps = zip(start(case), pairs, strict=True)
    squares = sum(
        float(np.sum(np.square(np.subtract(now, then, dtype=np.float64))))
        for before, after in steps
        for then, now in zip(before, after, strict=True)
    )
    return float(squares**0.5)
