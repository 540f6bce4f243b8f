"""JAX: the whole step as one compiled function; whole epochs as one compiled loop."""

import os
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.cases import Case, Floats, Labels, Pairs, data_of, start
from benchmarks.contenders import Contender, Run

# Any, whether the type checker finds JAX or not
jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")

ACTIVATIONS = {
    "relu": lambda z: jnp.maximum(z, 0),
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
}


def _logits(case: Case, pairs: Any, x: Any) -> Any:
    *hidden, last = pairs
    for W, b in hidden:
        x = ACTIVATIONS[case.activation](x @ W + b)
    return x @ last[0] + last[1]


def _rounded_logits(case: Case, pairs: Any, x: Any) -> Any:
    """Return the same from bfloat16 all the way, as a mixed-precision policy does.

    The settings of precision change nothing for float32 on a CPU (JAX 0.10): this does.
    """
    pairs, x = jax.tree.map(lambda array: array.astype(jnp.bfloat16), (pairs, x))
    return _logits(case, pairs, x).astype(jnp.float32)


def _step(case: Case, logits: Any, steps: int = 1) -> Any:
    """Return (state, x, y) -> (state, loss); an epoch has so many steps."""
    lr = case.lr

    def loss_of(pairs: Any, x: Any, y: Any) -> Any:
        terms = jax.nn.log_softmax(logits(case, pairs, x))
        return -jnp.mean(jnp.take_along_axis(terms, y[:, None], axis=1))

    def step(state: Any, x: Any, y: Any) -> Any:
        pairs, slots, count = state
        loss, grads = jax.value_and_grad(loss_of)(pairs, x, y)
        each = jax.tree.map
        if case.optimizer == "sgd":
            pairs = each(lambda w, g: w - lr * g, pairs, grads)
        elif case.optimizer == "momentum":
            slots = each(lambda v, g: 0.9 * v + g, slots, grads)
            pairs = each(lambda w, v: w - lr * v, pairs, slots)
        else:
            count = count + 1
            m = each(lambda m, g: 0.9 * m + 0.1 * g, slots[0], grads)
            v = each(lambda v, g: 0.999 * v + 0.001 * g * g, slots[1], grads)
            root = jnp.sqrt(1 - 0.999**count)
            rate = lr * root / (1 - 0.9**count)
            if case.decay != 1:
                rate *= case.decay ** jnp.floor((count - 1) / steps)
            pairs = each(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-8 * root), pairs, m, v)
            slots = m, v
        return (pairs, slots, count), loss

    return step


class ByJax(Contender):
    """Compiled for every case; the state is donated, so that it is updated in place."""

    state: Any
    case: Case  # of the state
    logits = staticmethod(_logits)

    def __init__(self, threads: int) -> None:
        # JAX makes as many threads as there are cores it may use, and has no call for that
        os.environ["NPROC"] = str(threads)
        super().__init__(threads)

    def versions(self) -> dict[str, str]:
        return {"JAX": jax.__version__}

    def _begin(self, case: Case) -> None:
        self.case = case
        jax.config.update("jax_enable_x64", case.dtype == "float64")
        jax.clear_caches()
        pairs = [(jnp.array(W.T), jnp.array(b)) for W, b in start(case)]
        zeros = jax.tree.map(jnp.zeros_like, pairs)
        slots = {"sgd": (), "momentum": zeros}.get(
            case.optimizer, (zeros, jax.tree.map(jnp.zeros_like, pairs))
        )
        self.state = (pairs, slots, jnp.zeros((), case.dtype))

    def step(self, case: Case) -> Run:
        self._begin(case)
        step = jax.jit(_step(case, self.logits), donate_argnums=0)
        X, y = data_of(case)
        labels = y.astype(np.int32)
        batch, end, at = case.batch, len(X), 0

        def run(steps: int) -> None:
            nonlocal at
            state = self.state
            for _ in range(steps):
                state, _ = step(state, X[at : at + batch], labels[at : at + batch])
                at = (at + batch) % end
            self.state = jax.block_until_ready(state)

        return run

    def epoch(self, case: Case, X: Floats, y: Labels) -> Run:
        self._begin(case)
        rows = len(X)
        step = _step(case, self.logits, rows // case.batch)
        on_device = (jnp.array(X), jnp.array(y))
        rng = np.random.default_rng(case.seed)

        def over(state: Any, X: Any, y: Any, order: Any) -> Any:
            return jax.lax.scan(lambda s, chosen: step(s, X[chosen], y[chosen]), state, order)

        train = jax.jit(over, donate_argnums=0)

        def run(epochs: int) -> None:
            for _ in range(epochs):
                order = rng.permutation(rows).reshape(-1, case.batch)
                self.state, _ = jax.block_until_ready(train(self.state, *on_device, order))

        return run

    def classes(self, X: Floats) -> Labels:
        found: Labels = np.asarray(self.logits(self.case, self.state[0], X)).argmax(axis=1)
        return found

    def predict(self, case: Case, rows: int) -> Run:
        self._begin(case)
        X, _ = data_of(case, rows)
        function = jax.jit(lambda pairs, x: jax.nn.softmax(self.logits(case, pairs, x)))

        def run(times: int) -> None:
            for _ in range(times):
                jax.block_until_ready(function(self.state[0], X))

        return run

    def parameters(self) -> Pairs:
        return [(np.asarray(W).T, np.asarray(b)) for W, b in self.state[0]]


class InBfloat16(ByJax):
    """The same with weights, data and activations rounded to bfloat16 in every step."""

    logits = staticmethod(_rounded_logits)
