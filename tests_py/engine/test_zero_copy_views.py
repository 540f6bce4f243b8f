"""The zero-copy contract: live views on parameters and gradients."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import DTYPES, quiet_network
from zero_copy import address, data_block, labels, network


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
