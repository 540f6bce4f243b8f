"""The zero-copy contract, line by line: what goes in where it lies.

a(0) *is* X, so `np.shares_memory(net.layer(0).a, X)` shows whether X was copied.
"""

from __future__ import annotations

import array
import gc
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import DTYPES, assert_matches, reference_of
from zero_copy import INPUTS, ROWS, Array, address, data_block, labels, network


def read_only(X: Array) -> Array:
    X = X.copy()
    X.flags.writeable = False
    return X


def memory_map(X: Array) -> Array:
    with tempfile.TemporaryDirectory() as folder:  # the map outlives the file's name
        path = Path(folder, "x.npy")
        np.save(path, X)
        return np.load(path, mmap_mode="r")


def shifted(X: Array, by: int) -> Array:
    """The same numbers, starting `by` bytes behind an aligned address."""
    raw = np.zeros(X.nbytes + by, np.uint8)
    moved = raw[by:].view(X.dtype).reshape(X.shape)
    moved[...] = X
    return moved


IN_PLACE: dict[str, Callable[[str], Array]] = {
    "C order": data_block,
    "Fortran order": lambda dtype: np.asfortranarray(data_block(dtype)),
    "every second row": lambda dtype: data_block(dtype, 2 * ROWS)[::2],
    "some columns": lambda dtype: data_block(dtype, columns=INPUTS + 6)[:, 2 : 2 + INPUTS],
    "some rows of Fortran order": lambda dtype: np.asfortranarray(data_block(dtype, 40))[3:15],
    "every third column of Fortran order": lambda dtype: np.asfortranarray(
        data_block(dtype, columns=3 * INPUTS)
    )[:, ::3],
    "read-only": lambda dtype: read_only(data_block(dtype)),
    "memory map": lambda dtype: memory_map(data_block(dtype)),
    "memory map, Fortran order": lambda dtype: memory_map(np.asfortranarray(data_block(dtype))),
    "one row": lambda dtype: data_block(dtype, 1),
    "an array of a subclass": lambda dtype: data_block(dtype).view(np.recarray),
    "aligned inside a buffer": lambda dtype: shifted(data_block(dtype), 16),
}


