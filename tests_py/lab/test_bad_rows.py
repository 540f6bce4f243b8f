"""Tables of reports colour the rows that are wrong, and no others."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import swiftbackprop as sb
from helpers import quiet_network


def coloured(report: Any) -> list[str]:
    """The first cells of the rows with a ground of their own."""
    rows = re.findall(r'<tr class="bad" style="background:#\w+">(.*?)</tr>', report._repr_html_())
    return [re.findall(r"<td[^>]*>(.*?)</td>", row)[0] for row in rows]


def backward(net: Any, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    (layer,) = net.layers
    grad_z = (layer.a - y) / len(X)
    return {"grad_W": [grad_z.T @ X], "grad_b": [grad_z.mean(axis=0)]}


def test_a_wrong_quantity() -> None:
    net = quiet_network([3, 2], seed=0)
    X, y = np.eye(5, 3), np.ones((5, 2))
    assert coloured(sb.lab.check_backward(backward, net, X, y)) == ["grad_b(1)"]
    report = sb.lab.grade(
        {"backward": backward}, net, X, y, require=["grad_W", "grad_b"], timeout=60.0
    )
    assert coloured(report) == ["grad_b(1)"]


def test_a_wrong_gradient_of_a_function() -> None:
    x = np.array([1.0, 2.0])
    right = sb.lab.check_gradient(lambda x: float(np.sum(x**2)), lambda x: 2 * x, x)
    wrong = sb.lab.check_gradient(lambda x: float(np.sum(x**2)), lambda x: 3 * x, x)
    assert coloured(right) == []
    assert len(coloured(wrong)) == 1


def test_a_gradcheck_and_a_sick_layer() -> None:
    net = quiet_network([3, 4, 2], activation="relu", seed=0)
    X, y = np.random.default_rng(0).normal(size=(9, 3)), np.zeros((9, 2))
    assert coloured(net.gradcheck(X, y)) == []
    net.layers[0].b = np.full(4, -100.0)  # no unit is ever on
    assert coloured(net.health(X, y))[0] == "1"
