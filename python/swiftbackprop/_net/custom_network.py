"""A network with activations or a loss of one's own: passes that go through Python."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import Any, NoReturn, SupportsIndex
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.copies import as_input, as_weights
from swiftbackprop._net.custom import CustomActivation, CustomLoss
from swiftbackprop._train.session import Session, check
from swiftbackprop.metrics import mae, mse, r2
from swiftbackprop.network import Network

__all__ = ["CustomNetwork", "customised"]

_BLOCK = 1024  # rows of predict and evaluate

# Networks whose fit is running: no attribute, which a copy would have too.
_TRAINING: WeakSet[CustomNetwork] = WeakSet()

# One lock for each network: the engine locks the parts of a pass, not the whole of it.
_LOCKS: WeakKeyDictionary[CustomNetwork, threading.RLock] = WeakKeyDictionary()
_DOOR = threading.RLock()


def _lock(net: CustomNetwork) -> threading.RLock:
    """Return the lock of a network's passes."""
    with _DOOR:
        return _LOCKS.setdefault(net, threading.RLock())


def _after_fork() -> None:
    """Forget locks, whose owners are not in this process."""
    global _DOOR
    _DOOR = threading.RLock()
    _LOCKS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class CustomNetwork(Network):
    """The network that `Network` becomes when a function of one's own is among its rules.

    It has the same methods. Every pass stops at the layers whose activation is a Python
    function, and at the loss; `fit` is a Python loop over the minibatches. What the engine
    alone can do, such as Jacobians, is refused.
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
            self._refuse(f"method={method!r}")
        x = as_input(self, X, copy)
        with _lock(self):
            self._be_idle()
            return self._forward(x, training)

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
            self._refuse(f"method={method!r}")
        with _lock(self):
            self._be_idle()
            rows = len(self.layer(len(self.layers)).a)
            t = self._targets(self._as_target(y, copy), rows)
            w = None if sample_weight is None else as_weights(self, sample_weight, copy)
            return self._backward(t, self._scale(w, rows), accumulate)

    def _forward(self, X: FloatArray, training: bool) -> FloatArray:
        last = len(self.layers)
        stops = [layer.m for layer in self.layers if isinstance(layer.activation, CustomActivation)]
        drops = training and any(self.dropout)
        first = 0
        try:
            for stop in stops if stops[-1:] == [last] else [*stops, last]:
                if first:
                    self._pass_forward(first + 1, stop)
                else:
                    self._pass_begin(X, stop, training)
                layer, first = self.layer(stop), stop
                if stop in stops:
                    a = layer.activation(layer.z)
                    self._pass_put(core.A, stop, a * layer.mask if drops else a)
        except BaseException:
            self._pass_forget()  # nothing that is half done is left to look at
            raise
        return self.layer(last).a

    def _backward(self, t: FloatArray, scale: FloatArray, accumulate: bool) -> float:
        top = self.layer(len(self.layers))
        a = top.a
        cost = _mean(self._costs(a, t), scale)
        if not np.isfinite(cost):
            raise core.DivergenceError(
                f"the loss at the output, layer {top.m}, is NaN or infinite; a smaller learning "
                "rate may help"
            )
        try:
            slope = self.loss.derivative(a, t) * scale[:, None]
            self._pass_put(core.GRAD_A, top.m, slope)
            self._descend(top, a, t, scale)
            self._pass_end(accumulate)
        except BaseException:
            self._pass_forget()
            raise
        return cost

    def _descend(self, top: Any, a: FloatArray, t: FloatArray, scale: FloatArray) -> None:
        """Make grad_a and grad_z of all layers, from grad_a(L)."""
        first = top.m
        # The engine's loss with its partner: grad_z(L) stays exact where the output saturates.
        if self.loss._fuses_with(top.activation) and not top.dropout:
            self._pass_put(core.GRAD_Z, top.m, scale[:, None] * (a - t))
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

    def step(self) -> None:
        """Update W and b from the gradients; as `Network.step`."""
        with _lock(self):
            self._be_idle()
            super().step()

    # --- Targets and weights --------------------------------------------------------------------

    def _costs(self, a: FloatArray, t: FloatArray) -> FloatArray:
        """Return Cₙ of every row, (N,)."""
        loss = self.loss
        return loss(a, t) if isinstance(loss, CustomLoss) else loss(a, t).sum(axis=1)

    def _targets(self, y: FloatArray, rows: int) -> FloatArray:
        """Return targets as t, (N, D(L))."""
        t = self._as_rows(y, rows)
        if t is None or not self._is_meant(t):
            self._judge(y, rows)
        if t is None:
            raise ValueError(f"y has shape {y.shape}: expected ({rows}, {self.sizes[-1]})")
        return t

    def _as_rows(self, y: FloatArray, rows: int) -> FloatArray | None:
        """Return targets as t, or None if they do not fit."""
        outputs = self.sizes[-1]
        if len(y) != rows:
            return None
        if self._is_classes(y):
            if y.dtype.kind not in "biu" or not 0 <= y.min() <= y.max() < outputs:
                return None
            return np.eye(outputs, dtype=self.dtype)[y.astype(np.int64)]
        with np.errstate(over="ignore"):
            t = y.reshape(rows, -1).astype(self.dtype)
        return t if t.shape[1] == outputs else None

    def _is_meant(self, t: FloatArray) -> bool:
        """Return whether the loss has a meaning for t, a little stricter than the engine."""
        if not np.isfinite(t).all():
            return False
        name = None if isinstance(self.loss, CustomLoss) else self.loss.name
        if name == "cross_entropy":
            return bool((t >= 0).all() and (abs(t.sum(axis=1) - 1) < 1e-4).all())
        if name == "binary_cross_entropy":
            return bool(((t >= 0) & (t <= 1)).all())
        return name != "poisson" or bool((t >= 0).all())

    def _judge(self, y: FloatArray, rows: int) -> None:
        """Let the engine refuse targets, in its own words."""
        with self.copy() as clone:
            check(clone, np.zeros((rows, self.sizes[0]), np.bool_), y, None, (None, None, None))

    def _is_classes(self, y: FloatArray) -> bool:
        """Return whether targets are class numbers."""
        return y.ndim == 1 and self.sizes[-1] > 1

    def _hits(self, a: FloatArray, t: FloatArray, *, is_classes: bool) -> FloatArray:
        """Return the share of every row that is right, (N,), as the engine counts it."""
        name = None if isinstance(self.loss, CustomLoss) else self.loss.name
        each = name == "binary_cross_entropy" or (name is None and a.shape[1] == 1)
        if each and not is_classes:
            return np.asarray(np.mean((a >= 0.5) == (t >= 0.5), axis=1, dtype=np.float64))
        found = t[np.arange(len(t)), np.argmax(a, axis=1)]
        return np.asarray(found == t.max(axis=1), np.float64)

    def _scale(self, weights: FloatArray | None, rows: int) -> FloatArray:
        """Return wₙ/Σw, (N,); 0 if all weights are."""
        if weights is None:
            return np.full(rows, 1 / rows, self.dtype)
        w = weights.astype(np.float64).ravel()
        if w.shape != (rows,):
            raise ValueError(f"sample_weight has shape {weights.shape}: expected ({rows},)")
        if not (np.isfinite(w).all() and (w >= 0).all()):
            raise ValueError("sample_weight is finite and at least 0")
        return (w / (w.sum() or 1)).astype(self.dtype)

    # --- Whole data sets -----------------------------------------------------------------------

    def predict(self, X: npt.ArrayLike, *, copy: bool | None = None) -> FloatArray:
        """Return a(L), (N, D(L)), in evaluation mode; as `Network.predict`."""
        array = as_data(X, "X") if copy is None else as_input(self, X, copy)
        if not len(array):
            return super().predict(array)
        out = np.empty((len(array), self.sizes[-1]), self.dtype)
        with self.copy() as clone:  # the layers here stay as they are
            for first in range(0, len(array), _BLOCK):
                rows = slice(first, first + _BLOCK)
                out[rows] = clone.forward(array[rows])
        return out

    def _evaluate(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[float, float, float, float, float]:
        if not len(X):
            super()._evaluate(X, y, sample_weight)  # the engine refuses
        a = self.predict(X)
        t, scale = self._targets(y, len(a)), self._scale(sample_weight, len(a))
        cost = _mean(self._costs(a, t), scale)
        hits = self._hits(a, t, is_classes=self._is_classes(y))
        right = float(scale.astype(np.float64) @ hits) if scale.any() else float("nan")
        return cost, right, mse(t, a, scale), mae(t, a, scale), r2(t, a, scale)

    def _input_gradient(self, X: Any, y: Any, weights: Any, per_example: bool) -> FloatArray:
        with self.copy() as clone:
            rows = len(clone.forward(X))
            clone.backward(y, sample_weight=weights)
            gradient: FloatArray = clone.layer(0).grad_a * (rows if per_example else 1)
        return gradient

    def _fit(self, *arguments: Any) -> Any:
        self._be_idle()
        return LoopSession(self, *arguments)

    # --- What is going on ------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        return self in _TRAINING or super()._busy

    def _be_idle(self) -> None:
        if self._busy:
            raise RuntimeError("this network is in fit: wait for its end or call stop() first")

    def _reset(self, seed: int, /) -> None:
        with _lock(self):
            self._be_idle()
            super()._reset(seed)

    def close(self) -> None:
        """Free the engine's memory; as `Network.close`."""
        with _lock(self):
            self._be_idle()
            super().close()

    def plan(
        self, X: npt.ArrayLike | None = None, *, batch_size: int = 32, shuffle: bool = True
    ) -> str:
        """Say how `fit` would run a step; as `Network.plan`."""
        engine = super().plan(X, batch_size=batch_size, shuffle=shuffle)
        return f"{engine}\nIn between it stops for Python, at {self._own()}."

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        make, _, state = super().__reduce_ex__(protocol)
        kind = next(kind for kind in type(self).__mro__ if not issubclass(kind, CustomNetwork))
        return make, (kind,), state

    # --- What only the engine's own rules can -------------------------------------------------

    def _own(self) -> str:
        """Name the functions of one's own."""
        names = [
            f"{layer.activation.name} (layer {layer.m})"
            for layer in self.layers
            if isinstance(layer.activation, CustomActivation)
        ]
        if isinstance(self.loss, CustomLoss):
            names.append(f"{self.loss.name} (loss)")
        return ", ".join(names)

    def _refuse(self, what: str, instead: str = "") -> NoReturn:
        raise NotImplementedError(
            f"{what} is for the engine's own functions, and this network has some of yours: "
            f"{self._own()}{instead}"
        )

    def _jacobian(self, *arguments: Any) -> Any:
        self._refuse("jacobian")

    def _gradient_norms(self, *arguments: Any) -> Any:
        self._refuse("gradient_norms")

    def _hvp(self, *arguments: Any) -> Any:
        self._refuse("hvp")

    def save(self, *arguments: Any, **keywords: Any) -> None:
        """Refuse: a file holds no functions."""
        self._refuse("save", "; pickle keeps functions that can be imported")

    def to_torch(self, *arguments: Any, **keywords: Any) -> Any:
        """Refuse: PyTorch does not know the functions."""
        self._refuse("to_torch", "; state_dict() has the weights")

    def to_onnx(self, *arguments: Any, **keywords: Any) -> None:
        """Refuse: ONNX does not know the functions."""
        self._refuse("to_onnx", "; state_dict() has the weights")


