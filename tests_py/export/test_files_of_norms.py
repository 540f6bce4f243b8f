"""Normalised layers in files."""

from __future__ import annotations

import base64
import copy
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import swiftbackprop as sb
from helpers import DTYPES, refused
from model_files import (
    NORMS,
    assert_same,
    description_of,
    examples,
    joined,
    make,
    split,
    through_file,
    through_pickle,
    train,
    unsigned,
    with_description,
)

safetensors_numpy = pytest.importorskip("safetensors.numpy")


def statistics(net: Any) -> list[npt.NDArray[Any]]:
    """All running statistics."""
    return [
        array.copy()
        for layer in net.layers
        if isinstance(layer.norm, sb.BatchNorm)
        for array in (layer.running_mean, layer.running_var)
    ]


def assert_same_statistics(one: Any, other: Any) -> None:
    assert one.norm == other.norm
    for mine, theirs in zip(statistics(one), statistics(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert not np.shares_memory(mine, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy", "copy"])
@pytest.mark.parametrize("name", list(NORMS))
def test_normalised_layers_survive(name: str, way: str, dtype: str) -> None:
    """gamma and beta, the running statistics and the recipe; training goes on alike."""
    net = train(make(norm=NORMS[name], dtype=dtype, dropout=0.2))
    again = {"file": through_file, "pickle": through_pickle, "deepcopy": copy.deepcopy,
             "copy": copy.copy}[way](net)  # fmt: skip
    assert_same_statistics(net, again)
    X, _ = examples()
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert_same(net, again)
    for one in (net, again):
        train(one)
    assert_same_statistics(net, again)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


@pytest.mark.parametrize("name", list(NORMS))
def test_initial_arrays_and_norms_together(name: str) -> None:
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(8, 4)), rng.normal(size=8)),
             (rng.normal(size=(3, 8)), rng.normal(size=3))]  # fmt: skip
    net = train(make(norm=NORMS[name], initializer=pairs))
    again = through_file(net)
    assert_same_statistics(net, again)
    for one in (net, again):
        one.reset(5)
        np.testing.assert_array_equal(one.layers[0].W, np.float32(pairs[0][0]))
    np.testing.assert_array_equal(again.parameters, net.parameters)
    assert_same_statistics(net, again)


def test_the_format_of_normalised_layers(tmp_path: Path) -> None:
    net = train(make(norm=[sb.BatchNorm(0.2, 1e-3), sb.LayerNorm(after=True)]))
    net.save(tmp_path / "net")
    tensors = safetensors_numpy.load_file(tmp_path / "net")
    names = {"gamma", "beta", "running_mean", "running_var"}
    assert {name for name in tensors if name[:9] == "layers.1."} == {
        f"layers.1.{name}" for name in names | {"W", "b"}
    }
    assert {name for name in tensors if name[:9] == "layers.2."} == {
        f"layers.2.{name}" for name in ("W", "b", "gamma", "beta")
    }
    for name in names:
        array = tensors[f"layers.1.{name}"]
        assert array.shape == (8,)
        np.testing.assert_array_equal(array, getattr(net.layers[0], name))
    assert description_of((tmp_path / "net").read_bytes())["norms"] == [
        {"name": "batch", "momentum": 0.2, "eps": 0.001, "after": False},
        {"name": "layer", "eps": 1e-05, "after": True},
    ]
    make().save(tmp_path / "net")
    assert "norms" not in description_of((tmp_path / "net").read_bytes())


# Of the days before normalisation: [2, 2, 1], elu, momentum, six steps.
OLD = (
    "c-nna&x_MQ81<mw-J5zSa}gwz%%n}4f~_YJL9c?F5+=#ac5w2;%yhL|qaYpx{{d0KqX#{D5lXwVCl4Mxir{~-Cq<"
    "l@)ZH!pG31c%&G+8CdHHhv>>0BrAPiF?ae^fdL(rW7@sLp&;rM=0<^|}2NdWdpDOjEbpxb~}BLIT!6QQdeWHr<S2"
    "O7n(WP4bu#(GZ?Gn^9r9st5e0nl9qE)^)1qTWzFm={B=-|c3*s;tHmjU^<LOpe!btIC|qbMas6geV@2a7mJolx1F"
    "SU~4chBumwG$`yq)Pu1C@bc1bP)}BouC%qc-YiX7-$uQUAYXTXPFw4sn^Nr?~+IM+g<}w^*j4IZ)I1)K779`4ZEF"
    "DyLb6C5xO@S7Lu^)3*7&jWsMx2|EOh{78c(s6zYVmEAH8E8Aim)IV=91Opun<r2qhqxN#Ij-}LlI+ctih&jA`+4m"
    "hUw~Rmt>^GGB?TYsF}g7xYMEtwj=2I2-Y^*lu+t=ZIZ;q_mNYheuPmci9FkjD8|&TQRpOY;&`5o?N+BvI{_F}pt1"
    "nRW0hJHHt*_*H;Ji9zu_QY>5J(~jW!xs!2B0ErGiMIK-+@u;Iu%rMPQW<T?@5N@zFK|aGe3vvK+Leu*Csf<vYl7%"
    "ngnQziDq4@Ye{qmZuC<je60mUwfAizRWKDc|Uvl>&N`I^JM<`kWT-ed((UM;okg0@2G!tE9`&!`25<Px6k_TUca2"
    "~|Nh(;pU%%NT8H!RKd1dGFK!<E178+-Vg"
)


