"""Wrong calls that students make, and what each is answered, to the letter.

A message names the layer, the shape expected and got in the lectures' letters,
and says what to write. Other errors are in test_errors.py and its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import D0, DL, N, inputs, labels, network, quiet_network, refused

ONE_HOT = np.eye(DL, dtype=np.float32)[labels()]


def backward(y: Any, net: Any = None, **keywords: Any) -> float:
    """Forward on N rows, then backward."""
    net = net or network()
    net.forward(inputs())
    return float(net.backward(y, **keywords))


def single(loss: str = "squared_error") -> Any:
    return quiet_network([D0, 1], loss=loss, seed=0)


def layer(m: int = 1) -> sb.Layer:
    return network().layer(m)  # type: ignore[no-any-return]


WRONG_CALLS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    # --- X
    "columns for rows": (
        lambda: network().forward(inputs().T), ValueError,
        "X: layer 1 expected shape (N, D(0)) = (N, 3), got (3, 20); X.T has the shape that fits: "
        "examples are rows here, the lectures' columns",
    ),
    "one example without its axis": (
        lambda: network().predict(inputs()[0]), ValueError,
        "X: layer 1 expected shape (N, D(0)) = (N, 3), got (3,); for one example write X[None, :]",
    ),
    "one number an example without its axis": (
        lambda: quiet_network([1, 4, 1]).forward(np.arange(5.0)), ValueError,
        "X: layer 1 expected shape (N, D(0)) = (N, 1), got (5,); for one number per example write "
        "X[:, None]",
    ),
    "a vector": (
        lambda: network().forward(np.arange(20.0)), ValueError,
        "X: layer 1 expected shape (N, D(0)) = (N, 3), got (20,); X is a matrix with one example "
        "a row",
    ),
    "one image": (
        lambda: quiet_network([784, 10]).predict(np.zeros((28, 28))), ValueError,
        "X: layer 1 expected shape (N, D(0)) = (N, 784), got (28, 28); for one example write "
        "X.reshape(1, -1)",
    ),
    "images": (
        lambda: quiet_network([784, 10]).predict(np.zeros((5, 28, 28))), ValueError,
        "X: expected 1 or 2 dimensions, got shape (5, 28, 28): write X.reshape(len(X), -1) "
        "to make each example a row",
    ),
    "another number of inputs": (
        lambda: network().forward(inputs(N, 5)), ValueError,
        "X: layer 1 expected shape (N, D(0)) = (N, 3), got (20, 5); D(0), the first of the sizes, "
        "is the number of columns of X",
    ),
    "sizes reversed": (
        lambda: quiet_network([10, 32, 64]).forward(np.zeros((5, 64))), ValueError,
        "X: layer 1 expected shape (N, D(0)) = (N, 10), got (5, 64); D(L) is 64: are the sizes in "
        "reverse order? They go from inputs to outputs",
    ),
    "integers and copy=False": (
        lambda: network().forward(np.ones((N, D0), np.int64), copy=False), ValueError,
        "X needs a copy, and copy=False forbids it: its dtype is int64 and the network's is "
        "float32",
    ),
    # --- y
    "one-hot transposed": (
        lambda: backward(ONE_HOT.T), ValueError,
        "y: layer L expected shape (N, D(L)) = (20, 4) or (20,), got (4, 20); "
        "y.T has the shape that fits: one row per example",
    ),
    "labels as a column": (
        lambda: backward(labels()[:, None]), ValueError,
        "y: layer L expected shape (N, D(L)) = (20, 4), got (20, 1); class indices are integers of "
        "shape (20,), write y.ravel()",
    ),
    "labels as a column of floats": (
        lambda: backward(labels()[:, None].astype(float)), ValueError,
        "y: layer L expected shape (N, D(L)) = (20, 4), got (20, 1); class indices are integers of "
        "shape (20,), write y.ravel().astype(int)",
    ),
    "labels as floats": (
        lambda: backward(labels().astype(float)), TypeError,
        "y: layer L expected integers (class indices) of shape (N,) = (20,) or numbers of shape "
        "(N, D(L)) = (20, 4), got numbers of shape (20,); for class indices write y.astype(int)",
    ),
    "labels from 1": (
        lambda: backward(labels() + 1), ValueError,
        "y: expected class indices in 0..D(L)-1 = 0..3, got 4 in row 3; do the labels start at 1? "
        "Then write y - 1",
    ),
    "too many classes": (
        lambda: backward(np.arange(N) % 10), ValueError,
        "y: expected class indices in 0..D(L)-1 = 0..3, got 4 in row 4; classes 0..9 need "
        "D(L) = 10 outputs, the last of the sizes",
    ),
    "negative labels": (
        lambda: backward(labels() - 1), ValueError,
        "y: expected class indices in 0..D(L)-1 = 0..3, got -1 in row 0; the first class is 0",
    ),
    "one-hot rows of too many classes": (
        lambda: backward(np.eye(10)[labels()]), ValueError,
        "y: layer L expected shape (N, D(L)) = (20, 4), got (20, 10); D(L), the last of the sizes, "
        "is the number of columns of y",
    ),
    "one-hot rows for one output": (
        lambda: backward(ONE_HOT, single("binary_cross_entropy")), ValueError,
        "y: layer L expected shape (N, D(L)) = (20, 1), got (20, 4); one output needs one number "
        "per example, 0 or 1 for classes: write y.argmax(axis=1) if the rows of y are one-hot",
    ),
    "a row for a column": (
        lambda: backward(np.zeros((1, N)), single()), ValueError,
        "y: layer L expected shape (N, D(L)) = (20, 1), got (1, 20); "
        "y.T has the shape that fits: one row per example",
    ),
    "another batch": (
        lambda: backward(labels()[:16]), ValueError,
        "y: layer L expected shape (N, D(L)) = (20, 4) or (20,), got (16,); "
        "X has N = 20 rows: are X and y of the same batch?",
    ),
    "text": (
        lambda: backward(np.array(["cat", "dog"] * 10)), ValueError,
        "y has labels of text ('cat'), but the network has no classes_ yet: fit it with them, or "
        "set net.classes_ to all labels, in the order of the outputs",
    ),
    "labels -1 and 1": (
        lambda: backward(labels() % 2 * 2 - 1, single("binary_cross_entropy")), ValueError,
        "binary_cross_entropy expects targets in [0, 1], but row 0 of y has -1; labels -1 and 1 "
        "become 0 and 1 by (y + 1) / 2",
    ),
    "classes for one output": (
        lambda: backward(labels(), single("binary_cross_entropy")), ValueError,
        "binary_cross_entropy expects targets in [0, 1], but row 2 of y has 2; more than two "
        "classes need cross_entropy and one output for each",
    ),
    "counts below 0": (
        lambda: backward(labels() - 1.0, single("poisson")), ValueError,
        "poisson expects targets >= 0, but row 0 of y has -1",
    ),
    "rows that are no probabilities": (
        lambda: backward(ONE_HOT * 2), ValueError,
        "cross_entropy expects rows that sum to 1 (one-hot rows or probabilities), but row 0 of y "
        "sums to 2",
    ),
    "weights of another batch": (
        lambda: backward(labels(), sample_weight=np.ones(16)), ValueError,
        "sample_weight: expected shape (N,) = (20,), one weight for each row of X, got (16,)",
    ),
    "backward first": (
        lambda: network().backward(labels()), RuntimeError,
        "call forward first: backward needs its z and a",
    ),
    # --- W and b
    "W transposed": (
        lambda: setattr(layer(), "W", np.zeros((D0, 6))), ValueError,
        "W of layer 1: expected shape (D(1), D(0)) = (6, 3), got (3, 6); its transpose .T has that "
        "shape: rows are units, columns their inputs",
    ),
    "W of another layer": (
        lambda: setattr(layer(), "W", np.zeros((4, 6))), ValueError,
        "W of layer 1: expected shape (D(1), D(0)) = (6, 3), got (4, 6); W has a row for every "
        "unit, a column for every unit of the layer before",
    ),
    "W flat": (
        lambda: setattr(layer(), "W", np.zeros(18)), ValueError,
        "W of layer 1: expected shape (D(1), D(0)) = (6, 3), got (18,); has a flat array this "
        "order? Then write .reshape(6, 3)",
    ),
    "b as a column": (
        lambda: setattr(layer(), "b", np.zeros((6, 1))), ValueError,
        "b of layer 1: expected shape (D(1),) = (6,), got (6, 1); b has one axis: write .ravel()",
    ),
    "b of another layer": (
        lambda: setattr(layer(), "b", np.zeros(4)), ValueError,
        "b of layer 1: expected shape (D(1),) = (6,), got (4,); b has a number for every unit of "
        "its layer",
    ),
    "b as a number": (
        lambda: setattr(layer(), "b", 0.5), ValueError,
        "b of layer 1: expected shape (D(1),) = (6,), got the number 0.5; to fill it write "
        "layer.b[...] = 0.5",
    ),
    "pairs transposed": (
        lambda: network().flatten([(np.zeros((3, 6)), np.zeros(6)), (np.zeros((4, 6)), [0] * 4)]),
        ValueError,
        "layer 1: expected W of shape (D(1), D(0)) = (6, 3) and b of shape (D(1),) = (6,), got "
        "(3, 6) and (6,)",
    ),
    # --- Layers
    "layer(0).W": (
        lambda: layer(0).W, AttributeError,
        "layer 0 is the input and has no W, only a and grad_a: the first W is net.layer(1).W",
    ),
    "layer(0).grad_z": (
        lambda: layer(0).grad_z, AttributeError,
        "layer 0 is the input and has no grad_z, only a and grad_a: the first grad_z is "
        "net.layer(1).grad_z",
    ),
    "layers[L]": (
        lambda: network().layers[2], IndexError,
        "there is no layers[2]: Python counts from 0, and layers[0] to layers[1] are the layers 1 "
        "to 2; net.layer(2) is layer 2",
    ),
    "layer(L + 1)": (
        lambda: layer(3), IndexError,
        "there is no layer 3: layers are numbered 0 (the input) to 2",
    ),
    "layer(-1)": (
        lambda: layer(-1), IndexError,
        "there is no layer -1: layers are numbered 0 (the input) to 2; the last is net.layer(2)",
    ),
    "w for W": (lambda: layer().w, AttributeError, "a layer has no 'w'; did you mean 'W'?"),
    "another library's name": (
        lambda: layer().bias, AttributeError, "a layer has no 'bias'; it is called 'b' here",
    ),
    "no name at all": (
        lambda: layer().xyz, AttributeError,
        "a layer has no 'xyz'; it has W, b, grad_W, grad_b, z, a, grad_z, grad_a, norm, mask, "
        "dropout, trainable, activation, sizes, m",
    ),
    # --- The network
    "softmax with one unit": (
        lambda: sb.Network([3, 1], output="softmax"), ValueError,
        "softmax on layer 1, which has one unit, is always 1: for two classes and one unit take "
        "output='sigmoid' with loss='binary_cross_entropy'",
    ),
    "an activation too many": (
        lambda: sb.Network([3, 6, 5, 4], activation=["relu"] * 3), ValueError,
        "activation: expected 2, one for each hidden layer, got 3; that of the last layer is the "
        "argument output",
    ),
    "an unknown activation": (
        lambda: sb.activation("leaky"), ValueError,
        "unknown activation 'leaky' (it is called 'leaky_relu' here); allowed: "
        + ", ".join(sb.activations()),
    ),
    "an unknown loss": (
        lambda: sb.Network([3, 1], loss="squared_eror"), ValueError,
        "unknown loss 'squared_eror'; did you mean 'squared_error'? allowed: "
        + ", ".join(sb.losses()),
    ),
    "sizes as a number": (
        lambda: sb.Network(5), TypeError,
        "sizes must be a list of the widths of all layers, such as [784, 128, 10], got 5 (int)",
    ),
    "an optimizer's class": (
        lambda: sb.Network([3, 1], optimizer=sb.Adam), TypeError,
        "optimizer must be an instance, got the class: write Adam()",
    ),
    "lr by its long name": (
        lambda: sb.SGD(learning_rate=0.1), TypeError,
        "SGD() got an unexpected keyword argument 'learning_rate' (it is called 'lr' here); "
        "allowed: lr",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_CALLS)
def test_the_message_to_the_letter(case: str) -> None:
    call, kind, message = WRONG_CALLS[case]
    assert refused(call, kind) == message


@pytest.mark.parametrize("method", ["evaluate", "fit"])
@pytest.mark.parametrize("case", ["labels from 1", "another batch", "one-hot transposed"])
def test_whole_data_sets_are_answered_alike(method: str, case: str) -> None:
    y = {"labels from 1": labels() + 1, "another batch": labels()[:16]}.get(case, ONE_HOT.T)
    options = {"epochs": 1, "progress": False} if method == "fit" else {}
    call = getattr(network(), method)
    assert refused(lambda: call(inputs(), y, **options), ValueError) == WRONG_CALLS[case][2]


def test_what_looks_wrong_and_works() -> None:
    """Integers for X, booleans for y, (N, 1) and (N,) for one output."""
    net, X = network(), np.arange(N * D0).reshape(N, D0) % 7
    np.testing.assert_array_equal(net.predict(X), net.predict(X.astype(np.float32)))
    y = labels() % 2
    for loss in ("binary_cross_entropy", "squared_error"):
        costs = {backward(t, single(loss)) for t in (y == 1, y, y[:, None], y.astype(float))}
        assert len(costs) == 1
    assert backward(labels() % 2 == 1) == backward(labels() % 2)  # classes 0 and 1 of 4
    assert backward(labels(), sample_weight=np.ones((N, 1))) == backward(labels())


def test_layers_say_what_they_have() -> None:
    first = layer()
    assert not hasattr(first, "w")
    assert getattr(layer(0), "z", None) is None
    assert {"W", "z", "grad_a"} <= set(dir(first))