def _mean(costs: FloatArray, scale: FloatArray) -> float:
    """Return C from the costs of the rows and their wₙ/Σw."""
    return float(scale.astype(np.float64) @ costs.astype(np.float64))


@cache
def customised(kind: type[Network]) -> Any:
    """Return the class whose networks go through Python, for `Network` or one derived from it."""
    if issubclass(kind, CustomNetwork):
        return kind
    if kind is Network:
        return CustomNetwork
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (kind, CustomNetwork), names)


class LoopSession(Session):
    """A training session like the engine's, as a Python loop over minibatches."""

    net: CustomNetwork

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
        valid = (valid_X, valid_y, valid_weights)
        check(net, X, y, weights, valid)
        self.size = min(batch_size, len(X))
        batches = -(-len(X) // self.size)
        super().__init__(net, epochs, pause, None if valid_X is None else valid, batches)
        self.X, self.y = X, y
        self.weights = None if weights is None else weights.ravel()
        self.order = np.empty(len(X), np.int32) if shuffle else None
        self._start()
        idle = False
        try:
            with _lock(net):  # a pass of another thread ends first
                net._be_idle()
                idle = True
                _TRAINING.add(net)
        except BaseException:  # Ctrl-C: nobody has this session, and so nobody would end it
            if idle:
                _TRAINING.discard(net)
            raise

    def _start(self) -> None:
        self.loss = self.hits = self.total = self.penalty = 0.0

    def _advance(self, max_ns: int) -> tuple[float, float, float] | None:
        if self.batch < self.batches:
            try:
                self._train()
            except core.DivergenceError as error:
                raise core.DivergenceError(
                    f"epoch {len(self.records) + 1}, batch {self.batch + 1} of {self.batches}: "
                    f"{error} (the weights are those before this batch)"
                ) from None
            self.batch += 1
            return None
        net, rows = self.net, len(self.X)
        shared = net._option(core.OPTION_PENALTY_PER_SAMPLE)
        accuracy = self.hits / self.total if self.total else float("nan")
        penalty = self.penalty / rows if shared else _penalty(net)
        record = self.loss / rows, accuracy, penalty
        self._start()
        return record

    def _train(self) -> None:
        """One batch: forward, C, backward, update."""
        net = self.net
        if self.order is not None and not self.batch:
            net._draw_order(self.order)
        place = slice(self.batch * self.size, (self.batch + 1) * self.size)
        rows = place if self.order is None else self.order[place]
        X, y = self.X[rows], self.y[rows]
        w = None if self.weights is None else self.weights[rows]
        total = float(len(X) if w is None else w.sum(dtype=np.float64))
        if total <= 0:
            return
        if self.batch < len(self.rates):
            net.optimizer.lr = float(self.rates[self.batch])
        a = net._forward(as_input(net, X, None), True)
        t = net._targets(y, len(X))
        cost = net._backward(t, net._scale(w, len(X)), False)
        self._step(total, len(X))
        if net.loss.flags & core.RULE_CLASSES:
            hits = net._hits(a, t, is_classes=net._is_classes(y))
            self.hits += float(hits.sum() if w is None else w.astype(np.float64) @ hits)
        self.loss += cost * len(X)
        self.total += total

    def _step(self, total: float, rows: int) -> None:
        """Update; the penalties of the estimators are for the whole minibatch."""
        net = self.net
        if not net._option(core.OPTION_PENALTY_PER_SAMPLE):
            return core.Net.step(net)
        self.penalty += _penalty(net) / total * rows
        l1, l2 = net.l1, net.l2
        net.l1, net.l2 = l1 / total, l2 / total
        try:
            core.Net.step(net)
        finally:
            net.l1, net.l2 = l1, l2

    def _loss(self) -> float:
        rows = min(self.batch * self.size, len(self.X))
        return self.loss / rows if rows else float("nan")

    def end(self) -> None:
        """Give the network back."""
        with _lock(self.net):
            if self.net in _TRAINING:
                self.net._pass_forget()
                _TRAINING.discard(self.net)  # last: after Ctrl-C all of it is done again


def _penalty(net: CustomNetwork) -> float:
    """Return ½·l2·ΣW² + l1·Σ|W|."""
    parts = [layer.W.astype(np.float64) for layer in net.layers]
    squares, sizes = (sum(float(f(W).sum()) for W in parts) for f in (np.square, np.abs))
    return net.l2 / 2 * squares + net.l1 * sizes
