"""The network's formulas in PyTorch and in JAX, in float64, differentiated by these."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # of the peer
Pairs = list[tuple[Array, Array]]


@dataclass(frozen=True)
class Peer:
    """What differs between the two: arrays, a few functions, and derivatives."""

    name: str
    array: Callable[[np.ndarray], Array]
    activations: dict[str, Callable[[Array], Array]]
    log: Callable[[Array], Array]
    where: Callable[[Array, Array, Array], Array]
    # Of f at u: the Jacobian; of a scalar f: the gradient, and the Hessian times v.
    jacobian: Callable[[Callable[[Array], Array], Array], Array]
    gradient: Callable[[Callable[[Array], Array], Array], Array]
    hvp: Callable[[Callable[[Array], Array], Array, Array], Array]
    double: Callable[[], Any]

    @property
    def losses(self) -> dict[str, Callable[[Array, Array], Array]]:
        """ℓ of every output, from a."""
        return {
            "squared_error": lambda a, t: (a - t) ** 2 / 2,
            "absolute_error": lambda a, t: abs(a - t),
            "huber": lambda a, t: self.where(abs(a - t) <= 1, (a - t) ** 2 / 2, abs(a - t) - 0.5),
            "binary_cross_entropy": lambda a, t: -t * self.log(a) - (1 - t) * self.log(1 - a),
            "cross_entropy": lambda a, t: -t * self.log(a),
            "poisson": lambda a, t: a - t * self.log(a),
        }

    def pairs(self, net: Any, flat: Array) -> Pairs:
        """(W, b) of every layer out of a flat vector of parameters."""
        pairs, start = [], 0
        for before, own in zip(net.sizes, net.sizes[1:], strict=False):
            middle = start + before * own
            pairs.append((flat[start:middle].reshape(before, own).T, flat[middle : middle + own]))
            start = middle + own
        return pairs

    def parameters(self, net: Any) -> Array:
        return self.array(net.parameters.copy())

    def go_on(self, net: Any, pairs: Pairs, u: Array, wrt: str, m: int, of: str) -> Array:
        """`of`(L) from u, which is `wrt`(m) of one example or of a batch."""
        names = [layer.activation.name for layer in net.layers]
        z = a = u
        if wrt == "z":
            a = self.activations[names[m - 1]](u)
        for k in range(m, len(names)):
            z = a @ pairs[k][0].T + pairs[k][1]
            a = self.activations[names[k]](z)
        return z if of == "z" else a

    def jacobians(self, net: Any, X: np.ndarray, of: str, wrt: str, m: int) -> np.ndarray:
        """∂of(L)/∂wrt(m) of every row of X."""
        with self.double():
            pairs = self.pairs(net, self.parameters(net))
            names = [layer.activation.name for layer in net.layers]
            found = []
            for row in X:
                u = self.array(row)
                for k in range(m):
                    z = u @ pairs[k][0].T + pairs[k][1]
                    u = z if k == m - 1 and wrt == "z" else self.activations[names[k]](z)
                J = self.jacobian(lambda u: self.go_on(net, pairs, u, wrt, m, of), u)
                found.append(np.asarray(J))
        return np.stack(found)

    def cost(
        self, net: Any, flat: Array, X: np.ndarray, t: np.ndarray, w: np.ndarray | None
    ) -> Array:
        """C, the weighted mean."""
        a = self.go_on(net, self.pairs(net, flat), self.array(X), "a", 0, "a")
        each = self.losses[net.loss.name](a, self.array(t.reshape(a.shape))).sum(-1)
        share = np.full(len(X), 1 / len(X)) if w is None else w / w.sum()
        return (self.array(share) * each).sum()

    def hessian_product(
        self, net: Any, X: np.ndarray, t: np.ndarray, v: np.ndarray, w: np.ndarray | None = None
    ) -> np.ndarray:
        with self.double():
            return np.asarray(
                self.hvp(
                    lambda flat: self.cost(net, flat, X, t, w), self.parameters(net), self.array(v)
                )
            )

    def gradient_norms(self, net: Any, X: np.ndarray, t: np.ndarray) -> np.ndarray:
        """‖∇Cₙ‖, one row after the other."""
        with self.double():
            flat = self.parameters(net)
            return np.array(
                [
                    np.linalg.norm(
                        np.asarray(
                            self.gradient(
                                lambda p, n=n: self.cost(net, p, X[n : n + 1], t[n : n + 1], None),
                                flat,
                            )
                        )
                    )
                    for n in range(len(X))
                ]
            )


def _torch() -> Peer:
    import torch

    F = torch.nn.functional

    def gradient(f: Any, u: Any) -> Any:
        u = u.clone().requires_grad_(True)
        return torch.autograd.grad(f(u), u)[0]

    return Peer(
        "torch",
        lambda x: torch.tensor(np.array(x)),
        {
            "identity": lambda z: z,
            "sigmoid": torch.sigmoid,
            "tanh": torch.tanh,
            "relu": torch.relu,
            "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
            "elu": F.elu,
            "gelu": F.gelu,
            "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
            "silu": F.silu,
            "softplus": F.softplus,
            "exp": torch.exp,
            "softmax": lambda z: torch.softmax(z, -1),
        },
        torch.log,
        torch.where,
        torch.autograd.functional.jacobian,
        gradient,
        lambda f, u, v: torch.autograd.functional.hvp(f, u, v)[1],
        contextlib.nullcontext,
    )


def _jax() -> Peer:
    import jax

    nn = jax.nn
    return Peer(
        "jax",
        jax.numpy.asarray,
        {
            "identity": lambda z: z,
            "sigmoid": nn.sigmoid,
            "tanh": jax.numpy.tanh,
            "relu": nn.relu,
            "leaky_relu": nn.leaky_relu,
            "elu": nn.elu,
            "gelu": lambda z: nn.gelu(z, approximate=False),
            "gelu_tanh": lambda z: nn.gelu(z, approximate=True),
            "silu": nn.silu,
            "softplus": nn.softplus,
            "exp": jax.numpy.exp,
            "softmax": nn.softmax,
        },
        jax.numpy.log,
        jax.numpy.where,
        lambda f, u: jax.jacrev(f)(u),
        lambda f, u: jax.grad(f)(u),
        lambda f, u, v: jax.jvp(jax.grad(f), (u,), (v,))[1],
        lambda: jax.enable_x64(True),
    )


PEERS = {"torch": _torch, "jax": _jax}
