"""sb.lab.check_gradient: a student's own function and gradient, right and wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from swiftbackprop.lab import check_gradient

rng = np.random.default_rng(3)
N = 32
X, T = rng.normal(size=(N, 4)), rng.normal(size=(N, 4))
SQUARE, WIDE = rng.normal(size=(4, 4)), rng.normal(size=(3, 4))
M = rng.normal(size=(4, 4))


def cost(W: np.ndarray) -> float:
    """The mean over N rows of ½‖tanh(W x) − t‖²."""
    return float(np.mean(np.sum((np.tanh(X @ W.T) - T[:, : len(W)]) ** 2, axis=1)) / 2)


def grad(W: np.ndarray) -> np.ndarray:
    a = np.tanh(X @ W.T)
    grad_z = (a - T[:, : len(W)]) * (1 - a * a) / N
    return np.asarray(grad_z.T @ X)


def of_vector(x: np.ndarray) -> float:
    return float(np.sum(x**3) + x[0] * x[1])


def grad_of_vector(x: np.ndarray) -> np.ndarray:
    g = 3 * x**2
    g[:2] += x[1::-1]
    return np.asarray(g)


@pytest.mark.parametrize(
    ("f", "g", "x"),
    [
        (cost, grad, SQUARE),
        (cost, grad, WIDE),
        (of_vector, grad_of_vector, np.array([1.0, -2.0, 3.0])),
        (lambda x: np.exp(x), lambda x: np.exp(x), 1.5),
        (lambda x: np.sum(np.sin(x)), np.cos, rng.normal(size=(2, 3, 2))),
        (lambda x: np.sum(np.log(x)), lambda x: 1 / x, np.array([1e-3, 1.0, 50.0])),
        (lambda x: 0.0, np.zeros_like, np.zeros(3)),
        (lambda x: np.array([[x @ x]]), lambda x: 2 * x, [1, 2, 3]),
        (lambda x: 1e8 + np.sum(x), np.ones_like, np.arange(3)),
    ],
)
def test_right_gradients(f: Any, g: Any, x: Any) -> None:
    report = check_gradient(f, g, x)
    report.raise_if_failed()
    assert (report.ok, report.mistake, report.kinks) == (True, "", 0)
    assert report.checked == report.size == np.size(x)
    assert check_gradient(f, g(np.array(x, float)), x).ok  # as an array


MISTAKES: dict[str, tuple[Any, Callable[[np.ndarray], Any], str]] = {
    "sign": (WIDE, lambda W: -grad(W), "it has the wrong sign"),
    "twice": (
        WIDE, lambda W: 2 * grad(W),
        "it is twice too large: a factor of 2, from a square or from ½?",
    ),
    "half": (
        WIDE, lambda W: grad(W) / 2,
        "it is half of what it should be: a factor of 2, from a square or from ½?",
    ),
    "missing 1/N": (
        WIDE, lambda W: N * grad(W),
        "it is 32 times too large: is the 1/N of a mean over N = 32 missing?",
    ),
    "1/N twice": (
        WIDE, lambda W: grad(W) / N,
        "it is 32 times too small: is 1/N there twice (N = 32), or a mean in place of a sum?",
    ),
    "a factor": (WIDE, lambda W: 1.3 * grad(W), "it is 1.3 times the right one"),
    "sign and 1/N": (
        WIDE, lambda W: -N * grad(W),
        "it has the wrong sign and is 32 times too large: is the 1/N of a mean over N = 32 "
        "missing?",
    ),
    "transposed, square": (SQUARE, lambda W: grad(W).T, "it is transposed"),
    "transposed and twice": (
        SQUARE, lambda W: 2 * grad(W).T,
        "it is transposed and it is twice too large: a factor of 2, from a square or from ½?",
    ),
    "transposed, not square": (
        WIDE, lambda W: grad(W).T,
        "it has shape (4, 3), and x has (3, 4): it is transposed, grad.T is right",
    ),
    "reshaped transpose": (
        WIDE, lambda W: grad(W).T.reshape(3, 4),
        "it is the transpose, reshaped: .T moves numbers, .reshape does not",
    ),
    "a vector": (
        WIDE, lambda W: grad(W).ravel(),
        "it has shape (12,), and x has (3, 4): the numbers are right, write grad.reshape(x.shape)",
    ),
    "another shape": (WIDE, lambda W: grad(W)[:2], "it has shape (2, 4), and x has (3, 4)"),
    "reversed": (
        np.array([1.0, -2.0, 3.0]), lambda x: grad_of_vector(x)[::-1],
        "its elements are in the reverse order",
    ),
    "zero": (WIDE, np.zeros_like, "it is 0 everywhere"),
    "nan": (WIDE, lambda W: W * np.nan, "it contains NaN or infinity"),
    "penalty": (
        WIDE, lambda W: grad(W) + 0.1 * W,
        "it has 0.1 times x too much: is a penalty in f or in grad alone?",
    ),
    "signs": (
        WIDE, lambda W: np.abs(grad(W)),
        f"the signs of {np.sum(grad(WIDE) < 0)} of 12 elements are wrong",
    ),
    "a shift": (WIDE, lambda W: grad(W) + 0.5, "it is too large by 0.5 everywhere"),
    "a row": (
        WIDE, lambda W: grad(W) * [[1], [0], [1]], "4 of 12 elements are wrong, all in grad[1, :]"
    ),
    "a column": (
        WIDE, lambda W: grad(W) * [1, 1, 1, 0], "3 of 12 elements are wrong, all in grad[:, 3]"
    ),
    "some": (
        WIDE, lambda W: grad(W) + np.eye(3, 4),
        "3 of 12 elements are wrong, the first is grad[0, 0]",
    ),
    "anything": (WIDE, lambda W: np.cos(np.arange(12.0)).reshape(3, 4), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_told_apart(case: str) -> None:
    x, wrong, sentence = MISTAKES[case]
    f = of_vector if case == "reversed" else cost
    report = check_gradient(f, wrong, x)
    assert not report.ok
    assert report.mistake == sentence
    message = refused(report.raise_if_failed, AssertionError, "^the gradient is wrong: ")
    assert sentence in message
    assert "WRONG" in repr(report)
    assert message in repr(report)


def test_where_it_is_worst() -> None:
    g = grad(WIDE)
    g[1, 2] += 0.01
    g[2, 3] -= 0.5
    report = check_gradient(cost, g, WIDE)
    assert report.worst == (2, 3)
    assert report.g == g[2, 3]
    assert report.n == pytest.approx(g[2, 3] + 0.5, rel=1e-9)
    assert "the worst is grad[2, 3] = " in refused(report.raise_if_failed, AssertionError)


def test_some_elements() -> None:
    report = check_gradient(cost, grad, SQUARE, per_array=5)
    assert (report.ok, report.checked, report.size) == (True, 5, 16)
    assert check_gradient(cost, lambda W: grad(W).T, SQUARE, per_array=5).mistake == (
        "it is transposed"
    )
    refused(lambda: check_gradient(cost, grad, SQUARE, per_array=0), ValueError, "per_array")


def test_kinks_that_nobody_named() -> None:
    x = np.array([0.0, 1.0, -1.0, 1e-4])
    report = check_gradient(lambda x: np.sum(np.abs(x)), np.sign, x)
    assert (report.ok, report.checked, report.kinks) == (True, 3, 1)
    report = check_gradient(lambda x: np.sum(np.maximum(x, 0)), lambda x: x > 0, np.zeros(2))
    assert (report.ok, report.checked, report.kinks) == (True, 0, 2)
    assert "only kinks" in repr(report)


def test_functions_in_float32() -> None:
    """Their differences know less; a wrong gradient is found all the same."""

    def f(W: np.ndarray) -> float:
        a = np.tanh(X.astype("f4") @ W.astype("f4").T)
        return float(np.mean(np.sum((a - T.astype("f4")[:, : len(W)]) ** 2, axis=1)) / 2)

    report = check_gradient(f, grad, WIDE)
    assert report.ok
    assert 1e-6 < report.limit < 1e-2
    assert not check_gradient(f, lambda W: 1.05 * grad(W), WIDE).ok


def test_a_network_as_the_function() -> None:
    net = sb.Network([4, 3, 2], activation="tanh", dtype="float64", seed=0)

    def f(parameters: np.ndarray) -> float:
        net.parameters[:] = parameters
        net.forward(X)
        return net.backward(T[:, :2])

    at = net.parameters.copy()
    f(at)
    assert check_gradient(f, net.gradients.copy(), at).ok


def test_functions_that_cannot_be_checked() -> None:
    noisy = np.random.default_rng(0)
    for f, sentence in (
        (lambda x: np.nan, "f(x) is nan: differences need a finite number"),
        (lambda x: x, "f returns an array of shape (2,); expected one number, such as the sum or "
         "the mean of it"),
    ):  # fmt: skip
        assert refused(lambda f=f: check_gradient(f, [1, 2], [1, 2]), ValueError) == sentence
    refused(
        lambda: check_gradient(lambda x: noisy.normal(), [1], [1]), ValueError,
        "called again .*: fix its random numbers first",
    )  # fmt: skip


def test_a_report_shows_itself() -> None:
    report = check_gradient(lambda x: float(x @ x), lambda x: 2 * x, [1.0, 2.0])
    lines = repr(report).split("\n")
    assert lines[0] == "Gradient at x of shape (2,) against differences: right"
    assert lines[1].split() == ["compared", "at", "kinks", "error", "verdict"]
    assert lines[2].startswith("2 of 2    0         ")
    assert lines[2].endswith("right")
    assert "<td" in report._repr_html_()
