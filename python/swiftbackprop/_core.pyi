"""The compiled engine module: built once per instruction-set level, same contents."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, final

import numpy.typing as npt

_FloatArray: TypeAlias = npt.NDArray[Any]
# A rule's name and its parameters in the engine's order (None: the defaults).
_Rule: TypeAlias = tuple[str, Sequence[float] | None]
# How a pass is computed.
_Method: TypeAlias = Literal["matrices", "vectors", "loops"]

ABI_VERSION: int
# Rule kinds
ACTIVATION: int
LOSS: int
OPTIMIZER: int
INITIALIZER: int
# Questions of training by several processes
REDUCTION: int
REDUCE_NOW: int
REDUCE_BEGIN: int
REDUCE_END: int
REDUCE_CHECK: int
# Rule flags
RULE_KINK: int
RULE_ROWS: int
RULE_CLASSES: int
RULE_CLIPS: int
RULE_FUSED: int
EXTERNAL: str
RULE_PROBABILITY: int
RULE_POSITIVE: int
# Quantities of Net._view
PARAMETERS: int
GRADIENTS: int
W: int
B: int
GRAD_W: int
GRAD_B: int
Z: int
A: int
GRAD_Z: int
GRAD_A: int
SLOT: int
MASK: int
# What Net._maker returns
BY_TILES: int
BY_BLAS_BASELINE: int
BY_BLAS_TRANSPOSED: int
BY_BLAS_FEW_ROWS: int
BY_BLAS_NARROW: int
BY_BLAS_WIDE: int
BY_BLAS_LARGE: int
BY_PACKED_TILES: int
BY_COPIED_TILES: int
BY_TILE_UNIT: int
BY_DOT_PRODUCTS: int
BY_EMULATION: int
GAMMA: int
BETA: int
GRAD_GAMMA: int
GRAD_BETA: int
RUNNING_MEAN: int
RUNNING_VAR: int
U: int
# Kinds of normalisation
NORM_NONE: int
NORM_BATCH: int
NORM_LAYER: int
# Options of Net._option
OPTION_L1: int
OPTION_L2: int
OPTION_CLIP_NORM: int
OPTION_STEPS: int
OPTION_PENALTY_PER_SAMPLE: int
OPTION_HYPER: int
OPTION_MAX_NORM: int
OPTION_INPUT_SCALE: int
OPTION_PRECISION: int
OPTION_DROPOUT: int  # + m
OPTION_TRAINABLE: int  # + m

class DivergenceError(FloatingPointError): ...

def abi_version() -> int: ...
def bf16_unit() -> int: ...
def cpu_level() -> int: ...
def engine_level() -> int: ...
def set_blas(sgemm: int, dgemm: int, get_threads: int, set_threads: int, /) -> None:
    # Addresses of CBLAS functions; 0 for a missing thread function.
    ...

def num_threads() -> int: ...  # that BLAS may take; 0: unknown
def set_num_threads(count: int, /) -> bool: ...  # False if BLAS cannot
def rules(kind: int, /) -> list[tuple[str, str, str, str, str, int, list[tuple[str, float]]]]:
    # (name, title, formula, canonical output, default initializer, flags,
    # [(parameter, default), ...]) of each rule.
    ...

def apply_activation(rule: _Rule, order: int, x: _FloatArray, out: _FloatArray, /) -> None:
    # x, out: dense C-contiguous [rows, cols] float32 or float64.
    ...

def apply_loss(
    rule: _Rule, order: int, a: _FloatArray, t: _FloatArray, out: _FloatArray, /
) -> None: ...

@final
class View:
    # Engine memory; exports the buffer protocol, keeps its owner alive.
    ...

@final
class FitSession:
    def run(self, max_ns: int, /) -> tuple[int, int, int, float, bool, int]:
        # (epochs ended, batch, batches, running loss, done, phase).
        ...

    def records(self, first: int, /) -> list[tuple[float, ...]]:
        # (loss, accuracy, penalty, seconds, val_loss, val_accuracy, val_mse, val_mae, val_r2) of
        # every epoch that has ended, from `first` on.
        ...

    def set_outputs(self, outputs: _FloatArray, /) -> None:
        # a(L) of the validation rows goes there too, at every epoch's end.
        ...

    def set_rates(self, rates: _FloatArray, /) -> None:
        # lr for the first batches of every epoch from now on, dense float64.
        ...

    def end(self) -> None: ...

class Net:
    # The engine's net. `Network` subclasses it and calls `_create` in __init__.
    #
    # forward, backward, predict and evaluate take arrays where they lie; what they cannot
    # use they hand to the methods `_as_input(X, copy)`, `_as_target(y, copy)` and
    # `_as_weights(w, copy)` of the subclass, which return an array that fits or raise.
    #
    ...

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def _create(
        self,
        sizes: Sequence[int],
        dtype: str,
        activations: Sequence[_Rule],
        initializers: Sequence[_Rule],
        loss: _Rule,
        optimizer: _Rule,
        l1: float,
        l2: float,
        clip_norm: float,
        seed: int,
        norms: Sequence[tuple[int, int, float, float]] | None = None,
        /,
    ) -> None:
        # norms: (kind, after, eps, momentum) of every layer.
        ...

    def _copy_from(self, other: Net, /) -> None:
        # Makes this (uncreated) net an independent copy of another.
        ...

    def close(self) -> None: ...
    def _reset(self, seed: int, /) -> None: ...
    def forward(
        self,
        X: Any,
        *,
        copy: bool | None = None,
        method: _Method = "matrices",
        training: bool = False,
    ) -> _FloatArray: ...
    def backward(
        self,
        y: Any,
        *,
        sample_weight: Any = None,
        accumulate: bool = False,
        copy: bool | None = None,
        method: _Method = "matrices",
    ) -> float: ...
    def step(self) -> None: ...
    def _forward_from(self, first: int, /) -> None: ...
    def predict(self, X: Any, *, copy: bool | None = None) -> _FloatArray: ...
    def release(self) -> None: ...
    def _in_place(self, X: Any, /) -> bool:
        # Whether forward can use X where it lies (False for what is no buffer).
        ...

    def _input(self) -> Any:
        # The object whose buffer the last forward keeps, or None.
        ...

    def _view(self, what: int, m: int, /) -> _FloatArray: ...
    def _option(self, option: int, /) -> float: ...
    def _set_option(self, option: int, value: float, /) -> None: ...
    def _generator(self) -> tuple[int, int, int, int]: ...
    def _set_generator(self, state: tuple[int, int, int, int], /) -> None: ...
    def _draw_order(self, order: _FloatArray, /) -> None:
        # Fills an array of int32 with the order of its rows in the next epoch, as fit does.
        ...

    def _work(self, rows: int, /) -> float: ...
    def _plan(self, rows: int, threads: int, /) -> int: ...
    def _maker(self, quantity: int, m: int, rows: int, threads: int, /) -> int: ...
    def _slot_count(self) -> int: ...
    # A pass in parts, for functions of the user's own: the engine's layers 1..last, then
    # first..last from a(first - 1); put what = A, GRAD_A or GRAD_Z of layer m; the way back from
    # layer first down to last; and grad_W and grad_b.
    def _evaluate(
        self, X: Any, y: Any, sample_weight: Any, outputs: _FloatArray | None = None, /
    ) -> tuple[float, float, float, float, float]:
        # (loss, accuracy, mse, mae, r2); takes arrays of any numeric dtype and strides. a(L) goes
        # to outputs.
        ...

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        valid_X: Any,
        valid_y: Any,
        valid_weight: Any,
        epochs: int,
        batch_size: int,
        shuffle: int,  # 0 no, 1 yes, 2 so that batches have rows of all parts of X evenly
        pause: int,  # 0 never, 1 at every epoch's end, 2 at every batch's
        total_rows: int = ...,  # of all processes, where several train together
        first_row: int = ...,  # then the place of row 0 of X among all,
        sums: Callable[[int, int, Any], object] = ...,  # and what answers f(order, piece, array)
        # Where they are on one machine: an open file, this process, how many they are, and whether
        # others may change the net between epochs
        memory: tuple[int, int, int, bool] | None = ...,
        /,
    ) -> FitSession:
        # Starts a session and marks the net busy until FitSession.end (or its deallocation).
        # Takes arrays of any numeric dtype and strides; holds their buffers.
        ...

    # Derivatives to study: arrays of any numeric dtype and strides, none kept.
    def _jacobian(self, X: Any, of: int, wrt: int, m: int, /) -> _FloatArray:
        # of, wrt: Z or A. (N, D(L) * D(m)).
        ...

    def _input_gradient(
        self, X: Any, y: Any, sample_weight: Any, per_example: bool, /
    ) -> _FloatArray: ...
    def _gradient_norms(self, X: Any, y: Any, per_layer: bool, /) -> _FloatArray:
        # (N, 1) or (N, L).
        ...

    def _hvp(self, X: Any, y: Any, sample_weight: Any, v: Any, /) -> _FloatArray:
        # (P, 1).
        ...

    @property
    def _busy(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
