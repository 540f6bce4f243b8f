"""The table of errors: wrong types, dtypes, names and options; reading the messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import D0, DL, N, inputs, labels, network, refused


@pytest.mark.parametrize(
    ("X", "pattern"),
    [
        (np.array([["a", "b", "c"]]), "str|U1"),
        (np.array([[None, 1, 2]]), "None in row 0, column 0"),
        (np.zeros((2, D0), complex), "complex"),
        (np.zeros((2, D0), "datetime64[s]"), "datetime"),
        (np.zeros(2, [("x", "f4"), ("y", "f4"), ("z", "f4")]), "void|struct|dtype|field"),
        (None, "None"),
        ("text", "str"),
        ({"a": 1}, "dict"),
        (object(), "object"),
        ([[1, 2], [1, 2, 3]], "shape|row|inhomogeneous|length"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)
def test_wrong_type_of_X(X: Any, pattern: str) -> None:
    net = network()
    for call in (net.forward, net.predict):
        refused(lambda call=call: call(X), (TypeError, ValueError), pattern)
    refused(lambda: net.fit(X, [0, 1], epochs=1, progress=False), (TypeError, ValueError), pattern)


@pytest.mark.parametrize(
    ("keywords", "nearest", "another"),
    [
        ({"activation": "sigmod"}, "sigmoid", "tanh"),
        ({"activation": "RELU"}, "relu", "tanh"),
        ({"output": "softmx"}, "softmax", "tanh"),
        ({"loss": "crossentropy"}, "cross_entropy", "huber"),
        ({"optimizer": "adm"}, "adam", "sgd"),
        ({"initializer": "glorot_unifrom"}, "glorot_uniform", "he_normal"),
        ({"dtype": "float16"}, "float32", "float64"),
        ({"dtype": "flaot32"}, "float32", "float64"),
    ],
)
def test_unknown_names(keywords: dict[str, Any], nearest: str, another: str) -> None:
    given = next(iter(keywords.values()))
    refused(
        lambda: sb.Network([D0, 4, DL], **keywords), (ValueError, TypeError),
        re.escape(given), rf"(?-i:{nearest})|{nearest}", another,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keywords", "ours"),
    [
        ({"activation": "logistic"}, "sigmoid"),
        ({"activation": "linear"}, "identity"),
        ({"activation": "swish"}, "silu"),
        ({"loss": "mse"}, "squared_error"),
        ({"loss": "log_loss"}, "cross_entropy"),
        ({"loss": "mae"}, "absolute_error"),
        ({"loss": "categorical_crossentropy"}, "cross_entropy"),
        ({"loss": "bce"}, "binary_cross_entropy"),
    ],
)
def test_names_of_other_libraries_get_a_hint(keywords: dict[str, Any], ours: str) -> None:
    given = next(iter(keywords.values()))
    refused(lambda: sb.Network([D0, 4, DL], **keywords), ValueError, given, rf"\b{ours}\b")


@pytest.mark.parametrize(
    ("keywords", "patterns"),
    [
        ({"activation": 3}, ["activation", "int"]),
        ({"activation": ["tanh", "tanh"]}, ["activation", r"\b2\b", r"\b1\b"]),
        ({"loss": 3}, ["loss", "int"]),
        ({"optimizer": 0.1}, ["optimizer", "float"]),
        ({"optimizer": sb.Adam}, ["optimizer", r"Adam\(|instance|class|type"]),
        ({"dtype": "int32"}, ["int32", "float32"]),
        ({"dtype": 7}, ["float32"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": "abc"}, ["seed"]),
        ({"l1": -0.1}, ["l1", r"-0\.1"]),
        ({"l2": float("nan")}, ["l2", "nan"]),
        ({"clip_norm": 0}, ["clip_norm"]),
        ({"clip_norm": -1}, ["clip_norm", "-1"]),
        ({"initializer": 5}, ["initializer"]),
        ({"initializer": [(np.zeros((4, D0)), np.zeros(4))]}, ["initializer|layer|pair"]),
        (
            {"initializer": [(np.zeros((D0, 4)), np.zeros(4)), (np.zeros((DL, 4)), np.zeros(DL))]},
            [r"\(3, 4\)", r"\(4, 3\)"],
        ),
    ],
)
def test_wrong_options(keywords: dict[str, Any], patterns: list[str]) -> None:
    refused(lambda: sb.Network([D0, 4, DL], **keywords), (ValueError, TypeError), *patterns)


@pytest.mark.parametrize(
    ("sizes", "patterns"),
    [
        ([], ["sizes|layer"]),
        ([3], ["sizes|layer", "two|2|output"]),
        ([3, 0, 2], [r"\b0\b", r"D\(1\)|layer 1|sizes|width"]),
        ([3, -4, 2], ["-4"]),
        ([3, 2.5, 2], [r"2\.5|float"]),
        (["3", 2], ["str"]),
        (5, ["sizes|int"]),
        ("32", ["sizes|str"]),
        (None, ["sizes|None"]),
    ],
)
def test_wrong_sizes(sizes: Any, patterns: list[str]) -> None:
    refused(lambda: sb.Network(sizes), (ValueError, TypeError), *patterns)


def test_everything_behind_sizes_is_keyword_only() -> None:
    with pytest.raises(TypeError):
        sb.Network([2, 3], "tanh")
    with pytest.raises(TypeError, match="activations"):
        sb.Network([2, 3], activations="tanh")  # an unknown keyword


def test_softmax_with_one_unit_points_to_sigmoid() -> None:
    refused(lambda: sb.Network([3, 4, 1], output="softmax"), ValueError, "softmax", "sigmoid")
    refused(lambda: sb.Network([3, 4, 1], loss="cross_entropy"), ValueError, "sigmoid")


@pytest.mark.parametrize(
    ("make", "patterns"),
    [
        (lambda: sb.SGD(-0.1), ["lr", r"-0\.1"]),
        (lambda: sb.SGD(float("nan")), ["lr", "nan"]),
        (lambda: sb.SGD("fast"), ["lr"]),
        (lambda: sb.Momentum(0.1, momentum=1.5), ["momentum", r"1\.5"]),
        (lambda: sb.Adam(1e-3, beta_1=1.0), ["beta_1", "1"]),
        (lambda: sb.Adam(1e-3, beta_2=-0.1), ["beta_2", r"-0\.1"]),
        (lambda: sb.Adam(1e-3, epsilon=-1e-8), ["epsilon"]),
        (lambda: sb.AdamW(1e-3, weight_decay=-1), ["weight_decay", "-1"]),
        (lambda: sb.RMSprop(1e-3, rho=2), ["rho", "2"]),
        (lambda: sb.Adagrad(float("inf")), ["lr", "inf"]),
        (lambda: sb.Adam(learning_rate=0.1), ["learning_rate"]),
        (lambda: sb.activation("leaky_relu", alpha=0.1), ["alpha", "slope"]),
        (lambda: sb.activation("leaky_relu", slope="x"), ["slope"]),
        (lambda: sb.activation("leaky_relu", slope=float("nan")), ["slope", "nan"]),
        (lambda: sb.activation("tanh", slope=0.1), ["slope", "tanh"]),
        (lambda: sb.loss("huber", delta=0), ["delta"]),
        (lambda: sb.loss("huber", delta=-1), ["delta", "-1"]),
        (lambda: sb.loss("squared_error", delta=1), ["delta", "squared_error"]),
        (lambda: sb.activation("no_such"), ["no_such", "sigmoid", "tanh"]),
        (lambda: sb.activation(3), ["int|str|name"]),
        (lambda: sb.loss("no_such"), ["no_such", "huber"]),
    ],
)
def test_wrong_rules(make: Callable[[], Any], patterns: list[str]) -> None:
    def use() -> None:  # some values may be refused where they are used
        made = make()
        if isinstance(made, type(sb.SGD(0.1)).__mro__[-2]):
            sb.Network([2, 2], optimizer=made)

    refused(use, (ValueError, TypeError), *patterns)


def test_learning_rate_is_checked_when_it_changes() -> None:
    net = network()
    for bad in (-1.0, float("nan"), float("inf"), "fast"):
        with pytest.raises((ValueError, TypeError), match="lr"):
            net.optimizer.lr = bad
    assert net.optimizer.lr == 1e-3
    with pytest.raises(AttributeError, match="learning_rate"):
        net.optimizer.learning_rate = 0.1


@pytest.mark.parametrize("name", ["l1", "l2", "clip_norm"])
@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf"), "much", [1.0]])
def test_penalties_and_clipping_are_checked_when_they_change(name: str, bad: Any) -> None:
    net = network()
    before = getattr(net, name)
    refused(lambda: setattr(net, name, bad), (ValueError, TypeError), name)
    assert getattr(net, name) == before


@pytest.mark.parametrize("bad", [0, -3, 2.5, "many"])
def test_plan_is_of_a_batch_that_fit_would_take(bad: Any) -> None:
    refused(lambda: network().plan(batch_size=bad), (ValueError, TypeError), "batch_size")
    refused(lambda: network().plan(inputs(N, D0 + 1)), ValueError, r"\(20, 4\)", r"D\(0\)")


@pytest.mark.parametrize(
    ("keywords", "patterns"),
    [
        ({"epochs": -1}, ["epochs", "-1"]),
        ({"epochs": 1.5}, ["epochs|float"]),
        ({"epochs": "many"}, ["epochs|str"]),
        ({"batch_size": 0}, ["batch_size", "0"]),
        ({"batch_size": -5}, ["batch_size", "-5"]),
        ({"batch_size": 2.5}, ["batch_size|float"]),
        ({"validation_split": 1.0}, ["validation_split", "1"]),
        ({"validation_split": -0.1}, ["validation_split", r"-0\.1"]),
        ({"validation_split": 0.2, "validation_data": (inputs(), labels())}, ["validation"]),
        ({"validation_data": inputs()}, ["validation_data"]),
        ({"validation_data": 7}, ["validation_data"]),
        ({"callbacks": 7}, ["callback|int|iterable"]),
        ({"no_such_option": 7}, ["no_such_option"]),
    ],
)
def test_wrong_arguments_of_fit(keywords: dict[str, Any], patterns: list[str]) -> None:
    net = network()
    before = net.parameters.copy()
    options = {"progress": False, **keywords}
    refused(lambda: net.fit(inputs(), labels(), **options), (ValueError, TypeError), *patterns)
    np.testing.assert_array_equal(net.parameters, before)
    net.forward(inputs())  # not left busy