def test_files_of_old_are_read(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(zlib.decompress(base64.b85decode(OLD)))
    net = sb.load(tmp_path / "old")
    assert net.layers[0].activation == sb.activation("elu", alpha=0.5)
    assert net.norm == (None, None)
    assert (net.seed, net.step_count, net.l2) == (7, 6, 0.01)
    assert net.optimizer.state[0].any()
    net.fit(
        np.arange(8.0).reshape(4, 2) / 8, np.arange(4.0), epochs=3, batch_size=2, progress=False
    )
    wanted = [0.019837137, -0.32535458, -0.81275094, -1.5557201, -1.708974, 0.72319275, 1.4038732,
              -1.3606398, 1.9535931]  # fmt: skip
    np.testing.assert_allclose(net.parameters, wanted, rtol=1e-5)


def test_the_best_epoch_comes_back_with_its_running_statistics(tmp_path: Path) -> None:
    net = make(norm="batch", optimizer=sb.SGD(3.0))
    X, y = examples(60)
    stop = sb.EarlyStopping("val_loss", patience=19)
    keep = sb.Checkpoint(tmp_path / "best", monitor="val_loss")
    net.fit(X[:40], y[:40], epochs=20, validation_data=(X[40:], y[40:]), callbacks=[stop, keep],
            progress=False)  # fmt: skip
    assert 0 <= stop.best_epoch < 19, "the test wants an epoch after the best"
    best = sb.load(tmp_path / "best")
    np.testing.assert_array_equal(best.parameters, net.parameters)
    assert_same_statistics(best, net)
    assert abs(net.evaluate(X[40:], y[40:])["loss"] - stop.best) < 1e-6


NORM = {"name": "batch", "momentum": 0.1, "eps": 1e-5, "after": False}


HOSTILE_NORMS: dict[str, tuple[Any, str]] = {
    "none": ([], "norm: expected .* got 0"),
    "one": ([NORM] * 3, "norm: expected .* got 3"),
    "text": ("batch", "norms must be a list, got 'batch'"),
    "number": ([3, None], "norms must be a dict or null, got 3"),
    "name": ([{**NORM, "name": "evil"}, None], "unknown norm 'evil'"),
    "class": ([{**NORM, "name": "__class__"}, None], "unknown norm"),
    "no eps": ([{"name": "layer", "after": False}, None], "eps is missing"),
    "eps": ([{**NORM, "eps": 0}, None], "eps must be a number in"),
    "huge eps": ([{**NORM, "eps": 10**400}, None], "eps must be a number in"),
    "momentum": ([{**NORM, "momentum": 2}, None], "momentum must be a number in"),
    "bool": ([{**NORM, "momentum": True}, None], "momentum must be a number, got True"),
    "after": ([{**NORM, "after": 1}, None], "after must be true or false, got 1"),
    "more": ([{**NORM, "run": 1}, None], "unknown fields of batch norm: .*run"),
    "layer's momentum": ([{**NORM, "name": "layer"}, None], "unknown fields of layer.*momentum"),
    "absent": ([NORM, None], r"layers\.1\.gamma is missing"),
    "one unit": ([None, {"name": "layer", "eps": 1e-5, "after": False}], "one unit"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(HOSTILE_NORMS))
def test_hostile_norms(what: str, good: bytes, tmp_path: Path) -> None:
    norms, pattern = HOSTILE_NORMS[what]
    described = {**description_of(good), "norms": norms}
    (tmp_path / "file").write_bytes(with_description(good, described))
    refused(lambda: sb.load(tmp_path / "file"), ValueError, "is not read", pattern)


def test_running_statistics_that_are_none(tmp_path: Path) -> None:
    net, path = train(make(norm="batch")), tmp_path / "file"
    net.save(path)
    header, body = split(unsigned(path.read_bytes()))
    place = header["layers.1.running_var"]["data_offsets"][0]
    for value, pattern in ((-1.0, "running_var of layer 1 must be >= 0"), (np.nan, "NaN")):
        bad = np.float32(value).tobytes()
        path.write_bytes(joined(header, body[:place] + bad + body[place + 4 :]))
        refused(lambda: sb.load(path), ValueError, "is not read", pattern)
    header["layers.1.other"] = header.pop("layers.1.running_mean")
    path.write_bytes(joined(header, body))
    refused(lambda: sb.load(path), ValueError, r"layers\.1\.running_mean is missing")
    net.layers[0].running_mean[0] = np.inf
    refused(lambda: net.save(path), ValueError, r"layers\.1\.running_mean.*infinity")
