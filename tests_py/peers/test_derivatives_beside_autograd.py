"""Jacobians, norms per example and Hessian-vector products beside PyTorch and JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autodiff import Peer
from helpers import assert_matches, usual_output
from reference import ACTIVATIONS, LOSSES
from test_jacobian import OUTPUTS, places
from test_jacobian import drawn as drawn_for_jacobians
from test_second_order import drawn


def skip_unknown(peer: Peer, *names: str) -> None:
    """A rule that the peer's table does not have is not compared."""
    for name in names:
        if name not in peer.activations and name not in peer.losses:
            pytest.skip(f"{name} is not in {peer.name}'s table")


def check_jacobians(net: Any, X: np.ndarray, peer: Peer) -> None:
    """Every Jacobian against a peer's."""
    for of, wrt, m in places(net):
        wanted = peer.jacobians(net, X, of, wrt, m)
        what = f"∂{of}(L)/∂{wrt}({m})"
        assert_matches(net.jacobian(X, of=of, wrt=wrt, layer=m), wanted, 1e-10, what)


@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_jacobians(name: str, outputs: int, peer: Peer) -> None:
    skip_unknown(peer, name)
    last = name if outputs > 1 or name != "softmax" else "identity"
    check_jacobians(*drawn_for_jacobians([name, "softmax", last], [3, 4, 5, outputs], rows=2), peer)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_norms(loss: str, peer: Peer) -> None:
    skip_unknown(peer, loss)
    for hidden, outputs in (("gelu", 1), ("softmax", 3)):
        net, X, t, _, _ = drawn(hidden, usual_output(loss, outputs), loss, outputs, 4)
        assert_matches(net.gradient_norms(X, t), peer.gradient_norms(net, X, t), 1e-10)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hessian_times_a_vector(activation: str, loss: str, peer: Peer) -> None:
    skip_unknown(peer, activation, loss)
    for hidden, output, outputs in (
        (activation, usual_output(loss, 3), 3),
        (activation, usual_output(loss, 1), 1),
        ("softmax", activation, 3),
    ):
        net, X, t, w, v = drawn(hidden, output, loss, outputs, 4)
        # Autograd divides by a where the partners' a − t does not.
        wanted = peer.hessian_product(net, X, t, v, w)
        assert_matches(net.hvp(X, t, v, sample_weight=w), wanted, 1e-10, f"{hidden} {output}")
