"""Who is measured. Each module holds contenders; one of them runs in each worker process."""

from collections.abc import Callable
from importlib import import_module
from typing import TypeAlias

from benchmarks.cases import Case, Floats, Labels, Pairs

__all__ = [
    *("CONTENDERS", "PEERS", "ROUNDED", "TITLES"),
    *("Contender", "Run", "Unsupported", "make"),
]

# Does a task that many times and waits for the result.
Run: TypeAlias = Callable[[int], None]


class Unsupported(Exception):
    """This contender cannot do that; the message says why."""


class Contender:
    """A library at work. Every task starts from `cases.start` with a fresh optimizer."""

    shared: int | None = None  # threads that our plan wants for the last step

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def versions(self) -> dict[str, str]:
        """Return what is running here, by name."""
        return {}

    def step(self, case: Case) -> Run:
        """Return a function that trains on the next minibatches of `cases.data`."""
        raise Unsupported("no training steps")

    def epoch(self, case: Case, X: Floats, y: Labels) -> Run:
        """Return a function that trains for whole epochs over these rows, shuffling."""
        raise Unsupported("no epochs")

    def classes(self, X: Floats) -> Labels:
        """Return what the net that `epoch` trains takes these rows for."""
        raise Unsupported("no classes")

    def predict(self, case: Case, rows: int) -> Run:
        """Return a function that computes the outputs of the first rows."""
        raise Unsupported("no predictions")

    def parameters(self) -> Pairs:
        """Return the weights as they are now, in the form of `cases.start`."""
        raise Unsupported("no weights")


# name -> (title in tables, module, class)
CONTENDERS: dict[str, tuple[str, ...]] = {
    "ours": ("ours", "ours", "Fit"),
    "explicit": ("by step", "ours", "Explicit"),
    "numpy": ("NumPy", "by_numpy", "ByNumpy"),
    "torch": ("PyTorch", "by_torch", "Eager"),
    "torch-compile": ("compiled", "by_torch", "Compiled"),
    "jax": ("JAX", "by_jax", "ByJax"),
    "sklearn": ("sklearn", "by_sklearn", "BySklearn"),
    "floor": ("floor", "floor", "Floor"),
}
# Those whose products round their factors to bfloat16, in the same form and with what else the
# class is told: of the sections on precision alone.
ROUNDED: dict[str, tuple[str, ...]] = {
    "ours-bf16x3": ("bf16x3", "ours", "Fit", "bf16x3"),
    "ours-bf16x2": ("bf16x2", "ours", "Fit", "bf16x2"),
    "ours-bfloat16": ("bfloat16", "ours", "Fit", "bfloat16"),
    "torch-medium": ("medium", "by_torch", "Medium"),
    "torch-autocast": ("autocast", "by_torch", "Autocast"),
    "jax-bfloat16": ("JAX bf16", "by_jax", "InBfloat16"),
}
TITLES = {name: words[0] for name, words in (CONTENDERS | ROUNDED).items()}
PEERS = ("numpy", "torch", "torch-compile", "jax", "sklearn")


def make(name: str, threads: int) -> Contender:
    """Return a contender; ImportError or Unsupported if it cannot be had."""
    _, module, kind, *more = (CONTENDERS | ROUNDED)[name]
    found = getattr(import_module(f"benchmarks.contenders.{module}"), kind)
    made: Contender = found(threads, *more)
    return made
