"""A network with activations or a loss of one's own: passes that go through Python."""

import time
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._arrays import FloatArray, as_data, as_input
from swiftbackprop._custom import CustomActivation, CustomLoss, refuse
from swiftbackprop._engine import core
from swiftbackprop.metrics import accuracy, mae, mse, r2
from swiftbackprop.network import Network

__all__ = ["CustomNetwork", "customised"]

_BLOCK = 1024  # rows of predict and evaluate


class CustomNetwork(Network):
    """The network that `Network` becomes when a rule of its own is among its arguments.

    It has the same methods. Every pass stops at the layers whose activation is a Python
    function, and at the loss; `fit` is a Python loop over the minibatches. Jacobians, norms per
    example and Hessian-vector products are the engine's and not to be had.
    """

    # --- Passes -----------------------------------------------------------------------------

    def forward(
        self,
        X: npt.ArrayLike,
        *,
        copy: bool | None = None,
        method: str = "matrices",
        training: bool = False,
    ) -> FloatArray:
        """Compute z and a of all layers; as `Network.forward`."""
        if method != "matrices":
            refuse(f"method={method!r}")
        array = as_input(self, X, copy)
        stops = [layer.m for layer in self.layers if isinstance(layer.activation, CustomActivation)]
        last = len(self.layers)
        drops = training and any(self.dropout)
        first = 0
        for stop in stops if stops[-1:] == [last] else [*stops, last]:
            if first:
                self._pass_forward(first + 1, stop)
            else:
                self._pass_begin(array, stop, training)
            layer, first = self.layer(stop), stop
            if stop in stops:
                a = layer.activation(layer.z)
                self._pass_put(core.A, stop, a * layer.mask if drops else a)
        return self.layer(last).a

    def backward(
        self,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        accumulate: bool = False,
        copy: bool | None = None,
        method: str = "matrices",
    ) -> float:
        """Compute all gradients of C, and return C; as `Network.backward`."""
        if method != "matrices":
            refuse(f"method={method!r}")
        top = self.layer(len(self.layers))
        a = top.a
        t = self._rows(as_data(y, "y"), len(a))
        scale = self._scale(sample_weight, len(a))
        try:
            cost = self._output_gradient(top, a, t, scale)
            self._descend(top, scale[:, None] * (a - t))
            self._pass_end(accumulate)
        except BaseException:
            self.release()  # nothing that is half done is left to look at
            raise
        return cost

    def _output_gradient(self, top: Any, a: FloatArray, t: FloatArray, scale: FloatArray) -> float:
        loss = self.loss
        costs = loss.costs(a, t) if isinstance(loss, CustomLoss) else loss(a, t).sum(axis=1)
        cost = float(scale.astype(np.float64) @ costs.astype(np.float64))
        if not np.isfinite(cost):
            raise core.DivergenceError(
                f"the loss at the output, layer {top.m}, is NaN or infinite; a smaller learning "
                "rate may help"
            )
        self._pass_put(core.GRAD_A, top.m, loss.derivative(a, t) * scale[:, None])
        return cost

    def _descend(self, top: Any, fused: FloatArray) -> None:
        """Make grad_a and grad_z of all layers, from grad_a(L)."""
        first = top.m
        # An engine's loss with its partner: grad_z(L) stays exact where the output saturates.
        partners = self.loss.partner == top.activation.name and not top.dropout
        custom = isinstance(self.loss, CustomLoss) or isinstance(top.activation, CustomActivation)
        if partners and not custom and self.loss.partner != "identity":
            self._pass_put(core.GRAD_Z, top.m, fused)
            first -= 1
        for m in range(first, 0, -1):
            layer = self.layer(m)
            if not isinstance(layer.activation, CustomActivation):
                continue
            self._pass_backward(first, m)
            # The engine has multiplied with the mask alone.
            self._pass_put(core.GRAD_Z, m, layer.grad_z * layer.activation.derivative(layer.z))
            first = m - 1
        if first:
            self._pass_backward(first, 1)

    def _rows(self, y: FloatArray, rows: int) -> FloatArray:
        """Return targets as t, (N, D(L))."""
        outputs = self.sizes[-1]
        if len(y) != rows:
            raise ValueError(f"y has shape {y.shape}, but X has N = {rows} rows")
        if y.ndim == 1 and outputs > 1:
            if y.dtype.kind not in "biu":
                raise TypeError("class numbers are integers: write y.astype(int)")
            if len(y) and not 0 <= y.min() <= y.max() < outputs:
                raise ValueError(f"class numbers lie in 0..{outputs - 1}")
            return np.eye(outputs, dtype=self.dtype)[y.astype(np.int64)]
        t = y.reshape(rows, -1)
        if t.shape[1] != outputs:
            raise ValueError(
                f"y has shape {y.shape}, but layer L wants (N, D(L)) = ({rows}, {outputs})"
            )
        t = t.astype(self.dtype)
        if not np.isfinite(t).all():
            raise ValueError("y contains NaN or infinity")
        return t

    def _scale(self, weights: Any, rows: int) -> FloatArray:
        """Return wₙ/Σw."""
        if weights is None:
            return np.full(rows, 1 / rows, self.dtype)
        w = as_data(weights, "sample_weight").astype(np.float64).ravel()
        if w.shape != (rows,):
            raise ValueError(f"sample_weight has shape {w.shape}: wanted ({rows},)")
        if not (np.isfinite(w).all() and (w >= 0).all()):
            raise ValueError("sample_weight is finite and at least 0")
        total = w.sum()
        return (w / total if total else w).astype(self.dtype)

    # --- Whole data sets -----------------------------------------------------------------------

    def predict(self, X: npt.ArrayLike, *, copy: bool | None = None) -> FloatArray:
        """Return a(L), (N, D(L)), in evaluation mode; as `Network.predict`."""
        array = as_data(X, "X") if copy is None else as_input(self, X, copy)
        with self.copy() as twin:
            blocks = [twin.forward(array[i : i + _BLOCK]) for i in range(0, len(array), _BLOCK)]
        if not blocks:
            return np.zeros((0, self.sizes[-1]), self.dtype)
        return np.concatenate(blocks)

    def _evaluate(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[float, float, float, float, float]:
        a = self.predict(X)
        t, weights = self._rows(y, len(a)), self._scale(sample_weight, len(a))
        loss = self.loss
        costs = loss.costs(a, t) if isinstance(loss, CustomLoss) else loss(a, t).sum(axis=1)
        cost = float(weights.astype(np.float64) @ costs.astype(np.float64))
        share = accuracy(t, a, weights)
        return cost, share, mse(t, a, weights), mae(t, a, weights), r2(t, a, weights)

    def input_gradient(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        per_example: bool = False,
    ) -> FloatArray:
        """Return the gradient of C by X; as `Network.input_gradient`."""
        if per_example and sample_weight is not None:
            raise ValueError("per_example=True leaves the weights out: do not give both")
        with self.copy() as twin:
            rows = len(twin.forward(X))
            twin.backward(y, sample_weight=sample_weight)
            gradient: FloatArray = twin.layer(0).grad_a * (rows if per_example else 1)
        return gradient

    def _jacobian(self, *arguments: Any) -> Any:
        refuse("jacobian")

    def _gradient_norms(self, *arguments: Any) -> Any:
        refuse("gradient_norms")

    def _hvp(self, *arguments: Any) -> Any:
        refuse("hvp")

    # --- fit --------------------------------------------------------------------------------------

    def _fit(self, *arguments: Any) -> Any:
        return LoopSession(self, *arguments)


@cache
def customised(kind: type[Network]) -> Any:
    """Return the class whose networks go through Python, for `Network` or one derived from it."""
    if issubclass(kind, CustomNetwork):
        return kind
    if kind is Network:
        return CustomNetwork
    return type(kind.__name__, (kind, CustomNetwork), {"__module__": kind.__module__})


class LoopSession:
    """A training session like the engine's, as a Python loop over minibatches."""

    def __init__(
        self,
        net: CustomNetwork,
        X: FloatArray,
        y: FloatArray,
        weights: FloatArray | None,
        valid_X: FloatArray | None,
        valid_y: FloatArray | None,
        valid_weights: FloatArray | None,
        epochs: int,
        batch_size: int,
        shuffle: bool,
        pause: int,
    ) -> None:
        rows = len(X)
        if X.ndim != 2 or not rows:
            raise ValueError(f"X has shape {X.shape}, but layer 1 wants (N, {net.sizes[0]})")
        if len(y) != rows:
            raise ValueError(f"y has shape {y.shape}, but X has N = {rows} rows")
        if X.dtype.kind == "f" and not np.isfinite(np.sum(X, dtype=np.float64)):
            bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
            if len(bad):
                raise ValueError(f"X contains NaN or infinity in row {bad[0]}")
        self.net, self.X, self.y, self.weights = net, X, y, weights
        self.w = None if weights is None else np.asarray(weights).ravel()
        net._scale(weights, rows)
        self.validation = None if valid_X is None else (valid_X, valid_y, valid_weights)
        self.epochs, self.shuffle, self.pause = epochs, shuffle, pause
        self.size = min(batch_size, rows)
        self.batches = -(-rows // self.size)
        self.records: list[tuple[float, ...]] = []
        self.rates: FloatArray = np.zeros(0)
        self._start_epoch()

    def _start_epoch(self) -> None:
        self.batch, self.loss, self.hits, self.weight = 0, 0.0, 0.0, 0.0
        self.seconds = 0.0
        self.order: Any = None
        if self.shuffle and len(self.records) < self.epochs:
            # The network's own generator seeds the order, and moves on.
            draw = np.random.default_rng(list(self.net.generator_state))
            self.order = draw.permutation(len(self.X))
            numbers = draw.integers(1, 2**64 - 1, 4, dtype=np.uint64)
            a, b, c, d = (int(number) for number in numbers)
            self.net.generator_state = a, b, c, d

    def run(self, max_ns: int) -> tuple[int, int, int, float, bool, int]:
        """Work for about that long; as `core.Fit.run`."""
        end = time.monotonic_ns() + max_ns
        while len(self.records) < self.epochs:
            ended = len(self.records)
            start = time.perf_counter()
            self._step()
            self.seconds += time.perf_counter() - start
            if self.batch == self.batches:
                self._end_epoch()
            if self.pause == 2 or (self.pause and len(self.records) > ended):
                break
            if time.monotonic_ns() >= end:
                break
        done = len(self.records) == self.epochs
        rows = min(self.batch * self.size, len(self.X))
        loss = self.loss / rows if rows else float("nan")
        return len(self.records), self.batch, self.batches, loss, done, 1

    def _step(self) -> None:
        place = slice(self.batch * self.size, (self.batch + 1) * self.size)
        rows = place if self.order is None else self.order[place]
        X, y = self.X[rows], self.y[rows]
        w = None if self.w is None else self.w[rows]
        if self.batch < len(self.rates):
            self.net.optimizer.lr = float(self.rates[self.batch])
        total = float(len(X) if w is None else w.sum())
        if total > 0:
            try:
                a = self.net.forward(X, training=True)
                cost = self.net.backward(y, sample_weight=w)
                if self.net.loss.flags & core.RULE_CLASSES:
                    self.hits += accuracy(self.net._rows(y, len(a)), a, w) * total
                self.net.step()
            except core.DivergenceError as error:
                raise core.DivergenceError(
                    f"epoch {len(self.records) + 1}, batch {self.batch + 1} of {self.batches}: "
                    f"{error} (the weights are those before this batch)"
                ) from None
            self.loss += cost * len(X)
            self.weight += total
        self.batch += 1

    def _end_epoch(self) -> None:
        net, nan = self.net, float("nan")
        valid = (nan,) * 5 if self.validation is None else net._evaluate(*self.validation)
        penalty = sum(
            net.l2 / 2 * float(np.sum(layer.W.astype(np.float64) ** 2))
            + net.l1 * float(np.sum(np.abs(layer.W)))
            for layer in net.layers
        )
        share = self.hits / self.weight if self.weight else nan
        self.records.append((self.loss / len(self.X), share, penalty, self.seconds, *valid))
        self._start_epoch()

    def epoch(self, index: int) -> Any:
        """Return the record of an epoch that has ended."""
        if index >= len(self.records):
            raise ValueError(f"there is no epoch {index}")
        return self.records[index]

    def set_rates(self, rates: FloatArray) -> None:
        """Take lr for the batches of every epoch from now on."""
        self.rates = rates.copy()

    def end(self) -> None:
        """Give the network back."""
