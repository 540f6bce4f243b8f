"""The same pass by other libraries where they see a GPU; they are imported only then."""

from __future__ import annotations

import glob
import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase

# What a driver puts there: of NVIDIA, of AMD, and of WSL2.
_DRIVERS = ("/dev/nvidia[0-9]*", "/dev/kfd", "/dev/dxg")
_HIDDEN = ("identity", "relu", "sigmoid", "tanh")
_FUSED = {("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")}


class Device(NamedTuple):
    """A library and the device that it computes on."""

    library: str  # "torch", "jax" or "cupy"
    name: str
    handle: Any


def gpus() -> tuple[list[Device], str]:
    """Return the GPUs that PyTorch, JAX and CuPy see, or in one line why there are none."""
    if not any(glob.glob(pattern) for pattern in _DRIVERS):
        return [], "No GPU here: with one, PyTorch, JAX or CuPy would make the same pass on it."
    found = []
    for library in ("torch", "jax", "cupy"):
        if find_spec(library) is not None:
            found += list(_seen(library))
    if found:
        return found, ""
    return [], "There is a GPU, but none of PyTorch, JAX and CuPy that sees it is installed."


def _seen(library: str) -> Iterator[Device]:
    """Yield the first GPU that a library sees; what it raises for want of a driver is no error."""
    try:
        module = importlib.import_module(library)
        if library == "torch" and module.cuda.is_available():
            yield Device(library, module.cuda.get_device_name(0), module.device("cuda:0"))
        elif library == "jax":
            device = module.devices("gpu")[0]
            yield Device(library, device.device_kind, device)
        elif library == "cupy" and module.cuda.runtime.getDeviceCount():
            name = module.cuda.runtime.getDeviceProperties(0)["name"].decode()
            yield Device(library, name, module.cuda.Device(0))
    except Exception:
        return


def unfit(net: NetworkBase) -> str:
    """Return why the pass of a network is not written here, or "" if it is."""
    *hidden, output = [rule.name for rule in net._spec.activations]
    loss = net.loss.name
    plain = output in _HIDDEN and loss == "squared_error"
    if net._spec.norms or any(name not in _HIDDEN for name in hidden):
        return f"on a GPU only layers of {', '.join(_HIDDEN)} without norm are compared"
    if not (plain or (output, loss) in _FUSED):
        return f"on a GPU {loss} on {output} is not compared"
    return ""


class _Library(NamedTuple):
    """What the pass needs of a library."""

    put: Callable[..., Any]
    relu: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    softmax: Callable[[Any], Any]
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]]
    wait: Callable[[Any], Any]
    precision: Callable[[], AbstractContextManager[Any]]


def _library(device: Device, dtype: np.dtype[Any]) -> _Library:
    module = importlib.import_module(device.library)
    if device.library == "torch":
        on_cuda = device.handle.type == "cuda"
        return _Library(
            lambda array: module.from_numpy(np.ascontiguousarray(array)).to(device.handle),
            module.relu,
            module.sigmoid,
            module.tanh,
            lambda z: module.softmax(z, dim=1),
            lambda function: function,
            lambda value: module.cuda.synchronize() if on_cuda else value,
            module.no_grad,
        )
    if device.library == "jax":
        nn = importlib.import_module("jax.nn")
        double = getattr(module, "enable_x64", None)
        if double is None:  # of versions before 0.8
            double = importlib.import_module("jax.experimental").enable_x64
        return _Library(
            lambda array: module.device_put(array, device.handle),
            nn.relu,
            nn.sigmoid,
            module.numpy.tanh,
            lambda z: nn.softmax(z, axis=1),
            module.jit,
            module.block_until_ready,
            (lambda: double(True)) if dtype == np.float64 else nullcontext,
        )

    def softmax(z: Any) -> Any:
        e = module.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    return _Library(
        module.asarray,
        lambda z: module.maximum(z, 0),
        lambda z: 1 / (1 + module.exp(-z)),
        module.tanh,
        softmax,
        lambda function: function,
        lambda value: module.cuda.Device().synchronize(),
        nullcontext,
    )


def passes(
    device: Device, net: NetworkBase, X: FloatArray, t: FloatArray, share: FloatArray
) -> tuple[Callable[[], Any], Callable[[Any], FloatArray]]:
    """Return a forward and a backward pass on a device, and how its gradients come back.

    The numbers are on the device before it begins. `share`, (N, 1), is that of each row in C: 1/N
    without weights.
    """
    library = _library(device, net.dtype)
    rules = [rule.name for rule in net._spec.activations]
    is_fused = (rules[-1], net.loss.name) in _FUSED
    with library.precision():
        here = [library.put(np.array(array, net.dtype)) for array in (X, t, share)]
        pairs = [(library.put(layer.W.copy()), library.put(layer.b.copy())) for layer in net.layers]
    σ: dict[str, Callable[[Any], Any]] = {"identity": lambda z: z, "softmax": library.softmax}
    σ |= {"relu": library.relu, "sigmoid": library.sigmoid, "tanh": library.tanh}
    slope: dict[str, Callable[[Any], Any]] = {
        "identity": lambda a: 1.0,
        "relu": lambda a: a > 0,
        "sigmoid": lambda a: a * (1 - a),
        "tanh": lambda a: 1 - a * a,
    }

    def both(pairs: Any, X: Any, t: Any, share: Any) -> Any:
        a = [X]
        for (W, b), rule in zip(pairs, rules, strict=True):
            a.append(σ[rule](a[-1] @ W.T + b))
        grad_z = (a[-1] - t) * share
        if not is_fused:
            grad_z = grad_z * slope[rules[-1]](a[-1])
        found = []
        for m in range(len(pairs), 0, -1):
            found.append((grad_z.T @ a[m - 1], grad_z.sum(0)))
            if m > 1:
                grad_z = (grad_z @ pairs[m - 1][0]) * slope[rules[m - 2]](a[m - 1])
        return found[::-1]

    step: Any = library.compiled(both)

    def run() -> Any:
        with library.precision():
            found = step(pairs, *here)
            library.wait(found)
        return found

    def fetched(found: Any) -> FloatArray:
        get = _from_cupy if device.library == "cupy" else _to_numpy
        pairs = [(np.asarray(get(W)), np.asarray(get(b))) for W, b in found]
        return np.array(net.flatten(pairs), np.float64)

    return run, fetched


def _from_cupy(array: Any) -> Any:
    return array.get()


def _to_numpy(array: Any) -> FloatArray:
    return np.asarray(array.cpu() if hasattr(array, "cpu") else array)
