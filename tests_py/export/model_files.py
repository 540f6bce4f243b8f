"""What the tests of files and pickles share."""

from __future__ import annotations

import json
import os
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

import swiftbackprop as sb
from helpers import OPTIMIZERS

RULES = {name: getattr(sb, name)(**values) for name, values in OPTIMIZERS.items()}


def make(**keywords: Any) -> Any:
    """A network of three classes: [4, 8, 3]."""
    keywords = {"loss": "cross_entropy", "seed": 3, **keywords}
    return sb.Network([4, 8, 3], **keywords)


def examples(rows: int = 50) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(rows, 4)).astype(np.float32), rng.integers(0, 3, rows)


def train(net: Any, epochs: int = 2) -> Any:
    net.fit(*examples(), epochs=epochs, batch_size=8, progress=False)
    return net


def assert_same(one: Any, other: Any, *, history: bool = False) -> None:
    """Both networks are the same to the last bit, and stay so in training."""
    assert type(one) is type(other)
    for name in ("sizes", "dtype", "seed", "loss", "l1", "l2", "clip_norm", "step_count"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.optimizer.recipe == other.optimizer.recipe
    assert [layer.activation for layer in one.layers] == [la.activation for la in other.layers]
    assert one._generator() == other._generator()
    np.testing.assert_array_equal(one.parameters, other.parameters)
    for mine, theirs in zip(one.optimizer.state, other.optimizer.state, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    if history:
        assert dict(one.history or {}) == dict(other.history or {})
    assert not np.shares_memory(one.parameters, other.parameters)
    one, other = one.copy(), other.copy()
    np.testing.assert_array_equal(train(one).parameters, train(other).parameters)
    one.reset(5)
    other.reset(5)
    np.testing.assert_array_equal(one.parameters, other.parameters)


def unusual(dtype: str = "float32") -> Any:
    """A network with everything that can be chosen, options changed after some steps."""
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(8, 4)), rng.normal(size=8)),
             (rng.normal(size=(3, 8)), rng.normal(size=3))]  # fmt: skip
    net = make(
        activation=sb.activation("leaky_relu", slope=0.2), dtype=dtype, initializer=pairs,
        optimizer=sb.AdamW(0.01, beta_1=0.8), l1=0.001, l2=0.01, clip_norm=1.5,
    )  # fmt: skip
    train(net)
    net.optimizer.lr, net.l2, net.clip_norm = 0.003, 0.02, 2.5
    return train(net)


def through_file(net: Any) -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        net.save(os.path.join(folder, "net"))
        return sb.load(os.path.join(folder, "net"))


def through_pickle(net: Any) -> Any:
    return pickle.loads(pickle.dumps(net))


NORMS: dict[str, Any] = {
    "batch": "batch",
    "layer": "layer",
    "after": [sb.BatchNorm(momentum=0.3, eps=1e-3, after=True), sb.BatchNorm(eps=0.01)],
    "both": [sb.LayerNorm(eps=1e-4, after=True), "layer"],
    "output": [None, "batch"],
}


def small(**keywords: Any) -> Any:
    net = sb.Network([2, 2, 1], activation=[sb.activation("elu", alpha=0.5)], seed=0, **keywords)
    net.forward(np.eye(2, dtype=np.float32), training=True)
    net.backward(np.ones(2))
    net.step()
    return net


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(header: Any, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def description_of(content: bytes) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(split(content)[0]["__metadata__"]["swiftbackprop"])
    return described


def with_description(content: bytes, described: Any) -> bytes:
    """A file with another description, without a checksum unless one is given as text."""
    header, body = split(content)
    if isinstance(described, dict):
        described.pop("checksum", None)
    text = described if isinstance(described, str) else json.dumps(described)
    header["__metadata__"]["swiftbackprop"] = text
    return joined(header, body)


def unsigned(content: bytes) -> bytes:
    """The same file without its checksum."""
    return with_description(content, description_of(content))
