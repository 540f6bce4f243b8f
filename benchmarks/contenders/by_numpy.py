"""NumPy by hand: buffers made once, every operation in place, all parameters in one array."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Case, Floats, Labels, Pairs, data_of, start
from benchmarks.contenders import Contender, Run

BLOCK = 1 << 15  # parameters updated at a time: what an update reads again is in the cache


class HandNet:
    """A network of one case for batches of one size. W is kept D(m-1) x D(m)."""

    def __init__(self, case: Case, batch: int) -> None:
        self.kind = np.dtype(case.dtype).type
        self.activation = case.activation
        pairs = start(case)
        self.theta = np.concatenate([part.ravel() for W, b in pairs for part in (W.T, b)])
        self.grad = np.empty_like(self.theta)
        self.layers, self.grads = (self._cut(flat, case.sizes) for flat in (self.theta, self.grad))
        self.a, self.g = (
            [np.empty((batch, own), case.dtype) for own in case.sizes[1:]] for _ in range(2)
        )
        self.masks = [np.empty((batch, own), bool) for own in case.sizes[1:]]
        self.ones = np.ones(batch, case.dtype)
        self.rows = np.arange(batch)
        rule, rate = OPTIMIZERS[case.optimizer], case.lr
        self.updates = [
            rule(self.theta[at : at + BLOCK], self.grad[at : at + BLOCK], rate)
            for at in range(0, len(self.theta), BLOCK)
        ]

    @staticmethod
    def _cut(flat: Floats, sizes: tuple[int, ...]) -> Pairs:
        pairs, at = [], 0
        for before, own in pairwise(sizes):
            W = flat[at : at + before * own].reshape(before, own)
            at += before * own
            pairs.append((W, flat[at : at + own]))
            at += own
        return pairs

    def forward(self, x: Floats) -> Floats:
        """Return the logits."""
        last = len(self.layers) - 1
        for m, ((W, b), a) in enumerate(zip(self.layers, self.a, strict=True)):
            np.dot(x, W, out=a)
            a += b
            if m < last:
                self._activate(a)
            x = a
        return x

    def _activate(self, a: Floats) -> None:
        if self.activation == "relu":
            np.maximum(a, self.kind(0), out=a)
        elif self.activation == "tanh":
            np.tanh(a, out=a)
        else:
            np.negative(a, out=a)
            np.exp(a, out=a)
            a += self.kind(1)
            np.reciprocal(a, out=a)

    def _times_derivative(self, g: Floats, a: Floats, mask: npt.NDArray[Any]) -> None:
        if self.activation == "relu":
            np.greater(a, self.kind(0), out=mask)
            g *= mask
        elif self.activation == "tanh":
            np.multiply(a, a, out=a)
            np.subtract(self.kind(1), a, out=a)
            g *= a
        else:
            g *= a
            np.subtract(self.kind(1), a, out=a)
            g *= a

    def softmax(self, p: Floats) -> Floats:
        """Turn logits into probabilities; return the sums before the division."""
        p -= np.maximum.reduce(p, axis=1, keepdims=True)
        np.exp(p, out=p)
        total = np.add.reduce(p, axis=1, keepdims=True)
        p /= total
        return total

    def step(self, x: Floats, y: Labels) -> float:
        """Train on one minibatch and return its loss."""
        p = self.forward(x)
        self.softmax(p)
        chosen = p[self.rows, y]
        loss = -float(np.log(chosen).mean())
        chosen -= self.kind(1)
        p[self.rows, y] = chosen
        p *= self.kind(1 / len(x))
        g = p
        for m in range(len(self.layers) - 1, -1, -1):
            grad_W, grad_b = self.grads[m]
            before = self.a[m - 1] if m else x
            np.dot(before.T, g, out=grad_W)
            np.dot(self.ones, g, out=grad_b)
            if m:
                np.dot(g, self.layers[m][0].T, out=self.g[m - 1])
                g = self.g[m - 1]
                self._times_derivative(g, before, self.masks[m - 1])
        for update in self.updates:
            update()
        return loss


def _sgd(theta: Floats, grad: Floats, rate: float) -> Callable[[], None]:
    lr = theta.dtype.type(rate)

    def update() -> None:
        np.multiply(grad, lr, out=grad)
        np.subtract(theta, grad, out=theta)

    return update


def _momentum(theta: Floats, grad: Floats, rate: float) -> Callable[[], None]:
    lr, mu = theta.dtype.type(rate), theta.dtype.type(0.9)
    velocity = np.zeros_like(theta)

    def update() -> None:
        np.multiply(velocity, mu, out=velocity)
        np.add(velocity, grad, out=velocity)
        np.multiply(velocity, lr, out=grad)
        np.subtract(theta, grad, out=theta)

    return update


def _adam(theta: Floats, grad: Floats, rate: float) -> Callable[[], None]:
    kind = theta.dtype.type
    m, v, t = np.zeros_like(theta), np.zeros_like(theta), np.empty_like(theta)
    b1, b2, step = 0.9, 0.999, 0

    def update() -> None:
        nonlocal step
        step += 1
        np.multiply(m, kind(b1), out=m)
        np.multiply(grad, kind(1 - b1), out=t)
        np.add(m, t, out=m)
        np.multiply(v, kind(b2), out=v)
        np.multiply(grad, grad, out=t)
        np.multiply(t, kind(1 - b2), out=t)
        np.add(v, t, out=v)
        # lr m̂ / (√v̂ + ε), the corrections moved into the constants
        root = (1 - b2**step) ** 0.5
        np.sqrt(v, out=t)
        np.add(t, kind(1e-8 * root), out=t)
        np.divide(m, t, out=t)
        np.multiply(t, kind(rate * root / (1 - b1**step)), out=t)
        np.subtract(theta, t, out=theta)

    return update


OPTIMIZERS = {"sgd": _sgd, "momentum": _momentum, "adam": _adam}


class ByNumpy(Contender):
    """`HandNet` in a loop."""

    net: HandNet
    case: Case  # of the epochs

    def versions(self) -> dict[str, str]:
        return {"NumPy": np.__version__}

    def step(self, case: Case) -> Run:
        self.net = net = HandNet(case, case.batch)
        X, y = data_of(case)
        batch, end, at = case.batch, len(X), 0

        def run(steps: int) -> None:
            nonlocal at
            for _ in range(steps):
                net.step(X[at : at + batch], y[at : at + batch])
                at = (at + batch) % end

        return run

    def epoch(self, case: Case, X: Floats, y: Labels) -> Run:
        self.case, self.net = case, (net := HandNet(case, case.batch))
        rows = len(X)
        rng = np.random.default_rng(case.seed)
        x = np.empty((case.batch, X.shape[1]), X.dtype)

        def run(epochs: int) -> None:
            for _ in range(epochs):
                order = rng.permutation(rows)
                for at in range(0, rows, case.batch):
                    chosen = order[at : at + case.batch]
                    np.take(X, chosen, axis=0, out=x, mode="clip")
                    net.step(x, y[chosen])

        return run

    def classes(self, X: Floats) -> Labels:
        net = HandNet(self.case, len(X))
        np.copyto(net.theta, self.net.theta)
        found: Labels = net.forward(X).argmax(axis=1)
        return found

    def predict(self, case: Case, rows: int) -> Run:
        net = HandNet(case, rows)
        X, _ = data_of(case, rows)

        def run(times: int) -> None:
            for _ in range(times):
                net.softmax(net.forward(X))

        return run

    def parameters(self) -> Pairs:
        return [(W.T, b) for W, b in self.net.layers]