# name → (how X is made, what the refusal has to speak of)
CONVERTED: dict[str, tuple[Callable[[str], Any], str]] = {
    "other float": (
        lambda dtype: data_block("float64" if dtype == "float32" else "float32"),
        r"float(32|64).*float(32|64)",
    ),
    "float16": (lambda dtype: data_block("float16"), "float16"),
    "integers": (lambda dtype: (data_block("float32") * 5).astype("int64"), "int64"),
    "bool": (lambda dtype: data_block("float32") > 0, "bool"),
    "bytes of pixels": (
        lambda dtype: np.arange(ROWS * INPUTS, dtype="uint8").reshape(ROWS, INPUTS),
        "uint8",
    ),
    "long double": (lambda dtype: data_block("longdouble"), "longdouble|float128"),
    "rows backwards": (lambda dtype: data_block(dtype)[::-1], "strid"),
    "columns backwards": (lambda dtype: data_block(dtype)[:, ::-1], "strid"),
    "every second column": (lambda dtype: data_block(dtype, columns=2 * INPUTS)[:, ::2], "strid"),
    "broadcast row": (
        lambda dtype: np.broadcast_to(data_block(dtype, 1), (ROWS, INPUTS)),
        "strid|broadcast",
    ),
    "overlapping rows": (
        lambda dtype: np.lib.stride_tricks.sliding_window_view(
            data_block(dtype, 1, ROWS + INPUTS - 1)[0], INPUTS
        ),
        "strid|overlap",
    ),
    "misaligned": (lambda dtype: shifted(data_block(dtype), 2), "align"),
    "other byte order": (
        lambda dtype: data_block(dtype).astype(np.dtype(dtype).newbyteorder()),
        "byte",
    ),
    "a list": (lambda dtype: data_block(dtype).tolist(), "list|buffer|array"),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", IN_PLACE)
def test_used_in_place(kind: str, dtype: str) -> None:
    X = IN_PLACE[kind](dtype)
    net = network(dtype)
    truth = reference_of(net, ["tanh", "softmax"], "cross_entropy")
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    a = net.forward(X, copy=False)
    assert_matches(a, truth.forward(np.asarray(X)), tolerance)
    np.testing.assert_array_equal(net.predict(X, copy=False), net.predict(X))
    held = net.layer(0).a
    assert np.shares_memory(held, X)
    assert address(held) == address(X)
    np.testing.assert_array_equal(held, X)
    t = np.eye(3)[labels()[: len(X)]]
    net.backward(labels()[: len(X)])
    truth.backward(t)
    assert_matches(net.layers[0].grad_W, truth.layers[0].grad_W, tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", CONVERTED)
def test_converted_or_refused(kind: str, dtype: str) -> None:
    make, reason = CONVERTED[kind]
    X = make(dtype)
    net = network(dtype)
    same = np.asarray(X).astype(dtype)
    wanted = net.forward(same).copy()
    np.testing.assert_array_equal(net.forward(X), wanted)
    if isinstance(X, np.ndarray):
        assert not np.shares_memory(net.layer(0).a, X)
    np.testing.assert_array_equal(net.layer(0).a, same)
    np.testing.assert_array_equal(net.predict(X), net.predict(same))
    for call in (net.forward, net.predict, net.predict_classes, net):
        with pytest.raises(ValueError, match=f"(?is)copy.*({reason})|({reason}).*copy"):
            call(X, copy=False)
    np.testing.assert_array_equal(net.forward(X, copy=None), wanted)


def test_copy_true_copies() -> None:
    net = network()
    X = data_block("float32")
    wanted = net.forward(X).copy()
    np.testing.assert_array_equal(net.forward(X, copy=True), wanted)
    assert not np.shares_memory(net.layer(0).a, X)
    X[...] = 0
    assert np.any(net.layer(0).a != 0)


def test_a_refusal_leaves_the_network_as_it_was() -> None:
    net = network()
    X = data_block("float32")
    a = net.forward(X)
    with pytest.raises(ValueError, match="copy"):
        net.forward(X.astype("float64"), copy=False)
    net.backward(labels())
    np.testing.assert_array_equal(a, net.layers[1].a)
    assert np.shares_memory(net.layer(0).a, X)


def test_backward_refuses_to_convert_targets() -> None:
    net = network()
    net.forward(data_block("float32"))
    rows = np.eye(3)[labels()]
    with pytest.raises(ValueError, match=r"(?is)copy.*float64|float64.*copy"):
        net.backward(rows, copy=False)
    assert net.backward(rows.astype("float32"), copy=False) == net.backward(rows)


def test_explain_copy_says_what_would_happen() -> None:
    net = network()
    for kind, make in IN_PLACE.items():
        said = sb.explain_copy(make("float32"), net)
        assert isinstance(said, str)
        assert "in place" in said or "where it lies" in said or "no copy" in said.lower(), (
            f"{kind}: {said}"
        )
    in_place = {sb.explain_copy(make("float32"), net) for make in IN_PLACE.values()}
    for kind, (make, reason) in CONVERTED.items():
        said = sb.explain_copy(make("float32"), net)
        assert said not in in_place, f"{kind}: {said}"
        assert re.search(f"(?is){reason}", said), f"{kind}: {said}"


def test_anything_with_the_buffer_protocol() -> None:
    net = network()
    X = data_block("float32")
    wanted = net.forward(X).copy()
    flat = array.array("f", X.ravel().tolist())
    view = memoryview(flat).cast("B").cast("f", shape=[ROWS, INPUTS])
    np.testing.assert_array_equal(net.forward(view, copy=False), wanted)
    assert net.layer(0).a.__array_interface__["data"][0] == flat.buffer_info()[0]


def test_forward_holds_the_buffer_until_the_next_forward() -> None:
    net = network()
    flat = array.array("f", [0.5] * INPUTS)
    view = memoryview(flat).cast("B").cast("f", shape=[1, INPUTS])
    net.forward(view)
    del view
    gc.collect()
    with pytest.raises(BufferError):
        flat.append(1.0)  # exported: it cannot be resized
    net.forward(data_block("float32"))
    gc.collect()
    flat.append(1.0)


@pytest.mark.parametrize("how", ["release", "delete", "close"])
def test_the_hold_on_X_ends(how: str) -> None:
    net = network()
    flat = array.array("f", [0.5] * INPUTS)
    net.forward(memoryview(flat).cast("B").cast("f", shape=[1, INPUTS]))
    if how == "release":
        net.release()
    elif how == "close":
        net.close()
    else:
        del net
    gc.collect()
    flat.append(1.0)
    if how == "release":
        with pytest.raises(RuntimeError, match="forward"):
            net.backward([0])


def test_other_calls_keep_nothing() -> None:
    net = network()
    X, y = data_block("float32"), labels()
    w = np.ones(ROWS)
    counts = [sys.getrefcount(o) for o in (X, y, w)]
    net.predict(X)
    net.predict_classes(X)
    net(X)
    net.evaluate(X, y, sample_weight=w)
    net.fit(X, y, epochs=2, sample_weight=w, validation_data=(X, y), progress=False)
    gc.collect()
    assert [sys.getrefcount(o) for o in (X, y, w)] == counts


def test_changing_X_in_place_changes_grad_W() -> None:
    """a(0) is X, not a copy: the documented other side of the contract."""
    net = network("float64")
    X = data_block("float64")
    net.forward(X)
    X[...] = 0
    net.backward(labels())
    assert np.all(net.layers[0].grad_W == 0)
    assert np.any(net.layers[0].grad_b != 0)
