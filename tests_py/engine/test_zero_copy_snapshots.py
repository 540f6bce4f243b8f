"""The zero-copy contract: what a pass leaves, and how long."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import DTYPES, assert_matches, quiet_network, reference_of
from zero_copy import INPUTS, ROWS, address, data_block, labels, network


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
