"""Random shapes, strides and types: never a crash, always the reference's numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from helpers import DTYPES, TOLERANCE, assert_matches, assert_same_gradients, quiet_network, targets
from helpers import reference_of as reference_network
from reference import ACTIVATIONS, LOSSES

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

KINDS = [
    "float32",
    "float64",
    "float16",
    "int8",
    "uint8",
    "int64",
    "bool",
    ">f4",
    ">f8",
    "longdouble",
]
sizes = st.lists(st.integers(1, 19), min_size=2, max_size=5)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def strided(draw: Any, rows: int, columns: int) -> np.ndarray:
    """A [rows, columns] view of any type, with any strides, of small whole numbers."""
    kind = draw(st.sampled_from(KINDS))
    steps = [draw(st.sampled_from([1, 1, 2, 3, -1, -2])) for _ in range(2)]
    before, after = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    shape = [
        before + abs(step) * count + after
        for step, count in zip(steps, (rows, columns), strict=True)
    ]
    values = np.random.default_rng(draw(seeds)).integers(0, 4, shape)
    base = values.astype(kind, order=draw(st.sampled_from(["C", "F"])))
    inner = base[before : shape[0] - after, before : shape[1] - after]
    view = inner[:: steps[0], :: steps[1]][:rows, :columns]
    how = draw(st.sampled_from(["as is", "as is", "read-only", "broadcast", "misaligned"]))
    if how == "read-only":
        view.flags.writeable = False
    elif how == "broadcast":
        view = np.broadcast_to(view[:1], (rows, columns))
    elif how == "misaligned":
        raw = np.zeros(view.nbytes + 1, np.uint8)[1:].view(view.dtype).reshape(view.shape)
        raw[...] = view
        view = raw
    return view


@settings(max_examples=150)
@given(
    data=st.data(), widths=sizes, rows=st.integers(1, 40), dtype=st.sampled_from(DTYPES), seed=seeds
)
def test_any_array(data: Any, widths: list[int], rows: int, dtype: str, seed: int) -> None:
    X = data.draw(strided(rows, widths[0]))
    names = ["tanh"] * (len(widths) - 2) + ["identity"]
    net = quiet_network(widths, activation=names[:-1], loss="squared_error", dtype=dtype, seed=seed)
    truth = reference_network(net, names, "squared_error")
    tolerance = TOLERANCE[dtype]
    t = np.random.default_rng(seed).normal(size=(rows, widths[-1])).astype(dtype)
    wanted = truth.forward(X.astype(dtype))
    # Every sum here is of terms of about 1, and may come to next to nothing.
    assert_matches(net.predict(X), wanted, tolerance, least=1)
    assert_matches(net.forward(X), wanted, tolerance, least=1)
    net.backward(t)
    truth.backward(t)
    assert_same_gradients(net, truth, tolerance, least=1)
    losses = [each.fit(X, t, epochs=1, batch_size=7, shuffle=False, progress=False)["loss"][0]
              for each in (net.copy(), net.copy())]  # fmt: skip
    assert losses[0] == losses[1]


@settings(max_examples=150)
@given(
    widths=sizes,
    rows=st.integers(1, 20),
    loss=st.sampled_from(list(LOSSES)),
    dtype=st.sampled_from(DTYPES),
    seed=seeds,
    data=st.data(),
)
def test_any_network(
    widths: list[int], rows: int, loss: str, dtype: str, seed: int, data: Any
) -> None:
    rule = st.sampled_from(list(ACTIVATIONS))
    names = [data.draw(rule) for _ in widths[1:]]
    if widths[-1] == 1 and names[-1] == "softmax":
        names[-1] = "sigmoid"
    rng = np.random.default_rng(seed)
    net = quiet_network(widths, activation=names[:-1], output=names[-1], loss=loss,
                        dtype=dtype, seed=seed)  # fmt: skip
    net.parameters[:] = rng.normal(size=net.n_parameters) * 0.3
    truth = reference_network(net, names, loss)
    X = rng.normal(size=(rows, widths[0])).astype(dtype)
    t = targets(loss, rows, widths[-1], rng).astype(dtype)
    weights = rng.uniform(0, 2, rows).astype(dtype) if data.draw(st.booleans()) else None
    assert_matches(net.forward(X), truth.forward(X), TOLERANCE[dtype], least=1)
    cost, wanted = net.backward(t, sample_weight=weights), truth.backward(t, weights)
    assert np.isfinite(cost)
    if dtype == "float64":  # float32 may fall on the other side of a clipping limit or a kink
        assert cost == pytest.approx(wanted, rel=1e-9, abs=1e-12)
        assert_same_gradients(net, truth, 1e-8)
    net.step()
    assert np.all(np.isfinite(net.parameters))


@settings(max_examples=60)
@given(
    rows=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    epochs=st.integers(1, 3),
    shuffle=st.booleans(),
    split=st.sampled_from([0.0, 0.0, 0.1, 0.5, 0.9]),
    seed=seeds,
)
def test_any_fit(
    rows: int, batch_size: int, epochs: int, shuffle: bool, split: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(rows, 3)), rng.integers(0, 4, rows)
    net = quiet_network([3, 5, 4], output="softmax", dtype="float64", seed=seed)
    options = {"epochs": epochs, "batch_size": batch_size, "shuffle": shuffle, "progress": False}
    kept = rows - round(rows * (1 - split))
    if split and kept in (0, rows):
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*rows to (train|validate) on alone")  # by chance
        history = net.fit(X, y, validation_split=split, **options)
    assert len(history["loss"]) == epochs
    assert ("val_loss" in history.history) == (split > 0)
    assert np.all(np.isfinite(net.parameters))


@settings(max_examples=100)
@given(shape=st.lists(st.integers(0, 6), max_size=4), seed=seeds)
def test_any_shape_is_an_answer_or_a_clear_error(shape: list[int], seed: int) -> None:
    net = quiet_network([3, 4, 2], output="softmax", seed=seed)
    X = np.zeros(shape, "float32")
    if len(shape) == 2 and shape[1] == 3 and shape[0] > 0:
        assert net.forward(X).shape == (shape[0], 2)
    else:
        with pytest.raises(ValueError, match=r"shape|row|dim|D\(0\)|empty"):
            net.forward(X)
