"""The zero-copy contract, line by line: what goes in where it lies, what comes out as a view.

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
from helpers import DTYPES, assert_matches, quiet_network, reference_of

ROWS, INPUTS = 12, 5
Array = np.ndarray


def network(dtype: str = "float32") -> Any:
    return quiet_network(
        [INPUTS, 4, 3], activation="tanh", output="softmax", loss="cross_entropy",
        dtype=dtype, seed=0,
    )  # fmt: skip


def labels() -> Array:
    return np.arange(ROWS) % 3


def address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def data_block(dtype: str, rows: int = ROWS, columns: int = INPUTS) -> Array:
    return np.random.default_rng(3).normal(size=(rows, columns)).astype(dtype)


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


# --- In ------------------------------------------------------------------------------


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


# --- Out: live views -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_are_one_flat_buffer(dtype: str) -> None:
    net = network(dtype)
    net.forward(data_block(dtype))
    net.backward(labels())
    for flat, names in ((net.parameters, ("W", "b")), (net.gradients, ("grad_W", "grad_b"))):
        assert flat.shape == (net.n_parameters,) == ((5 * 4 + 4) + (4 * 3 + 3),)
        assert flat.dtype == dtype
        assert flat.flags.c_contiguous
        assert flat.flags.writeable
        place = 0
        for layer in net.layers:
            for name in names:
                part = getattr(layer, name)
                assert part.dtype == dtype
                assert part.flags.writeable
                assert np.shares_memory(part, flat)
                assert part.T.flags.c_contiguous
                size = part.size
                np.testing.assert_array_equal(flat[place : place + size], part.T.ravel())
                assert address(part) == address(flat) + place * flat.itemsize
                place += size
        assert place == flat.size
    W = net.layers[0].W
    assert W.shape == (4, 5)
    assert net.layers[0].b.shape == (4,)


def test_writing_to_a_view_changes_the_network() -> None:
    net = network("float64")
    X = data_block("float64")
    before = net.predict(X)
    layer = net.layers[1]
    layer.W[0, 0] += 1.0
    changed = net.predict(X)
    assert np.any(changed != before)
    layer.W[0, 0] -= 1.0
    np.testing.assert_allclose(net.predict(X), before, rtol=1e-12)
    layer.b[:] = 0
    layer.b += 3
    assert np.all(net.layer(2).b == 3)
    net.parameters[:] = 0
    assert np.all(net.layers[0].W == 0)
    np.testing.assert_allclose(net.predict(X), 1 / 3)


def test_assigning_copies_in() -> None:
    net = network("float64")
    layer = net.layers[0]
    view, where = layer.W, address(layer.W)
    new = np.arange(20.0).reshape(4, 5)
    layer.W = new
    np.testing.assert_array_equal(view, new)
    assert address(layer.W) == where
    assert not np.shares_memory(layer.W, new)
    new[...] = -1
    assert layer.W[0, 1] == 1
    layer.b = [1, 2, 3, 4]
    assert layer.b.tolist() == [1, 2, 3, 4]
    layer.W += 1  # reads, adds in place, assigns
    assert layer.W[0, 1] == 2
    assert net.parameters[0] == 1


def test_gradients_are_live_and_used_by_step() -> None:
    net = quiet_network(
        [2, 1], output="identity", loss="squared_error", optimizer=sb.SGD(1.0),
        dtype="float64", seed=0,
    )  # fmt: skip
    net.forward([[1.0, 2.0]])
    net.backward([0.0])
    before = net.parameters.copy()
    held = net.gradients
    held[:] = [1.0, 2.0, 3.0]
    assert net.layers[0].grad_W.tolist() == [[1.0, 2.0]]
    net.step()
    np.testing.assert_allclose(net.parameters, before - [1, 2, 3])
    net.forward([[0.0, 0.0]])
    net.backward(net.layers[0].b.copy())
    assert np.all(held == 0)  # live: the next backward writes here


def test_a_step_is_seen_through_held_views() -> None:
    net = network()
    W, flat = net.layers[0].W, net.parameters
    before = W.copy()
    net.forward(data_block("float32"))
    net.backward(labels())
    net.step()
    assert np.any(before != W)
    np.testing.assert_array_equal(W, net.layers[0].W)
    np.testing.assert_array_equal(flat, net.parameters)


def test_views_outlive_the_network() -> None:
    net = network()
    X = data_block("float32")
    a = net.forward(X)
    net.backward(labels())
    views = [net.parameters, net.gradients, a]
    for layer in net.layers:
        views += [layer.W, layer.b, layer.z, layer.a]
        views += [layer.grad_W, layer.grad_b, layer.grad_z, layer.grad_a]
    copies = [view.copy() for view in views]
    del net, layer
    gc.collect()
    others = [network() for _ in range(50)]  # would reuse memory that had been freed
    for other in others:
        other.parameters[:] = 7
        other.forward(X)
    for view, copied in zip(views, copies, strict=True):
        np.testing.assert_array_equal(view, copied)
    views[0][:] = 1


def test_views_outlive_close() -> None:
    net = network()
    a, W = net.forward(data_block("float32")), net.layers[0].W
    kept, weights = a.copy(), W.copy()
    net.close()
    net.close()
    np.testing.assert_array_equal(a, kept)
    np.testing.assert_array_equal(W, weights)


def test_flatten_and_unflatten() -> None:
    net = network("float64")
    pairs = net.unflatten(net.parameters)
    assert len(pairs) == 2
    for (W, b), layer in zip(pairs, net.layers, strict=True):
        assert np.shares_memory(W, net.parameters)
        assert W.shape == layer.W.shape
        assert b.shape == layer.b.shape
        np.testing.assert_array_equal(W, layer.W)
        np.testing.assert_array_equal(b, layer.b)
    v = np.arange(net.n_parameters, dtype=float)
    pairs = net.unflatten(v)
    assert np.shares_memory(pairs[0][0], v)
    assert pairs[0][0][0, 1] == 4  # W(1)ᵀ in C order: the next input is D(1) further
    np.testing.assert_array_equal(net.flatten(pairs), v)
    np.testing.assert_array_equal(
        net.flatten([(layer.W, layer.b) for layer in net.layers]), net.parameters
    )
    with pytest.raises(ValueError, match=str(net.n_parameters)):
        net.unflatten(v[:-1])
    with pytest.raises(ValueError, match=r"shape|layer"):
        net.flatten(pairs[:1])


# --- Out: snapshots ------------------------------------------------------------------


def test_snapshots_never_change_under_their_holder() -> None:
    net = network()
    held = []
    for turn in range(6):
        X = np.random.default_rng(turn).normal(size=(ROWS, INPUTS)).astype("float32")
        a = net.forward(X)
        net.backward(labels())
        for layer in net.layers:
            for name in ("z", "a", "grad_z", "grad_a"):
                view = getattr(layer, name)
                held.append((view, view.copy()))
        held.append((a, a.copy()))
        inputs = net.layer(0).grad_a
        held.append((inputs, inputs.copy()))
        net.step()
        net.predict(X * 2)
        net.fit(X, labels(), epochs=1, progress=False)
        for view, copied in held:
            np.testing.assert_array_equal(view, copied)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("sizes", [[3, 1], [3, 4, 1], [3, 4, 2], [1, 1, 1]], ids=str)
def test_every_quantity_of_every_layer_is_a_view(sizes: list[int], rows: int, dtype: str) -> None:
    """Of the output too, whether it is one number or several."""
    net = quiet_network(sizes, activation="tanh", dtype=dtype, seed=0)
    X = data_block(dtype, rows, sizes[0])
    a = net.forward(X)
    net.backward(np.ones((rows, sizes[-1]), dtype))
    assert np.shares_memory(net.layer(0).a, X)
    assert np.shares_memory(a, net.layer(len(sizes) - 1).a)
    for layer in net.layers:
        before, own = sizes[layer.m - 1 : layer.m + 1]
        live = {"W": (own, before), "b": (own,), "grad_W": (own, before), "grad_b": (own,)}
        flat = {"W": net.parameters, "b": net.parameters}
        for name, shape in live.items():
            view = getattr(layer, name)
            assert view.shape == shape, name
            assert np.shares_memory(view, flat.get(name, net.gradients)), name
            assert view.flags.writeable, name
        for name in ("z", "a", "grad_z", "grad_a"):
            view = getattr(layer, name)
            assert view.shape == (rows, own), name
            assert view.dtype == dtype
            assert not view.flags.owndata
            assert np.shares_memory(view, getattr(layer, name)), name
        assert not np.shares_memory(layer.z, layer.a)
        assert not np.shares_memory(layer.grad_z, layer.grad_a)


def test_snapshots_are_read_only() -> None:
    net = network()
    a = net.forward(data_block("float32"))
    net.backward(labels())
    views = [a, net.layer(0).grad_a]
    for layer in net.layers:
        views += [layer.z, layer.a, layer.grad_z, layer.grad_a]
    for view in views:
        assert not view.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            view[0, 0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True
    with pytest.raises(AttributeError):
        net.layers[0].z = a


def test_forward_returns_a_view_on_a_L() -> None:
    net = network()
    a = net.forward(data_block("float32"))
    assert np.shares_memory(a, net.layers[-1].a)
    assert np.shares_memory(net.layers[-1].a, net.layer(2).a)
    assert not a.flags.owndata
    assert type(a) is np.ndarray


def test_two_workspaces_are_enough_for_the_training_loop() -> None:
    net = network()
    X, y = data_block("float32"), labels()
    places = []
    for _ in range(12):
        a = net.forward(X)
        net.backward(y)
        net.step()
        places.append((address(a), address(net.layers[0].z), address(net.layers[0].grad_z)))
    assert len(set(places[2:])) <= 2
    del a
    for _ in range(5):
        net.forward(X)
        places.append((address(net.layers[0].z),))
    assert len(set(places[-5:])) <= 2


def test_pool_takes_more_workspaces_when_more_are_held() -> None:
    net = network()
    held = [net.forward(data_block("float32") * np.float32(k)) for k in range(1, 9)]
    assert len({address(a) for a in held}) == 8
    for k, a in enumerate(held, start=1):
        wanted = net.predict(data_block("float32") * np.float32(k))
        assert_matches(a, wanted, 1e-6)


def test_batches_of_changing_size() -> None:
    net = network()
    truth = reference_of(net, ["tanh", "softmax"], "cross_entropy")
    held = []
    for rows in (1, 12, 3, 300, 2, 12, 1):
        X = data_block("float32", rows)
        a = net.forward(X)
        assert a.shape == (rows, 3)
        net.backward(np.arange(rows) % 3)
        assert net.layers[0].grad_z.shape == (rows, 4)
        held.append((a, truth.forward(X)))
    for a, wanted in held:
        assert_matches(a, wanted, 1e-5)


def test_predict_returns_an_array_of_its_own() -> None:
    net = network()
    X = data_block("float32")
    one, two = net.predict(X), net.predict(X)
    assert not np.shares_memory(one, two)
    one[:] = 5
    np.testing.assert_array_equal(two, net.predict(X))
    a = net.forward(X)
    net.predict(X * 3)
    np.testing.assert_array_equal(net.layers[-1].a, a)  # predict leaves forward's alone


def test_layers() -> None:
    net = network()
    X = data_block("float32")
    net.forward(X)
    net.backward(labels())
    assert len(net.layers) == 2
    assert [layer.m for layer in net.layers] == [1, 2]
    assert net.layers[-1].m == 2
    assert net.layer(1).m == 1
    assert net.layer(0).m == 0
    assert net.layer(0).grad_a.shape == X.shape
    for name in ("W", "b", "z", "grad_W", "grad_b", "grad_z"):
        assert not hasattr(net.layer(0), name)
    for wrong in (3, -1):
        with pytest.raises((IndexError, ValueError)):
            net.layer(wrong)
    with pytest.raises(IndexError):
        net.layers[2]
