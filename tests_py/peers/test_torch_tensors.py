"""Weights as PyTorch names them; tensors and arrays of JAX as data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import swiftbackprop as sb
from helpers import DTYPES, refused, run_python_ok
from test_other_libraries import WithDLPack, address, inputs, make
from torch_models import assert_same_state, tensors


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["relu", "identity", "softmax"])
def test_state_dicts_have_pytorch_names_and_layout(name: str, dtype: str) -> None:
    net = make(name, dtype)
    module, state = net.to_torch(), net.state_dict()
    assert_same_state(state, module, dtype)
    module.load_state_dict(tensors(state))
    other = make(name, dtype, seed=9)
    other.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(other.parameters, net.parameters)
    state["0.bias"][...] = 7
    assert not (net.layers[0].b == 7).any()


def test_state_dicts_that_do_not_fit_change_nothing() -> None:
    net = make("relu", "float32")
    before, good = net.parameters.copy(), net.state_dict()

    def says(state: Any, kind: type[Exception], *patterns: str) -> None:
        refused(lambda: net.load_state_dict(state), kind, *patterns)
        np.testing.assert_array_equal(net.parameters, before)

    zeros = {key: np.zeros_like(array) for key, array in good.items()}
    says(list(zeros.items()), TypeError, "list")
    says({**zeros, "6.weight": zeros["4.weight"]}, ValueError, "unknown name '6.weight'", "0.bias")
    says(
        {k: v for k, v in zeros.items() if k != "4.bias"},
        ValueError,
        "missing in the state dict: 4.bias",
    )
    says({**zeros, "4.weight": zeros["4.weight"].T}, ValueError, r"4\.weight.*transpose")
    says({**zeros, "4.bias": np.full(3, np.nan)}, ValueError, r"4\.bias.*NaN")
    says({**zeros, "4.bias": ["a"] * 3}, TypeError, "4.bias")
    says({**zeros, "4.bias": 1.0}, ValueError, "4.bias: expected 1 or 2 dimensions")
    says(
        {**zeros, "4.bias": zeros["4.bias"] * 1j},
        TypeError,
        "4.bias.*: expected real numbers, got dtype complex64",
    )
    bfloat = torch.zeros(3, dtype=torch.bfloat16)
    says({**zeros, "4.bias": bfloat}, TypeError, r"bfloat16: pass 4\.bias\.float\(\)")
    parameters = dict(net.to_torch().named_parameters())
    says(parameters, TypeError, r"requires grad.*\.detach\(\)")
    net.load_state_dict(zeros)
    assert not net.parameters.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_are_read_where_they_lie(dtype: str) -> None:
    net = make("relu", dtype)
    tensor = torch.from_numpy(inputs(dtype))
    for X in (tensor, tensor[::2], tensor.T.contiguous().T, tensor[:, :]):
        assert sb.explain_copy(X, net).startswith("X is used in place")
        a = net.forward(X, copy=False)
        assert address(net.layer(0).a) == X.data_ptr()
        np.testing.assert_array_equal(a, net.forward(X.numpy()))
        np.testing.assert_array_equal(net.predict(X, copy=False), a)
    y = torch.zeros(40, 3, dtype=tensor.dtype)
    net.forward(tensor)
    net.backward(y, sample_weight=torch.ones(40, dtype=tensor.dtype), copy=False)
    history = net.fit(tensor, y, epochs=1, validation_data=(tensor, y), progress=False)
    assert history.epochs == 1
    assert net.evaluate(tensor, y)["loss"] == pytest.approx(history["val_loss"][0], rel=1e-5)


def test_tensors_that_cannot_be_read() -> None:
    net = make("relu", "float32")
    X = torch.ones(2, 5)

    def says(X: Any, pattern: str) -> None:
        for call in (net.forward, net.predict, lambda X: net.fit(X, np.ones((2, 3)))):
            refused(lambda call=call: call(X), TypeError, pattern)
        refused(lambda: sb.explain_copy(X, net), TypeError, pattern)

    says(X.clone().requires_grad_(), r"requires grad: pass X\.detach\(\)")
    says(X.bfloat16(), r"bfloat16: pass X\.float\(\)")
    says(X.to("meta"), "meta device")
    says(WithDLPack(np.ones((2, 5)), device=(2, 0)), r"another device.*X\.cpu\(\)")
    says(torch.nn.Parameter(X), r"requires grad: pass X\.detach\(\)")
    says(X.to_sparse(), r"Tensor, cannot be read.*to_dense")
    says(X.to(torch.float8_e4m3fn), "Tensor, cannot be read.*Float8")
    says(X.to(torch.complex64), "complex64")


def test_arrays_of_jax() -> None:
    """Those of float32 lie where NumPy can read them; bfloat16 is refused in words.

    In a process of its own, for where JAX is at work no test can fork.
    """
    pytest.importorskip("jax")
    run_python_ok(
        r"""
        import jax.numpy as jnp, numpy as np, swiftbackprop as sb
        from helpers import refused
        net = sb.Network([5, 7, 3], seed=2)
        X = jnp.asarray(np.random.default_rng(3).normal(size=(40, 5)), "float32")
        a = net.forward(X, copy=False)
        assert np.shares_memory(net.layer(0).a, np.asarray(X))
        np.testing.assert_array_equal(a, net.predict(np.array(X)))
        pattern = r"bfloat16.*astype\('float32'\)"
        refused(lambda: net.predict(X.astype("bfloat16")), TypeError, pattern)
        """
    )
    fields = np.zeros(40, [("a", "f4"), ("b", "f4")])
    net = make("relu", "float32")
    refused(lambda: net.predict(fields), TypeError, "pass its fields as columns")


def test_tensors_are_converted_where_they_have_to_be() -> None:
    net, X = make("relu", "float32"), torch.arange(10).reshape(2, 5)
    assert "int64" in sb.explain_copy(X, net)
    refused(lambda: net.forward(X, copy=False), ValueError, "int64")
    np.testing.assert_array_equal(net.forward(X), net.forward(X.numpy().astype(np.float32)))
    half = torch.ones(2, 5, dtype=torch.float16)
    assert net.forward(half).shape == (2, 3)
