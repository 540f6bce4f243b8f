"""The table of errors: data of a wrong shape, targets and weights; reading the messages.

Names, types and options are in test_errors_options.py; NaN, divergence, order and memory in
test_errors_numbers.py; BLAS that is missing or wrong in test_config_blas.py; a missing toolchain
in test_build.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers import D0, DL, N, inputs, labels, network, quiet_network, refused

WRONG_X = {
    "columns for rows": (
        inputs(D0, N),
        [r"\(3, 20\)", r"D\(0\)", r"row|column|\.T\b|transpos"],
    ),
    "too many columns": (inputs(N, D0 + 1), [r"\(20, 4\)", r"D\(0\)", r"\b3\b"]),
    "one dimension": (inputs(D0), [r"\(3,\)", r"D\(0\)|\(N, 3\)|\(1, 3\)"]),
    "three dimensions": (inputs(N, D0, 1), [r"\(20, 3, 1\)|3 dim|3-D"]),
    "no dimension": (np.float32(3), [r"\(\)|0 dim|0-D|scalar|shape"]),
    "no rows": (inputs(0, D0), [r"\(0, 3\)|no row|empty|at least one"]),
}


@pytest.mark.parametrize("case", WRONG_X)
@pytest.mark.parametrize("call", ["forward", "predict", "evaluate", "fit", "predict_classes"])
def test_wrong_shape_of_X(case: str, call: str) -> None:
    X, patterns = WRONG_X[case]
    net = network()
    y = np.zeros(len(X) if np.ndim(X) else 1, int)
    if call == "evaluate":
        refused(lambda: net.evaluate(X, y), ValueError, *patterns)
    elif call == "fit":
        refused(lambda: net.fit(X, y, epochs=1, progress=False), ValueError, *patterns)
    elif case == "no rows" and call.startswith("predict"):
        result = getattr(net, call)(X)  # nothing to predict is not an error
        assert len(result) == 0
    else:
        refused(lambda: getattr(net, call)(X), ValueError, *patterns)


WRONG_Y: dict[str, tuple[Any, Any, list[str]]] = {
    "transposed": (np.zeros((DL, N), "f4"), ValueError, [r"\(4, 20\)", r"\(20, 4\)", r"row|\.T"]),
    "too few rows": (labels()[:-1], ValueError, [r"\b19\b", r"\b20\b", "row|example|label"]),
    "too many columns": (np.zeros((N, DL + 1), "f4"), ValueError, [r"\(20, 5\)", r"D\(2\)|D\(L\)"]),
    "a column of labels": (labels()[:, None], ValueError, [r"\(20, 1\)", r"\(20,\)|ravel|\(N,\)"]),
    "labels from 1": (labels() + 1, ValueError, [r"\b4\b", r"0\s*(\.\.|to|…|-|and)\s*3"]),
    "negative labels": (labels() - 1, ValueError, ["-1"]),
    "labels as floats": (labels().astype("f8"), TypeError, [r"astype", r"int"]),
    "labels as float32": (labels().astype("f4"), TypeError, [r"astype", r"int"]),
    "strings": (np.array(["cat"] * N), (TypeError, ValueError), ["str|<U3|U3|text"]),
    "objects": (np.array([object()] * N), (TypeError, ValueError), ["object"]),
    "nothing": (np.array([None] * N), ValueError, ["None in row 0"]),
    "complex": (np.zeros((N, DL), complex), (TypeError, ValueError), ["complex"]),
    "rows that do not sum to 1": (np.full((N, DL), 0.5, "f4"), ValueError, ["sum", "1"]),
    "negative probabilities": (
        np.tile(np.array([2, -1, 0, 0], "f4"), (N, 1)),
        ValueError,
        ["-1", "negative|at least 0|(≥|>=) 0"],
    ),
}


@pytest.mark.parametrize("case", WRONG_Y)
@pytest.mark.parametrize("call", ["backward", "evaluate", "fit"])
def test_wrong_targets(case: str, call: str) -> None:
    y, kinds, patterns = WRONG_Y[case]
    net = network()
    X = inputs()
    net.forward(X)
    calls = {
        "backward": lambda: net.backward(y),
        "evaluate": lambda: net.evaluate(X, y),
        "fit": lambda: net.fit(X, y, epochs=1, progress=False),
    }
    before = net.parameters.copy()
    refused(calls[call], kinds, *patterns)
    np.testing.assert_array_equal(net.parameters, before)
    net.forward(X)
    net.backward(labels())  # and goes on working


def test_validation_data_is_checked_too() -> None:
    net = network()
    X, y = inputs(), labels()
    for bad, pattern in (
        ((inputs(5, D0 + 1), labels()[:5]), r"\(5, 4\)"),
        ((inputs(5, D0), labels()[:4]), r"\b4\b"),
        ((np.full((5, D0), np.nan, "f4"), labels()[:5]), "nan"),
    ):
        refused(
            lambda bad=bad: net.fit(X, y, epochs=1, validation_data=bad, progress=False),
            ValueError, pattern, "validation",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "output", "bad", "patterns"),
    [
        ("binary_cross_entropy", "sigmoid", 1.5, [r"1\.5", r"\[0, 1\]|0 and 1|between"]),
        ("binary_cross_entropy", "sigmoid", -0.5, [r"-0\.5", r"\[0, 1\]|0 and 1|between"]),
        ("poisson", "exp", -2.0, [r"-2", "negative|at least 0|(≥|>=) 0"]),
    ],
)
def test_targets_outside_the_domain(
    loss: str, output: str, bad: float, patterns: list[str]
) -> None:
    net = quiet_network([D0, 1], output=output, loss=loss, seed=0)
    y = np.full(N, 0.5, "f4")
    y[7] = bad
    net.forward(inputs())
    refused(lambda: net.backward(y), ValueError, *patterns)
    refused(lambda: net.fit(inputs(), y, epochs=1, progress=False), ValueError, *patterns)
    refused(lambda: net.evaluate(inputs(), y), ValueError, *patterns)


def test_wrong_weights() -> None:
    net = network()
    X, y = inputs(), labels()
    for weights, patterns in (
        (np.ones(N - 1), [r"\b19\b", r"\b20\b"]),
        (np.ones((N, 2)), [r"\(20, 2\)"]),
        (-np.ones(N), ["negative|≥ 0|>= 0|below 0", "weight"]),
        (np.full(N, np.nan), ["nan", "weight"]),
        (np.full(N, np.inf), ["inf", "weight"]),
    ):
        net.forward(X)
        refused(lambda w=weights: net.backward(y, sample_weight=w), ValueError, *patterns)
        refused(lambda w=weights: net.evaluate(X, y, sample_weight=w), ValueError, *patterns)
        refused(
            lambda w=weights: net.fit(X, y, epochs=1, sample_weight=w, progress=False),
            ValueError, *patterns,
        )  # fmt: skip
    with pytest.raises((TypeError, ValueError), match=r"weight|str"):
        net.backward(y, sample_weight=["a"] * N)


def test_wrong_shape_of_W() -> None:
    net = network()
    layer = net.layers[1]
    refused(
        lambda: setattr(layer, "W", np.zeros((6, 4))), ValueError,
        r"\(6, 4\)", r"\(4, 6\)", r"W\(2\)|layer 2|W", r"D\(2\)|\.T|transpos|D\(m\)",
    )  # fmt: skip
    refused(lambda: setattr(layer, "b", np.zeros(5)), ValueError, r"\(5,\)", r"\(4,\)|D\(2\)")
    refused(lambda: setattr(layer, "b", np.zeros((4, 1))), ValueError, r"\(4, 1\)")
    with pytest.raises((TypeError, ValueError)):
        layer.W = "abc"
